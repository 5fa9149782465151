"""Rows of a report to lines of JSON, a block at a time and column by column.

Each column goes through a cache from cells to what goes out for them, with `map` and so at the speed
of C; a cell's grammar is checked when it enters a cache. Caches are bounded.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from tap_advexport.cells import Calendar, integer_text, integer_value, number_text, number_value
from tap_advexport.periods import netstring
from tap_advexport.reports import (
    ADDED_COLUMNS,
    COLUMN_NAMES,
    COLUMNS,
    KEY_DIMENSIONS,
    ROW_KEY_VERSION,
    Kind,
)
from tap_advexport.repeats import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date
    from decimal import Decimal

    from tap_advexport.repeats import Repetitions

V = TypeVar("V")

_CACHE_CELLS: Final = 8192
_CACHE_CHARACTERS: Final = 1 << 20

# The column with about as many values as rows: no cache, and always the first to go out.
_UNCACHED: Final = COLUMN_NAMES[0]
_KINDS: Final = {column.name: column.kind for column in COLUMNS}
_LENGTHS: Final = tuple(b"%d:" % length for length in range(1024))
_encode_text: Final = msgspec.json.Encoder().encode


class Cache(Generic[V]):
    """From the cells of a column to a value for each, of which a bounded number is remembered."""

    def __init__(self, make: Callable[[str], V]) -> None:
        self._make = make
        self._values: dict[str, V] = {}
        self._get = self._values.__getitem__
        self._characters = 0

    def read(self, cells: Sequence[str]) -> list[V]:
        """Give each cell's value."""
        try:
            return list(map(self._get, cells))
        except KeyError:
            self._learn(set(cells))
            return list(map(self._get, cells))

    def _learn(self, cells: set[str]) -> None:
        if len(self._values) > _CACHE_CELLS or self._characters > _CACHE_CHARACTERS:
            self._values.clear()
            self._characters = 0
        for cell in cells - self._values.keys():
            self._values[cell] = self._make(cell)
            self._characters += len(cell)


@dataclass(frozen=True, slots=True)
class Lines:
    """A block of rows, converted: every sequence has one item for each row.

    Attributes:
        lines: a row's line without what `Encoder.join` puts around it.
        keys: SHA-256 of the row's dimensions, before repetitions are counted.
    """

    periods: Sequence[date]
    lines: Sequence[bytes]
    keys: Sequence[bytes]
    digests: Sequence[int]
    clicks: Sequence[int]
    conversions: Sequence[int]
    costs: Sequence[Decimal]


class Encoder:
    """Converts the rows of one export to lines of the selected columns."""

    def __init__(
        self, calendar: Calendar, columns: Sequence[str], constants: Mapping[str, str]
    ) -> None:
        """Build the caches.

        Args:
            calendar: what `time` may be.
            columns: the columns that go out, in canonical order, `row_key` among them.
            constants: the value of each added column that is the same in all rows.
        """
        self._periods = Cache(calendar.period)
        self._clicks = Cache(integer_value)
        self._conversions = Cache(integer_value)
        self._costs = Cache(number_value)
        self._rates = Cache(number_text)
        self._fragments = {
            name: Cache(_fragment(name, calendar, is_first=name == columns[0]))
            for name in columns
            if name in COLUMN_NAMES and name != _UNCACHED
        }
        self._measures = [name for name in self._fragments if name not in KEY_DIMENSIONS]
        self._to_row_key = Cache(_to_row_key(calendar, columns))
        self._key_heads = Cache(_key_head(calendar))
        self._key_parts = {
            name: Cache(_key_part(_KINDS[name])) for name in KEY_DIMENSIONS if name != "time"
        }
        del self._key_parts[_UNCACHED]
        self._is_uncached_out = _UNCACHED in columns
        self._head = b"{" + (_prefix(_UNCACHED, is_first=True) if self._is_uncached_out else b"")
        added = ((name, value) for name, value in constants.items() if name in columns)
        tail = "".join(
            f',"{name}":{json.dumps(value, ensure_ascii=False)}' for name, value in added
        )
        self._tail = f'"{tail}}}\n'.encode()
        self._between = self._tail + self._head

    def encode(self, columns: Mapping[str, Sequence[str]], repetitions: Repetitions) -> Lines:
        """Convert a block of rows, given as its columns.

        Raises:
            InvalidCellError: a cell breaks its column's grammar.
        """
        periods = self._periods.read(columns["time"])
        self._rates.read(columns["cr"])
        clicks = self._clicks.read(columns["clicks_aggr"])
        conversions = self._conversions.read(columns["conversions_aggr"])
        costs = self._costs.read(columns["cost_aggr"])
        images = self._key_images(columns)
        keys = [sha256.digest() for sha256 in map(hashlib.sha256, images)]
        row_keys = _row_keys(keys)
        for index, number in repetitions.of_rows(periods) if repetitions else ():
            image = images[index] + netstring(str(number))
            row_keys[index] = hashlib.sha256(image).hexdigest()[: 2 * KEY_BYTES].encode()
        fragments = {name: cache.read(columns[name]) for name, cache in self._fragments.items()}
        measures = (fragments[name] for name in self._measures)
        contents = map(b"".join, zip(keys, *measures, strict=True))
        digests = [sha256.digest() for sha256 in map(hashlib.sha256, contents)]
        uncached = [map(_encode_text, columns[_UNCACHED])] if self._is_uncached_out else []
        to_row_key = self._to_row_key.read(columns["time"])
        pieces = zip(*uncached, *fragments.values(), to_row_key, row_keys, strict=True)
        return Lines(
            periods=periods,
            lines=list(map(b"".join, pieces)),
            keys=keys,
            digests=list(map(int.from_bytes, digests)),
            clicks=clicks,
            conversions=conversions,
            costs=costs,
        )

    def join(self, lines: Iterable[bytes]) -> bytes:
        """Give whole lines, each with its end."""
        return b"".join((self._head, self._between.join(lines), self._tail))

    def _key_images(self, columns: Mapping[str, Sequence[str]]) -> list[bytes]:
        """Give the bytes that each row's key is the hash of."""
        uncached = list(map(str.encode, columns[_UNCACHED]))
        parts = (cache.read(columns[name]) for name, cache in self._key_parts.items())
        images = zip(
            self._key_heads.read(columns["time"]),
            _lengths(uncached),
            uncached,
            repeat(b","),
            *parts,
        )
        return list(map(b"".join, images))


def _lengths(texts: Sequence[bytes]) -> list[bytes]:
    try:
        return list(map(_LENGTHS.__getitem__, map(len, texts)))
    except IndexError:
        return [b"%d:" % len(text) for text in texts]


def _row_keys(keys: Sequence[bytes]) -> list[bytes]:
    digits = b"".join(keys).hex().encode()
    return list(struct.unpack("32s32x" * len(keys), digits))


def _prefix(name: str, *, is_first: bool) -> bytes:
    return f'{"" if is_first else ","}"{name}":'.encode()


def _fragment(name: str, calendar: Calendar, *, is_first: bool) -> Callable[[str], bytes]:
    """Give what makes a cell's part of a line."""
    prefix = _prefix(name, is_first=is_first)
    match _KINDS[name]:
        case Kind.TEXT:
            return lambda cell: prefix + _encode_text(cell)
        case Kind.TIME:
            return lambda cell: prefix + _encode_text(calendar.zoned(cell))
        case Kind.INTEGER:
            return lambda cell: prefix + (integer_text(cell) or "null").encode()
        case Kind.NUMBER:
            return lambda cell: prefix + (number_text(cell) or "null").encode()


def _to_row_key(calendar: Calendar, columns: Sequence[str]) -> Callable[[str], bytes]:
    """Give what makes the part of a line from `report_date` to the first digit of `row_key`."""
    to_digits = _prefix("row_key", is_first=columns[0] == "row_key") + b'"'
    if "report_date" not in columns:
        return lambda _: to_digits
    to_date = _prefix("report_date", is_first=columns[0] == "report_date")
    return lambda cell: to_date + b'"%b"' % str(calendar.period(cell)).encode() + to_digits


def _key_part(kind: Kind) -> Callable[[str], bytes]:
    if kind is Kind.INTEGER:
        return lambda cell: netstring(integer_text(cell))
    return netstring


def _key_head(calendar: Calendar) -> Callable[[str], bytes]:
    head = netstring(ROW_KEY_VERSION) + netstring(calendar.interval)
    return lambda cell: head + netstring(cell)
