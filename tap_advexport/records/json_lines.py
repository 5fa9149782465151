"""Encodes verified rows as JSON lines, which `records.lines` reads back.

The columns of a block go through caches with `map`, and its rows through `zip` and `join`, so that
little Python code runs for each row.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Final

from tap_advexport.records.caches import Cache
from tap_advexport.records.cells import integer_text
from tap_advexport.reports import COLUMN_NAMES, COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from tap_advexport.records.cells import TimeGrid

# The first column has nearly as many distinct values as rows, so it is not cached.
_UNCACHED: Final = COLUMN_NAMES[0]
# The end of every line, after the last digit of `row_key`.
_TAIL: Final = b'"\n'
_KINDS: Final = {column.name: column.kind for column in COLUMNS}


class JsonLines:
    """Encodes the selected columns as JSON lines.

    Attributes:
        block_bytes: bytes of the file to encode at a time: a few hundred rows, few enough for the
            processor's cache and enough to make the fixed cost of a block small.
    """

    block_bytes = 1 << 14

    def __init__(self, grid: TimeGrid, columns: Collection[str]) -> None:
        """Build the caches.

        Args:
            grid: reads the cells of `time`.
            columns: the columns to write; `row_key` is always written.
        """
        selected = [name for name in COLUMN_NAMES if name in columns]
        self._fragments = {
            name: _fragments(name, grid, is_first=name == selected[0])
            for name in selected
            if name != _UNCACHED
        }
        self._is_uncached_out = _UNCACHED in columns
        self._to_row_key = Cache(
            _to_row_key(grid, is_first=not selected, is_dated="report_date" in columns)
        )
        first = _prefix(_UNCACHED, is_first=True) if self._is_uncached_out else ""
        self._head = ("{" + first).encode()
        self._between = _TAIL + self._head

    def encode(
        self, columns: Mapping[str, Sequence[str]], row_keys: Sequence[bytes]
    ) -> list[bytes]:
        """Return the line of each row, without `self._head` before it and `_TAIL` after it."""
        uncached = [_text_fragments(columns[_UNCACHED])] if self._is_uncached_out else []
        fragments = [fragment(columns[name]) for name, fragment in self._fragments.items()]
        to_row_key = self._to_row_key.read(columns["time"])
        pieces = zip(*uncached, *fragments, to_row_key, row_keys, strict=True)
        return list(map(b"".join, pieces))

    def refuse_totals(self, period: date, totals: Mapping[str, int | Decimal]) -> None:
        """Accept all totals: JSON has numbers of any size."""

    def part(self, rows: list[bytes], start: int, stop: int) -> bytes:
        """Return the rows from `start` to `stop`, which is not included, as whole lines."""
        return b"".join((self._head, self._between.join(rows[start:stop]), _TAIL))

    def joined(self, parts: Iterable[bytes]) -> bytes:
        """Return the parts joined."""
        return b"".join(parts)


def _prefix(name: str, *, is_first: bool) -> str:
    return f'{"" if is_first else ","}"{name}":'


def _fragments(
    name: str, grid: TimeGrid, *, is_first: bool
) -> Callable[[Sequence[str]], Sequence[bytes]]:
    """Return the function that turns a column's cells into their parts of the lines."""
    prefix = _prefix(name, is_first=is_first)
    match _KINDS[name]:
        case Kind.TEXT:
            return Cache(lambda cell: (prefix + encode_basestring(cell)).encode()).read
        case Kind.TIME:
            return Cache(lambda cell: f'{prefix}"{grid.zoned(cell).isoformat()}"'.encode()).read
        case Kind.INTEGER:
            return Cache(lambda cell: (prefix + (integer_text(cell) or "null")).encode()).read
        case Kind.NUMBER:
            return lambda cells: _number_fragments(prefix, cells)


def _text_fragments(cells: Sequence[str]) -> list[bytes]:
    """Encode all cells as JSON at once, separated by line feeds, which JSON strings never hold."""
    return "\n".join(map(encode_basestring, cells)).encode().split(b"\n")


def _number_fragments(prefix: str, cells: Sequence[str]) -> list[bytes]:
    """Put the prefix before all numbers at once: they have many values, so a cache has few hits.

    The cells are valid numbers, so they contain no line feed.
    """
    texts = [cell or "null" for cell in cells] if "" in cells else cells
    return f"\n{prefix}".join(("", *texts)).encode().split(b"\n")[1:]


def _to_row_key(grid: TimeGrid, *, is_first: bool, is_dated: bool) -> Callable[[str], bytes]:
    """Return the function that makes the part from `report_date` up to the digits of `row_key`."""
    to_digits = _prefix("row_key", is_first=is_first and not is_dated) + '"'
    if not is_dated:
        return lambda _: to_digits.encode()
    to_date = _prefix("report_date", is_first=is_first)
    return lambda time: f'{to_date}"{grid.period(time)}"{to_digits}'.encode()
