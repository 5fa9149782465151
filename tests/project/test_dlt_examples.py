"""The examples with dlt, run by what they are for; slow, run by scripts/test-examples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pytest

from advexport_sandbox import Interval, Match, Sandbox, SandboxConfig
from tests.support.dlt_pipelines import Cells, cells, typed_row
from tests.support.paths import ROOT
from tests.support.pipelines import meltano_program, uv_program
from tests.support.servers import wait_for
from tests.support.warehouses import environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from advexport_sandbox import Submission

pytestmark = pytest.mark.examples

EXAMPLES: Final = ROOT / "examples/dlt"


@dataclass
class Folder:
    """Where a pipeline runs, and the API behind it; the source reads the real clock."""

    path: Path
    first: date
    # How many days are over when it begins.
    days: int
    latency: float = 0

    def seconds_of(self, submission: Submission) -> float:
        return 0 if submission.last >= self.yesterday else self.latency

    @property
    def sandbox(self) -> Sandbox:
        return self._sandbox

    @contextmanager
    def serve(self) -> Iterator[None]:
        now = datetime.combine(self.first + timedelta(self.days), datetime.min.time(), UTC)
        config = SandboxConfig(
            now=now, latency=self.seconds_of, rows_per_day=4, vanish_share=0.3, maturing_days=6
        )
        with Sandbox(config) as self._sandbox:
            yield

    @property
    def yesterday(self) -> date:
        return self._sandbox.now.date() - timedelta(days=1)

    def variables(self) -> dict[str, str]:
        given = {
            "START_DATE": str(self.first),
            "END_DATE": str(self.yesterday),
            "AUTH_TOKEN": self._sandbox.token,
            "API_URL": self._sandbox.url,
            "POLL_INTERVAL_SECONDS": "0.05",
            "WINDOW_DAYS": "5",
            # None of the days has settled.
            "LOOKBACK_DAYS": "120",
        }
        return {
            **{f"SOURCES__ADVEXPORT__{name}": text for name, text in given.items()},
            "DLT_DATA_DIR": str(self.path / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "ADVEXPORT_FIRST_DAY": str(self.first),
            "ADVEXPORT_RETRY_SECONDS": "0",
            "DAGSTER_HOME": str(self.path),
        }

    def assert_equals_api(self, *, but: tuple[date, ...] = ()) -> None:
        """The table itself holds what the API says now: no join, and nothing that has vanished."""
        truth = self._sandbox.truth(Interval.DAILY, self.first, self.yesterday)
        lacking = {f"{day} 00:00" for day in but}
        wanted = Counter(cells(typed_row(row)) for row in truth if row["time"] not in lacking)
        assert self.held() == wanted

    def held(self) -> Counter[Cells]:
        with duckdb.connect(str(self.path / "advexport.duckdb"), read_only=True) as warehouse:
            warehouse.execute("set timezone = 'UTC'")
            found = warehouse.execute("select * from ads.report_daily")
            names = [column[0] for column in found.description or ()]
            return Counter(cells(dict(zip(names, row, strict=True))) for row in found.fetchall())


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path, today() - timedelta(days=20), 4)
    with folder.serve():
        yield folder


@pytest.fixture
def month(tmp_path: Path) -> Iterator[Folder]:
    """A whole month that is over, which is what a partition of Dagster is."""
    first = (today() - timedelta(days=62)).replace(day=1)
    folder = Folder(tmp_path, first, 32)
    with folder.serve():
        yield folder


def today() -> date:
    return datetime.now(UTC).date()  # noqa: TID251 - the programs read the real clock


# --- The program ---------------------------------------------------------------------------------


def test_program_brings_each_morning_what_has_not_settled(folder: Folder) -> None:
    program = [sys.executable, str(EXAMPLES / "pipeline.py")]

    def load(*, ok: int = 0) -> str:
        return run(program, env=folder.variables(), cwd=folder.path, ok=(ok,)).stderr

    load()
    folder.assert_equals_api()
    for _ in range(3):
        folder.sandbox.advance(days=1)
        load()
        folder.assert_equals_api()
    folder.sandbox.advance(days=1)
    folder.sandbox.inject("bad-cell", count=None, match=Match(day=folder.yesterday))
    assert str(folder.yesterday) in load(ok=1)
    folder.assert_equals_api(but=(folder.yesterday,))
    folder.sandbox.clear_faults()
    kill_half_way(folder, program)
    folder.assert_equals_api(but=(folder.yesterday,))
    load()
    folder.assert_equals_api()


def kill_half_way(folder: Folder, program: list[str]) -> None:
    folder.latency = 60
    before = folder.sandbox.downloads
    variables = os.environ | folder.variables()
    with subprocess.Popen(program, env=variables, cwd=folder.path) as process:
        wait_for(lambda: folder.sandbox.downloads > before)
        process.kill()
    folder.latency = 0
    folder.sandbox.advance(seconds=120)


# --- Dagster -------------------------------------------------------------------------------------

DAGSTER: Final = """
import json, os, sys
import dagster as dg
import advexport_dlt_dagster as example

out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
[schedule] = example.defs.schedules
job = example.defs.resolve_job_def(schedule.job_name)
instance = dg.DagsterInstance.get()
for line in sys.stdin:
    order = json.loads(line)
    os.environ["SOURCES__ADVEXPORT__END_DATE"] = order["end_date"]
    if "first" not in order:
        done = job.execute_in_process(instance=instance, raise_on_error=False)
    else:
        done = dg.materialize(
            [example.advertiser_reports_backfill], instance=instance, raise_on_error=False,
            tags={"dagster/asset_partition_range_start": order["first"],
                  "dagster/asset_partition_range_end": order["last"]},
            run_config={"ops": {"advertiser_reports_backfill": {
                "config": {"again": order["again"]}}}},
        )
    print(json.dumps(done.success), file=out, flush=True)
"""


def test_dagster_brings_each_morning_what_has_not_settled_and_backfills(month: Folder) -> None:
    needs = (EXAMPLES / "requirements-dagster.txt").read_text("utf-8")
    here = needs.replace("tap-advexport", f"-e {ROOT}")
    programs = environment("example-dlt", here)
    variables = os.environ | month.variables() | {"PYTHONPATH": str(EXAMPLES)}
    (month.path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with subprocess.Popen(
        [str(programs / "python"), "-W", "ignore", "-c", DAGSTER],
        env=variables,
        cwd=month.path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:

        def ask(**order: Any) -> bool:  # noqa: ANN401 - JSON
            assert driver.stdin
            assert driver.stdout
            given = {"end_date": str(month.yesterday), **order}
            print(json.dumps(given), file=driver.stdin, flush=True)
            return bool(json.loads(driver.stdout.readline()))

        assert ask()
        month.assert_equals_api()
        month.sandbox.advance(days=1)
        month.sandbox.inject("bad-cell", count=None, match=Match(day=month.yesterday))
        assert not ask()
        month.assert_equals_api(but=(month.yesterday,))
        month.sandbox.clear_faults()
        for _ in range(2):
            month.sandbox.advance(days=1)
            assert ask()
            month.assert_equals_api()
        assert ask(first=str(month.first), last=str(month.first), again=True)
        month.assert_equals_api()
        month.sandbox.advance(days=1)
        assert ask()
        month.assert_equals_api()


# --- Meltano -------------------------------------------------------------------------------------


def test_meltano_runs_the_program_as_a_utility(folder: Folder) -> None:
    example = (EXAMPLES / "meltano.yml").read_text("utf-8")
    project = "default_environment: dev\nenvironments:\n- name: dev\nvenv:\n  backend: uv\n"
    quiet = "send_anonymous_usage_stats: false\n"
    here = example.replace("tap-advexport[dlt]", f"-e {ROOT}[dlt]")
    (folder.path / "meltano.yml").write_text(project + quiet + here)
    (folder.path / "pipeline.py").write_bytes((EXAMPLES / "pipeline.py").read_bytes())
    given = folder.variables()
    # Meltano gives these two to the utility.
    for name in ("AUTH_TOKEN", "START_DATE"):
        given[f"ADVEXPORT_DLT_{name}"] = given.pop(f"SOURCES__ADVEXPORT__{name}")
    given["PATH"] = os.pathsep.join([os.path.dirname(uv_program()), os.environ["PATH"]])  # noqa: PTH120
    meltano = str(meltano_program())
    for command in (["install"], ["run", "advexport-dlt:load"]):
        run([meltano, *command], env=given, cwd=folder.path)
    folder.assert_equals_api()
