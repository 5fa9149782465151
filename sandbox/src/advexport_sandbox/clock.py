"""The API's own clock, which a test can move."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable


def wall_clock() -> datetime:
    """Read the real clock."""
    return datetime.now(UTC)  # noqa: TID251  # the one place that reads the clock


class Clock:
    """What time it is for the API, and how many seconds its tasks and URLs have lived.

    Args:
        start: Where the clock stands still until it is moved; without it, it follows `wall`.
        timezone: The zone that decides which day it is.
    """

    def __init__(
        self,
        start: datetime | None = None,
        *,
        timezone: str = "UTC",
        wall: Callable[[], datetime] = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start = None if start is None else _aware(start)
        self._zone = ZoneInfo(timezone)
        self._wall = wall
        self._monotonic = monotonic
        self._offset = timedelta()
        self._skipped_seconds = 0.0
        self._epoch = wall().timestamp() - monotonic()
        self._lock = Lock()

    def now(self) -> datetime:
        """Tell the time, with offset."""
        return (self._start or self._wall()) + self._offset

    def local(self) -> datetime:
        """Tell what a clock on the API's wall shows: its zone's time, without offset."""
        return self.now().astimezone(self._zone).replace(tzinfo=None)

    def seconds(self) -> float:
        """Count seconds that never go back: real ones and those skipped by moving the clock."""
        return self._epoch + self._monotonic() + self._skipped_seconds

    def advance(self, delta: timedelta) -> None:
        """Move the clock; when it goes forward, tasks and URLs grow older with it."""
        with self._lock:
            self._offset += delta
            self._skipped_seconds += max(delta.total_seconds(), 0)

    def set(self, now: datetime) -> None:
        """Move the clock to a time; a time without offset is in UTC."""
        self.advance(_aware(now) - self.now())


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
