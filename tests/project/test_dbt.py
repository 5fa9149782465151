"""The dbt package over small warehouses of both kinds, filled by upserts and by appending."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tap_advexport.commands.audit_comparison import audit_sql
from tap_advexport.reports import ADDED_COLUMNS, COLUMNS, REPORTS
from tests.support.paths import ROOT
from tests.support.warehouses import (
    DBT,
    REPORT_TYPES,
    SCHEMA,
    Dbt,
    Export,
    Row,
    Warehouse,
    dbt_environment,
    once,
    postgres,
    run,
    run_audit,
)

if TYPE_CHECKING:
    from pathlib import Path

# The first run: five days in two exports; the third day is empty.
A: Final = Export(
    id="a",
    at="2024-01-06 03:00:00",
    report="daily",
    periods=("2024-01-01", "2024-01-02", "2024-01-03"),
    rows=(
        Row("2024-01-01", "k11", 10, 1, "0.1", country=""),
        Row("2024-01-01", "k12", None, None, None),
        Row("2024-01-02", "k21", 5, 2, "0.2"),
        Row("2024-01-02", "k22", 7, 0, "0.7"),
        Row("2024-01-02", "k23", 1, 1, "-0.90000000000000002"),
    ),
)
B: Final = Export(
    id="b",
    at="2024-01-06 03:00:00",
    report="daily",
    periods=("2024-01-04", "2024-01-05"),
    rows=(
        Row("2024-01-04", "k41", 3, 3, "0.3"),
        Row("2024-01-05", "k51", 9, 9, "1000000000000.07"),
    ),
)
HOURLY: Final = Export(
    "h", "2024-01-06 03:00:00", "hourly", ("2024-01-01",), (Row("2024-01-01", "h1", 2, 1, "1"),)
)
MONTHLY: Final = Export(
    "m",
    "2024-01-06 03:00:00",
    "monthly",
    ("2023-12-01", "2024-01-01"),
    (Row("2023-12-01", "m1", 8, 4, "2.5"), Row("2024-01-01", "m2", 6, 3, "1.25")),
)

# The next day: the second day is restated (one row moved, one went, one came), the fifth
# lost all its rows, the fourth is as it was, the sixth is new; the first settles and is sent whole.
SETTLING: Final = Export(
    "s", "2024-01-07 03:00:00", "daily", ("2024-01-01",), A.rows[:2], is_settled=True
)
C: Final = Export(
    id="c",
    at="2024-01-07 03:00:01",
    report="daily",
    periods=("2024-01-02", "2024-01-05", "2024-01-06"),
    rows=(
        Row("2024-01-02", "k21", 6, 3, "0.25"),
        Row("2024-01-02", "k23", 1, 1, "-0.90000000000000002"),
        Row("2024-01-02", "k24", 4, 0, "0.4"),
        Row("2024-01-06", "k61", 1, 0, "0.01"),
    ),
    confirms=(("2024-01-03", A), ("2024-01-04", B)),
)
# A run that was killed after its rows went out, and before the row of their period did.
KILLED: Final = Export(
    "x", "2024-01-08 03:00:00", "daily", ("2024-01-06",), (Row("2024-01-06", "k61", 2, 0, "0.02"),)
)

TRUTH: Final = {
    "advexport_daily": [
        *((SETTLING, row) for row in SETTLING.rows),
        *((C, row) for row in C.rows),
        (B, B.rows[0]),
    ],
    "advexport_hourly": [(HOURLY, row) for row in HOURLY.rows],
    "advexport_monthly": [(MONTHLY, row) for row in MONTHLY.rows],
}
ALL_REPORTS: Final = ("daily", "hourly", "monthly")
VARIABLES: Final = {"advexport_reports": list(ALL_REPORTS), "advexport_start_date": "2024-01-01"}
KINDS: Final = ["duckdb", "postgres"]
VARIANTS: Final = [(kind, how) for kind in KINDS for how in ("upsert", "append")]
UPSERTING: Final = pytest.mark.parametrize(
    "outcome", [(kind, "upsert") for kind in KINDS], indirect=True, ids="-".join
)

READ_ROWS: Final = """
    select row_key, export_id, report_date, time, country, clicks_aggr, conversions_aggr, cost_aggr
    from advexport.{model} order by row_key
"""
READS: Final = {
    **{model: READ_ROWS.format(model=model) for model in TRUTH},
    "periods": """
        select report, period, export_id, row_count, is_settled
        from advexport.advexport_periods order by report, period
    """,
    "history": """
        select period, confirmed_at, export_id, row_count, conversions_aggr
        from advexport.advexport_period_history
        where report = 'daily' order by period, confirmed_at
    """,
    "maturation": """
        select
            look, age_days, has_new_rows, conversions_aggr, conversions_change, clicks_change,
            cost_change, conversions_share
        from advexport.advexport_maturation
        where report = 'daily' and period = '2024-01-02' order by look
    """,
    "monthly ages": """
        select period, age_days
        from advexport.advexport_maturation where report = 'monthly' order by period
    """,
    "column types": """
        select column_name, lower(data_type) from information_schema.columns
        where table_schema = 'advexport'
            and column_name in ('report_date', 'period', 'time', 'confirmed_at')
    """,
}


@pytest.fixture(scope="session", params=VARIANTS, ids="-".join)
def outcome(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    kind, how = request.param
    server = postgres() if kind == "postgres" else nullcontext()

    def build(folder: Path) -> dict[str, Any]:
        with server as url:
            warehouse = Warehouse(
                kind,
                url or str(folder / "w.duckdb"),
                append_only=how == "append",
                reports=ALL_REPORTS,
            )
            return _simulate(warehouse, folder)

    result: dict[str, Any] = once(tmp_path_factory, f"{kind}-{how}", build)
    return {**result, "kind": kind, "how": how}


def _simulate(warehouse: Warehouse, folder: Path) -> dict[str, Any]:
    warehouse.create()
    for export in (A, B, HOURLY, MONTHLY):
        warehouse.load(export)
    warehouse.flush()
    outcome: dict[str, Any] = {"audit of the first load": run_audit(warehouse.url)}
    dbt = Dbt(warehouse.url, folder, variables=VARIABLES)
    if not warehouse.append_only:
        outcome["first build"] = dbt("build")

    warehouse.load(SETTLING)
    warehouse.load(C)
    if warehouse.append_only:
        # The run was killed before its STATE and repeated, and a later one before its period rows.
        warehouse.load(C)
        warehouse.load(KILLED, with_periods=False)
    warehouse.flush()
    # `--full-refresh` must leave the history as it is.
    outcome["build"] = dbt("build", "--full-refresh")
    outcome["audit"] = run_audit(warehouse.url)
    outcome["models"] = {name: warehouse.query(sql) for name, sql in READS.items()}

    *reads, delete = documented_queries()
    use = "search_path to" if warehouse.kind == "postgres" else "schema ="
    outcome["documented"] = [warehouse.query(f"set {use} {SCHEMA}", sql) for sql in reads]
    warehouse.query(*views_of(warehouse), "select 1")
    outcome["views"] = [
        warehouse.query(f"select {columns} from {SCHEMA}.{view} order by 1")  # noqa: S608  # ours
        for view, columns in {
            "daily_rows": "row_key, export_id, cast(report_date as date)",
            "daily_days": "period, row_count, is_settled",
        }.items()
    ]
    warehouse.query(f"set {use} {SCHEMA}", delete, "select 1")
    outcome["left after the documented delete"] = warehouse.query(
        f"select row_key, export_id from {SCHEMA}.report_daily order by row_key, export_id"  # noqa: S608  # ours
    )
    outcome["audit of what is left"] = run_audit(warehouse.url)

    # Damage: a row deleted by hand, a digit of a cost, and, over upserts, a killed run.
    warehouse.run("delete from tap_advexport.report_daily where row_key = 'k24'")
    warehouse.run("update tap_advexport.report_daily set cost_aggr = 0.31 where row_key = 'k41'")
    warehouse.run("delete from tap_advexport.report_periods where report = 'hourly'")
    if not warehouse.append_only:
        warehouse.load(KILLED, with_periods=False)
    warehouse.flush()
    outcome["audit of the damage"] = run_audit(warehouse.url)
    if not warehouse.append_only:
        outcome["test of the damage"] = dbt("test", ok=(1,))
        outcome["freshness"] = dbt("source", "freshness", ok=(1,))
    return outcome


def test_every_model_and_test_of_the_package_passes(outcome: dict[str, Any]) -> None:
    assert set(outcome["build"].values()) == {"success", "pass"}
    assert {"advexport_audit", "advexport_daily", "advexport_maturation"} <= set(outcome["build"])
    assert set(outcome.get("first build", {"": "pass"}).values()) <= {"success", "pass"}


@pytest.mark.parametrize("model", TRUTH)
def test_current_models_are_the_api_s_truth_row_for_row(
    outcome: dict[str, Any], model: str
) -> None:
    number = float if outcome["kind"] == "duckdb" else Decimal

    def cost(digits: str | None) -> float | Decimal | None:
        return None if digits is None else number(digits)

    expected = sorted(
        [r.key, e.id, r.day, f"{r.day} 00:00:00", r.country, r.clicks, r.conversions, cost(r.cost)]
        for e, r in TRUTH[model]
    )
    assert [[*row[:-1], cost(row[-1])] for row in outcome["models"][model]] == expected


def test_each_period_has_one_row_that_names_the_export_in_force(outcome: dict[str, Any]) -> None:
    assert outcome["models"]["periods"] == [
        ["daily", "2024-01-01", "s", 2, True],
        ["daily", "2024-01-02", "c", 3, False],
        ["daily", "2024-01-03", "a", 0, False],
        ["daily", "2024-01-04", "b", 1, False],
        ["daily", "2024-01-05", "c", 0, False],
        ["daily", "2024-01-06", "c", 1, False],
        ["hourly", "2024-01-01", "h", 1, False],
        ["monthly", "2023-12-01", "m", 1, False],
        ["monthly", "2024-01-01", "m", 1, False],
    ]


def test_history_keeps_every_look_once_also_over_upserts(outcome: dict[str, Any]) -> None:
    assert outcome["models"]["history"] == [
        ["2024-01-01", "2024-01-06 03:00:00", "a", 2, 1],
        ["2024-01-01", "2024-01-07 03:00:00", "s", 2, 1],
        ["2024-01-02", "2024-01-06 03:00:00", "a", 3, 3],
        ["2024-01-02", "2024-01-07 03:00:01", "c", 3, 4],
        ["2024-01-03", "2024-01-06 03:00:00", "a", 0, 0],
        ["2024-01-03", "2024-01-07 03:00:01", "a", 0, 0],
        ["2024-01-04", "2024-01-06 03:00:00", "b", 1, 3],
        ["2024-01-04", "2024-01-07 03:00:01", "b", 1, 3],
        ["2024-01-05", "2024-01-06 03:00:00", "b", 1, 9],
        ["2024-01-05", "2024-01-07 03:00:01", "c", 0, 0],
        ["2024-01-06", "2024-01-07 03:00:01", "c", 1, 0],
    ]


def test_maturation_tells_age_change_and_share(outcome: dict[str, Any]) -> None:
    first, second = outcome["models"]["maturation"]
    assert first[:6] == [1, 4, True, 3, None, None]
    assert first[6] is None
    assert float(first[7]) == 0.75
    assert second[:6] == [2, 5, True, 4, 1, -2]
    assert float(second[6]) == pytest.approx(0.25 + 0.4 - 0.2 - 0.7)
    assert float(second[7]) == 1
    assert outcome["models"]["monthly ages"] == [["2023-12-01", 6], ["2024-01-01", -25]]


def test_dates_are_dates_and_times_are_times(outcome: dict[str, Any]) -> None:
    types = {(column, kind) for column, kind in outcome["models"]["column types"]}
    timestamp = "timestamp" if outcome["kind"] == "duckdb" else "timestamp without time zone"
    assert types == {
        ("report_date", "date"),
        ("period", "date"),
        ("time", timestamp),
        ("confirmed_at", timestamp),
    }


def test_the_audit_finds_nothing_where_nothing_is_missing(outcome: dict[str, Any]) -> None:
    assert outcome["audit of the first load"] == [0, "8 periods compared, 0 differ\n", ""]
    assert outcome["audit"] == [0, "9 periods compared, 0 differ\n", ""]


def test_the_documented_queries_give_the_true_rows(outcome: dict[str, Any]) -> None:
    upserting, appending, periods, maturation = outcome["documented"]
    columns = list(REPORT_TYPES)
    true = sorted((row.key, export.id) for export, row in TRUTH["advexport_daily"])
    for rows in [appending] if outcome["how"] == "append" else [upserting, appending]:
        named = [dict(zip(columns, row, strict=False)) for row in rows]
        assert sorted((row["row_key"], row["export_id"]) for row in named) == true
    assert outcome["how"] == "append" or [row[0] for row in periods] == [
        f"2024-01-0{day}" for day in range(1, 7)
    ]
    assert [row[:2] for row in maturation] == [[5, 1], [6, 1]]


def test_the_views_for_those_without_dbt_give_the_true_rows_and_days(
    outcome: dict[str, Any],
) -> None:
    rows, days = outcome["views"]
    assert rows == sorted([row.key, export.id, row.day] for export, row in TRUTH["advexport_daily"])
    assert days == [row[1:2] + row[3:] for row in outcome["models"]["periods"] if row[0] == "daily"]


def test_the_documented_delete_takes_what_was_replaced_and_nothing_else(
    outcome: dict[str, Any],
) -> None:
    true = {(row.key, export.id) for export, row in TRUTH["advexport_daily"]}
    left = {tuple(row) for row in outcome["left after the documented delete"]}
    # A row of an export that is not in force yet stays, and one whose figures still hold.
    kept = {("k61", "x"), ("k11", "a"), ("k12", "a")}
    assert left == true | (kept if outcome["how"] == "append" else set())
    assert outcome["audit of what is left"] == outcome["audit"]


def test_the_audit_names_each_damaged_period_with_both_totals(outcome: dict[str, Any]) -> None:
    code, printed, _ = outcome["audit of the damage"]
    told = [line for line in printed.splitlines()[1:-1] if not line.startswith(" ")]
    lines = {line.partition(":")[0]: line for line in told}
    expected = {
        "daily 2024-01-02 (rows)",
        "daily 2024-01-04 (cost)",
        "hourly 2024-01-01 (no period row)",
    }
    if outcome["how"] == "upsert":
        expected |= {"daily 2024-01-06 (rows)"}
        assert "rows 1 | 0" in lines["daily 2024-01-06 (rows)"]
        assert lines["daily 2024-01-06 (rows)"].endswith("; 1 of other versions")
    assert code == 1
    assert set(lines) == expected
    assert "rows 3 | 2, clicks 11 | 7, conversions 4 | 4, cost " in lines["daily 2024-01-02 (rows)"]
    assert "cost 0.3 | 0.31" in lines["daily 2024-01-04 (cost)"]
    assert printed.splitlines()[-1] == f"9 periods compared, {len(expected)} differ"


@UPSERTING
def test_dbt_finds_the_same_damage(outcome: dict[str, Any]) -> None:
    failed = {name for name, status in outcome["test of the damage"].items() if status != "pass"}
    assert failed == {
        "advexport_audit_finds_no_difference",
        "advexport_totals_equal_periods_advexport_daily_daily",
    }


@UPSERTING
def test_freshness_is_that_of_the_latest_look(outcome: dict[str, Any]) -> None:
    assert outcome["freshness"] == {"report_periods": "error"}


# --- Tables of dlt, with several accounts --------------------------------------------------------


@pytest.fixture(scope="session", params=KINDS)
def accounts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    def build(folder: Path) -> dict[str, Any]:
        with postgres() if request.param == "postgres" else nullcontext() as url:
            warehouse = Warehouse(
                request.param,
                url or str(folder / "w.duckdb"),
                append_only=False,
                reports=("daily",),
                filled_by="dlt",
                has_account=True,
            )
            return _load_two_accounts(warehouse, folder)

    result: dict[str, Any] = once(tmp_path_factory, f"accounts-{request.param}", build)
    return {**result, "kind": request.param}


def _load_two_accounts(warehouse: Warehouse, folder: Path) -> dict[str, Any]:
    """Both have the same first load; then one is restated."""
    warehouse.create()
    for account in ("north", "south"):
        for export in (A, B):
            warehouse.load(replace(export, account=account))
    warehouse.load(replace(C, account="north"))
    warehouse.flush()
    results = Dbt(warehouse.url, folder, variables={"advexport_start_date": "2024-01-01"})("build")
    models = {
        "daily": "account, row_key, export_id, time, cost_aggr",
        "periods": "account, period, export_id, confirmed_at",
        "period_history": "account, count(*)",
        "maturation": "account, max(look)",
        "audit": "account, count(*), count(differs)",
    }
    for name, columns in models.items():
        grouped = " group by 1" if "(" in columns else ""
        models[name] = f"select {columns} from advexport.advexport_{name}{grouped} order by 1, 2"  # noqa: S608  # ours
    warehouse.query(*views_of(warehouse, has_accounts=True), "select 1")
    return {
        "results": results,
        "audit": run_audit(warehouse.url),
        "views": warehouse.query(
            f"select account, row_key, export_id from {SCHEMA}.daily_rows order by 1, 2"  # noqa: S608  # ours
        ),
        "column types": warehouse.query(READS["column types"]),
        **{f"model {name}": warehouse.query(sql) for name, sql in models.items()},
    }


def test_models_tell_accounts_apart(accounts: dict[str, Any]) -> None:
    assert set(accounts["results"].values()) == {"success", "pass"}
    north = [(C, C.rows[0]), (C, C.rows[1]), (C, C.rows[2]), (C, C.rows[3]), (B, B.rows[0])]
    north += [(A, A.rows[0]), (A, A.rows[1])]
    south = [(export, row) for export in (A, B) for row in export.rows]
    wanted = [("north", export, row) for export, row in north]
    wanted += [("south", export, row) for export, row in south]
    assert accounts["views"] == sorted([name, row.key, export.id] for name, export, row in wanted)
    assert [[*row[:4], exact(row[4])] for row in accounts["model daily"]] == sorted(
        [name, row.key, export.id, f"{row.day} 00:00:00", exact(row.cost)]
        for name, export, row in wanted
    )
    held = {(account, period): export for account, period, export, _ in accounts["model periods"]}
    assert [held["north", f"2024-01-0{day}"] for day in range(1, 7)] == list("acabcc")
    assert [held["south", f"2024-01-0{day}"] for day in range(1, 6)] == list("aaabb")
    assert accounts["model period_history"] == [["north", 6], ["south", 5]]
    assert accounts["model maturation"] == [["north", 1], ["south", 1]]


def test_moments_of_dlt_are_told_in_utc_whatever_the_session_says(accounts: dict[str, Any]) -> None:
    moments = {(account, period): at for account, period, _, at in accounts["model periods"]}
    assert moments["south", "2024-01-05"] == "2024-01-06 03:00:00"
    types = dict(accounts["column types"])
    timestamp = "timestamp" if accounts["kind"] == "duckdb" else "timestamp without time zone"
    assert {types[column] for column in ("time", "confirmed_at")} == {timestamp}
    assert {types[column] for column in ("report_date", "period")} == {"date"}


def exact(digits: str | None) -> Decimal | None:
    return None if digits is None else Decimal(digits)


def test_the_audit_tells_accounts_apart(accounts: dict[str, Any]) -> None:
    assert accounts["audit"] == [0, "11 periods compared, 0 differ\n", ""]
    assert accounts["model audit"] == [["north", 6, 0], ["south", 5, 0]]


@pytest.fixture(scope="session")
def other_project(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    result: dict[str, Any] = once(tmp_path_factory, "other-project", _build_in_another_project)
    return result


def _build_in_another_project(folder: Path) -> dict[str, Any]:
    warehouse = Warehouse("duckdb", str(folder / "w.duckdb"), append_only=False, reports=("daily",))
    warehouse.create()
    warehouse.load(A)
    # The fifth day is missing; and a report is loaded that no model was asked for.
    warehouse.load(Export("g", "2024-01-07 03:00:00", "daily", ("2024-01-04", "2024-01-06")))
    warehouse.run(
        "insert into tap_advexport.report_periods"
        " (report, period, confirmed_at, row_count, export_id, is_settled)"
        " values ('hourly', '2024-01-01', '2024-01-07 03:00:00', 4, 'h', false)"
    )
    warehouse.flush()
    project = folder / "project"
    (project / "models").mkdir(parents=True)
    readme = (DBT / "README.md").read_text("utf-8")
    [documented] = re.findall(
        r"^```yaml\n# dbt_project.yml\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE
    )
    settings: dict[str, Any] = {"name": "shop", "version": "1.0.0", "profile": "advexport"}
    settings |= yaml.safe_load(documented)
    # Only the daily report is loaded here.
    settings["vars"]["advexport"] |= {"advexport_reports": ["daily"]}
    (project / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    (project / "packages.yml").write_text(f"packages: [{{local: {DBT}}}]")
    (project / "models" / "by_day.sql").write_text(
        "select report_date, sum(clicks_aggr) from {{ ref('advexport_daily') }} group by 1"
    )
    dbt = Dbt(warehouse.url, folder, project)
    dbt("deps")
    results = dbt("build", ok=(1,))
    rows = warehouse.query("select * from advexport.by_day order by 1")
    kinds = warehouse.query(
        "select table_name, table_type from information_schema.tables"
        " where table_schema = 'advexport_ads'"
    )
    warehouse.load(SETTLING)
    warehouse.flush()
    dbt("run", "--select", "+advexport_period_history")
    looks = warehouse.query(
        "select export_id from advexport_ads.advexport_period_history"
        " where report = 'daily' and period = '2024-01-01' order by confirmed_at"
    )
    del settings["models"]["advexport"]["advexport_period_history"]
    (project / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    refused = dbt("run", "--select", "advexport_period_history", ok=(1,))
    kept = warehouse.query("select count(*) from advexport_ads.advexport_period_history")
    return {
        "results": results,
        "rows": rows,
        "kinds": dict(kinds),
        "looks": looks,
        "refused": refused,
        "kept": kept,
    }


def test_another_project_uses_the_package_with_its_own_schema_and_tables(
    other_project: dict[str, Any],
) -> None:
    assert other_project["kinds"]["advexport_daily"] == "BASE TABLE"
    assert other_project["kinds"]["advexport_period_history"] == "BASE TABLE"
    assert "advexport_hourly" not in other_project["results"]
    assert other_project["rows"] == [["2024-01-01", 10], ["2024-01-02", 13]]


def test_the_history_of_another_project_is_kept_where_the_models_are_tables(
    other_project: dict[str, Any],
) -> None:
    assert other_project["looks"] == [["a"], ["s"]]
    assert other_project["refused"] == {"advexport_period_history": "error"}
    # Two looks at the first day; one at each of the four others, and at the hourly report's.
    assert other_project["kept"] == [[7]]


def test_a_missing_day_and_a_report_without_model_are_told(other_project: dict[str, Any]) -> None:
    bad = {
        name: status
        for name, status in other_project["results"].items()
        if status in {"fail", "warn", "error"}
    }
    assert bad == {
        "advexport_no_gaps_advexport_audit_": "fail",
        "advexport_every_loaded_report_has_a_model": "warn",
    }


def test_the_package_describes_the_columns_that_the_tap_emits() -> None:
    tables = {table["name"]: table for table in _yaml("sources.yml")["sources"][0]["tables"]}
    for report in REPORTS:
        described = {
            column["name"]: column["description"] for column in tables[report.stream]["columns"]
        }
        assert list(described) == [*(column.name for column in COLUMNS), *ADDED_COLUMNS]
        assert {name: described[name] for name in described if name not in ADDED_COLUMNS} == {
            column.name: column.description for column in COLUMNS
        }


def test_every_model_is_described() -> None:
    described = {model["name"] for model in _yaml("models.yml")["models"] if model["description"]}
    assert described == {path.stem for path in (DBT / "models").glob("*.sql")}


def test_dbt_and_the_audit_run_the_same_query() -> None:
    macro = (DBT / "macros" / "advexport_audit_sql.sql").read_text()
    assert audit_sql() in macro


def test_the_commands_of_the_readme_do_what_it_says(tmp_path: Path) -> None:
    text = (DBT / "README.md").read_text("utf-8")
    found = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    build, show = (re.sub(r"^\$ ", "", block, flags=re.MULTILINE) for block in found)
    url = str(tmp_path / "warehouse.duckdb")
    warehouse = Warehouse("duckdb", url, append_only=False, reports=("daily",))
    warehouse.create()
    warehouse.load(A)
    warehouse.flush()
    shutil.copytree(DBT, tmp_path / "dbt", ignore=shutil.ignore_patterns("target", "logs"))
    # The environment is the one that the tests have made of the same list.
    programs = tmp_path / ".dbt-venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "dbt").symlink_to(dbt_environment() / "dbt")
    for program, script in [
        (tmp_path / "python", 'test "$*" = "-m venv .dbt-venv"'),
        (programs / "pip", 'test "$1 $2" = "install -r" && test -f "$3"'),
    ]:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), str(programs), os.environ["PATH"]])
    script = build.replace("/path/of/warehouse.duckdb", url)
    run(["bash", "-euc", script], cwd=tmp_path, env={"PATH": path})
    # This one as in a project of one's own, that is where its profile is.
    places = {"PATH": path, "ADVEXPORT_DUCKDB_PATH": url, "DBT_PROFILES_DIR": "."}
    shown = run(["bash", "-euc", show], cwd=tmp_path / "dbt", env=places)
    assert "differs" in shown.stdout
    assert "2024-01" not in shown.stdout


def views_of(warehouse: Warehouse, *, has_accounts: bool = False) -> list[str]:
    """The statements of the file of views for this warehouse."""
    name = "append" if warehouse.append_only else warehouse.kind
    text = (ROOT / f"examples/sql/views_{name}.sql").read_text()
    if has_accounts:
        text = text.replace("-- and p.account", "and p.account")
    if warehouse.append_only:
        use = "search_path to" if warehouse.kind == "postgres" else "schema ="
        text = f"set {use} {SCHEMA};\n{text}"
    return [part for part in re.sub(r"--.*", "", text).split(";") if part.strip()]


def documented_queries() -> list[str]:
    text = (ROOT / "docs" / "restatement.md").read_text()
    return re.findall(r"^```sql\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def _yaml(name: str) -> dict[str, Any]:
    return yaml.safe_load((DBT / "models" / name).read_text())  # type: ignore[no-any-return]
