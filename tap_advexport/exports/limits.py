"""What bounds the exports of a run: as it was set, and as the refusals of the API teach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# When a 429 may have been one of so many submissions a minute, one more is tried after this.
FIRST_PROBE_SECONDS: Final = 65.0
PROBE_GROWTH: Final = 4.0
# A learned span between submissions shrinks by this with each that is accepted at once.
SPAN_SHRINKS_TO: Final = 0.9
MIN_SPAN_SECONDS: Final = 1.0
MAX_SPAN_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a run; times in seconds."""

    max_concurrent_exports: int
    conversions_at_once: int
    poll_interval_seconds: float
    export_timeout_seconds: float
    request_timeout_seconds: float


@dataclass(slots=True)
class TaskLimit:
    """How many tasks may be open at the API at once: as many as it took, and one more to try."""

    configured: int
    _learned: int | None = None
    _probe_at: float = float("inf")
    _probe_seconds: float = FIRST_PROBE_SECONDS

    @property
    def is_learned(self) -> bool:
        """Whether the API has refused one more."""
        return self._learned is not None

    @property
    def probe_at(self) -> float:
        """When one more is to be tried although no task of ours has ended."""
        return self._probe_at

    def at(self, now: float) -> int:
        """How many tasks may be open at this moment."""
        if now >= self._probe_at:
            self._probe_at = float("inf")
            self._raise()
        return min(self._learned or self.configured, self.configured)

    def refused(self, open_tasks: int, now: float, *, may_be_rate: bool) -> None:
        """A submission was refused while so many other tasks were open."""
        self._learned = max(1, open_tasks)
        if may_be_rate:
            self._probe_at = now + self._probe_seconds
            self._probe_seconds *= PROBE_GROWTH

    def succeeded(self) -> None:
        """A task of ours has finished."""
        self._raise()

    def _raise(self) -> None:
        if self._learned is not None:
            self._learned += 1
            if self._learned >= self.configured:
                self._learned = None


@dataclass(slots=True)
class SubmissionPace:
    """How far apart the API takes submissions: learned from one that it took after many 429s."""

    _span_seconds: float = 0.0
    _accepted_at: float = float("-inf")
    _was_refused: bool = False

    @property
    def opens_at(self) -> float:
        """When the next submission may be sent."""
        return self._accepted_at + self._span_seconds

    def refused(self) -> None:
        """A submission was answered with 429 while nothing of ours was open."""
        self._was_refused = True

    def accepted(self, now: float) -> None:
        """A submission was accepted."""
        if self._was_refused and now - self._accepted_at <= MAX_SPAN_SECONDS:
            self._span_seconds = now - self._accepted_at
        elif self._span_seconds * SPAN_SHRINKS_TO >= MIN_SPAN_SECONDS:
            self._span_seconds *= SPAN_SHRINKS_TO
        else:
            self._span_seconds = 0.0
        self._was_refused, self._accepted_at = False, now
