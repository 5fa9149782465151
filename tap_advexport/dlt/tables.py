"""Arrow tables of reports and periods, and what dlt is told of their columns."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tap_advexport.records.arrow import DECIMALS, arrow_schema, arrow_tables
from tap_advexport.records.lines import ExportConstants
from tap_advexport.reports import ACCOUNT_COLUMN, ADDED_COLUMNS, COLUMN_NAMES, PERIODS_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.sync.destination import PeriodRow

REPORT_COLUMNS: Final = (*COLUMN_NAMES, *ADDED_COLUMNS)
# Marks the one row that empties a day. dlt stores none such: in the table it is always null.
DELETED: Final = "is_deleted"
MERGE_STRATEGY: Final = "delete-insert"
# Rows in a table: what dlt takes at a time.
TABLE_ROWS: Final = 1 << 17

_MOMENT: Final = pa.timestamp("us", "UTC")
_NULLABLE: Final = frozenset(
    {
        "clicks_aggr",
        "conversions_aggr",
        "campaign_id",
        "publisher_id",
        *DECIMALS,
        DELETED,
    }
)
_PERIOD_TYPES: Final = (
    ("report", pa.string()),
    ("period", pa.date32()),
    ("period_version", pa.string()),
    ("export_id", pa.string()),
    ("exported_at", _MOMENT),
    ("confirmed_at", _MOMENT),
    ("row_count", pa.int64()),
    ("clicks_aggr", pa.int64()),
    ("conversions_aggr", pa.int64()),
    ("cost_aggr", DECIMALS["cost_aggr"]),
    ("is_settled", pa.bool_()),
)


class ReportTables:
    """Makes tables of a report's rows."""

    def __init__(self, timezone: ZoneInfo, account: str | None) -> None:
        self._timezone = timezone
        self._account = account
        self._columns = (*REPORT_COLUMNS, *([ACCOUNT_COLUMN] if account else []))
        fields = [*arrow_schema(self._columns, timezone.key), pa.field(DELETED, pa.bool_())]
        self.schema = pa.schema([field.with_nullable(field.name in _NULLABLE) for field in fields])

    def tables(self, ready: Ready, periods: Iterable[Period]) -> Iterator[pa.Table]:
        """Give the rows of some periods; for one without rows, the row that empties it."""
        pending: list[pa.Table] = []
        row_count = 0
        for period in periods:
            for table in self._tables(ready, period):
                pending.append(table)
                row_count += table.num_rows
                if row_count >= TABLE_ROWS:
                    yield pa.concat_tables(pending)
                    pending, row_count = [], 0
        if pending:
            yield pa.concat_tables(pending)

    def _tables(self, ready: Ready, period: Period) -> Iterator[pa.Table]:
        task = ready.task
        constants = ExportConstants(self._columns, task.task_id, task.submitted_at, self._account)
        if not period.row_count:
            yield self._emptying(period, constants)
        for table in arrow_tables(ready.lines, [period], constants, self._timezone.key):
            nulls = pa.nulls(table.num_rows, pa.bool_())
            yield pa.Table.from_arrays([*table.columns, nulls], schema=self.schema)

    def _emptying(self, period: Period, constants: ExportConstants) -> pa.Table:
        """The row of an empty period: it deletes, and is not stored, so that any values do."""
        values: dict[str, Any] = {
            **constants.of(period),
            "exported_at": constants.exported_at,
            "report_date": period.first,
            "time": datetime.combine(period.first, time(), self._timezone),
            DELETED: True,
        }
        return pa.Table.from_arrays(
            [
                pa.array([values.get(field.name, None if field.nullable else "")], field.type)
                for field in self.schema
            ],
            schema=self.schema,
        )


def period_schema(account: str | None) -> pa.Schema:
    """The columns of `report_periods`."""
    label = [("account", pa.string())] if account else []
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in (*_PERIOD_TYPES, *label)]
    )


def period_table(rows: Iterable[PeriodRow], account: str | None) -> pa.Table:
    """Give one table of rows of `report_periods`; their totals fit, as all of Arrow's do."""
    values = [
        {
            "report": row.report,
            "period": row.period,
            "period_version": row.version,
            "export_id": row.export_id,
            "exported_at": row.exported_at,
            "confirmed_at": row.confirmed_at,
            "row_count": row.row_count,
            "clicks_aggr": row.clicks_aggr,
            "conversions_aggr": row.conversions_aggr,
            "cost_aggr": _total(row.cost_aggr),
            "is_settled": row.is_settled,
            "account": account,
        }
        for row in rows
    ]
    return pa.Table.from_pylist(values, period_schema(account))


def _total(text: str) -> Decimal:
    # pyarrow makes 0 of a number with thousands of zeros at its end.
    return Decimal(text.rstrip("0") if "." in text else text)


def report_hints(schema: pa.Schema, account: str | None) -> dict[str, Any]:
    """What dlt is told of a report's table: days are replaced whole."""
    columns = _column_hints(schema)
    columns[DELETED]["hard_delete"] = True
    return {
        "write_disposition": {"disposition": "merge", "strategy": MERGE_STRATEGY},
        "merge_key": ["account", "report_date"] if account else "report_date",
        "columns": columns,
    }


def period_hints(account: str | None) -> dict[str, Any]:
    """What dlt is told of `report_periods`: one row for each of its key."""
    return {
        "table_name": PERIODS_STREAM,
        "write_disposition": {"disposition": "merge", "strategy": MERGE_STRATEGY},
        "primary_key": [*(["account"] if account else []), "report", "period"],
        "columns": _column_hints(period_schema(account)),
    }


def _column_hints(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Whether a column can be null: dlt warns where a table of Arrow says otherwise."""
    return {field.name: {"name": field.name, "nullable": field.nullable} for field in schema}
