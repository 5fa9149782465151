"""Rows of a report to lines of JSON, a block at a time and column by column.

A block's columns go through caches with `map`, and its rows through `zip` and `join`: so little
is done for each row in Python itself. Cells are checked as they enter a cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

import msgspec

from tap_advexport.records.caches import Cache
from tap_advexport.records.cells import integer_text, integer_value, number_text, number_value
from tap_advexport.records.period_version import hash_sum, row_hashes
from tap_advexport.records.row_key import HASH_BYTES, KeyImages, repeated_row_key, row_keys
from tap_advexport.reports import COLUMN_NAMES, COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from tap_advexport.records.cells import Calendar
    from tap_advexport.records.repetitions import Repetitions

# The first column has about as many values as there are rows: no cache.
_UNCACHED: Final = COLUMN_NAMES[0]
# The end of every line, behind the last digit of `row_key`.
_TAIL: Final = b'"\n'
_KINDS: Final = {column.name: column.kind for column in COLUMNS}
_encode_text: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows of one period, ready to go out.

    Attributes:
        content_sum: the sum of the hashes of the rows' cells.
    """

    period: date
    lines: bytes
    row_count: int
    content_sum: int
    clicks: int
    conversions: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class _Rows:
    """A block of rows, converted: every sequence has one item for each row."""

    lines: Sequence[bytes]
    contents: Sequence[bytes]
    clicks: Sequence[int]
    conversions: Sequence[int]
    costs: Sequence[Decimal]


class Encoder:
    """Converts the rows of one export to lines of the selected columns."""

    def __init__(
        self,
        calendar: Calendar,
        columns: Collection[str],
    ) -> None:
        """Build the caches.

        Args:
            calendar: what `time` may be.
            columns: the columns that go out; `row_key` always does.
        """
        self._periods = Cache(calendar.period)
        self._clicks = Cache(integer_value)
        self._conversions = Cache(integer_value)
        self._costs = Cache(number_value)
        self._rates = Cache(number_text)
        self._images = KeyImages(calendar.interval)
        selected = [name for name in COLUMN_NAMES if name in columns]
        self._fragments = {
            name: _fragments(name, calendar, is_first=name == selected[0])
            for name in selected
            if name != _UNCACHED
        }
        self._is_uncached_out = _UNCACHED in columns
        self._to_row_key = Cache(
            _to_row_key(calendar, is_first=not selected, is_dated="report_date" in columns)
        )
        self._head = b"{" + (_prefix(_UNCACHED, is_first=True) if self._is_uncached_out else b"")
        self._between = _TAIL + self._head

    def runs(self, columns: Mapping[str, Sequence[str]], repetitions: Repetitions) -> Iterator[Run]:
        """Convert a block of rows, given as its columns, and give its runs of equal periods.

        Raises:
            InvalidCellError: a cell breaks its column's grammar.
        """
        runs = list(_runs(self._periods.read(columns["time"])))
        rows = self._rows(columns, runs, repetitions)
        for period, start, stop in runs:
            part = slice(start, stop)
            yield Run(
                period=period,
                lines=self._whole(rows.lines[part]),
                row_count=stop - start,
                content_sum=hash_sum(rows.contents[part]),
                clicks=sum(rows.clicks[part]),
                conversions=sum(rows.conversions[part]),
                cost=sum(rows.costs[part], Decimal(0)),
            )

    def _rows(
        self,
        columns: Mapping[str, Sequence[str]],
        runs: Iterable[tuple[date, int, int]],
        repetitions: Repetitions,
    ) -> _Rows:
        images = self._images.read(columns)
        hashers = list(map(hashlib.sha256, images))
        joined = b"".join([hasher.digest() for hasher in hashers])
        digits = row_keys(joined)
        for period, start, stop in runs:
            part = joined[start * HASH_BYTES : stop * HASH_BYTES]
            for offset, number in repetitions.of_run(period, part):
                digits[start + offset] = repeated_row_key(images[start + offset], number)
        # Before their fragments, which take them to be numbers.
        self._rates.read(columns["cr"])
        costs = self._costs.read(columns["cost_aggr"])
        fragments = {name: fragment(columns[name]) for name, fragment in self._fragments.items()}
        return _Rows(
            lines=self._lines(columns, fragments, digits),
            contents=row_hashes(hashers, columns),
            clicks=self._clicks.read(columns["clicks_aggr"]),
            conversions=self._conversions.read(columns["conversions_aggr"]),
            costs=costs,
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

    def _whole(self, lines: Iterable[bytes]) -> bytes:
        return b"".join((self._head, self._between.join(lines), _TAIL))


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


def _fragments(
    name: str, calendar: Calendar, *, is_first: bool
) -> Callable[[Sequence[str]], Sequence[bytes]]:
    """Give what makes the parts of lines for the cells of a column."""
    prefix = _prefix(name, is_first=is_first)
    match _KINDS[name]:
        case Kind.TEXT:
            return Cache(lambda cell: prefix + _encode_text(cell)).read
        case Kind.TIME:
            return Cache(lambda cell: prefix + _encode_text(calendar.zoned(cell))).read
        case Kind.INTEGER:
            return Cache(lambda cell: prefix + (integer_text(cell) or "null").encode()).read
        case Kind.NUMBER:
            return lambda cells: _number_fragments(prefix.decode(), cells)


def _number_fragments(prefix: str, cells: Sequence[str]) -> list[bytes]:
    """Put the prefix before each number, all at once: numbers have many values, caches few hits.

    The cells are numbers: no line feed is in them.
    """
    texts = [cell or "null" for cell in cells] if "" in cells else cells
    return f"\n{prefix}".join(("", *texts)).encode().split(b"\n")[1:]


def _to_row_key(calendar: Calendar, *, is_first: bool, is_dated: bool) -> Callable[[str], bytes]:
    """Give what makes the part of a line from `report_date` to before `row_key`'s digits."""
    to_digits = _prefix("row_key", is_first=is_first and not is_dated) + b'"'
    if not is_dated:
        return lambda _: to_digits
    to_date = _prefix("report_date", is_first=is_first)
    return lambda time: b'%b"%b"%b' % (to_date, str(calendar.period(time)).encode(), to_digits)
