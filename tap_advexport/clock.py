"""The clocks that everything which waits is given."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells durations and moments."""

    def monotonic(self) -> float:
        """Seconds since some moment."""
        ...

    def now(self) -> datetime:
        """The moment, with a time zone."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def now(self) -> datetime:
        """The moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock
