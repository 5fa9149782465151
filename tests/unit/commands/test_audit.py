"""The audit command: what it compares and prints, and that it catches a target that loses rows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tap_advexport.commands.audit import main
from tests.support.paths import ROOT
from tests.support.warehouses import (
    SCHEMA,
    Export,
    Row,
    Warehouse,
    dbt_environment,
    environment,
    run,
    run_audit,
)

DAY = Export(
    "e", "2024-01-02 03:00:00", "daily", ("2024-01-01",), (Row("2024-01-01", "k", 1, 1, "0.5"),)
)
EQUAL = "1 period compared, 0 differ\n"


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


def damaged(warehouse: Warehouse) -> str:
    """Four days: the second and third lack a row each, and the fifth day lacks everything."""
    for day in ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06"):
        row = Row(day, f"k{day}", 1, 1, "0.5")
        warehouse.load(Export("e", "2024-01-07 03:00:00", "daily", (day,), (row,)))
    warehouse.run(
        "delete from tap_advexport.report_daily where row_key in ('k2024-01-02', 'k2024-01-03')"
    )
    warehouse.flush()
    return warehouse.url


def mending(first: str, last: str, **more: str) -> str:
    return json.dumps({**more, "refresh_start_date": first, "refresh_end_date": last})


def test_rows_that_dlt_has_stored_twice_differ_and_copies_of_a_target_do_not(
    tmp_path: Path,
) -> None:
    """Readers of dlt's tables join nothing; those of an append-only target take one copy."""
    warehouse = Warehouse(
        "duckdb", str(tmp_path / "w.duckdb"), append_only=True, reports=("daily",)
    )
    warehouse.create()
    filled(warehouse, "insert into tap_advexport.report_daily from tap_advexport.report_daily")
    assert run_audit(warehouse.url) == (0, EQUAL, "")
    warehouse.run("alter table tap_advexport.report_daily add column is_deleted boolean")
    warehouse.flush()
    code, told, _ = run_audit(warehouse.url)
    assert code == 1
    assert "daily 2024-01-01 (rows): rows 1 | 2, clicks 1 | 2" in told


def test_rows_of_another_version_differ_where_dlt_replaces_days(warehouse: Warehouse) -> None:
    other = Row("2024-01-01", "k0", 4, 1, "0.25")
    warehouse.load(Export("e0", "2024-01-02 02:00:00", "daily", ("2024-01-01",), (other,)))
    assert run_audit(filled(warehouse).url) == (0, EQUAL, "")
    warehouse.run("alter table tap_advexport.report_daily add column is_deleted boolean")
    warehouse.flush()
    code, told, _ = run_audit(warehouse.url)
    assert code == 1
    assert "daily 2024-01-01 (rows): " in told
    assert "; 1 of other versions" in told


@pytest.mark.parametrize("column", ["row_count", "clicks_aggr", "conversions_aggr", "cost_aggr"])
def test_a_total_that_was_not_loaded_agrees_with_nothing(warehouse: Warehouse, column: str) -> None:
    filled(warehouse, f"update tap_advexport.report_periods set {column} = null")  # noqa: S608
    code, told, _ = run_audit(warehouse.url)
    assert code == 1
    assert "| 1" in told or "| 0.5" in told


def test_a_report_that_was_never_loaded_is_not_compared(warehouse: Warehouse) -> None:
    assert run_audit(filled(warehouse).url) == (0, EQUAL, "")


def test_a_report_without_its_table_is_an_error_when_rows_were_sent(warehouse: Warehouse) -> None:
    hourly = (
        "insert into tap_advexport.report_periods (report, period, row_count)"
        " values ('hourly', '2024-01-01', 7)"
    )
    code, _, error = run_audit(filled(warehouse, hourly).url)
    assert code == 2
    assert error == (
        "tap-advexport-audit: there is no table tap_advexport.report_hourly, and report_periods"
        " says that 7 rows of it were sent: name it with --table\n"
    )


def test_rows_whose_day_is_unknown_are_one_clear_line(warehouse: Warehouse) -> None:
    dateless = "update tap_advexport.report_daily set report_date = null"
    code, _, error = run_audit(filled(warehouse, dateless).url)
    assert code == 2
    assert error.startswith("tap-advexport-audit: tap_advexport.report_daily has rows without")
    assert error.count("\n") == 1


def test_an_audit_that_compares_nothing_does_not_pass(warehouse: Warehouse) -> None:
    warehouse.flush()
    code, _, error = run_audit(warehouse.url)
    assert (code, error) == (
        2,
        "tap-advexport-audit: there are no periods: has it been loaded?\n",
    )


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
    assert (code, printed) == (0, EQUAL)


def test_a_database_may_be_called_as_its_schema(warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / f"{SCHEMA}.duckdb"
    Path(filled(warehouse).url).rename(path)
    assert run_audit(str(path)) == (0, EQUAL, "")


def test_tables_in_another_schema_are_found_and_named(warehouse: Warehouse) -> None:
    code, _, error = run_audit(filled(warehouse).url, "--schema", "ads")
    assert code == 2
    assert error == (
        "tap-advexport-audit: there is no table ads.report_periods; one lies in the schema"
        " tap_advexport: name it with --schema\n"
    )


@pytest.mark.parametrize("table", ["report_daily", "report_periods"])
def test_tables_of_an_older_version_are_one_clear_line(warehouse: Warehouse, table: str) -> None:
    url = filled(warehouse, f"alter table {SCHEMA}.{table} drop column period_version").url
    code, printed, error = run_audit(url)
    assert (code, printed, error.count("\n")) == (2, "", 1)
    assert f"{SCHEMA}.{table} has no column period_version" in error
    assert "refresh_start_date" in error


def test_periods_from_before_the_column_are_told_as_such(warehouse: Warehouse) -> None:
    old = [
        "update tap_advexport.report_daily set period_version = null",
        "update tap_advexport.report_periods set period_version = null",
    ]
    code, printed, _ = run_audit(filled(warehouse, *old).url)
    assert code == 1
    assert "daily 2024-01-01 (no period_version): rows 1 | 0" in printed


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


# --- What mends it -------------------------------------------------------------------------------


def test_each_difference_comes_with_the_settings_that_mend_it(warehouse: Warehouse) -> None:
    code, printed, error = run_audit(damaged(warehouse), "--end-date", "2024-01-07")
    assert (code, error) == (1, "")
    assert printed.splitlines() == [
        "report period (what differs): figure by the API | in the warehouse",
        "daily 2024-01-02 (rows): rows 1 | 0, clicks 1 | 0, conversions 1 | 0, cost 0.5 | 0.0",
        "daily 2024-01-03 (rows): rows 1 | 0, clicks 1 | 0, conversions 1 | 0, cost 0.5 | 0.0",
        "daily 2024-01-04 to 2024-01-05 (missing): neither rows nor a period row",
        f"    mend with {mending('2024-01-02', '2024-01-05')}",
        "daily 2024-01-07 (missing): neither rows nor a period row",
        f"    mend with {mending('2024-01-07', '2024-01-07')}",
        "4 periods compared, 2 differ, 2 gaps",
    ]


def test_the_repair_config_mends_all_of_it_in_one_run(warehouse: Warehouse) -> None:
    url = damaged(warehouse)
    code, printed, error = run_audit(url, "--repair-config")
    assert (code, printed) == (1, mending("2024-01-02", "2024-01-05") + "\n")
    assert error == "4 periods compared, 2 differ, 1 gap\n"
    assert run_audit(url, "--repair-config", "--start-date", "2024-01-03")[1] == (
        mending("2024-01-03", "2024-01-05") + "\n"
    )


def test_a_warehouse_that_needs_no_repair_gives_an_empty_config(warehouse: Warehouse) -> None:
    assert run_audit(filled(warehouse).url, "--repair-config") == (0, "{}\n", EQUAL)


def test_the_config_of_the_tap_says_which_days_have_to_be_there(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"auth_token": "t", "start_date": "2023-12-30", "end_date": "2024-01-02"}')
    code, printed, _ = run_audit(filled(warehouse).url, "--config", str(config))
    assert code == 1
    assert [line for line in printed.splitlines() if "missing" in line] == [
        "daily 2023-12-30 to 2023-12-31 (missing): neither rows nor a period row",
        "daily 2024-01-02 (missing): neither rows nor a period row",
    ]


def test_a_difference_before_the_start_is_not_promised_to_be_mended(warehouse: Warehouse) -> None:
    _, printed, _ = run_audit(damaged(warehouse), "--start-date", "2024-01-06")
    assert "    outside start_date and end_date: never exported again" in printed.splitlines()


# --- Several accounts ----------------------------------------------------------------------------


@pytest.fixture
def two_accounts(tmp_path: Path) -> str:
    made = Warehouse(
        "duckdb",
        str(tmp_path / "two.duckdb"),
        append_only=False,
        reports=("daily",),
        has_account=True,
    )
    made.create()
    for account in ("north", "south"):
        # The same rows: only the label tells them apart.
        made.load(Export(DAY.id, DAY.at, DAY.report, DAY.periods, DAY.rows, account=account))
    made.flush()
    assert run_audit(made.url) == (0, "2 periods compared, 0 differ\n", "")
    made.run(f"delete from {SCHEMA}.report_daily where account = 'south'")  # noqa: S608  # ours
    made.flush()
    return made.url


def test_accounts_are_compared_apart(two_accounts: str) -> None:
    code, printed, _ = run_audit(two_accounts)
    assert code == 1
    assert [line.partition(":")[0] for line in printed.splitlines()[1:-2]] == [
        "south daily 2024-01-01 (rows)"
    ]
    mend = mending("2024-01-01", "2024-01-01", account="south")
    assert f"    mend with {mend}" in printed.splitlines()
    assert run_audit(two_accounts, "--repair-config")[1] == f"{mend}\n"


def test_one_account_is_compared_alone(two_accounts: str) -> None:
    assert run_audit(two_accounts, "--account", "north")[:2] == (0, EQUAL)
    assert run_audit(two_accounts, "--account", "south")[0] == 1
    code, _, error = run_audit(two_accounts, "--account", "west")
    assert (code, error) == (
        2,
        "tap-advexport-audit: there are no periods of account west: has it been loaded?\n",
    )


def test_the_account_of_the_config_is_compared_alone(two_accounts: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"account": "north", "start_date": "2024-01-01"}')
    assert run_audit(two_accounts, "--config", str(config))[:2] == (0, EQUAL)
    assert run_audit(two_accounts, "--config", str(config), "--account", "south")[0] == 1


def test_rows_from_before_the_setting_are_an_account_of_their_own(two_accounts: str) -> None:
    made = Warehouse("duckdb", two_accounts, append_only=True, reports=("daily",))
    for table in (f"{SCHEMA}.report_daily", f"{SCHEMA}.report_periods"):
        unlabelled = "* replace (nullif(account, 'north') as account)"
        made.run(f"create table old as select {unlabelled} from {table}")  # noqa: S608  # ours
        made.run(f"drop table {table}")
        made.run(f"create table {table} as from old")
        made.run("drop table old")
    made.flush()
    code, printed, _ = run_audit(two_accounts)
    assert code == 1
    assert printed.splitlines()[-1] == "2 periods compared, 1 differ"


# --- As a command --------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "words"), [
    (["w.duckdb", "--table", "report_weekly=x"], "'report_weekly=x' is not STREAM=TABLE"),
    (["w.duckdb", "--report", "weekly"], "'weekly' is not one of"),
    (["w.duckdb", "--start-date", "soon"], "start_date"),
    (["w.duckdb", "--cost-tolerance", "much"], "cost-tolerance"),
    (["w.duckdb", "--cost-tolerance", "nan"], "nan is not a finite number from 0 on"),
    (["w.duckdb", "--cost-tolerance", "inf"], "inf is not a finite number from 0 on"),
    (["w.duckdb", "--cost-tolerance", "-1"], "-1.0 is not a finite number from 0 on"),
    (["w.duckdb", "--config", "/nowhere/config.json"], "config: /nowhere/config.json"),
    (["w.duckdb", "--first", "2024-01-01"], "--first"),
    ([], "expected one WAREHOUSE (got 0)"),
])  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith("tap-advexport-audit: ")
    assert words in printed.err


def test_a_url_that_the_shell_has_cut_in_two_is_not_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["postgresql://someone:hunt", "er2@localhost/ads"]) == 2
    assert "hunt" not in (told := capsys.readouterr().err)
    assert "er2" not in told
    assert "got 2" in told


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "2: the comparison could not be made" in " ".join(capsys.readouterr().out.split())


def test_a_reader_that_goes_away_is_no_traceback(warehouse: Warehouse) -> None:
    url = filled(warehouse).url
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [dbt_environment() / "python", "-m", "tap_advexport.commands.audit", url],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (2, b"")


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
    "period_version": STRING,
    "exported_at": TIME,
}
PERIODS_SCHEMA = {
    "report": STRING,
    "period": DATE,
    "period_version": STRING,
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
        for row in rows:
            record = {name: row[name] for name in properties}
            messages.append({"type": "RECORD", "stream": stream, "record": record})
    return "".join(
        json.dumps(message, default=float) + "\n"
        for message in [*messages, {"type": "STATE", "value": {}}]
    )


def load_and_audit(requirement: str, export: Export, folder: Path) -> tuple[int, list[str]]:
    """Load through target-duckdb with this duckdb, then audit what it stored."""
    # Not the environment that is called as the target: that has other packages.
    name = "audit-duckdb" if "==" in requirement else "audit-duckdb-unpinned"
    programs = environment(name, f"target-duckdb==0.8.0\n{requirement}\nclick\n")
    config = folder / "config.json"
    path = str(folder / "w.duckdb")
    config.write_text(json.dumps({"path": path, "default_target_schema": "tap_advexport"}))
    run([str(programs / "target-duckdb"), "--config", str(config)], text=singer_messages(export))
    code, printed, error = run_audit(path, "--start-date", "2024-01-01", programs=programs)
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
            " conversions nothing | 0, cost nothing | 0.0; 9 of other versions"
        ),
        f"    mend with {mending('2024-01-01', '2024-01-01')}",
        "2 periods compared, 1 differ",
    ]


def test_the_audit_catches_a_day_that_is_lost_as_a_whole_when_it_knows_the_first(
    tmp_path: Path,
) -> None:
    code, lines = load_and_audit("duckdb", LONE_ROW, tmp_path)
    assert (code, lines) == (
        1,
        [
            "report period (what differs): figure by the API | in the warehouse",
            "daily 2024-01-01 (missing): neither rows nor a period row",
            f"    mend with {mending('2024-01-01', '2024-01-01')}",
            "1 period compared, 0 differ, 1 gap",
        ],
    )
