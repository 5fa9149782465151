"""Converts a CSV file to verified rows in a spool, with the totals and version of each period.

A file is converted completely before any of it may be used: `convert` returns the whole result or
raises. Files are assumed to be in time order. A file that turns out to be unordered is converted
once more, so only such files cost the extra memory and time.
"""

from __future__ import annotations

import decimal
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date  # noqa: TC003 - Conversion and Converted are read from JSON by their types
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, assert_never
from zoneinfo import ZoneInfo

from tap_advexport.errors import FileError
from tap_advexport.records.cells import EXACT, InvalidCellError, TimeGrid
from tap_advexport.records.csv_table import OddRowsError, Table
from tap_advexport.records.diagnosis import row_error
from tap_advexport.records.encoder import Encoder
from tap_advexport.records.json_lines import JsonLines
from tap_advexport.records.period_version import period_version
from tap_advexport.records.repetitions import Repetitions
from tap_advexport.records.totals import Ledger, NotTimeOrderedError
from tap_advexport.reports import Interval  # noqa: TC001 - as `date`

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator
    from typing import BinaryIO

    from tap_advexport.records.encoder import RowFormat
    from tap_advexport.records.totals import PeriodTally

# A block that is sorted by period is larger, so that it holds more than a few rows of each period.
_UNORDERED_BLOCK_BYTES: Final = 1 << 18


class SpoolFormat(StrEnum):
    """The format of the rows in a spool."""

    LINES = "lines"
    """As lines of JSON: `records.lines` reads them back."""

    ARROW = "arrow"
    """As Arrow messages: `records.arrow` reads them back. Needs pyarrow."""

    ARROW_WITHOUT_NUL = "arrow without NUL"
    """The same, for a destination that stores no NUL in a text: such a row is rejected."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The parameters of a conversion.

    Attributes:
        first: the first day of the export's window.
        last: its last day, included.
        timezone: the IANA name of the zone of `time`.
        columns: the columns to emit; `row_key` is always emitted. The order is the canonical one.
        is_end_proven: whether the transport proved that the last byte is the end of the file.
    """

    interval: Interval
    first: date
    last: date
    timezone: str
    columns: tuple[str, ...]
    is_end_proven: bool
    spool_format: SpoolFormat = SpoolFormat.LINES


@dataclass(frozen=True, slots=True)
class Period:
    """One day or month of the window, with or without rows.

    Attributes:
        cost_aggr: the exact total, as digits without an exponent.
        version: the `period_version` of its rows.
        spans: byte ranges of the period's rows in the spool; start included, stop not.
    """

    first: date
    row_count: int
    clicks_aggr: int
    conversions_aggr: int
    cost_aggr: str
    version: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Converted:
    """The result of a conversion."""

    periods: tuple[Period, ...]
    row_count: int
    unknown_columns: tuple[str, ...]
    is_time_ordered: bool


def convert(source: BinaryIO, out: BinaryIO, conversion: Conversion) -> Converted:
    """Verify a downloaded file and write its rows to `out`.

    Args:
        source: the file as downloaded, seekable.
        out: the spool, seekable; its previous content is lost.
        conversion: what the file must hold, and how to write it.

    Raises:
        FileError: the file is not CSV, or it is damaged.
        CutFileError: the file ends too early.
        InvalidHeaderError: a column is missing or appears twice.
        InvalidRowError: a row is invalid, or a value or a total does not fit in its Arrow type.
    """
    with decimal.localcontext(EXACT), _memory_errors():
        is_time_ordered = True
        known: dict[date, array[int]] = {}
        while True:
            repetitions = Repetitions(known, is_time_ordered=is_time_ordered)
            try:
                converted = _convert_once(
                    source,
                    out,
                    conversion,
                    is_time_ordered=is_time_ordered,
                    repetitions=repetitions,
                )
            except NotTimeOrderedError:
                is_time_ordered = False
                continue
            known |= (late := repetitions.late())
            if not late:
                return converted


def _convert_once(
    source: BinaryIO,
    out: BinaryIO,
    conversion: Conversion,
    *,
    is_time_ordered: bool,
    repetitions: Repetitions,
) -> Converted:
    """Convert the file once, and raise NotTimeOrderedError if it is not in the assumed order."""
    _start_over(source, out)
    zone = ZoneInfo(conversion.timezone)
    grid = TimeGrid(conversion.interval, conversion.first, conversion.last, zone)
    table = Table(source, is_end_proven=conversion.is_end_proven)
    row_format = _row_format(conversion, grid)
    encoder = Encoder(grid, row_format)
    ledger = Ledger(out, grid.periods(), row_format, is_time_ordered=is_time_ordered)
    block_bytes = row_format.block_bytes if is_time_ordered else _UNORDERED_BLOCK_BYTES
    for block in table.blocks(block_bytes):
        try:
            cells = table.columns(block, sort_key=None if is_time_ordered else _day)
            for run in encoder.runs(cells, repetitions) if cells else ():
                ledger.add(run)
        except (InvalidCellError, OddRowsError):
            raise row_error(table, block, grid) from None
        ledger.flush_if_due(table.read_bytes)
    ledger.flush()
    for first, tally in ledger.tallies.items():
        row_format.refuse_totals(first, tally.totals)
    return Converted(
        periods=tuple(_period(first, tally) for first, tally in ledger.tallies.items()),
        row_count=sum(tally.row_count for tally in ledger.tallies.values()),
        unknown_columns=table.unknown_columns,
        is_time_ordered=is_time_ordered,
    )


def _row_format(conversion: Conversion, grid: TimeGrid) -> RowFormat[Any, Any]:
    match conversion.spool_format:
        case SpoolFormat.LINES:
            return JsonLines(grid, conversion.columns)
        case SpoolFormat.ARROW | SpoolFormat.ARROW_WITHOUT_NUL as kind:
            # pyarrow is an optional extra and large, so it is imported only where it is used.
            from tap_advexport.records.arrow import ArrowMessages  # noqa: PLC0415

            refuses_nul = kind is SpoolFormat.ARROW_WITHOUT_NUL
            return ArrowMessages(grid, conversion.columns, refuses_nul=refuses_nul)
        case _:
            assert_never(conversion.spool_format)


def _start_over(source: BinaryIO, out: BinaryIO) -> None:
    source.seek(0)
    out.seek(0)
    out.truncate()


def _day(time: str) -> str:
    return time[:10]


def _period(first: date, tally: PeriodTally[Any]) -> Period:
    return Period(
        first=first,
        row_count=tally.row_count,
        clicks_aggr=tally.clicks,
        conversions_aggr=tally.conversions,
        cost_aggr=f"{tally.cost:f}",
        version=period_version(tally.row_count, tally.content_sum),
        spans=tuple(tally.spans),
    )


@contextmanager
def _memory_errors() -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise FileError("the file needs more memory than there is") from None
