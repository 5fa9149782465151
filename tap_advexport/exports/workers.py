"""Workers for blocking work: threads that can be left behind when they take too long."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable

_Item = TypeVar("_Item")

# The waits of `threading` overflow far above this. A longer wait wakes up once a day for nothing.
MAX_WAIT_SECONDS = 86400.0


class Outcome(Struct, frozen=True):
    """The result of a piece of work: its value, or the error that it raised."""

    token: int
    value: object = None
    error: BaseException | None = None


class Workers(Protocol):
    """Does work concurrently, and hands back its outcomes."""

    def start(self, token: int, work: Callable[[], object]) -> None:
        """Start `work`; its outcome carries `token`."""
        ...

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        """Block until work is done, the timeout is over, or `wake` was called."""
        ...

    def wake(self) -> None:
        """Make `wait` return; safe from any thread and from a signal handler."""
        ...

    def close(self, discard: Callable[[Outcome], None]) -> None:
        """Start no more work. Work in progress may still end, and its outcome is discarded."""
        ...


class ThreadWorkers:
    """Works in daemon threads, which cannot delay the end of the run; idle ones are reused."""

    def __init__(self) -> None:
        self._outcomes: SimpleQueue[Outcome | None] = SimpleQueue()
        self._work: SimpleQueue[tuple[int, Callable[[], object]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._thread_count = 0
        self._discard: Callable[[Outcome], None] | None = None

    def start(self, token: int, work: Callable[[], object]) -> None:
        """Start `work` in an idle thread, or in a new one."""
        self._work.put((token, work))
        if not self._idle.acquire(blocking=False):
            self._thread_count += 1
            threading.Thread(target=self._serve, name=f"advexport-{token}", daemon=True).start()

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        """Block until work is done, the timeout is over, or `wake` was called."""
        found = drained(self._outcomes, _bounded(timeout_seconds))
        return [outcome for outcome in found if outcome is not None]

    def wake(self) -> None:
        """Make `wait` return."""
        self._outcomes.put(None)

    def close(self, discard: Callable[[Outcome], None]) -> None:
        """End each thread as soon as it is idle, because the process may outlive the run."""
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
            # Mark the thread idle before its outcome can be taken, so that new work can reuse it.
            self._idle.release()
            self._outcomes.put(outcome)
            # An idle thread must not keep references to the work or its outcome.
            del item, work, outcome
            self._drop_outcomes()

    def _drop_outcomes(self) -> None:
        """Discard outcomes after `close`; work that ends later calls this too, to miss none."""
        if self._discard is not None:
            for outcome in drained(self._outcomes, 0.0):
                if outcome is not None:
                    self._discard(outcome)


def drained(queue: SimpleQueue[_Item], timeout_seconds: float) -> list[_Item]:
    """Return all items of a queue; wait for the first one, at most `timeout_seconds`."""
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
