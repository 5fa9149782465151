"""The grace period for writing after a signal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class GraceAfterSignal:
    """Allows writing for a few seconds after a signal; it then ends at the end of a line."""

    def __init__(
        self, grace_seconds: float = 3.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_seconds = grace_seconds
        self._monotonic = monotonic
        self._ends_at: float | None = None

    def begin(self) -> None:
        """Start the grace period after a signal; only the first signal counts."""
        if self._ends_at is None:
            self._ends_at = self._monotonic() + self._grace_seconds

    def extend(self, seconds: float) -> None:
        """Allow some more seconds from now, for what is still to be written at the very end."""
        self._ends_at = self._monotonic() + seconds

    def is_over(self) -> bool:
        """Return whether writing must stop at the next end of a line."""
        return self._ends_at is not None and self._monotonic() >= self._ends_at
