"""How long writing may go on after a signal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class GraceAfterSignal:
    """After a signal, writing may go on for a few seconds, and then ends at a line's end."""

    def __init__(
        self, grace_seconds: float = 3.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_seconds = grace_seconds
        self._monotonic = monotonic
        self._ends_at: float | None = None

    def begin(self) -> None:
        """A signal came (the first counts)."""
        if self._ends_at is None:
            self._ends_at = self._monotonic() + self._grace_seconds

    def extend(self, seconds: float) -> None:
        """Allow for what is still to be written at the very end."""
        self._ends_at = self._monotonic() + seconds

    def is_over(self) -> bool:
        """Writing has to end at the next end of a line."""
        return self._ends_at is not None and self._monotonic() >= self._ends_at
