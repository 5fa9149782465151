"""Arrow tables of reports and periods, and the hints that dlt gets for them."""

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
# Marks the row that empties a day. dlt does not store that row, so the column is always null.
DELETED: Final = "is_deleted"
MERGE_STRATEGY: Final = "delete-insert"
# How many rows are collected before a table is yielded to dlt.
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
    """Makes Arrow tables of a report's rows."""

    def __init__(self, timezone: ZoneInfo, account: str | None) -> None:
        self._timezone = timezone
        self._account = account
        self._columns = (*REPORT_COLUMNS, *([ACCOUNT_COLUMN] if account else []))
        fields = [*arrow_schema(self._columns, timezone.key), pa.field(DELETED, pa.bool_())]
        self.schema = pa.schema([field.with_nullable(field.name in _NULLABLE) for field in fields])

    def tables(self, ready: Ready, periods: Iterable[Period]) -> Iterator[pa.Table]:
        """Yield the rows of some periods; for a period without rows, the row that empties it."""
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
        """Return the row of an empty period. It deletes and is not stored, so any values do."""
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
    """Return the columns of `report_periods`."""
    label = [("account", pa.string())] if account else []
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in (*_PERIOD_TYPES, *label)]
    )


def period_table(rows: Iterable[PeriodRow], account: str | None) -> pa.Table:
    """Return rows of `report_periods` as a table. Totals fit: the conversion has checked them."""
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
    # pyarrow turns a number with thousands of trailing zeros into 0.
    return Decimal(text.rstrip("0") if "." in text else text)


def report_hints(schema: pa.Schema, account: str | None) -> dict[str, Any]:
    """Return the hints for a report's table: days are replaced whole."""
    columns = _column_hints(schema)
    columns[DELETED]["hard_delete"] = True
    return {
        "write_disposition": {"disposition": "merge", "strategy": MERGE_STRATEGY},
        "merge_key": ["account", "report_date"] if account else "report_date",
        "columns": columns,
    }


def period_hints(account: str | None) -> dict[str, Any]:
    """Return the hints for `report_periods`: one row per primary key."""
    return {
        "table_name": PERIODS_STREAM,
        "write_disposition": {"disposition": "merge", "strategy": MERGE_STRATEGY},
        "primary_key": [*(["account"] if account else []), "report", "period"],
        "columns": _column_hints(period_schema(account)),
    }


def _column_hints(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return which columns can be null; dlt warns if an Arrow table says otherwise."""
    return {field.name: {"name": field.name, "nullable": field.nullable} for field in schema}
