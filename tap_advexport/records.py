"""CSV file -> verified, typed rows as lines of JSON, with keys, totals and digests of each period.

All of a file is converted before anything of it may be used: `convert` gives the file's whole truth
or raises. A file is taken to be in order of time and without repeated rows; one that turns out not
to be is converted once more, so that these cost memory and time only where they happen.
"""

from __future__ import annotations

import decimal
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tap_advexport.cells import (
    Calendar,
    InvalidCellError,
    excerpt,
    integer_text,
    number_text,
)
from tap_advexport.errors import CutFileError, FileError, InvalidRowError
from tap_advexport.lines import Encoder
from tap_advexport.periods import Ledger, NotTimeOrderedError, Run
from tap_advexport.repeats import KEY_BYTES, Repetitions
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES, COLUMNS, Interval, Kind
from tap_advexport.table import Block, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from typing import BinaryIO

    from tap_advexport.lines import Lines
    from tap_advexport.periods import Tally

# Rows at a time: few enough for a processor's cache, many enough for the cost of a block.
_BLOCK_ROWS: Final = 128
# More of them where a block is sorted by period, so that a period's rows in it are not few.
_UNORDERED_BLOCK_ROWS: Final = 2048

# Part of every digest: raise it when lines are to be sent anew though no figure changed.
_LINES_VERSION: Final = "1"

_EXACT: Final = decimal.Context(
    prec=decimal.MAX_PREC,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.Inexact, decimal.InvalidOperation],
)


@dataclass(frozen=True, slots=True)
class Conversion:
    """All that a conversion needs to know.

    Attributes:
        first: the first day of the export's window.
        last: its last day, included.
        timezone: IANA name of the zone of `time`.
        exported_at: when the export was demanded, RFC 3339.
        columns: the columns to emit, `row_key` among them; the order is always the canonical one.
        is_end_proven: the transport proved that the file's last byte is its last.
    """

    interval: Interval
    first: date
    last: date
    timezone: str
    export_id: str
    exported_at: str
    columns: tuple[str, ...]
    is_end_proven: bool


@dataclass(frozen=True, slots=True)
class Period:
    """One day, or month, of the window, whether it has rows or not.

    Attributes:
        cost_aggr: the exact total, as digits without an exponent.
        digest: of the rows as emitted, but for `export_id`, `exported_at` and `row_key`, in whatever
            order, and of the shape that they have.
        spans: where the period's lines are, as ranges of bytes: start included, stop not.
    """

    first: date
    row_count: int
    clicks_aggr: int
    conversions_aggr: int
    cost_aggr: str
    digest: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Converted:
    """What a file held."""

    periods: tuple[Period, ...]
    row_count: int
    byte_count: int
    unknown_columns: tuple[str, ...]
    is_time_ordered: bool


def convert(source: BinaryIO, out: BinaryIO, conversion: Conversion) -> Converted:
    """Verify a downloaded file and write its rows to `out`, a line of JSON each.

    Args:
        source: the file as it came, seekable.
        out: seekable; what it held is lost.
        conversion: what the file must be and what is to become of it.

    Raises:
        FileError: the file is no CSV or is damaged.
        CutFileError: the file ends before its end.
        InvalidHeaderError: a column is missing or stands there twice.
        InvalidRowError: a row is invalid.
    """
    with decimal.localcontext(_EXACT), _bounded_memory():
        is_time_ordered = True
        repetitions = Repetitions({})
        while True:
            one_pass = _Pass(source, out, conversion, is_time_ordered, repetitions)
            try:
                one_pass.run()
            except NotTimeOrderedError:
                is_time_ordered = False
                continue
            if repetitions or not one_pass.ledger.numbers:
                return one_pass.converted()
            repetitions = Repetitions(one_pass.ledger.numbers)


class _Pass:
    """The file once, from its first byte to its last."""

    def __init__(
        self,
        source: BinaryIO,
        out: BinaryIO,
        conversion: Conversion,
        is_time_ordered: bool,
        repetitions: Repetitions,
    ) -> None:
        source.seek(0)
        out.seek(0)
        out.truncate()
        self._conversion = conversion
        self._columns = [
            name for name in (*COLUMN_NAMES, *ADDED_COLUMNS) if name in conversion.columns
        ]
        self._calendar = Calendar(
            conversion.interval, conversion.first, conversion.last, ZoneInfo(conversion.timezone)
        )
        self._table = Table(source, is_end_proven=conversion.is_end_proven)
        constants = {
            "export_id": conversion.export_id,
            "exported_at": conversion.exported_at,
        }
        self._encoder = Encoder(self._calendar, self._columns, constants)
        self._is_time_ordered = is_time_ordered
        self._repetitions = repetitions
        self.ledger = Ledger(
            out,
            self._calendar.periods(),
            is_time_ordered=is_time_ordered,
            is_counted=bool(repetitions),
        )

    def run(self) -> None:
        for block in self._table.blocks(
            _BLOCK_ROWS if self._is_time_ordered else _UNORDERED_BLOCK_ROWS
        ):
            try:
                columns = self._transpose(block.rows)
                if columns:
                    self._add(self._encoder.encode(columns, self._repetitions))
            except (InvalidCellError, _RaggedError):
                raise self._row_error(block) from None
        self.ledger.close()

    def converted(self) -> Converted:
        shape = (
            _LINES_VERSION,
            self._conversion.interval,
            self._conversion.timezone,
            *self._columns,
        )
        periods = tuple(
            _period(first, tally, shape) for first, tally in self.ledger.tallies.items()
        )
        return Converted(
            periods=periods,
            row_count=sum(period.row_count for period in periods),
            byte_count=self.ledger.byte_count,
            unknown_columns=self._table.unknown_columns,
            is_time_ordered=self._is_time_ordered,
        )

    def _transpose(self, rows: Sequence[Sequence[str]]) -> Mapping[str, Sequence[str]]:
        columns = _columns(rows, self._table.width)
        if columns and not self._is_time_ordered:
            time = self._table.positions["time"]
            columns = _columns(
                sorted(filter(None, rows), key=lambda row: row[time][:10]), self._table.width
            )
        return {
            name: columns[position] for name, position in self._table.positions.items() if columns
        }

    def _add(self, lines: Lines) -> None:
        for period, start, stop in _runs(lines.periods):
            part = slice(start, stop)
            self.ledger.add(
                period,
                Run(
                    lines=self._encoder.join(lines.lines[part]),
                    row_count=stop - start,
                    keys=b"".join([key[:KEY_BYTES] for key in lines.keys[part]]),
                    digests=lines.digests[part],
                    clicks=sum(lines.clicks[part]),
                    conversions=sum(lines.conversions[part]),
                    cost=sum(lines.costs[part], decimal.Decimal(0)),
                ),
            )

    def _row_error(self, block: Block) -> CutFileError | InvalidRowError:
        """Say what is wrong with the first invalid row of a block."""
        by_kind: dict[Kind, Callable[[str], object]] = {
            Kind.TEXT: str,
            Kind.TIME: self._calendar.period,
            Kind.INTEGER: integer_text,
            Kind.NUMBER: number_text,
        }
        checks = {column.name: by_kind[column.kind] for column in COLUMNS}
        for index, row in enumerate(block.rows):
            if row and len(row) != self._table.width:
                return self._width_error(block, index)
            for name, position in self._table.positions.items() if row else ():
                try:
                    checks[name](row[position])
                except InvalidCellError as error:
                    cell = excerpt(row[position])
                    return InvalidRowError(
                        f"line {block.line(index)}, column {name}: {cell} {error}"
                    )
        return InvalidRowError(f"line {block.first_line} or one of the next: a row is invalid")

    def _width_error(self, block: Block, index: int) -> CutFileError | InvalidRowError:
        row = block.rows[index]
        text = (
            f"line {block.line(index)}: {len(row)} cells where the header has "
            f"{self._table.width}; the last is {excerpt(row[-1])}"
        )
        is_last = not any(block.rows[index + 1 :]) and self._table.is_exhausted()
        if is_last and len(row) < self._table.width:
            return CutFileError(f"the file is cut in its last row, {text}")
        return InvalidRowError(text)


class _RaggedError(Exception):
    """Rows differ in the number of their cells."""


def _columns(rows: Sequence[Sequence[str]], width: int) -> Sequence[Sequence[str]]:
    """Turn rows to columns, leaving out blank lines."""
    try:
        columns = tuple(zip(*rows, strict=True))
    except ValueError:
        columns = ()
    if len(columns) == width:
        return columns
    filled = [row for row in rows if row]
    if len(filled) == len(rows):
        raise _RaggedError
    return _columns(filled, width) if filled else ()


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


def _period(first: date, tally: Tally, shape: Sequence[str]) -> Period:
    return Period(
        first=first,
        row_count=tally.row_count,
        clicks_aggr=tally.clicks,
        conversions_aggr=tally.conversions,
        cost_aggr=f"{tally.cost:f}",
        digest=tally.digest(shape),
        spans=tuple(tally.spans),
    )


@contextmanager
def _bounded_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        message = "the file needs more memory than there is"
        raise FileError(message) from None
