"""Whether a run goes on submitting, as its exports have gone so far, over all its reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# With the usual three attempts, three dozen submissions in vain.
SETBACKS_PER_ATTEMPT: Final = 12


@dataclass(slots=True)
class CircuitBreaker:
    """How the exports of a whole run went, over all its reports: whether to go on asking.

    Attributes:
        succeeded: exports that came whole and valid.
        failed: exports that failed for good, and not because the API refuses their days.
        setbacks: tasks that came to nothing, whatever followed.
        is_doubtful: a window was split because its exports failed.
        is_given_up: the run ended because the API does not work.
        is_refusing: the API refused days in a row, so that older ones were not asked for.
        answered_at: when a request was last answered with anything but 429.
    """

    succeeded: int = 0
    failed: int = 0
    setbacks: int = 0
    is_doubtful: bool = False
    is_given_up: bool = False
    is_refusing: bool = False
    answered_at: float = float("-inf")

    def is_broken(self, limit: int) -> bool:
        """As many exports as may be in flight failed for good, and none worked."""
        return self.succeeded == 0 and self.failed >= limit

    def is_probing(self, limit: int) -> bool:
        """Nothing worked yet and much did not, so that one task at a time is enough to see."""
        return self.succeeded == 0 and (
            self.is_doubtful or self.setbacks >= min(limit, SETBACKS_PER_ATTEMPT)
        )

    def is_hopeless(self, attempts: int, limit: int) -> bool:
        """A few dozen tasks came to nothing, and none worked.

        Args:
            attempts: how often each export may be submitted.
            limit: how many may be in flight: each may meet the same misfortune once.
        """
        return self.succeeded == 0 and self.setbacks >= SETBACKS_PER_ATTEMPT * attempts + limit
