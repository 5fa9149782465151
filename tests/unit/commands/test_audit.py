"""The audit command: what it compares and prints, and that it catches a target that loses rows."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.commands.audit import AuditError, audit_sql, connect, find_gaps, main
from tap_advexport.reports import REPORTS, Report
from tests.support.warehouses import Export, Row, Warehouse, environment, run, run_audit

if TYPE_CHECKING:
    from pathlib import Path

DAY = Export(
    "e", "2024-01-02 03:00:00", "daily", ("2024-01-01",), (Row("2024-01-01", "k", 1, 1, "0.5"),)
)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse("duckdb", str(tmp_path / "w.duckdb"), append_only=False, reports=("daily",))
    made.create()
    return made


def filled(warehouse: Warehouse, *statements: str) -> Warehouse:
    warehouse.load(DAY)
    for statement in statements:
        warehouse.run(statement)
    warehouse.flush()
    return warehouse


def test_a_report_that_was_never_loaded_is_not_compared(warehouse: Warehouse) -> None:
    assert run_audit(filled(warehouse).url) == (0, "1 periods compared, 0 differ\n", "")


def test_a_report_without_its_table_is_an_error_when_rows_were_sent(warehouse: Warehouse) -> None:
    hourly = (
        "insert into tap_advexport.report_periods (report, period, row_count)"
        " values ('hourly', '2024-01-01', 7)"
    )
    code, _, error = run_audit(filled(warehouse, hourly).url)
    assert code == 2
    assert error == (
        'tap-advexport-audit: there is no table "tap_advexport"."report_hourly", and report_periods'
        " says that 7 rows of it were sent: name it with --table\n"
    )


def test_an_audit_that_compares_nothing_does_not_pass(warehouse: Warehouse) -> None:
    warehouse.flush()
    code, _, error = run_audit(warehouse.url)
    assert (code, error) == (2, "tap-advexport-audit: the tables are empty: nothing to compare\n")


def test_other_names_of_schema_and_tables_are_given_by_options(warehouse: Warehouse) -> None:
    moved = [
        'create schema "My ads"',
        'create table "My ads".ad_days as from tap_advexport.report_daily',
        'create table "My ads".report_periods as from tap_advexport.report_periods',
    ]
    url = "duckdb://" + filled(warehouse, *moved).url
    code, printed, _ = run_audit(
        url, "--schema", "My ads", "--table", "report_daily=ad_days", "--report", "daily"
    )
    assert (code, printed) == (0, "1 periods compared, 0 differ\n")


@pytest.mark.parametrize(("cost", "options", "code"), [
    ("0.5000000001", (), 0),
    ("0.5000000001", ("--cost-tolerance", "0"), 1),
    ("0.500001", (), 1),
])  # fmt: skip
def test_costs_may_differ_by_what_adding_floats_costs_and_no_more(
    warehouse: Warehouse, cost: str, options: tuple[str, ...], code: int
) -> None:
    url = filled(warehouse, f"update tap_advexport.report_daily set cost_aggr = {cost}").url  # noqa: S608  # ours
    assert run_audit(url, *options)[0] == code


@pytest.mark.parametrize(("url", "told"), [
    ("missing.duckdb", "database does not exist"),
    ("postgresql://someone:hunter2@127.0.0.1:1/ads", "Connection refused"),
    ("postgresql://someone:hunter%zz@127.0.0.1:1/ads", "***"),
])  # fmt: skip
def test_a_warehouse_that_cannot_be_opened_is_one_line_without_the_password(
    url: str, told: str
) -> None:
    code, printed, error = run_audit(url)
    assert (code, printed) == (2, "")
    assert told in error
    assert "hunter" not in error
    assert error.count("\n") == 1


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(AuditError, match="install psycopg or psycopg2"):
        connect("postgresql://localhost/x")


def test_an_unknown_stream_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["w.duckdb", "--table", "report_weekly=x"])
    assert "is not STREAM=TABLE with a stream of the tap" in capsys.readouterr().err


def test_the_query_has_no_name_left_to_fill_in() -> None:
    assert "{{" not in audit_sql(report="daily", rows="r", periods="p", cost_tolerance="0")


DAILY, _, MONTHLY = REPORTS


@pytest.mark.parametrize(("report", "periods", "first", "gaps"), [
    (DAILY, [], date(2024, 1, 1), []),
    (DAILY, [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)], None, []),
    (DAILY, [date(2024, 1, 5)], date(2024, 1, 2), ["2024-01-02 to 2024-01-04"]),
    (DAILY, [date(2024, 1, 5)], date(2024, 1, 9), []),
    (DAILY, [date(2024, 1, 1), date(2024, 1, 3)], None, ["2024-01-02"]),
    (MONTHLY, [date(2023, 12, 1), date(2024, 1, 1)], date(2023, 12, 15), []),
    (MONTHLY, [date(2023, 12, 1), date(2024, 4, 1)], None, ["2024-01-01 to 2024-03-01"]),
])  # fmt: skip
def test_gaps_between_and_before_the_periods_are_found(
    report: Report, periods: list[date], first: date | None, gaps: list[str]
) -> None:
    told = f"{report.label} {{}} (missing): neither rows nor a period row"
    assert [str(gap) for gap in find_gaps(report, periods, first)] == [told.format(g) for g in gaps]


# --- A target that loses rows --------------------------------------------------------------------

STRING = {"type": "string"}
INTEGER = {"type": ["null", "integer"]}
NUMBER = {"type": ["null", "number"]}
DATE = {"type": "string", "format": "date"}
TIME = {"type": "string", "format": "date-time"}
REPORT_SCHEMA = {
    "time": TIME,
    "country": STRING,
    "clicks_aggr": INTEGER,
    "conversions_aggr": INTEGER,
    "cost_aggr": NUMBER,
    "report_date": DATE,
    "row_key": STRING,
    "export_id": STRING,
    "exported_at": TIME,
}
PERIODS_SCHEMA = {
    "report": STRING,
    "period": DATE,
    "export_id": STRING,
    "exported_at": TIME,
    "confirmed_at": TIME,
    "row_count": INTEGER,
    "clicks_aggr": INTEGER,
    "conversions_aggr": INTEGER,
    "cost_aggr": NUMBER,
    "is_settled": {"type": "boolean"},
}
TWO_DAYS = Export(
    "e",
    "2024-01-03T03:00:00+00:00",
    "daily",
    ("2024-01-01", "2024-01-02"),
    (
        *(Row("2024-01-01", f"k{n}", n, 1, "0.5", country="DE") for n in range(10)),
        Row("2024-01-02", "k10", 4, 2, "1", country="DE"),
    ),
)
# All of the first day is one row.
LONE_ROW = Export(TWO_DAYS.id, TWO_DAYS.at, TWO_DAYS.report, TWO_DAYS.periods, TWO_DAYS.rows[9:])


def singer_messages(export: Export) -> str:
    streams: list[tuple[str, dict[str, Any], list[str], list[dict[str, Any]]]] = [
        ("report_daily", REPORT_SCHEMA, ["row_key"], export.report_rows()),
        ("report_periods", PERIODS_SCHEMA, ["report", "period"], export.period_rows()),
    ]
    messages: list[dict[str, Any]] = []
    for stream, properties, keys, rows in streams:
        schema = {"type": "object", "properties": properties}
        messages.append(
            {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys}
        )
        messages += [{"type": "RECORD", "stream": stream, "record": row} for row in rows]
    return "".join(
        json.dumps(message, default=float) + "\n"
        for message in [*messages, {"type": "STATE", "value": {}}]
    )


def load_and_audit(requirement: str, export: Export, folder: Path) -> tuple[int, list[str]]:
    """Load through target-duckdb with this duckdb, then audit what it stored."""
    name = "target-duckdb" if "==" in requirement else "target-duckdb-unpinned"
    programs = environment(name, f"target-duckdb==0.8.0\n{requirement}\n")
    config = folder / "config.json"
    path = str(folder / "w.duckdb")
    config.write_text(json.dumps({"path": path, "default_target_schema": "tap_advexport"}))
    run([str(programs / "target-duckdb"), "--config", str(config)], text=singer_messages(export))
    code, printed, error = run_audit(path, "--first", "2024-01-01", programs=programs)
    assert error == ""
    return code, printed.splitlines()


@pytest.mark.parametrize("export", [TWO_DAYS, LONE_ROW])
def test_what_target_duckdb_stores_with_the_duckdb_it_works_with_is_what_the_api_said(
    export: Export, tmp_path: Path
) -> None:
    assert load_and_audit("duckdb==1.2.2", export, tmp_path) == (
        0,
        ["2 periods compared, 0 differ"],
    )


def test_the_audit_catches_the_first_records_that_target_duckdb_loses_with_the_newest_duckdb(
    tmp_path: Path,
) -> None:
    code, lines = load_and_audit("duckdb", TWO_DAYS, tmp_path)
    assert code == 1
    # The first row of the day is lost, and so is the first period row.
    assert lines[1:] == [
        (
            "daily 2024-01-01 (no period row): rows nothing | 0, clicks nothing | 0,"
            " conversions nothing | 0, cost nothing | 0.0; 9 rows of other exports"
        ),
        "2 periods compared, 1 differ",
    ]


def test_the_audit_catches_a_day_that_is_lost_as_a_whole_when_it_knows_the_first(
    tmp_path: Path,
) -> None:
    code, lines = load_and_audit("duckdb", LONE_ROW, tmp_path)
    assert (code, lines) == (
        1,
        [
            "daily 2024-01-01 (missing): neither rows nor a period row",
            "1 periods compared, 0 differ, 1 gaps",
        ],
    )
