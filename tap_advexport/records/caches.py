"""Turns the cells of a column to values, each distinct cell once, and remembers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

V = TypeVar("V")

_CELLS: Final = 8192
_CHARACTERS: Final = 1 << 20


class Cache(Generic[V]):
    """From cells to values; so many are remembered that memory stays flat whatever comes."""

    def __init__(self, make: Callable[[str], V]) -> None:
        self._make = make
        self._values: dict[str, V] = {}
        self._get = self._values.__getitem__
        self._characters = 0

    def read(self, cells: Sequence[str]) -> list[V]:
        """Give each cell's value; raises what making one raises."""
        try:
            return list(map(self._get, cells))
        except KeyError:
            self._learn(set(cells))
            return list(map(self._get, cells))

    def _learn(self, cells: Iterable[str]) -> None:
        # Only here: while a block is read, all of its cells must be known at once.
        if len(self._values) > _CELLS or self._characters > _CHARACTERS:
            self._values.clear()
            self._characters = 0
        new = [cell for cell in cells if cell not in self._values]
        self._values.update(zip(new, map(self._make, new), strict=True))
        self._characters += sum(map(len, new))
