"""Workers without threads: work is done when it is begun, and its outcome comes when it is due."""

from __future__ import annotations

import heapq
import itertools
import math
from typing import TYPE_CHECKING

from tap_advexport.exports.workers import Outcome
from tests.laws.simulation.fate import Killed, LawBrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.laws.simulation.clock import VirtualClock
    from tests.laws.simulation.fate import Fate

LONGEST_WAIT_SECONDS = 86400.0


class VirtualWorkers:
    """Jobs side by side in virtual time.

    A job runs at once, and the time that it lets pass is its own: the clock is set back
    afterwards, and the outcome is handed over when that time is over.
    """

    def __init__(self, clock: VirtualClock, fate: Fate) -> None:
        self._clock = clock
        self._fate = fate
        self._is_woken = False
        self._count = itertools.count()
        self._due: list[tuple[float, int, Outcome]] = []

    def start(self, token: int, work: Callable[[], object]) -> None:
        """Do the work, and keep what comes of it until it is due."""
        self._fate.step()
        began = self._clock.seconds
        try:
            outcome = Outcome(token, value=work())
        except Killed:
            raise
        except BaseException as error:  # noqa: BLE001 - handed over whole, as threads do
            outcome = Outcome(token, error=error)
        heapq.heappush(self._due, (self._clock.seconds, next(self._count), outcome))
        self._clock.seconds = began

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        """Let time pass until something is due, the time is over, or `wake` was called."""
        self._fate.step()
        if self._is_woken:
            self._is_woken = False
            return self._take()
        timeout = math.inf if timeout_seconds is None else max(timeout_seconds, 0.0)
        ends_at = self._clock.seconds + timeout
        next_at = self._due[0][0] if self._due else math.inf
        until = min(ends_at, next_at)
        if math.isinf(until):
            msg = "the run waits for something that cannot come"
            raise LawBrokenError(msg)
        self._clock.seconds = max(self._clock.seconds, until)
        return self._take()

    def wake(self) -> None:
        """Make the next `wait` return at once."""
        self._is_woken = True

    def close(self, discard: Callable[[Outcome], None]) -> None:
        """Discard what nobody will take."""
        for _, _, outcome in self._due:
            discard(outcome)

    def _take(self) -> list[Outcome]:
        taken = []
        while self._due and self._due[0][0] <= self._clock.seconds:
            taken.append(heapq.heappop(self._due)[2])
        return taken
