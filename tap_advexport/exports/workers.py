"""Where blocking work is done: threads that can be left alone when they take too long."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Item = TypeVar("_Item")

# threading's waits overflow far above this; whoever waits longer is woken for nothing once a day.
MAX_WAIT_SECONDS = 86400.0


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

    def close(self, discard: Callable[[Outcome], None]) -> None:
        """Begin nothing any more; what is under way may end when it likes, and is discarded."""
        ...


class ThreadWorkers:
    """Daemon threads, so that none can hold up the end of the run; an idle one works again."""

    def __init__(self) -> None:
        self._outcomes: SimpleQueue[Outcome | None] = SimpleQueue()
        self._work: SimpleQueue[tuple[int, Callable[[], object]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._thread_count = 0
        self._discard: Callable[[Outcome], None] | None = None

    def start(self, token: int, work: Callable[[], object]) -> None:
        """Begin `work` in an idle thread, or in a new one."""
        self._work.put((token, work))
        if not self._idle.acquire(blocking=False):
            self._thread_count += 1
            threading.Thread(target=self._serve, name=f"advexport-{token}", daemon=True).start()

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        """Block until something is done, the time is over, or `wake` was called."""
        found = drained(self._outcomes, _bounded(timeout_seconds))
        return [outcome for outcome in found if outcome is not None]

    def wake(self) -> None:
        """Make `wait` return."""
        self._outcomes.put(None)

    def close(self, discard: Callable[[Outcome], None]) -> None:
        """Let the threads go, each when it is idle: the process may live on without the run."""
        self._discard = discard
        self._drop_outcomes()
        for _ in range(self._thread_count):
            self._work.put(None)

    def _serve(self) -> None:
        while item := self._work.get():
            token, work = item
            try:
                outcome = Outcome(token, value=work())
            except BaseException as error:  # noqa: BLE001 - handed over whole, and raised there
                outcome = Outcome(token, error=error)
            # Idle before its outcome is taken, so that what follows from that finds it so.
            self._idle.release()
            self._outcomes.put(outcome)
            # Nothing of the work may live on in a thread that waits.
            del item, work, outcome
            self._drop_outcomes()

    def _drop_outcomes(self) -> None:
        """Discard what nobody takes; `close` and work that ends each see what the other left."""
        if self._discard is not None:
            for outcome in drained(self._outcomes, 0.0):
                if outcome is not None:
                    self._discard(outcome)


def drained(queue: SimpleQueue[_Item], timeout_seconds: float) -> list[_Item]:
    """Give all that lies in a queue; wait for the first of it, but no longer than this."""
    found: list[_Item] = []
    with suppress(Empty):
        found.append(queue.get(timeout=timeout_seconds))
        while True:
            found.append(queue.get_nowait())
    return found


def _bounded(timeout_seconds: float | None) -> float:
    if timeout_seconds is None:
        return MAX_WAIT_SECONDS
    return min(max(timeout_seconds, 0.0), MAX_WAIT_SECONDS)
