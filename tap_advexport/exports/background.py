"""Lets exports go on in a thread of their own while what they brought is emitted."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

IDLE_SECONDS: Final = 1.0

_Item = TypeVar("_Item")


class Background(Generic[_Item]):
    """Lets an iterator run ahead in a daemon thread, and hands over what it has, all at a time."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = items
        self._queue: SimpleQueue[tuple[_Item, ...] | BaseException | None] = SimpleQueue()

    def batches(self, on_idle: Callable[[], None]) -> Iterator[list[_Item]]:
        """Give the items as they come. `on_idle` is called about every second that none does.

        Raises:
            whatever the iterator raises, after all items before it.
        """
        Thread(target=self._feed, name="advexport-exports", daemon=True).start()
        while True:
            try:
                items, end = self._drain()
            except Empty:
                on_idle()
                continue
            if items:
                yield items
            if isinstance(end, BaseException):
                raise end
            if end is not None:
                return

    def _drain(self) -> tuple[list[_Item], BaseException | bool | None]:
        found: list[_Item] = []
        got = self._queue.get(timeout=IDLE_SECONDS)
        while True:
            if not isinstance(got, tuple):
                return found, True if got is None else got
            found += got
            try:
                got = self._queue.get_nowait()
            except Empty:
                return found, None

    def _feed(self) -> None:
        try:
            for item in self._items:
                self._queue.put((item,))
        except BaseException as error:  # noqa: BLE001 - raised where the items are taken
            self._queue.put(error)
        else:
            self._queue.put(None)
