"""Where blocking work is done: threads that can be left alone when they take too long."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

# threading's waits overflow far above this; whoever waits longer is woken for nothing once a day.
LONGEST_WAIT_SECONDS = 86400.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a piece of work: its value, or the error that it raised."""

    token: int
    value: object = None
    error: BaseException | None = None


class Workers(Protocol):
    """Does work side by side and hands the outcomes back one after the other."""

    def start(self, token: int, work: Callable[[], object]) -> None:
        """Begin `work`; its outcome will carry `token`."""
        ...

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        """Block until something is done, the time is over, or `wake` was called."""
        ...

    def wake(self) -> None:
        """Make `wait` return; safe from any thread and from a signal handler."""
        ...


class ThreadWorkers:
    """One daemon thread for each piece of work, so that none can hold up the end of the run."""

    def __init__(self) -> None:
        self._outcomes: SimpleQueue[Outcome | None] = SimpleQueue()

    def start(self, token: int, work: Callable[[], object]) -> None:
        """Begin `work` in a thread of its own."""
        thread = threading.Thread(
            target=self._run, args=(token, work), name=f"advexport-{token}", daemon=True
        )
        thread.start()

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        """Block until something is done, the time is over, or `wake` was called."""
        found: list[Outcome] = []
        try:
            first = self._outcomes.get(timeout=_bounded(timeout_seconds))
        except Empty:
            return found
        while True:
            if first is not None:
                found.append(first)
            try:
                first = self._outcomes.get_nowait()
            except Empty:
                return found

    def wake(self) -> None:
        """Make `wait` return."""
        self._outcomes.put(None)

    def _run(self, token: int, work: Callable[[], object]) -> None:
        try:
            outcome = Outcome(token, value=work())
        except BaseException as error:  # noqa: BLE001 - handed over whole, and raised there
            outcome = Outcome(token, error=error)
        self._outcomes.put(outcome)


def _bounded(timeout_seconds: float | None) -> float:
    if timeout_seconds is None:
        return LONGEST_WAIT_SECONDS
    return min(max(timeout_seconds, 0.0), LONGEST_WAIT_SECONDS)
