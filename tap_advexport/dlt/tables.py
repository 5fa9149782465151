"""Arrow tables of reports and periods, and what dlt is told of their columns."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from tap_advexport.records.arrow import DECIMALS, ParquetLines, parquet_schema
from tap_advexport.reports import COLUMN_NAMES, PERIODS_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO
    from zoneinfo import ZoneInfo

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.sync.destination import PeriodRow

# The columns of the lines; what is the same in all rows of a period is added here.
LINE_COLUMNS: Final = (*COLUMN_NAMES, "report_date", "row_key")
# Marks the one row that empties a day. dlt stores none such: in the table it is always null.
DELETED: Final = "is_deleted"
MERGE_STRATEGY: Final = "delete-insert"
# Rows in a table: what dlt takes at a time.
TABLE_ROWS: Final = 65_536

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
        self._lines = ParquetLines(LINE_COLUMNS, timezone.key)
        fields = [*parquet_schema(LINE_COLUMNS, timezone.key), *_constant_fields(account)]
        self.schema = pa.schema([field.with_nullable(field.name in _NULLABLE) for field in fields])

    def tables(self, ready: Ready, periods: Iterable[Period]) -> Iterator[pa.Table]:
        """Give the rows of some periods of an export; of one without rows, the row that empties it.

        Raises:
            OutputError: a number fits into no column.
        """
        batches: list[pa.RecordBatch] = []
        row_count = 0
        for period in periods:
            for batch in self._batches(ready, period):
                batches.append(batch)
                row_count += batch.num_rows
                if row_count >= TABLE_ROWS:
                    yield pa.Table.from_batches(batches, self.schema)
                    batches, row_count = [], 0
        if batches:
            yield pa.Table.from_batches(batches, self.schema)

    def _batches(self, ready: Ready, period: Period) -> Iterator[pa.RecordBatch]:
        constants = {
            "export_id": ready.task.task_id,
            "period_version": period.version,
            "exported_at": ready.task.submitted_at,
            "account": self._account,
        }
        if not period.row_count:
            yield self._emptying(period.first, constants)
            return
        for batch in self._lines.batches(_lines(ready.lines, period.spans)):
            columns = [
                *batch.columns,
                *(
                    pa.repeat(pa.scalar(constants.get(field.name), field.type), batch.num_rows)
                    for field in _constant_fields(self._account)
                ),
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _emptying(self, first: date, constants: dict[str, Any]) -> pa.RecordBatch:
        """The row of an empty period: it deletes, and is not stored, so that any values do."""
        at = datetime.combine(first, time(), self._timezone)
        values = {"report_date": first, "time": at, **constants, DELETED: True}
        return pa.RecordBatch.from_arrays(
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
    """Give one table of rows of `report_periods`."""
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
            "cost_aggr": Decimal(row.cost_aggr),
            "is_settled": row.is_settled,
            "account": account,
        }
        for row in rows
    ]
    return pa.Table.from_pylist(values, period_schema(account))


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


def _constant_fields(account: str | None) -> list[pa.Field]:
    return [
        pa.field("export_id", pa.string()),
        pa.field("period_version", pa.string()),
        pa.field("exported_at", _MOMENT),
        *([pa.field("account", pa.string())] if account else []),
        pa.field(DELETED, pa.bool_()),
    ]


def _lines(spool: BinaryIO, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    for start, stop in spans:
        spool.seek(start)
        left = stop - start
        while left:
            line = spool.readline(left)
            left -= len(line)
            # What its period adds comes behind it, and so does the brace.
            yield line[:-1] + b"}\n"
