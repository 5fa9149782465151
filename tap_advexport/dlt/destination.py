"""The engine's destination in a dlt pipeline: tables for dlt, and the bookmark in its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt

from tap_advexport.dlt.tables import ReportTables, period_table
from tap_advexport.reports import PERIODS_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.sync.destination import PeriodRow
    from tap_advexport.sync.run import Run


class PipelineDestination:
    """Yields tables to dlt. A bookmark is in the same load package as the rows that it covers.

    Attributes:
        has_submitted: the API has accepted a task in this run.
        has_written: dlt was given rows.
    """

    def __init__(
        self,
        run: Run,
        stream: str,
        tables: ReportTables,
        bookmarks: MutableMapping[str, Any],
        *,
        is_replaced: bool,
    ) -> None:
        self._is_replaced = is_replaced
        self._run = run
        self._stream = stream
        self._tables = tables
        self._bookmarks = bookmarks
        self._adopted: set[str] | None = None
        self.has_submitted = self.has_written = False

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Any]:
        """Yield the rows of some periods."""
        if self._is_replaced:
            periods = [period for period in periods if period.row_count]
        for table in self._tables.tables(ready, periods):
            self.has_written = True
            yield table
            self._run.progress.sent(table.num_rows)

    def write_periods(self, rows: Sequence[PeriodRow]) -> Iterator[Any]:
        """Yield rows of `report_periods`."""
        if rows:
            self.has_written = True
            table = period_table(rows, self._run.settings.account)
            yield dlt.mark.with_table_name(table, PERIODS_STREAM)

    def commit(self, bookmark: dict[str, object]) -> None:
        """Note what the tables yielded so far cover; dlt stores it together with them."""
        self._bookmarks[self._stream] = bookmark
        pending: Any = bookmark.get("pending") or ()
        tasks = {task["task_id"] for task in pending}
        if self._adopted is None:
            # The first bookmark is that of the start.
            self._adopted = tasks
        self.has_submitted = self.has_submitted or not tasks <= self._adopted

    def check(self) -> None:
        """Do nothing: dlt always takes what is written."""
