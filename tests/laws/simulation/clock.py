"""Time that passes only when somebody waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

_NEVER: Final = 100 * 366 * 86400.0


class VirtualClock:
    """A monotonic clock and a wall clock that starts at a moment and may be set wrong."""

    def __init__(self, start: datetime) -> None:
        self.seconds = 0.0
        self.skew = timedelta()
        self._start = start

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self.seconds

    def now(self) -> datetime:
        """The moment that the tap's machine believes in."""
        return self.true_now() + self.skew

    def true_now(self) -> datetime:
        """The moment that the API goes by."""
        return self._start + timedelta(seconds=self.seconds)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass."""
        if not 0 <= seconds < _NEVER:
            msg = f"{seconds} seconds cannot pass"
            raise AssertionError(msg)
        self.seconds += seconds
