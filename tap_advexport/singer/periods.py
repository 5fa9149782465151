"""The stream `report_periods`, whose rows are emitted together with those of the reports."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from tap_advexport.reports import ACCOUNT_COLUMN, PERIODS_STREAM
from tap_advexport.singer.schemas import (
    PERIODS_KEY,
    PERIODS_REPLICATION_KEY,
    account_key,
    periods_schema,
)
from tap_advexport.singer.sdk import OwnStateStream
from tap_advexport.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_advexport.sync.destination import PeriodRow

# Python converts integers below this to text without a change of its limit on digits.
LONGEST_INTEGER: Final = 10**4000


class PeriodsStream(OwnStateStream):
    """One row for each period of each exported window, emitted at the call of a report's stream."""

    selected_by_default = True

    def __init__(self, tap: Tap) -> None:
        self._account: str | None = tap.config.get("account")
        is_labelled = bool(self._account)
        schema = periods_schema(is_labelled=is_labelled)
        super().__init__(tap, schema=schema, name=PERIODS_STREAM)
        self.primary_keys = [*account_key(is_labelled=is_labelled), *PERIODS_KEY]
        self.replication_key = PERIODS_REPLICATION_KEY

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Return no records: they were emitted together with those of the reports."""
        return ()

    def emit(self, row: PeriodRow) -> None:
        """Write the row of one period."""
        record = _record(row)
        if self._account:
            record[ACCOUNT_COLUMN] = self._account
        self.emit_record(record)


def _record(row: PeriodRow) -> dict[str, Any]:
    return {
        "report": row.report,
        "period": row.period.isoformat(),
        "period_version": row.version,
        "export_id": row.export_id,
        "exported_at": rfc3339(row.exported_at),
        "confirmed_at": rfc3339(row.confirmed_at),
        "row_count": row.row_count,
        "clicks_aggr": _writable(row.clicks_aggr),
        "conversions_aggr": _writable(row.conversions_aggr),
        "cost_aggr": Decimal(row.cost_aggr),
        "is_settled": row.is_settled,
    }


def _writable(number: int) -> int | Decimal:
    """Return an exact total in a type that can be written, however long it is."""
    return number if abs(number) < LONGEST_INTEGER else Decimal(number)
