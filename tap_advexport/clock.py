"""The clock that is passed to all code that waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Measures durations and tells the current time."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment."""
        ...

    def now(self) -> datetime:
        """Return the current time, with a time zone."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment; on Linux, the start of the machine."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock
