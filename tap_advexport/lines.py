"""Rows of a report to lines of JSON, a block at a time and column by column.

A block's columns go through caches with `map`, and its rows through `zip` and `join`: so little
is done for each row in Python itself. Cells are checked as they enter a cache.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from tap_advexport.caches import Cache
from tap_advexport.cells import integer_text, integer_value, number_text, number_value
from tap_advexport.keys import HASH_BYTES, KeyImages, hashes, repeated_row_key, row_keys
from tap_advexport.reports import COLUMN_NAMES, COLUMNS, KEY_DIMENSIONS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from tap_advexport.cells import Calendar
    from tap_advexport.repeats import Repetitions

# The first column has about as many values as there are rows: no cache.
_UNCACHED: Final = COLUMN_NAMES[0]
_KINDS: Final = {column.name: column.kind for column in COLUMNS}
_encode_text: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows of one period, ready to go out.

    Attributes:
        hashes: SHA-256 of each row's dimensions, one after another.
        content_sum: the sum of the hashes of what the rows hold.
    """

    period: date
    lines: bytes
    row_count: int
    hashes: bytes
    content_sum: int
    clicks: int
    conversions: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class _Rows:
    """A block of rows, converted: every sequence has one item for each row."""

    lines: Sequence[bytes]
    hashes: bytes
    contents: Sequence[bytes]
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
            constants: the added columns whose value is the same in all rows.
        """
        self._periods = Cache(calendar.period)
        self._clicks = Cache(integer_value)
        self._conversions = Cache(integer_value)
        self._costs = Cache(number_value)
        self._rates = Cache(number_text)
        self._images = KeyImages(calendar.interval)
        self._fragments = {
            name: Cache(_fragment(name, calendar, is_first=name == columns[0]))
            for name in COLUMN_NAMES
            if name in columns and name != _UNCACHED
        }
        # The columns that are no part of the key: the metrics, and the label that can change.
        self._contents = [name for name in self._fragments if name not in KEY_DIMENSIONS]
        self._to_row_key = Cache(_to_row_key(calendar, columns))
        self._is_uncached_out = _UNCACHED in columns
        self._head = b"{" + (_prefix(_UNCACHED, is_first=True) if self._is_uncached_out else b"")
        self._tail = _tail({name: text for name, text in constants.items() if name in columns})
        self._between = self._tail + self._head

    def runs(self, columns: Mapping[str, Sequence[str]], repetitions: Repetitions) -> Iterator[Run]:
        """Convert a block of rows, given as its columns, and give its runs of equal periods.

        Raises:
            InvalidCellError: a cell breaks its column's grammar.
        """
        periods = self._periods.read(columns["time"])
        rows = self._rows(columns, list(repetitions.of_rows(periods)) if repetitions else ())
        for period, start, stop in _runs(periods):
            part = slice(start, stop)
            yield Run(
                period=period,
                lines=self._whole(rows.lines[part]),
                row_count=stop - start,
                hashes=rows.hashes[start * HASH_BYTES : stop * HASH_BYTES],
                content_sum=sum(map(int.from_bytes, rows.contents[part])),
                clicks=sum(rows.clicks[part]),
                conversions=sum(rows.conversions[part]),
                cost=sum(rows.costs[part], Decimal(0)),
            )

    def _rows(
        self, columns: Mapping[str, Sequence[str]], repetitions: Iterable[tuple[int, int]]
    ) -> _Rows:
        images = self._images.read(columns)
        key_hashes = hashes(images)
        joined = b"".join(key_hashes)
        digits = row_keys(joined)
        for index, number in repetitions:
            digits[index] = repeated_row_key(images[index], number)
        if "cr" not in self._fragments:
            self._rates.read(columns["cr"])
        fragments = {name: cache.read(columns[name]) for name, cache in self._fragments.items()}
        return _Rows(
            lines=self._lines(columns, fragments, digits),
            hashes=joined,
            contents=self._content_hashes(key_hashes, fragments),
            clicks=self._clicks.read(columns["clicks_aggr"]),
            conversions=self._conversions.read(columns["conversions_aggr"]),
            costs=self._costs.read(columns["cost_aggr"]),
        )

    def _lines(
        self,
        columns: Mapping[str, Sequence[str]],
        fragments: Mapping[str, Sequence[bytes]],
        digits: Sequence[bytes],
    ) -> list[bytes]:
        """Give each line from behind `self._head` to the last digit of its key."""
        uncached = [map(_encode_text, columns[_UNCACHED])] if self._is_uncached_out else []
        to_row_key = self._to_row_key.read(columns["time"])
        pieces = zip(*uncached, *fragments.values(), to_row_key, digits, strict=True)
        return list(map(b"".join, pieces))

    def _content_hashes(
        self, key_hashes: Sequence[bytes], fragments: Mapping[str, Sequence[bytes]]
    ) -> list[bytes]:
        """Give a hash of what each row holds: its key before repetitions, and all the rest.

        The fragments are `"name":value` of JSON, so no two rows join to the same bytes.
        """
        contents = (fragments[name] for name in self._contents)
        return hashes(list(map(b"".join, zip(key_hashes, *contents, strict=True))))

    def _whole(self, lines: Iterable[bytes]) -> bytes:
        return b"".join((self._head, self._between.join(lines), self._tail))


def _runs(periods: Sequence[date]) -> Iterator[tuple[date, int, int]]:
    """Give each run of equal periods with its start and, not included, its stop."""
    if periods.count(periods[0]) == len(periods):
        yield periods[0], 0, len(periods)
        return
    start = 0
    for period, run in groupby(periods):
        stop = start + sum(1 for _ in run)
        yield period, start, stop
        start = stop


def _prefix(name: str, *, is_first: bool) -> bytes:
    return f'{"" if is_first else ","}"{name}":'.encode()


def _tail(constants: Mapping[str, str]) -> bytes:
    """Give the end of every line, from behind the last digit of `row_key`."""
    added = (f',"{name}":{json.dumps(text)}' for name, text in constants.items())
    return f'"{"".join(added)}}}\n'.encode()


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
    """Give what makes the part of a line from `report_date` to before `row_key`'s digits."""
    to_digits = _prefix("row_key", is_first=columns[0] == "row_key") + b'"'
    if "report_date" not in columns:
        return lambda _: to_digits
    to_date = _prefix("report_date", is_first=columns[0] == "report_date")
    return lambda time: b'%b"%b"%b' % (to_date, str(calendar.period(time)).encode(), to_digits)
