"""How long to wait: between tries of a request, between polls of a task, and after a 429."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median_low
from typing import Final

import backoff
from msgspec import Struct, field

FIRST_RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 30.0
MAX_RETRY_AFTER_SECONDS: Final = 600.0
MIN_POLL_PAUSE_SECONDS: Final = 0.25
POLL_PAUSE_SHARE_OF_AGE: Final = 5
# The least pause before a poll at a learned time: these seconds plus this share of the usual age.
MIN_LEARNED_SECONDS: Final = 0.01
MIN_LEARNED_SHARE: Final = 0.02
# If the finishes do not agree, polls are at least this share of the task's age apart.
LEARNED_STEP: Final = 0.05
FINISHES_REMEMBERED: Final = 16
# Only tasks whose ages differ by at most this factor from the median are compared.
NEAR_FACTOR: Final = 1.5

# Returns a fraction between 0 and 1, as random.random does.
Random = Callable[[], float]


def retry_pause(tries: int, *, random: Random, retry_after_seconds: float | None = None) -> float:
    """Return the seconds to wait before a retry: exponential backoff with full jitter.

    Args:
        tries: how often the request was sent so far, 1 or more.
        random: gives the jitter.
        retry_after_seconds: the pause that the server asked for; honoured up to ten minutes.
    """
    pause = random() * _exponential(tries)
    if retry_after_seconds is None:
        return pause
    return min(retry_after_seconds, MAX_RETRY_AFTER_SECONDS) + pause


def poll_again_pause(times: int, longest: float = MAX_RETRY_SECONDS) -> float:
    """Return the seconds until a task or file that is not visible yet is polled again.

    Each pause is twice as long as the one before.

    Args:
        times: how many polls found nothing so far, 1 or more.
        longest: the longest pause, in seconds.
    """
    return min(MIN_POLL_PAUSE_SECONDS * 2.0 ** (min(times, 64) - 1), longest)


def _exponential(tries: int) -> float:
    waits = backoff.expo(base=2, factor=FIRST_RETRY_SECONDS, max_value=MAX_RETRY_SECONDS)
    next(waits)  # the first value is no pause: `send` needs it to start the generator
    return next(islice(waits, min(tries, 64) - 1, None))


class Finish(Struct, frozen=True):
    """The ages, in seconds, at which a task was last seen unfinished and first seen finished."""

    unfinished_age: float
    finished_age: float


class PollSchedule(Struct):
    """When to poll a task again; learns from the finished tasks of this run.

    A task is polled again after a fifth of its age, but at least 0.25 s and at most
    `poll_interval_seconds` later. Tasks of one run tend to take equally long, except for some that
    take many times as long. So the latest finishes are remembered, and those near their median add
    further polls. If they agree on a span of ages, these polls are in its middle and at its end, so
    that every finish narrows the span. If not, they go in small steps from the earliest finish to
    the latest.
    """

    poll_interval_seconds: float
    _finishes: deque[Finish] = field(default_factory=lambda: deque(maxlen=FINISHES_REMEMBERED))

    def pause(self, age_seconds: float) -> float:
        """Return the seconds until the next poll of a task that was submitted `age_seconds` ago."""
        ladder = max(MIN_POLL_PAUSE_SECONDS, age_seconds / POLL_PAUSE_SHARE_OF_AGE)
        ladder = min(ladder, self.poll_interval_seconds)
        return min([ladder, *self._learned_pauses(age_seconds, ladder)])

    def learn(self, unfinished_age: float, finished_age: float) -> None:
        """Note the ages, in seconds, at which a task was last unfinished and first finished."""
        self._finishes.append(Finish(unfinished_age, finished_age))

    def _learned_pauses(self, age: float, ladder: float) -> Iterator[float]:
        if not self._finishes:
            return
        middle = median_low(each.finished_age for each in self._finishes)
        near = [each for each in self._finishes if _is_near(each.finished_age, middle)]
        least = min(MIN_LEARNED_SHARE * middle + MIN_LEARNED_SECONDS, ladder)
        earliest = min(each.finished_age for each in near)
        unfinished = max(each.unfinished_age for each in near)
        if unfinished < earliest:
            looks = ((unfinished + earliest) / 2, earliest)
        else:
            latest = max(each.finished_age for each in near)
            step = max(age * LEARNED_STEP, least)
            looks = (earliest, min(age + step, latest) if age >= earliest else latest)
        for look in looks:
            if look > age:
                yield max(look - age, least)


def _is_near(age: float, other: float) -> bool:
    return other / NEAR_FACTOR <= age <= other * NEAR_FACTOR


class Throttle(Struct):
    """Slows all requests of the tap after a 429; several 429s at the same time count as one.

    Nothing is sent until the pause is over. Then requests are sent one at a time. Every answer
    other than 429 doubles how many may be in flight at once, up to the full number.
    """

    unlimited: int
    _open_at: float = 0.0
    _at_once: int = field(default=0)
    _rounds: int = 0

    def __post_init__(self) -> None:
        self._at_once = self.unlimited

    def seconds_until_open(self, now: float) -> float:
        """Return the seconds from the monotonic time `now` until requests may be sent."""
        return max(0.0, self._open_at - now)

    @property
    def at_once(self) -> int:
        """How many requests may be in flight at the same time."""
        return self._at_once

    def refused(
        self, now: float, *, sent_at: float, retry_after_seconds: float | None, random: Random
    ) -> None:
        """Note that a request that was sent at `sent_at` was answered with 429."""
        is_news = sent_at >= self._open_at
        if is_news:
            self._rounds += 1
            self._at_once = 1
        if is_news or retry_after_seconds is not None:
            # A late 429 can arrive after full recovery; count it as a new first round.
            pause = retry_pause(
                max(self._rounds, 1), random=random, retry_after_seconds=retry_after_seconds
            )
            self._open_at = max(self._open_at, now + pause)

    def answered(self) -> None:
        """Note that a request got an answer other than 429."""
        self._rounds = max(0, self._rounds - 1)
        self._at_once = min(self.unlimited, self._at_once * 2)
