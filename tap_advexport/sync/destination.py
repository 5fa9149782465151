"""What the engine writes to: Singer messages, BATCH files, a dlt pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period

Item_co = TypeVar("Item_co", covariant=True)


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One row of `report_periods`.

    Attributes:
        report: the report's label.
        period: its first day.
        version: identity of the figures that hold.
        export_id: the export that those rows came in.
        exported_at: when that export was submitted.
        confirmed_at: when the latest export of the period was submitted.
        cost_aggr: exact, as decimal text.
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
    """Takes what one report's exports bring, in this order: rows, their periods, commit.

    What a method yields goes to whoever drives the engine, so that a destination can be fed by a
    framework that asks for items; one that writes by itself yields nothing.
    """

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Item_co]:
        """Write the rows of some periods of an export; what `ready` holds is gone afterwards."""
        ...

    def write_periods(self, rows: Sequence[PeriodRow]) -> Iterator[Item_co]:
        """Write what is known of all periods of an export, the empty ones included."""
        ...

    def commit(self, bookmark: dict[str, object]) -> None:
        """Make known that all rows which the report's bookmark covers were written before."""
        ...

    def check(self) -> None:
        """Raise when nobody takes any more what is written; called while nothing comes."""
        ...
