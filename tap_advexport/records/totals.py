"""Totals of each period of an export as its rows stream by, and the spans of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic

from tap_advexport.records.encoder import Part

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from typing import BinaryIO

    from typing_extensions import Buffer

    from tap_advexport.records.encoder import EncodedRun, RowFormat

# Rows are held back until this many bytes of the file were read, so that a file that is not in time
# order has few spans.
_PENDING_BYTES: Final = 1 << 20


class NotTimeOrderedError(Exception):
    """A period came back after another period had begun."""


@dataclass(slots=True)
class PeriodTally(Generic[Part]):
    """The totals and the rows of one period so far."""

    row_count: int = 0
    clicks: int = 0
    conversions: int = 0
    cost: Decimal = field(default_factory=Decimal)
    content_sum: int = 0
    pending: list[Part] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def totals(self) -> dict[str, int | Decimal]:
        """The sums of columns, by column name."""
        return {
            "clicks_aggr": self.clicks,
            "conversions_aggr": self.conversions,
            "cost_aggr": self.cost,
        }

    def add(self, run: EncodedRun[Part]) -> None:
        """Add the rows of a run."""
        self.row_count += run.row_count
        self.clicks += run.clicks
        self.conversions += run.conversions
        self.cost += run.cost
        self.content_sum += run.content_sum
        self.pending.append(run.rows)

    def add_span(self, start: int, stop: int) -> None:
        """Record the byte range of written rows; merge it with the one that it follows directly."""
        if self.spans and self.spans[-1][1] == start:
            start, _ = self.spans.pop()
        self.spans.append((start, stop))


class Ledger(Generic[Part]):
    """The periods of one export, and the spool that their rows are written to."""

    def __init__(
        self,
        out: BinaryIO,
        periods: Iterable[date],
        row_format: RowFormat[Any, Part],
        *,
        is_time_ordered: bool,
    ) -> None:
        self.tallies = {period: PeriodTally[Part]() for period in periods}
        self._out = out
        self._format = row_format
        self._is_time_ordered = is_time_ordered
        self._current: date | None = None
        self._flushed_at = 0
        self._written_bytes = 0

    def add(self, run: EncodedRun[Part]) -> None:
        """Add the next rows of the file.

        Raises:
            NotTimeOrderedError: the period was over, and the file was assumed to be in time order.
        """
        if self._is_time_ordered and run.period != self._current:
            self._turn_to(run.period)
        self.tallies[run.period].add(run)

    def flush_if_due(self, read_bytes: int) -> None:
        """Write the pending rows if enough bytes of the file were read since this was last done."""
        if read_bytes - self._flushed_at > _PENDING_BYTES:
            self._flushed_at = read_bytes
            self.flush()

    def flush(self) -> None:
        """Write the pending rows."""
        for tally in self.tallies.values():
            if tally.pending:
                start = self._written_bytes
                self._write_whole(self._format.joined(tally.pending))
                tally.pending.clear()
                tally.add_span(start, self._written_bytes)

    def _turn_to(self, period: date) -> None:
        if self.tallies[period].row_count:
            raise NotTimeOrderedError
        self._current = period

    def _write_whole(self, rows: Buffer) -> None:
        view = memoryview(rows)
        while view:
            # A raw file may write only a part of the rows.
            written = self._out.write(view)
            view = view[written:]
            self._written_bytes += written
