"""Cache of cell values, so that each distinct cell of a column is converted only once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

V = TypeVar("V")

_CELLS: Final = 8192
_CHARACTERS: Final = 1 << 20


class Cache(Generic[V]):
    """Maps cells to values. The number of values kept is bounded, so memory stays flat."""

    def __init__(self, make: Callable[[str], V]) -> None:
        self._make = make
        self._values: dict[str, V] = {}
        self._get = self._values.__getitem__
        self._characters = 0

    def read(self, cells: Sequence[str]) -> list[V]:
        """Return the value of each cell; errors of `make` pass through."""
        try:
            return list(map(self._get, cells))
        except KeyError:
            self._learn(set(cells))
            return list(map(self._get, cells))

    def _learn(self, cells: Iterable[str]) -> None:
        # Clear only here: while a block is read, the cache must hold all of its cells.
        if len(self._values) > _CELLS or self._characters > _CHARACTERS:
            self._values.clear()
            self._characters = 0
        new = [cell for cell in cells if cell not in self._values]
        self._values.update(zip(new, self._made(new), strict=True))
        self._characters += sum(map(len, new))

    def _made(self, cells: Sequence[str]) -> Iterable[V]:
        return map(self._make, cells)
