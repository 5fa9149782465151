"""The interface of what the engine writes to: Singer messages, BATCH files, a dlt pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period

Item_co = TypeVar("Item_co", covariant=True)


class PeriodRow(Struct, frozen=True):
    """One row of `report_periods`.

    Attributes:
        report: the label of the report.
        period: the first day of the period.
        version: the `period_version` of the valid figures.
        export_id: the export that delivered the rows with that version.
        exported_at: when that export was submitted.
        confirmed_at: when the latest export of the period was submitted.
        cost_aggr: the exact total, as decimal text.
    """

    report: str
    period: date
    version: str
    export_id: str
    exported_at: datetime
    confirmed_at: datetime
    row_count: int
    clicks_aggr: int
    conversions_aggr: int
    cost_aggr: str
    is_settled: bool


class Destination(Protocol[Item_co]):
    """Receives the results of one report's exports, in this order: rows, their periods, commit.

    The engine passes on what a method yields, so that a framework that pulls items can feed the
    destination. A destination that writes by itself yields nothing.
    """

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Item_co]:
        """Write the rows of some periods of an export; `ready` is released afterwards."""
        ...

    def write_periods(self, rows: Sequence[PeriodRow]) -> Iterator[Item_co]:
        """Write the `report_periods` rows of all periods of an export, including empty periods."""
        ...

    def commit(self, bookmark: dict[str, object]) -> None:
        """Commit the report's bookmark: all rows that it covers have been written."""
        ...

    def check(self) -> None:
        """Raise if nobody reads the output any more; called while the engine waits for exports."""
        ...
