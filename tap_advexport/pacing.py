"""How long to wait: between tries of a request, between looks at a task, and after a 429."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import backoff

FIRST_RETRY_SECONDS: Final = 0.5
LONGEST_RETRY_SECONDS: Final = 30.0
LONGEST_RETRY_AFTER_SECONDS: Final = 600.0
SHORTEST_LOOK_PAUSE_SECONDS: Final = 0.25
LOOK_PAUSE_SHARE_OF_AGE: Final = 5

# A fraction between 0 and 1, as random.random gives it.
Random = Callable[[], float]


def retry_pause(tries: int, *, random: Random, retry_after_seconds: float | None = None) -> float:
    """Seconds to wait before a request is sent again: exponential with full jitter.

    Args:
        tries: how often it was sent so far, 1 or more.
        random: gives the jitter.
        retry_after_seconds: what the server asked for; honoured up to ten minutes.
    """
    pause = random() * _exponential(tries)
    if retry_after_seconds is None:
        return pause
    return min(retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS) + pause


def _exponential(tries: int) -> float:
    waits = backoff.expo(base=2, factor=FIRST_RETRY_SECONDS, max_value=LONGEST_RETRY_SECONDS)
    next(waits)  # what a `send` starts the generator with, no pause
    return next(islice(waits, min(tries, 64) - 1, None))


@dataclass(slots=True)
class LookTimes:
    """When to look at a task again, with what the finished tasks of this run have taught.

    A task is looked at after a fifth of its age, at least 0.25 s and at most
    `poll_interval_seconds` later. Tasks of one run tend to take equally long; so the span of ages
    in which the latest one was found to finish is remembered, and a task is also looked at in its
    middle and at its end. Every finish narrows the span, and few tasks are noticed late by more
    than a few percent.
    """

    poll_interval_seconds: float
    _unfinished_age: float = 0.0
    _finished_age: float | None = None

    def pause(self, age_seconds: float) -> float:
        """Seconds until the next look at a task that was demanded `age_seconds` ago."""
        ladder = max(SHORTEST_LOOK_PAUSE_SECONDS, age_seconds / LOOK_PAUSE_SHARE_OF_AGE)
        ladder = min(ladder, self.poll_interval_seconds)
        return min([ladder, *self._learned_pauses(age_seconds, ladder)])

    def _learned_pauses(self, age: float, ladder: float) -> Iterator[float]:
        if self._finished_age is None:
            return
        least = min(0.02 * self._finished_age + 0.01, ladder)
        for expected in ((self._unfinished_age + self._finished_age) / 2, self._finished_age):
            if expected - age >= least:
                yield expected - age

    def learn(self, unfinished_age: float, finished_age: float) -> None:
        """A task was unfinished at the one age and found finished at the other (in seconds)."""
        self._unfinished_age = unfinished_age
        self._finished_age = finished_age


@dataclass(slots=True)
class Throttle:
    """Slows all requests of the tap after a 429, as one: no matter how many were in flight.

    Until the pause is over nothing is sent. Then requests go out one at a time; every answer that
    is no 429 doubles how many may be under way at once, until all may.
    """

    unlimited: int
    _open_at: float = 0.0
    _at_once: int = field(default=0)
    _rounds: int = 0

    def __post_init__(self) -> None:
        self._at_once = self.unlimited

    def seconds_until_open(self, now: float) -> float:
        """How long nothing may be sent, from the monotonic time `now` on."""
        return max(0.0, self._open_at - now)

    @property
    def at_once(self) -> int:
        """How many requests may be under way at the same time."""
        return self._at_once

    def refused(
        self, now: float, *, sent_at: float, retry_after_seconds: float | None, random: Random
    ) -> None:
        """A request that was sent at `sent_at` was answered with 429."""
        is_news = sent_at >= self._open_at
        if is_news:
            self._rounds += 1
            self._at_once = 1
        if is_news or retry_after_seconds is not None:
            pause = retry_pause(
                self._rounds, random=random, retry_after_seconds=retry_after_seconds
            )
            self._open_at = max(self._open_at, now + pause)

    def answered(self) -> None:
        """A request got another answer than 429."""
        if self._at_once < self.unlimited:
            self._at_once = min(self.unlimited, self._at_once * 2)
        else:
            self._rounds = 0
