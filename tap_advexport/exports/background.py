"""Runs exports in a separate thread while their results are emitted."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from tap_advexport.exports.workers import drained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

IDLE_SECONDS: Final = 1.0

_Item = TypeVar("_Item")


class Background(Generic[_Item]):
    """Runs an iterator in a daemon thread, and hands over its items in batches."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = items
        self._queue: SimpleQueue[tuple[_Item] | BaseException | None] = SimpleQueue()

    def batches(self, on_idle: Callable[[], None]) -> Iterator[list[_Item]]:
        """Yield the items as they come, all that are there in one batch.

        Args:
            on_idle: called about once a second while no item comes.

        Raises:
            whatever the iterator raises, after all items before it.
        """
        Thread(target=self._feed, name="advexport-exports", daemon=True).start()
        while True:
            got = drained(self._queue, IDLE_SECONDS)
            if not got:
                on_idle()
                continue
            items = [item for each in got if isinstance(each, tuple) for item in each]
            if items:
                yield items
            end = got[-1]
            if isinstance(end, BaseException):
                raise end
            if end is None:
                return

    def _feed(self) -> None:
        try:
            for item in self._items:
                self._queue.put((item,))
        except BaseException as error:  # noqa: BLE001 - raised where the items are taken
            self._queue.put(error)
        else:
            self._queue.put(None)
