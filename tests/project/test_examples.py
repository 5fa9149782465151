"""The examples, run by the engines they are for; slow, run by scripts/test-examples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from advexport_sandbox import Interval, Match, Sandbox, SandboxConfig
from tests.support.paths import ROOT
from tests.support.pipelines import Files, programs_of, read_json_lines
from tests.support.warehouses import environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.examples

EXAMPLES: Final = ROOT / "examples"
NOW: Final = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Home:
    """A folder as the examples want it, and the API behind it."""

    folder: Path
    sandbox: Sandbox

    @property
    def files(self) -> Files:
        return Files(self.folder / "out", {}, read_json_lines, "jsonl")

    def variables(self, *programs: Path) -> dict[str, str]:
        places = [*programs, Path(sys.executable).parent, programs_of("target-jsonl")]
        return {
            "ADVEXPORT_HOME": str(self.folder),
            "PATH": os.pathsep.join([*map(str, places), os.environ["PATH"]]),
            "TAP_ADVEXPORT_AUTH_TOKEN": self.sandbox.token,
        }

    def assert_is_truth(self, first: date, last: date) -> None:
        truth = self.sandbox.truth(Interval.DAILY, first, last)
        held = Counter(map(shown, self.files.true_rows()))
        assert held == Counter(shown(row) for row in truth)
        periods = {r["period"] for r in self.files.rows("report_periods") if r["report"] == "daily"}
        assert periods == {str(first + timedelta(n)) for n in range((last - first).days + 1)}


def shown(row: dict[str, Any]) -> tuple[str, ...]:
    cost = row["cost_aggr"]
    texts = [row[name] for name in ("aff_sub_id", "campaign", "country", "creative_id", "lang")]
    return row["time"][:10], *texts, "" if cost in {None, ""} else str(Decimal(str(cost)))


@contextmanager
def new_home(folder: Path, **settings: Any) -> Iterator[Home]:  # noqa: ANN401 - the sandbox's
    (folder / "out").mkdir()
    with Sandbox(SandboxConfig(now=NOW, rows_per_day=5, **settings)) as sandbox:
        config = {
            "api_url": sandbox.url,
            "auth_token": sandbox.token,
            "start_date": "2024-01-20",
            "end_date": "2024-03-05",
            "window_days": 10,
        }
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "target.json").write_text(json.dumps({"destination_path": str(folder / "out")}))
        yield Home(folder, sandbox)


# --- cron ----------------------------------------------------------------------------------------


def test_cron_loads_keeps_its_state_and_runs_once_at_a_time(tmp_path: Path) -> None:
    script = str(EXAMPLES / "cron/run-advexport")
    with new_home(tmp_path, latency=1.0) as home:
        with subprocess.Popen([script], env=os.environ | home.variables()) as first:
            while not home.sandbox.submissions:
                time.sleep(0.05)
            second = run([script], env=home.variables())
            assert "another run goes on" in second.stderr
            assert first.wait(60) == 0
        home.assert_is_truth(date(2024, 1, 20), date(2024, 3, 5))
        demands = home.sandbox.submissions
        third = run([script], env=home.variables())
        assert "Summary: 0 exports" in third.stderr
        assert home.sandbox.submissions == demands


def test_cron_keeps_the_state_of_a_run_that_failed(tmp_path: Path) -> None:
    script = str(EXAMPLES / "cron/run-advexport")
    bad = date(2024, 2, 2)
    with new_home(tmp_path) as home:
        home.sandbox.inject("bad-cell", count=None, match=Match(day=bad))
        failed = run([script], env=home.variables(), ok=(1,))
        assert str(bad) in failed.stderr
        home.sandbox.clear_faults()
        demands = home.sandbox.submissions
        run([script], env=home.variables())
        assert home.sandbox.submissions == demands + 1
        home.assert_is_truth(date(2024, 1, 20), date(2024, 3, 5))


# --- Dagster -------------------------------------------------------------------------------------

DAGSTER: Final = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import dagster as dg
import advexport_dagster as example

home = Path(os.environ["ADVEXPORT_HOME"])
config = json.loads((home / "config.json").read_text())
tap = {name: config[name] for name in ("api_url", "window_days")}
for folder in sys.argv[1:]:
    (home / folder).mkdir(exist_ok=True)
pipe = example.Pipe(
    tap_config=tap, target="target-jsonl",
    target_config={"destination_path": f"{home}/out-{{partition}}"}, folder=str(home / "states"),
)

def materialize(job):
    asset, partition = job
    (home / ("out-" + (partition if asset is example.report_daily else partition[:7]))).mkdir(
        exist_ok=True)
    done = dg.materialize([asset], partition_key=partition, resources={"pipe": pipe},
                          raise_on_error=False)
    return done.success

months = ("2024-01-01", "2024-02-01", "2024-03-01")
jobs = [(example.report_daily_by_month, month) for month in months]
jobs += [(example.report_daily, day) for day in ("2024-04-01", "2024-04-02", "2024-04-03")]
with ThreadPoolExecutor(6) as workers:
    first = list(workers.map(materialize, jobs))
again = [materialize(jobs[0]), materialize((example.report_monthly, "2024-02-01"))]
dg.Definitions.validate_loadable(example.defs)
print(json.dumps([first, again]))
"""


def test_dagster_materializes_partitions_side_by_side_and_again(tmp_path: Path) -> None:
    needs = (EXAMPLES / "dagster/requirements.txt").read_text("utf-8")
    programs = environment("example-dagster", needs)
    with new_home(tmp_path, latency=0.3) as home:
        variables = home.variables() | {
            "PYTHONPATH": str(EXAMPLES / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        }
        done = run([str(programs / "python"), "-W", "ignore", "-c", DAGSTER], env=variables)
        first, again = json.loads(done.stdout.splitlines()[-1])
        assert first == [True] * 6
        assert again == [True] * 2
        # No day was demanded twice, by six workers and another run of one of them.
        daily = [t for t in home.sandbox.tasks if t.submission.interval is Interval.DAILY]
        days = Counter(
            t.submission.first + timedelta(n)
            for t in daily
            for n in range((t.submission.last - t.submission.first).days + 1)
        )
        assert set(days.values()) == {1}
        assert len(days) == 31 + 29 + 31 + 3
        held = [
            row
            for folder in tmp_path.glob("out-*")
            for row in Files(folder, {}, read_json_lines, "jsonl").true_rows()
        ]
        truth = home.sandbox.truth(Interval.DAILY, date(2024, 1, 1), date(2024, 4, 3))
        assert Counter(map(shown, held)) == Counter(map(shown, truth))
        states = sorted((tmp_path / "states/report_daily").glob("*/state.json"))
        merged = run(["tap-advexport-merge-states", *map(str, states)], env=variables)
        assert json.loads(merged.stdout)["bookmarks"]["report_daily"]["settled"] == [
            ["2024-01-01", "2024-04-03"]
        ]


# --- Airflow -------------------------------------------------------------------------------------


def test_airflow_parses_and_runs_the_dags(tmp_path: Path) -> None:
    needs = (EXAMPLES / "airflow/requirements.txt").read_text("utf-8")
    programs = environment("example-airflow", needs)
    with new_home(tmp_path) as home:
        variables = home.variables(programs) | {
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        }
        airflow = str(programs / "airflow")
        run([airflow, "db", "migrate"], env=variables)
        errors = run([airflow, "dags", "list-import-errors"], env=variables)
        assert "advexport_dag" not in errors.stdout
        run([airflow, "dags", "test", "advexport"], env=variables)
        home.assert_is_truth(date(2024, 1, 20), date(2024, 3, 5))
        run([airflow, "dags", "test", "advexport_backfill", "2023-11-01"], env=variables)
        last = max(home.sandbox.tasks, key=lambda task: task.submission.first == date(2023, 11, 21))
        assert last.submission.last == date(2023, 11, 30)
