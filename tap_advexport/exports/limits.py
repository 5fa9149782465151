"""Limits on the exports of a run: as configured, and as learned from refusals of the API."""

from __future__ import annotations

from collections import Counter
from typing import Final

from msgspec import Struct, field

# A 429 may be due to a limit on submissions per minute, so one more is tried after this time.
FIRST_PROBE_SECONDS: Final = 65.0
PROBE_GROWTH: Final = 4.0
# A learned span between submissions is multiplied by this after each one accepted without a 429.
SPAN_SHRINKS_TO: Final = 0.9
MIN_SPAN_SECONDS: Final = 1.0
MAX_SPAN_SECONDS: Final = 600.0
# How long a task of ours that no job holds may count as unfinished: at least this, or so many times
# as long as the tasks of this run take.
UNSEEN_SECONDS: Final = 120.0
UNSEEN_FACTOR: Final = 2
# An API may show a task as finished before it counts it so. The longer span is for a refusal in the
# words that it has used for a limit before.
ENDED_SECONDS: Final = 5.0
ENDED_AT_LIMIT_SECONDS: Final = 14.0
# At most so often is a window refused while a task that has ended may count as open.
REFUSED_AFTER_END: Final = 3
# Words that were a refusal this often are one, though a task that nobody sees may exist again.
BELIEVED_AFTER: Final = 3


class Limits(Struct, frozen=True):
    """The configured limits of a run; times in seconds."""

    max_concurrent_exports: int
    conversions_at_once: int
    poll_interval_seconds: float
    export_timeout_seconds: float
    request_timeout_seconds: float


class TaskLimit(Struct):
    """How many tasks may be open at the API at once: learned from refusals, raised one by one."""

    configured: int
    _learned: int | None = None
    _probe_at: float = float("inf")
    _probe_seconds: float = FIRST_PROBE_SECONDS

    @property
    def is_learned(self) -> bool:
        """Whether a limit below the configured one was learned from a refusal."""
        return self._learned is not None

    @property
    def probe_at(self) -> float:
        """When to try one more task although none of ours has ended."""
        return self._probe_at

    def at(self, now: float) -> int:
        """Return how many tasks may be open now; raise the limit by one if a probe is due."""
        if now >= self._probe_at:
            self._probe_at = float("inf")
            self._raise()
        return min(self._learned or self.configured, self.configured)

    def refused(self, open_tasks: int, now: float, *, may_be_rate: bool) -> None:
        """Note that a submission was refused while `open_tasks` other tasks were open.

        Args:
            may_be_rate: the refusal may be about submissions per minute instead of open tasks.
        """
        self._learned = max(1, open_tasks)
        if may_be_rate:
            self._probe_at = now + self._probe_seconds
            self._probe_seconds *= PROBE_GROWTH

    def succeeded(self) -> None:
        """Note that a task of ours has finished, and raise a learned limit by one."""
        self._raise()

    def _raise(self) -> None:
        if self._learned is not None:
            self._learned += 1
            if self._learned >= self.configured:
                self._learned = None


class UnseenTasks(Struct):
    """Tasks of ours that may fill the API's limit although none is known to be open; one per run.

    A submission whose answer was lost may have made one. One that took too long goes on there, and
    so may those that earlier runs submitted. Times are by the monotonic clock.
    """

    _since: float = float("-inf")
    _ended_at: float = float("-inf")
    _longest_seconds: float = 0.0
    _limit_words: set[str] = field(default_factory=set)
    _proven_limits: set[str] = field(default_factory=set)
    _refusals: Counter[str] = field(default_factory=Counter)

    @property
    def seconds(self) -> float:
        """How long one may count as unfinished."""
        return max(UNSEEN_SECONDS, UNSEEN_FACTOR * self._longest_seconds)

    def may_exist(self, now: float) -> None:
        """Note that there may be one from now on."""
        self._since = now

    def is_possible(self, now: float) -> bool:
        """Return whether there may be one."""
        return now < self._since + self.seconds

    def ended(self, now: float, *, took: float = 0.0) -> None:
        """Note that a task was found to have ended; `took` is how long, if known, in seconds."""
        self._ended_at = now
        self._longest_seconds = max(self._longest_seconds, took)

    def limited(self, said: str) -> None:
        """Note the words in which the API refused a submission while other tasks were open."""
        if said not in self._refusals:
            self._limit_words.add(said)

    def prove_limit(self, said: str) -> None:
        """Note that a window was accepted that was refused in these words, if any, when crowded."""
        if said:
            self._proven_limits.add(said)

    def is_limit(self, said: str) -> bool:
        """Return whether a refusal in these words was one for the time being before."""
        return said in self._proven_limits

    def refused(self, said: str, now: float, *, refused_before: int = 0) -> None:
        """Note the words of a refusal that none of them can have been the reason of.

        They are believed when they stood so often although one might have existed, or after it
        was waited for in vain.

        Args:
            refused_before: how often the window was refused just before, each time after a pause.
        """
        has_waited = refused_before > REFUSED_AFTER_END
        self._refusals[said] += has_waited or self.is_possible(now)
        self._limit_words.discard(said)

    def is_refusal(self, said: str) -> bool:
        """Return whether a refusal in these words has been one of its days before."""
        return said in self._refusals

    def may_refuse(self, said: str, now: float) -> bool:
        """Return whether a refusal in these words may be due to one of them."""
        is_limit = said and said in self._limit_words
        until = self._ended_at + (ENDED_AT_LIMIT_SECONDS if is_limit else ENDED_SECONDS)
        if self._refusals[said] < BELIEVED_AFTER:
            until = max(until, self._since + self.seconds)
        return now < until


class SubmissionPace(Struct):
    """How far apart submissions must be: learned from one that was accepted after 429s.

    A single 429 teaches nothing: it may have come in a moment of overload, after a long task.
    """

    _span_seconds: float = 0.0
    _accepted_at: float = float("-inf")
    _refusals: int = 0

    @property
    def opens_at(self) -> float:
        """When the next submission may be sent."""
        return self._accepted_at + self._span_seconds

    def refused(self, *, is_told: bool) -> None:
        """Note that a submission was answered with 429 while no other task of ours was open.

        Args:
            is_told: the answer said how long to wait, so it is a limit and no moment of overload.
        """
        self._refusals += 2 if is_told else 1

    def accepted(self, now: float) -> None:
        """Note that a submission was accepted."""
        if self._refusals > 1 and now - self._accepted_at <= MAX_SPAN_SECONDS:
            self._span_seconds = now - self._accepted_at
        elif self._span_seconds * SPAN_SHRINKS_TO >= MIN_SPAN_SECONDS:
            self._span_seconds *= SPAN_SHRINKS_TO
        else:
            self._span_seconds = 0.0
        self._refusals, self._accepted_at = 0, now
