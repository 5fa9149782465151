"""The dlt source in real databases: after every load the tables are what the API says."""

from __future__ import annotations

import gc
import logging
import re
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from contextlib import ExitStack, closing
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

import dlt
import psycopg2
import pytest
from dlt.load.exceptions import LoadClientJobTerminalRetry
from dlt.pipeline.exceptions import PipelineStepFailed

from advexport_sandbox import Match, Options
from tap_advexport.dlt import FailedDaysError, advexport, export_state, import_state, load
from tap_advexport.errors import AuthorizationError, ConfigError, IncompleteError, StateError
from tests.support.dlt_pipelines import Api, Place, RefusingTable, new_api
from tests.support.paths import ROOT
from tests.support.servers import wait_for
from tests.support.warehouses import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = "2024-02-10"
COLUMNS = """
    select column_name as name, data_type as type, numeric_scale as scale, is_nullable
    from information_schema.columns
    where table_name = 'report_daily' and table_schema = '{dataset}'
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        # dlt wants a password, and this server none.
        yield url.replace("postgres@", "postgres:none@")


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.targets)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    url = request.getfixturevalue("server") if request.param == "postgres" else ""
    return Place(tmp_path, url)


@pytest.fixture
def api() -> Iterator[Api]:
    with new_api() as made:
        yield made


# --- What the tables hold ------------------------------------------------------------------------


def test_first_load_brings_what_the_api_says(
    place: Place, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)
    assert place.count("report_daily") > 0
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_large_load_is_several_files_and_one_truth(place: Place) -> None:
    with new_api(rows_per_day=800) as api:
        for _ in range(2):
            pipeline = place.pipeline()
            # dlt writes some thousand rows at a time, and begins a new file after them.
            pipeline.destination.caps_params["recommended_file_size"] = 1
            info = load(pipeline, api.source(START))
            jobs = info.load_packages[0].jobs["completed_jobs"]
            files = [job for job in jobs if job.job_file_info.file_format == "parquet"]
            tables = [job.job_file_info.table_name for job in files]
            assert tables.count("report_daily") > 1
            assert place.rows("report_daily") == api.truth(START)
            api.pass_days(3)


def test_columns_are_typed_exactly_and_none_is_dlts(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START))
    found = place.query(COLUMNS.format(dataset=place.dataset))
    columns = {row["name"]: str(row["type"]).lower() for row in found}
    assert not [name for name in columns if name.startswith("_")]
    assert columns["report_date"] == "date"
    assert columns["clicks_aggr"] == "bigint"
    assert columns["time"] == columns["exported_at"] == "timestamp with time zone"
    assert columns["cost_aggr"].startswith(("decimal", "numeric"))
    assert {row["scale"] for row in found if row["name"] in {"cost_aggr", "cr"}} == {22, 30}
    nullable = {row["name"] for row in found if row["is_nullable"] == "YES"}
    assert nullable == {
        "clicks_aggr", "conversions_aggr", "campaign_id", "publisher_id", "cost_aggr", "cr",
        "is_deleted",
    }  # fmt: skip


def test_restated_and_vanished_rows_and_emptied_days_come_out_after_every_load(
    place: Place,
) -> None:
    with new_api(rows_per_day=1, vanish_share=0.5, late_share=0.3) as api:
        seen: set[str] = set()
        emptied, vanished = 0, 0
        for _ in range(6):
            load(place.pipeline(), api.source(START, lookback_days=10))
            held = place.rows("report_daily")
            assert held == api.truth(START)
            days = set(place.days())
            emptied += len(seen - days)
            seen |= days
            api.pass_days(2)
            vanished += len(held - api.truth(START))
        assert emptied > 0
        assert vanished > 0
        assert place.query("select 1 as n from report_daily where is_deleted is not null") == []


def test_each_report_has_its_table_and_periods(place: Place, api: Api) -> None:
    reports = ["daily", "hourly", "monthly"]
    load(place.pipeline(), api.source(START, reports=reports))
    api.pass_days(3)
    load(place.pipeline(), api.source(START, reports=reports))
    for report in reports:
        assert place.rows(f"report_{report}") == api.truth(START, report)
    months = place.query("select distinct report_date as d from report_monthly order by d")
    assert [str(row["d"]) for row in months] == ["2024-02-01", "2024-03-01"]
    assert api.sandbox.max_open <= 4


def test_periods_tell_of_every_day_and_agree_with_its_rows(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=5))
    api.pass_days(1)
    load(place.pipeline(), api.source(START, lookback_days=5))
    periods = place.query("select * from report_periods order by period")
    days = (api.yesterday - date.fromisoformat(START)).days + 1
    assert len(periods) == days
    assert {row["report"] for row in periods} == {"daily"}
    assert sum(row["row_count"] for row in periods) == place.count("report_daily")
    assert [str(row["period"]) for row in periods if row["row_count"]] == place.days()
    settled_to = api.yesterday - timedelta(days=5)
    assert all(row["is_settled"] == (row["period"] <= settled_to) for row in periods)
    joined = place.query(
        "select count(*) as n from report_daily r join report_periods p "
        "on p.period = r.report_date and p.period_version = r.period_version "
        "and p.export_id = r.export_id"
    )
    assert joined == [{"n": place.count("report_daily")}]


def test_settled_days_are_not_exported_again(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=3, window_days=1))
    before = len(api.submitted())
    api.pass_days(1)
    load(place.pipeline(), api.source(START, lookback_days=3, window_days=1))
    assert sorted(api.submitted()[before:]) == [
        (day, day) for day in ("2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01")
    ]


def test_zones_with_an_offset_keep_the_moment(place: Place) -> None:
    with new_api(timezone="Europe/Berlin") as api:
        load(place.pipeline(), api.source(START, timezone="Europe/Berlin"))
        [row] = place.query(
            "select min(time) as t from report_daily where report_date > '2024-02-11'"
        )
        first = min(day for day in place.days() if day > "2024-02-11")
        before = date.fromisoformat(first) - timedelta(days=1)
        assert row["t"].astimezone().utctimetuple()[:4] == (*before.timetuple()[:3], 23)


# --- Two accounts, two pipelines, two machines ---------------------------------------------------


@pytest.mark.parametrize("names", [("ads_a", "ads_b"), ("advexport", "advexport")])
def test_two_accounts_share_a_dataset(place: Place, names: tuple[str, str]) -> None:
    with ExitStack() as stack:
        apis = [stack.enter_context(new_api(seed=seed)) for seed in (1, 2)]
        for _ in range(3):
            for api, account, name in zip(apis, "ab", names, strict=True):
                load(place.pipeline(name), api.source(START, account=account))
            for api, account in zip(apis, "ab", strict=True):
                assert place.rows("report_daily", f"account = '{account}'") == api.truth(START)
                api.pass_days(4)
        keys = place.query("select account, report, period from report_periods")
        assert len(keys) == len({tuple(row.values()) for row in keys})
        assert {row["account"] for row in keys} == {"a", "b"}


def test_a_day_that_another_pipeline_overwrote_is_loaded_again_though_unchanged(
    place: Place, api: Api
) -> None:
    first = api.wall.moment
    load(place.pipeline("one"), api.source(START))
    api.pass_days(6)
    load(place.pipeline("two"), api.source(START))
    assert place.rows("report_daily") == api.truth(START)
    # The figures go back to what the first pipeline knows.
    api.wall.moment = first + timedelta(minutes=1)
    load(place.pipeline("one"), api.source(START))
    last = api.yesterday
    assert place.rows("report_daily", f"report_date <= '{last}'") == api.truth(START)


def test_another_machine_goes_on_from_the_destination(place: Place, api: Api) -> None:
    load(place.pipeline(machine="one"), api.source(START, lookback_days=10))
    before = len(api.submitted())
    api.pass_days(1)
    load(place.pipeline(machine="two"), api.source(START, lookback_days=10))
    assert place.rows("report_daily") == api.truth(START)
    # The day before has settled by now, and is not exported again.
    assert min(api.submitted()[before:])[0] == "2024-02-20"


# --- Trouble -------------------------------------------------------------------------------------


def test_failed_days_raise_after_the_others_were_loaded_and_come_next_time(
    place: Place, api: Api
) -> None:
    api.sandbox.inject("task-failure", count=None, match=Match(day=date(2024, 2, 20)))
    with pytest.raises(FailedDaysError, match="2024-02-20") as caught:
        load(place.pipeline(), api.source(START))
    assert [str(each.window) for each in caught.value.failures] == ["2024-02-20"]
    assert caught.value.load_info
    assert caught.value.load_info.loads_ids
    others = api.truth(START, last=date(2024, 2, 19)) + api.truth("2024-02-21")
    assert place.rows("report_daily") == others
    api.sandbox.clear_faults()
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


def test_under_a_plain_run_failed_days_are_one_line_each(
    place: Place, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    for day in (20, 22):
        api.sandbox.inject("task-failure", count=None, match=Match(day=date(2024, 2, day)))
    place.pipeline().run(api.source(START))
    lines = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert [re.findall(r"2024-\S+(?=: )", line)[0] for line in lines] == [
        "2024-02-20",
        "2024-02-22",
    ]
    assert all(line.startswith("Failed days: report daily, ") for line in lines)


def test_an_api_that_is_down_raises_and_nothing_is_lost(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START))
    before, state = place.rows("report_daily"), place.pipeline().state["sources"]
    api.pass_days(1)
    api.sandbox.inject("status-503", count=None)
    with pytest.raises(IncompleteError, match="does not work"):
        load(place.pipeline(), api.source(START, request_attempts=1, window_days=366))
    assert place.rows("report_daily") == before
    assert place.pipeline().state["sources"] == state
    api.sandbox.clear_faults()
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


def test_an_api_that_is_down_is_told_so_though_tasks_were_left_at_it(
    tmp_path: Path, api: Api
) -> None:
    place = Place(tmp_path)
    days = [START, "2024-02-13"]
    tasks = [
        {"task_id": day, "first": day, "last": day, "submitted_at": f"{api.yesterday}T05:00:00Z"}
        for day in days
    ]
    import_state(place.pipeline(), {"bookmarks": {"report_daily": {"pending": tasks}}})
    api.sandbox.inject("status-503", count=None)
    with pytest.raises(IncompleteError, match="does not work") as caught:
        load(place.pipeline(), api.source(START, end_date=days[1], request_attempts=1))
    assert not isinstance(caught.value, FailedDaysError)


def test_a_load_of_nothing_but_refused_days_tells_the_days(place: Place, api: Api) -> None:
    """A morning with one new day, which the API refuses: it is not down."""
    load(place.pipeline(), api.source(START, lookback_days=0))
    api.pass_days(1)
    match = Match(endpoint="submit")
    api.sandbox.inject("status-400", count=None, match=match)
    with pytest.raises(FailedDaysError, match=f"{api.yesterday}: the API refuses these days"):
        load(place.pipeline(), api.source(START, lookback_days=0))


def test_a_refused_token_raises_in_one_line_without_it(
    place: Place, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AuthorizationError) as caught:
        load(place.pipeline(), api.source(START, auth_token="another-token"))
    with pytest.raises(PipelineStepFailed) as plain:
        place.pipeline().run(api.source(START, auth_token="another-token"))
    shown = "".join([str(caught.value), str(plain.value), caplog.text])
    assert "another-token" not in shown
    assert "\n" not in str(caught.value)


def test_the_token_lies_in_no_file_and_no_trace_of_the_pipeline(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("SOURCES__ADVEXPORT__AUTH_TOKEN", api.sandbox.token)
    place = Place(tmp_path)
    pipeline = place.pipeline()
    source = advexport(START, end_date="2024-02-12", api_url=api.sandbox.url)
    load(pipeline, source)
    assert place.count("report_periods") == 3
    assert pipeline.last_trace
    assert api.sandbox.token not in pipeline.last_trace.asstr(verbosity=5)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    token = api.sandbox.token.encode()
    assert [path for path in files if token in path.read_bytes()] == []
    assert len(files) > 5


@pytest.mark.parametrize(("column", "cell"), [("cost_aggr", "1e16"), ("clicks_aggr", str(2**63))])
def test_a_number_too_wide_for_its_column_costs_its_day_alone(
    place: Place, api: Api, column: str, cell: str
) -> None:
    options, match = Options(column=column, cell=cell), Match(day=date(2024, 2, 21))
    api.sandbox.inject("bad-cell", count=None, match=match, options=options)
    with pytest.raises(FailedDaysError, match=f"2024-02-21.*column {column}: '{cell}' does not"):
        load(place.pipeline(), api.source(START))
    others = api.truth(START, last=date(2024, 2, 20)) + api.truth("2024-02-22")
    assert place.rows("report_daily") == others
    assert others != api.truth(START)


def test_a_refused_token_is_told_in_a_short_traceback(place: Place, api: Api) -> None:
    with pytest.raises(AuthorizationError) as caught:
        load(place.pipeline(), api.source(START, auth_token="another-token"))
    lines = traceback.format_exception(caught.value)
    assert len(lines) < 6
    assert "PipelineStepFailed" not in "".join(lines)


# --- In steps ------------------------------------------------------------------------------------


def test_a_limited_load_brings_the_newest_days_and_the_next_goes_on(place: Place, api: Api) -> None:
    days = [str(date.fromisoformat(START) + timedelta(days=n)) for n in range(20)]
    source = {"max_days_per_load": 8, "lookback_days": 30}
    for loaded in (8, 12, 16, 20):
        load(place.pipeline(), api.source(START, **source))
        periods = place.query("select period from report_periods order by period")
        assert [str(row["period"]) for row in periods] == days[-loaded:]
    assert place.rows("report_daily") == api.truth(START)


def test_a_backfill_in_steps_can_go_on_to_its_end(place: Place, api: Api) -> None:
    api.sandbox.inject("task-failure", count=None, match=Match(day=date(2024, 2, 25)))
    with pytest.raises(FailedDaysError) as caught:
        load(place.pipeline(), api.source(START, max_days_per_load=6), until_complete=True)
    assert [str(each.window) for each in caught.value.failures] == ["2024-02-25"]
    assert place.count("report_periods") == 19
    others = api.truth(START, last=date(2024, 2, 24)) + api.truth("2024-02-26")
    assert place.rows("report_daily") == others


def test_a_nul_costs_its_day_alone_where_the_database_stores_none(place: Place, api: Api) -> None:
    # The fault puts one in the first row of each file, so in each day here.
    day = api.yesterday
    match = Match(first=day)
    api.sandbox.inject("nul", None, match=match)
    options = {"window_days": 1, "export_attempts": 1}
    if not place.url:
        load(place.pipeline(), api.source(START, **options))
        assert any("\0" in str(each["campaign"]) for each in place.query("from report_daily"))
        return
    with pytest.raises(FailedDaysError, match=f"{day}.*has a NUL, which the destination cannot"):
        load(place.pipeline(), api.source(START, **options))
    assert place.rows("report_daily") == api.truth(START, last=day - timedelta(days=1))


def test_a_destination_that_cannot_replace_days_is_refused(api: Api, tmp_path: Path) -> None:
    pipeline = dlt.pipeline(
        "advexport",
        destination=dlt.destinations.filesystem(str(tmp_path / "files")),
        dataset_name="ads",
        pipelines_dir=str(tmp_path),
    )
    with pytest.raises(ConfigError, match="destination filesystem: cannot replace days"):
        load(pipeline, api.source(START))


# --- Ends that nobody planned --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "nth"), [("Extract", 2), ("Normalize", 2), ("Load", 2), ("Load", 4)]
)
def test_a_killed_load_is_taken_up_by_the_next(place: Place, api: Api, step: str, nth: int) -> None:
    load(place.pipeline(), api.source(START))
    api.pass_days(2)
    place.killed_load(api, step, nth, api.options(START))
    api.pass_days(1)
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)
    assert place.count("report_periods") == 23


def test_figures_that_go_back_after_a_killed_load_are_not_taken_for_unchanged(
    place: Place,
) -> None:
    """The destination may hold rows of the load that died, which its state knows nothing of."""
    with new_api(vanish_share=0, late_share=0) as api:
        load(place.pipeline(), api.source(START, skip_unchanged=True))
        before, before_it = api.wall.moment, place.rows("report_daily")
        api.pass_days(2)
        last = api.options(START, skip_unchanged=True, end_date=str(before.date() - timedelta(1)))
        place.killed_load(api, "Merge", 1, last)
        assert place.rows("report_daily") != before_it
        api.wall.moment = before + timedelta(minutes=1)
        load(place.pipeline(), api.source(START, skip_unchanged=True))
        assert place.rows("report_daily") == api.truth(START)


def test_rows_that_a_killed_load_had_just_stored_come_once(place: Place) -> None:
    with new_api(maturing_days=1, vanish_share=0, late_share=0) as api:
        load(place.pipeline(), api.source(START, lookback_days=1))
        api.pass_days(6)
        place.killed_load(api, "Copy", 1, api.options(START, lookback_days=1))
        api.pass_days(1)
        load(place.pipeline(), api.source(START, lookback_days=1))
        assert place.rows("report_daily") == api.truth(START)


def test_what_a_machine_left_after_another_has_loaded_is_exported_again(place: Place) -> None:
    with new_api(maturing_days=1, vanish_share=0, late_share=0) as api:
        load(place.pipeline(), api.source(START, lookback_days=1))
        api.pass_days(6)
        place.pipeline().extract(api.source(START, lookback_days=1))
        api.pass_days(1)
        load(place.pipeline(machine="two"), api.source(START, lookback_days=1))
        before = place.query("select confirmed_at from report_periods order by period")
        load(place.pipeline(), api.source(START, lookback_days=1))
        after = place.query("select confirmed_at from report_periods order by period")
        assert place.rows("report_daily") == api.truth(START)
        assert all(
            old["confirmed_at"] <= new["confirmed_at"]
            for old, new in zip(before, after, strict=True)
        )


def test_what_a_killed_load_left_for_ever_is_exported_again(
    place: Place, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the job for the pipeline's state in PostgreSQL, where that is there already."""
    load(place.pipeline(), api.source(START))
    api.pass_days(2)
    place.killed_load(api, "Normalize", 2, api.options(START))
    api.pass_days(1)
    pipeline = place.pipeline()
    run, calls = pipeline.run, list[int]()

    def fail_once(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as dlt's own
        calls.append(len(args))
        if len(calls) == 1:
            known = ValueError("duplicate key value violates unique constraint")
            job = LoadClientJobTerminalRetry("load", "job", "duplicate key", known)
            raise PipelineStepFailed(pipeline, "load", "load", job)
        return run(*args, **kwargs)

    monkeypatch.setattr(pipeline, "run", fail_once)
    load(pipeline, api.source(START))
    assert calls == [0, 1]  # the leftovers, the load
    assert not pipeline.has_pending_data
    assert place.rows("report_daily") == api.truth(START)


def test_a_program_that_is_terminated_while_it_extracts_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    seconds = 600.0
    newest = date(2024, 2, 29)
    with new_api(latency=lambda asked: 0 if asked.last == newest else seconds) as api:
        given = api.options(START, end_date=newest, window_days=5)
        for name, value in given.items():
            monkeypatch.setenv(f"SOURCES__ADVEXPORT__{name.upper()}", str(value))
        monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
        program = [sys.executable, str(ROOT / "examples/dlt/pipeline.py")]
        with subprocess.Popen(program, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
            wait_for(lambda: api.sandbox.downloads > 0)
            process.terminate()
            _, said = process.communicate(timeout=20)
        assert process.returncode == -signal.SIGTERM
        assert "Traceback" not in said
        seconds = 0.0
        done = subprocess.run(program, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        place = Place(tmp_path, dataset="ads", file="advexport.duckdb")
        assert place.rows("report_daily") == api.truth(START)


def test_a_killed_load_is_taken_up_by_another_machine(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START))
    api.pass_days(2)
    place.killed_load(api, "Load", 3, api.options(START))
    api.pass_days(1)
    load(place.pipeline(machine="two"), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


def test_an_interrupt_ends_cleanly_and_nothing_is_lost(place: Place, api: Api) -> None:
    source, before = api.source(START), set(threading.enumerate())

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    source.resources["report_daily"].add_map(interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(place.pipeline(), source)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("advexport") and "sandbox" not in thread.name:
            thread.join(10)
            assert not thread.is_alive()
    with warnings.catch_warnings():
        # Files that were on their way have no name, and go with the process.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_tables_that_are_dropped_or_emptied_are_filled_again(
    place: Place, api: Api, refresh: Literal["drop_sources", "drop_resources", "drop_data"]
) -> None:
    load(place.pipeline(), api.source(START, lookback_days=9))
    place.pipeline().run(api.source(START, lookback_days=9), refresh=refresh)
    assert place.rows("report_daily") == api.truth(START)


def test_a_table_that_is_replaced_is_replaced_by_all_days(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=9))
    place.pipeline().run(api.source(START, lookback_days=9), write_disposition="replace")
    assert place.rows("report_daily") == api.truth(START)


def test_a_table_is_replaced_however_that_is_written(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=9))
    way: Any = {"disposition": "replace"}
    place.pipeline().run(api.source(START, lookback_days=9), write_disposition=way)
    assert place.rows("report_daily") == api.truth(START)


@pytest.mark.parametrize(
    "way", ["append", "skip", {"disposition": "merge", "strategy": "upsert"}], ids=str
)
def test_what_would_not_replace_days_is_refused(
    way: Any,  # noqa: ANN401 - whatever dlt takes
    tmp_path: Path,
    api: Api,
) -> None:
    place = Place(tmp_path)
    load(place.pipeline(), api.source(START))
    with pytest.raises(PipelineStepFailed, match=r"write_disposition: .* does not replace days"):
        place.pipeline().run(api.source(START), write_disposition=way)
    place.pipeline().abort_packages()
    assert place.rows("report_daily") == api.truth(START)


def test_days_of_a_table_that_is_replaced_cannot_come_in_steps(tmp_path: Path, api: Api) -> None:
    source = api.source(START, max_days_per_load=5)
    with pytest.raises(PipelineStepFailed, match="max_days_per_load: not with write_disposition"):
        Place(tmp_path).pipeline().run(source, write_disposition="replace")


def test_a_backfill_in_steps_refreshes_once(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START))
    pipeline = place.pipeline()
    pipeline.refresh = "drop_data"
    load(pipeline, api.source(START, max_days_per_load=8), until_complete=True)
    assert place.rows("report_daily") == api.truth(START)


def test_periods_that_another_report_took_along_come_again(place: Place, api: Api) -> None:
    both = ("daily", "monthly")
    options = {"lookback_days": 9}
    load(place.pipeline(), api.source(START, reports=both, **options))
    place.pipeline().run(api.source(START, reports=["monthly"], **options), refresh="drop_data")
    load(place.pipeline(), api.source(START, reports=both, **options))
    for report in both:
        assert place.rows(f"report_{report}") == api.truth(START, report)
    told = place.query("select count(*) as n from report_periods where report = 'daily'")
    days = (api.yesterday - date.fromisoformat(START)).days + 1
    assert told == [{"n": days}]


@pytest.mark.parametrize("way", ["refresh", "replace"])
@pytest.mark.targets
def test_tables_that_a_failed_load_has_emptied_are_filled_again(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path, server)
    options: Any = {"refresh": "drop_data"} if way == "refresh" else {"write_disposition": way}
    with new_api(maturing_days=1, late_share=0) as api:
        source = api.source(START, lookback_days=2)
        load(place.pipeline(), source)
        # The tables are emptied, and then this one cannot be written.
        refusing = (
            "create function refuse() returns trigger language plpgsql as "
            "$$ begin raise lock_not_available; end $$; create trigger refuse "
            f"before insert on {place.dataset}.report_periods execute function refuse()"
        )
        with closing(psycopg2.connect(server)) as other, other.cursor() as cursor:
            cursor.execute(refusing)
            other.commit()
            with pytest.raises(PipelineStepFailed):
                place.pipeline().run(source, **options)
            cursor.execute("drop function refuse cascade")
            other.commit()
        load(place.pipeline(), source)
        assert place.rows("report_daily") == api.truth(START)
        days = (api.yesterday - date.fromisoformat(START)).days + 1
        assert place.count("report_periods") == days


def fail_to_refresh(place: Place, source: Any) -> None:  # noqa: ANN401 - whatever dlt takes
    with (
        RefusingTable(place, "report_daily"),
        pytest.raises(PipelineStepFailed, match="wanted"),
    ):
        place.pipeline().run(source, refresh="drop_data")
    assert place.count("report_daily") == 0


@pytest.mark.parametrize("way", ["abort", "drop"])
def test_tables_that_a_load_has_emptied_are_filled_again_though_it_was_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path)
    with new_api(maturing_days=1, late_share=0) as api:
        source = api.source(START, lookback_days=2)
        load(place.pipeline(), source)
        fail_to_refresh(place, source)
        if way == "abort":
            place.pipeline().abort_packages()
        else:
            place.pipeline().drop()
        with pytest.raises(StateError, match="has not ended: run its load once first"):
            export_state(place.pipeline())
        load(place.pipeline(), source)
        assert place.rows("report_daily") == api.truth(START)
        assert "report_daily" in export_state(place.pipeline())["bookmarks"]


def test_accounts_of_one_load_share_what_it_has_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path)
    with new_api(maturing_days=1, late_share=0) as api:

        def sources() -> list[Any]:
            return [api.source(START, lookback_days=2, account=name) for name in ("n", "s")]

        load(place.pipeline(), sources())
        fail_to_refresh(place, sources())
        place.pipeline().abort_packages()
        with RefusingTable(place, "report_daily"), pytest.raises(PipelineStepFailed):
            load(place.pipeline(), sources())
        place.pipeline().abort_packages()
        load(place.pipeline(), sources())
        for name in ("n", "s"):
            assert place.rows("report_daily", f"account = '{name}'") == api.truth(START)
        # Neither has forgotten what the other has loaded.
        asked = len(api.submitted())
        load(place.pipeline(), sources())
        assert min(first for first, _ in api.submitted()[asked:]) > START


def test_a_refresh_that_was_never_loaded_leaves_nothing_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path)
    with new_api(maturing_days=1, late_share=0) as api:

        def sources(**options: str) -> list[Any]:
            settings: dict[str, Any] = {"lookback_days": 2}
            return [
                api.source(START, account="n", **settings),
                api.source(START, account="s", **settings | options),
            ]

        def fail(_: object) -> None:
            raise ValueError("no")

        load(place.pipeline(), sources())
        with pytest.raises(PipelineStepFailed):
            place.pipeline().run(sources(auth_token="wrong"), refresh="drop_data")
        first, second = sources()
        second.resources["report_daily"].add_map(fail)
        with pytest.raises(PipelineStepFailed):
            place.pipeline().run([first, second], refresh="drop_data")
        asked = len(api.submitted())
        assert export_state(place.pipeline(), account="n")
        load(place.pipeline(), sources())
        assert min(first for first, _ in api.submitted()[asked:]) > START
        for name in ("n", "s"):
            assert place.rows("report_daily", f"account = '{name}'") == api.truth(START)


def test_a_source_may_have_any_name(tmp_path: Path, api: Api) -> None:
    place = Place(tmp_path)

    def named(name: str) -> Any:  # noqa: ANN401 - a source of dlt's
        source = advexport.with_args(name=name, section=name)
        return source(**api.options(START, end_date="2024-02-12"))

    load(place.pipeline(), named("ads_north"))
    bookmarks = export_state(place.pipeline())["bookmarks"]
    assert bookmarks["report_daily"]["replication_key_value"] == "2024-02-12"
    load(place.pipeline(), named("ads_south"))
    with pytest.raises(StateError, match=r"several sources \(ads_north, ads_south\), and none"):
        export_state(place.pipeline())


def test_a_pipeline_may_have_any_name(tmp_path: Path, api: Api) -> None:
    place = Place(tmp_path)
    import_state(place.pipeline("my-ads"), {"bookmarks": {"report_daily": {"settled": []}}})
    assert export_state(place.pipeline("2024-ads")) == {"bookmarks": {}}
    load(place.pipeline("2024-ads"), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


def test_a_load_of_nothing_leaves_nothing_in_doubt(tmp_path: Path, api: Api) -> None:
    place = Place(tmp_path)
    source = api.source(START, end_date="2024-02-12", lookback_days=0)
    for _ in range(2):
        load(place.pipeline(), source)
        state = export_state(place.pipeline())
    assert state["bookmarks"]["report_daily"]["settled"] == [[START, "2024-02-12"]]
    place.pipeline().drop()
    import_state(place.pipeline(), state)
    load(place.pipeline(), source)
    assert api.submitted() == [(START, "2024-02-12")]


def test_bookmarks_are_not_stored_before_their_rows(tmp_path: Path, api: Api) -> None:
    @dlt.source(name="adjust")
    def other() -> Iterator[Any]:
        yield dlt.resource([{"a": 1}], name="costs")

    place = Place(tmp_path)
    with pytest.raises(ConfigError, match="with the rows of adjust, before its own"):
        load(place.pipeline(), [other(), api.source(START)])
    place.pipeline().drop()
    place.pipeline().run(other())
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


def test_a_load_must_fail_where_one_of_its_jobs_does(
    tmp_path: Path, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVEXPORT__LOAD__RAISE_ON_FAILED_JOBS", "false")
    with pytest.raises(ConfigError, match=r"^load\.raise_on_failed_jobs: must be true"):
        load(Place(tmp_path).pipeline(), api.source(START))
    assert not api.submitted()


def test_a_dataset_without_accounts_refuses_one_and_goes_on(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START))
    asked = len(api.submitted())
    with pytest.raises(ConfigError, match="has no such column: load into a new dataset"):
        load(place.pipeline(), api.source(START, account="north"))
    assert len(api.submitted()) == asked
    api.pass_days(1)
    load(place.pipeline(), api.source(START))
    assert place.rows("report_daily") == api.truth(START)


@pytest.mark.targets
def test_a_load_that_failed_half_way_does_not_go_on_with_rows_of_another_pipeline(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both fill the same staging tables. Most days settle at once, and do not come again."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path, server)
    impatient = Place(tmp_path, f"{server}?options=-clock_timeout%3D200ms", place.dataset)
    names = ("north", "south")
    with new_api(maturing_days=1, late_share=0) as api:

        def source(name: str) -> Any:  # noqa: ANN401 - a source of dlt's
            return api.source(START, account=name, lookback_days=2)

        for name in names:
            load(place.pipeline(name), source(name))
        api.pass_days(9)
        with closing(psycopg2.connect(server)) as other, other.cursor() as cursor:
            cursor.execute(f"lock table {place.dataset}.report_daily in access exclusive mode")
            with pytest.raises(PipelineStepFailed):
                load(impatient.pipeline("north"), source("north"))
        for name in reversed(names):
            load(place.pipeline(name), source(name))
        for name in names:
            assert place.rows("report_daily", f"account = '{name}'") == api.truth(START)


def test_aborted_packages_take_what_they_covered_with_them(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=9))
    api.pass_days(1)
    pipeline = place.pipeline()
    pipeline.extract(api.source(START, lookback_days=9))
    pipeline.abort_packages()
    load(place.pipeline(), api.source(START, lookback_days=9))
    assert place.rows("report_daily") == api.truth(START)
