"""The tables that dlt is given, and what it is told of their columns."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from tap_advexport.dlt.tables import (
    DELETED,
    MERGE_STRATEGY,
    REPORT_COLUMNS,
    TABLE_ROWS,
    ReportTables,
    period_hints,
    period_schema,
    period_table,
    report_hints,
)
from tap_advexport.exports.job import Ready
from tap_advexport.records.convert import SpoolFormat, convert
from tap_advexport.sync.destination import PeriodRow
from tap_advexport.windows import DateWindow, Task
from tests.support.records_reference import Row, conversion, csv_bytes, row

MOMENT = datetime(2017, 10, 5, 3, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")


def ready(*rows: Row, zone: str = "UTC") -> Ready:
    """An export of three days."""
    spool = io.BytesIO()
    wanted = conversion(columns=REPORT_COLUMNS, spool_format=SpoolFormat.ARROW, timezone=zone)
    converted = convert(io.BytesIO(csv_bytes(rows)), spool, wanted)
    task = Task("task-1", DateWindow(wanted.first, wanted.last), MOMENT)
    return Ready(task, spool, converted, 10, release=lambda: None)


@pytest.mark.parametrize("account", [None, "north"])
def test_rows_of_all_periods_are_one_table_and_an_empty_one_deletes(account: str | None) -> None:
    export = ready(row(), row(lang="de"), row(time="2017-10-03 00:00"))
    tables = ReportTables(ZoneInfo("UTC"), account)
    [table] = tables.tables(export, export.converted.periods)
    assert table.schema == tables.schema
    assert [day.day for day in table["report_date"].to_pylist()] == [1, 1, 2, 3]
    assert table[DELETED].to_pylist() == [None, None, True, None]
    assert set(table["export_id"].to_pylist()) == {"task-1"}
    assert set(table["exported_at"].to_pylist()) == {MOMENT}
    versions = [period.version for period in export.converted.periods]
    assert table["period_version"].to_pylist() == [versions[n] for n in (0, 0, 1, 2)]
    if account:
        assert set(table["account"].to_pylist()) == {account}
    else:
        assert "account" not in table.schema.names


def test_the_row_that_empties_a_day_is_of_the_zone_of_the_account() -> None:
    export = ready(zone="Europe/Rome")
    [table] = ReportTables(ROME, None).tables(export, export.converted.periods[:1])
    [emptying] = table.to_pylist()
    assert emptying["time"] == datetime(2017, 10, 1, tzinfo=ROME)
    assert emptying["report_date"] == date(2017, 10, 1)
    assert emptying["row_key"] == ""
    assert emptying["cost_aggr"] is emptying["clicks_aggr"] is None


def test_without_periods_there_is_no_table() -> None:
    assert list(ReportTables(ROME, None).tables(ready(), [])) == []


def test_a_table_ends_where_it_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    export = ready(*(row(time=f"2017-10-0{day} 00:00") for day in (1, 2, 3)))
    small = ReportTables(ZoneInfo("UTC"), None)
    table = next(small.tables(export, export.converted.periods[:1]))
    many = pa.concat_tables([table] * (TABLE_ROWS // 2))
    monkeypatch.setattr(small, "_tables", lambda *_: iter([many]))
    sizes = [each.num_rows for each in small.tables(export, export.converted.periods)]
    assert sizes == [TABLE_ROWS, TABLE_ROWS // 2]


def test_what_a_column_can_be_is_told_to_dlt_as_the_table_says_it() -> None:
    schema = ReportTables(ROME, None).schema
    hints = report_hints(schema, None)
    assert hints["merge_key"] == "report_date"
    assert hints["write_disposition"] == {"disposition": "merge", "strategy": MERGE_STRATEGY}
    assert {name: hint["nullable"] for name, hint in hints["columns"].items()} == {
        field.name: field.nullable for field in schema
    }
    assert [name for name, hint in hints["columns"].items() if "hard_delete" in hint] == [DELETED]
    nullable = {field.name for field in schema if field.nullable}
    assert {"cost_aggr", "cr", "clicks_aggr", DELETED} <= nullable
    assert nullable.isdisjoint({"row_key", "time", "report_date", "period_version", "campaign"})


def test_days_of_one_account_are_replaced_beside_those_of_others() -> None:
    schema = ReportTables(ROME, "north").schema
    assert report_hints(schema, "north")["merge_key"] == ["account", "report_date"]
    assert period_hints("north")["primary_key"] == ["account", "report", "period"]
    assert period_hints(None)["primary_key"] == ["report", "period"]
    assert period_hints(None)["table_name"] == "report_periods"


def period_row(day: int = 1, *, clicks: int = 2**62, cost: str = "0.5") -> PeriodRow:
    return PeriodRow(
        report="daily",
        period=date(2017, 10, day),
        version="v",
        export_id="task-1",
        exported_at=MOMENT,
        confirmed_at=MOMENT,
        row_count=2,
        clicks_aggr=clicks,
        conversions_aggr=-1,
        cost_aggr=cost,
        is_settled=False,
    )


@pytest.mark.parametrize("account", [None, "north"])
def test_periods_are_typed_and_none_of_their_columns_is_null(account: str | None) -> None:
    table = period_table([period_row(1), period_row(2)], account)
    assert table.schema == period_schema(account)
    assert not any(field.nullable for field in table.schema)
    first, second = table.to_pylist()
    assert (first["period"], second["period"]) == (date(2017, 10, 1), date(2017, 10, 2))
    assert first["clicks_aggr"] == 2**62
    assert first["confirmed_at"] == MOMENT
    assert first.get("account") == account


@pytest.mark.parametrize(
    "cost",
    [
        "0",
        "10",
        "-0.5",
        "1234567890123456.0000000000000000000001",
        # A cell of 0e-4000 makes a total so long, of which pyarrow makes 0.
        "0.1" + "0" * 4000,
        "0." + "0" * 4000,
        "1234567890123456." + "0" * 30,
    ],
    ids=range(7),
)
def test_a_total_that_fits_is_exact_however_it_is_written(cost: str) -> None:
    [row] = period_table([period_row(cost=cost)], None).to_pylist()
    assert row["cost_aggr"] == Decimal(cost)
