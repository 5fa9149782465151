"""The examples, run by the engines they are for; slow, run by scripts/test-examples."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import pytest

from advexport_sandbox import Match
from tests.support.schedules import EXAMPLES, FIRST_MORNING, LOOKBACK_DAYS, Home, new_home
from tests.support.warehouses import environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.examples

MORNINGS: Final = 30
# A day cannot be had for some mornings; later one run is ended, and another one killed.
FAILING: Final = range(8, 11)
SIGNALS: Final = {16: signal.SIGTERM, 23: signal.SIGKILL}


class Schedule(Protocol):
    """An example on its engine."""

    def run(self) -> bool:
        """Run what is on the schedule, to its end; tells whether the engine calls it a success."""
        ...

    def start(self) -> subprocess.Popen[bytes]:
        """Start the same in a process of its own."""
        ...

    def worker(self) -> int:
        """The process that an engine ends when it ends a task."""
        ...


def live_through_a_month(home: Home, schedule: Schedule) -> None:
    bad: tuple[date, ...] = ()
    for number in range(MORNINGS):
        home.next_morning()
        if number == FAILING.start:
            bad = (home.yesterday,)
            home.sandbox.inject("bad-cell", count=None, match=Match(day=home.yesterday))
        elif number == FAILING.stop:
            bad = ()
            home.sandbox.clear_faults()
        if number in SIGNALS:
            with one_writer_at_a_time(home):
                end_half_way(home, schedule, SIGNALS[number])
                assert schedule.run(), f"morning {number}"
        else:
            assert schedule.run() is not bool(bad), f"morning {number}"
        if number % 7 == 0 or number in {*FAILING, *SIGNALS}:
            home.assert_equals_api(but=bad)
    home.assert_equals_api()
    home.assert_holds_no_token()
    assert home.processes() == {}


def end_half_way(home: Home, schedule: Schedule, number: signal.Signals) -> None:
    """End the worker of a run while some of its exports go on; the API then ends those at once."""
    home.latency = 60
    with schedule.start() as process:
        home.wait_until_half_loaded()
        os.kill(schedule.worker(), number)
        home.latency = 0
        home.set_clock(home.sandbox.now + timedelta(minutes=2))
        process.wait(60)


@contextmanager
def one_writer_at_a_time(home: Home) -> Iterator[None]:
    """Watch that no two taps, and no two targets, ever run for the folder."""
    most: dict[str, int] = {}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.02):
            for name, processes in home.processes().items():
                most[name] = max(most.get(name, 0), len(processes))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    assert most["tap_on_clock.py"] == most[home.target] == 1


# --- cron ----------------------------------------------------------------------------------------


@dataclass
class Cron:
    home: Home

    def run(self) -> bool:
        """Run it; while what was killed is still ending, cron comes again."""
        log = self.home.folder / "cron.mail"
        while True:
            with log.open("wb") as mail, self.start(mail) as process:
                code = process.wait(120)
            said = log.read_text("utf-8")
            sys.stderr.write(said)
            if "another run uses" not in said:
                return code == 0

    def start(self, mail: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        variables = os.environ | self.home.variables()
        script = str(EXAMPLES / "cron/run-advexport")
        return subprocess.Popen([script], env=variables, stderr=mail)

    def worker(self) -> int:
        [process] = self.home.processes()["advexport-pipe"]
        return process


def test_cron_lives_through_a_month(tmp_path: Path) -> None:
    with new_home(tmp_path, "target-jsonl") as home:
        live_through_a_month(home, Cron(home))


def test_cron_is_silent_unless_something_fails_and_runs_once_at_a_time(tmp_path: Path) -> None:
    script = [str(EXAMPLES / "cron/run-advexport")]
    with new_home(tmp_path, "target-jsonl") as home:
        home.latency = 60
        with subprocess.Popen(script, env=os.environ | home.variables()) as first:
            home.wait_until_half_loaded()
            second = run(script, env=home.variables())
            assert "another run uses state.json" in second.stderr
            home.set_clock(home.sandbox.now + timedelta(minutes=2))
            home.latency = 0
            assert first.wait(60) == 0
        home.assert_equals_api()
        assert run(script, env=home.variables()).stderr == ""
        home.sandbox.inject("bad-cell", count=None, match=Match(day=home.yesterday))
        failed = run(script, env=home.variables(), ok=(1,))
        assert str(home.yesterday) in failed.stderr


# --- Dagster -------------------------------------------------------------------------------------

DAGSTER: Final = """
import json, os, sys
import dagster as dg
import advexport_dagster as example

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
[schedule] = example.defs.schedules
job = example.defs.resolve_job_def(schedule.job_name)
instance = dg.DagsterInstance.get()
for line in sys.stdin:
    order = json.loads(line)
    if order == "daily":
        done = job.execute_in_process(instance=instance, raise_on_error=False)
    else:
        done = dg.materialize(
            [example.advertiser_reports_backfill], instance=instance, raise_on_error=False,
            tags={"dagster/asset_partition_range_start": order["first"],
                  "dagster/asset_partition_range_end": order["last"]},
            run_config={"ops": {"advertiser_reports_backfill": {
                "config": {"again": order["again"]}}}},
        )
    checks = {each.check_name: each.passed for each in done.get_asset_check_evaluations()}
    print(json.dumps({"is_success": done.success, "checks": checks}), file=out, flush=True)
"""


@dataclass
class Dagster:
    home: Home
    programs: Path
    driver: subprocess.Popen[str]

    def ask(self, order: object) -> dict[str, Any]:
        assert self.driver.stdin
        assert self.driver.stdout
        print(json.dumps(order), file=self.driver.stdin, flush=True)
        answer = json.loads(self.driver.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def run(self) -> bool:
        answer = self.ask("daily")
        if answer["is_success"]:
            assert answer["checks"] == {"warehouse_equals_api": True, "old_days_are_settled": True}
        return bool(answer["is_success"])

    def start(self) -> subprocess.Popen[bytes]:
        script = str(EXAMPLES / "dagster/advexport_dagster.py")
        job = ["job", "execute", "-f", script, "-j", "advertiser_reports_daily"]
        return subprocess.Popen(
            [str(self.programs / "dagster"), *job], env=dagster_variables(self.home)
        )

    def worker(self) -> int:
        return self.home.worker()


def dagster_variables(home: Home) -> dict[str, str]:
    return (
        os.environ
        | home.variables()
        | {
            "PYTHONPATH": str(EXAMPLES / "dagster"),
            "PYTHONWARNINGS": "ignore",
            "DAGSTER_HOME": str(home.folder / "dagster"),
        }
    )


@pytest.fixture
def dagster(tmp_path: Path) -> Iterator[Dagster]:
    needs = (EXAMPLES / "dagster/requirements.txt").read_text("utf-8")
    programs = environment("example-dagster", needs)
    with new_home(tmp_path, "target-duckdb") as home:
        folder = home.folder / "dagster"
        folder.mkdir()
        settings = (EXAMPLES / "dagster/dagster.yaml").read_text("utf-8")
        (folder / "dagster.yaml").write_text(f"{settings}telemetry:\n  enabled: false\n")
        with subprocess.Popen(
            [str(programs / "python"), "-c", DAGSTER],
            env=dagster_variables(home),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as driver:
            yield Dagster(home, programs, driver)


def test_dagster_lives_through_a_month(dagster: Dagster) -> None:
    live_through_a_month(dagster.home, dagster)


def test_dagster_backfills_months_that_the_mornings_go_on_with(dagster: Dagster) -> None:
    home = dagster.home
    december = {"first": "2024-12-01", "last": "2024-12-01"}
    both = {"first": "2024-12-01", "last": "2025-01-01"}
    assert dagster.run()
    for order in (december, both):
        assert dagster.ask(order | {"again": False})["is_success"]
    home.assert_equals_api(first=date(2024, 12, 1))
    # What a backfill brings is provisional like all else, and what is settled it leaves alone.
    settled = (date(2024, 12, 1), FIRST_MORNING.date() - timedelta(days=LOOKBACK_DAYS + 1))
    assert home.times_exported(*settled) == {1}
    for _ in range(LOOKBACK_DAYS + 2):
        home.next_morning()
        assert dagster.run()
    home.assert_equals_api(first=date(2024, 12, 1))
    assert home.times_exported(*settled) == {1}
    assert dagster.ask(december | {"again": True})["is_success"]
    assert home.times_exported(*settled) == {2}
    home.assert_equals_api(first=date(2024, 12, 1))


def test_checks_in_dagster_find_lost_rows_and_days_that_were_left_behind(dagster: Dagster) -> None:
    home = dagster.home
    assert dagster.run()
    # The state is lost, and the start moved up: nobody brings the days before it to their end.
    (home.folder / "state.json").unlink()
    home.configure(start_date=str(home.yesterday))
    for _ in range(LOOKBACK_DAYS):
        assert dagster.ask("daily")["checks"]["old_days_are_settled"]
        home.next_morning()
    checks = {"warehouse_equals_api": True, "old_days_are_settled": False}
    assert dagster.ask("daily") == {"is_success": True, "checks": checks}
    home.delete_a_row()
    checks = {"warehouse_equals_api": False, "old_days_are_settled": False}
    assert dagster.ask("daily") == {"is_success": True, "checks": checks}


# --- Airflow -------------------------------------------------------------------------------------

AIRFLOW: Final = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
assert not bag.import_errors, bag.import_errors
for line in sys.stdin:
    order = json.loads(line)
    done = bag.dags[order["dag"]].test(run_conf=order["conf"])
    print(json.dumps(str(done.state)), file=out, flush=True)
"""


@dataclass
class Airflow:
    home: Home
    programs: Path
    driver: subprocess.Popen[str]

    def ask(self, dag: str, **conf: object) -> bool:
        assert self.driver.stdin
        assert self.driver.stdout
        print(json.dumps({"dag": dag, "conf": conf}), file=self.driver.stdin, flush=True)
        return bool(json.loads(self.driver.stdout.readline()) == "success")

    def run(self) -> bool:
        return self.ask("advexport")

    def start(self) -> subprocess.Popen[bytes]:
        command = [str(self.programs / "airflow"), "dags", "test", "advexport"]
        return subprocess.Popen(command, env=airflow_variables(self.home, self.programs))

    def worker(self) -> int:
        return self.home.worker()


def airflow_variables(home: Home, programs: Path) -> dict[str, str]:
    return (
        os.environ
        | home.variables(programs)
        | {
            "AIRFLOW_HOME": str(home.folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
    )


@pytest.fixture
def airflow(tmp_path: Path) -> Iterator[Airflow]:
    needs = (EXAMPLES / "airflow/requirements.txt").read_text("utf-8")
    programs = environment("example-airflow", needs)
    with new_home(tmp_path, "target-jsonl") as home:
        variables = airflow_variables(home, programs)
        run([str(programs / "airflow"), "db", "migrate"], env=variables)
        with subprocess.Popen(
            [str(programs / "python"), "-c", AIRFLOW],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as driver:
            yield Airflow(home, programs, driver)


def test_airflow_lives_through_a_month(airflow: Airflow) -> None:
    live_through_a_month(airflow.home, airflow)


def test_airflow_backfills_days_that_the_mornings_go_on_with(airflow: Airflow) -> None:
    home = airflow.home
    days = {"first": "2024-12-01", "last": "2025-01-01"}
    # To the end of the month: a part of it would be a wrong figure of the monthly report.
    assert airflow.ask("advexport_backfill", first="2024-12-01", last="2024-12-15")
    home.assert_equals_api(first=date(2024, 12, 1))
    for _ in range(LOOKBACK_DAYS + 2):
        home.next_morning()
        assert airflow.run()
    home.assert_equals_api(first=date(2024, 12, 1))
    settled = (date(2024, 12, 1), FIRST_MORNING.date() - timedelta(days=LOOKBACK_DAYS + 1))
    assert home.times_exported(*settled) == {1}
    assert airflow.ask("advexport_backfill", **days, again=True)
    assert home.times_exported(*settled) == {2}
    home.assert_equals_api(first=date(2024, 12, 1))
