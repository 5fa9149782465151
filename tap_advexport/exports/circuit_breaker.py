"""Decides from the exports of a run so far, over all its reports, whether to go on submitting."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

# With the usual three attempts: three dozen failed tasks, plus one for each that may be in flight.
SETBACKS_PER_ATTEMPT: Final = 12
# The API has made an invalid file, so it works: with one export at a time, one bad day is no proof.
INVALID_FILES: Final = 4


class CircuitBreaker(Struct):
    """Counts the successes and failures of a run, to decide whether to go on submitting.

    Attributes:
        succeeded: exports whose file was whole and valid.
        failed: exports that failed for good, but not because the API refuses their days.
        invalid: how many of `failed` did so because of an invalid row.
        last_failure: why the last of them failed, and what to do.
        setbacks: tasks that failed, so that their window was to be submitted again or split.
        is_doubtful: a window was split because its exports failed.
        is_given_up: the run ended because the API does not work.
        is_refusing: the API refused several windows in a row, so older ones were not submitted.
        answered_at: when a request last got an answer other than 429.
    """

    succeeded: int = 0
    failed: int = 0
    invalid: int = 0
    last_failure: str = ""
    setbacks: int = 0
    is_doubtful: bool = False
    is_given_up: bool = False
    is_refusing: bool = False
    answered_at: float = float("-inf")

    def is_broken(self, limit: int) -> bool:
        """Return whether none succeeded, and as many failed for good as may be in flight."""
        most = max(limit, INVALID_FILES) if self.invalid else limit
        return self.succeeded == 0 and self.failed >= most

    def is_probing(self, limit: int) -> bool:
        """Return whether to try one task at a time: none succeeded so far, and many failed."""
        return self.succeeded == 0 and (
            self.is_doubtful or self.setbacks >= min(limit, SETBACKS_PER_ATTEMPT)
        )

    def is_hopeless(self, attempts: int, limit: int) -> bool:
        """Return whether a few dozen tasks failed, and none succeeded.

        Args:
            attempts: how often each export may be submitted.
            limit: how many exports may be in flight: each may meet the same fault once.
        """
        return self.succeeded == 0 and self.setbacks >= SETBACKS_PER_ATTEMPT * attempts + limit
