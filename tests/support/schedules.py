"""What a schedule needs to live through many mornings: a folder, an API, and one clock for both."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from advexport_sandbox import Interval, Sandbox, SandboxConfig
from tests.support.paths import ROOT
from tests.support.places import Database, Files, Place, canonical, read_json_lines
from tests.support.servers import wait_for
from tests.support.targets import programs_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advexport_sandbox import Submission

EXAMPLES: Final = ROOT / "examples"
FIRST_DAY: Final = date(2024, 12, 28)
FIRST_MORNING: Final = datetime(2025, 1, 1, 5, 17, tzinfo=UTC)
# Figures stand still before the tap takes them to.
MATURING_DAYS: Final = 3
LOOKBACK_DAYS: Final = 4
PROGRAMS: Final = ("advexport-pipe", "target-jsonl", "target-duckdb")
SCHEMA: Final = "tap_advexport"


@dataclass
class Home:
    """A folder as the examples want it, and the API behind it."""

    folder: Path
    target: str
    # Seconds that exports take; those of the newest days take none, so that a run is cut half way.
    latency: float = 0
    sandbox: Sandbox = field(init=False)

    @property
    def place(self) -> Place:
        if self.target == "target-duckdb":
            return Database(self.target, str(self.folder / "warehouse.duckdb"), {}, SCHEMA)
        return Files(self.folder / "out", {}, read_json_lines)

    @property
    def yesterday(self) -> date:
        return self.sandbox.now.date() - timedelta(days=1)

    def seconds_of(self, submission: Submission) -> float:
        return 0 if submission.last == self.yesterday else self.latency

    def begin(self) -> None:
        """Write what a person writes: settings, and the programs on PATH."""
        (self.folder / "out").mkdir()
        target = {
            "target-jsonl": {"destination_path": "out"},
            "target-duckdb": {
                "filepath": "warehouse.duckdb",
                "default_target_schema": SCHEMA,
                "flush_all_streams": True,
            },
        }
        self.configure(start_date=str(FIRST_DAY))
        self._write("target.json", target[self.target])
        programs = self.folder / "bin"
        programs.mkdir()
        on_clock = f"{sys.executable} {ROOT}/tests/support/tap_on_clock.py"
        audit = f"{sys.executable} -m tap_advexport.commands.audit"
        for name, command in {"tap-advexport": on_clock, "tap-advexport-audit": audit}.items():
            program = programs / name
            program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {command} "$@"\n')
            program.chmod(0o755)
        (programs / "advexport-pipe").symlink_to(EXAMPLES / "pipe/advexport-pipe")
        (programs / self.target).symlink_to(programs_of(self.target) / self.target)
        self.set_clock(FIRST_MORNING)

    def configure(self, **settings: object) -> None:
        """Write the tap's settings."""
        fixed = {"lookback_days": LOOKBACK_DAYS, "window_days": 2, "poll_interval_seconds": 0.05}
        self._write("config.json", {"api_url": self.sandbox.url, **fixed, **settings})

    def _write(self, name: str, value: object) -> None:
        (self.folder / name).write_text(json.dumps(value), "utf-8")

    def set_clock(self, moment: datetime) -> None:
        self.sandbox.set_now(moment)
        (self.folder / "clock").write_text(moment.isoformat(), "utf-8")

    def next_morning(self) -> None:
        self.set_clock(self.sandbox.now + timedelta(days=1))

    def variables(self, *programs: Path) -> dict[str, str]:
        places = [self.folder / "bin", *programs, Path(sys.executable).parent]
        return {
            "ADVEXPORT_HOME": str(self.folder),
            "ADVEXPORT_TARGET": self.target,
            "ADVEXPORT_FIRST_DAY": str(FIRST_DAY.replace(day=1)),
            "ADVEXPORT_RETRY_SECONDS": "0",
            "ADVEXPORT_CLOCK": str(self.folder / "clock"),
            "PATH": os.pathsep.join([*map(str, places), os.environ["PATH"]]),
            "TAP_ADVEXPORT_AUTH_TOKEN": self.sandbox.token,
        }

    def delete_a_row(self) -> None:
        """Delete a row from the warehouse, which is a DuckDB file."""
        assert isinstance(self.place, Database)
        self.place.query(
            "delete from tap_advexport.report_daily"
            " where row_key in (select max(row_key) from tap_advexport.report_daily)"
        )

    # --- What must be so ---

    def assert_equals_api(self, *, first: date = FIRST_DAY, but: tuple[date, ...] = ()) -> None:
        """All days up to yesterday are there as the API says them now."""
        truth = self.sandbox.truth(Interval.DAILY, first, self.yesterday)
        lacking = {f"{day} 00:00" for day in but}
        wanted = Counter(canonical(row) for row in truth if row["time"] not in lacking)
        held = Counter(map(canonical, self.place.true_rows()))
        assert (wanted - held, held - wanted) == (Counter(), Counter())
        periods = {row["period"][:10] for row in self.place.rows("report_periods")}
        assert periods == {str(day) for day in days(first, self.yesterday)} - set(map(str, but))

    def assert_holds_no_token(self) -> None:
        """Nothing in the folder holds the token."""
        token = self.sandbox.token.encode()
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        assert [path for path in files if token in path.read_bytes()] == []

    def times_exported(self, first: date, last: date) -> set[int]:
        """How often the days of a range were exported."""
        windows = [(task.submission.first, task.submission.last) for task in self.sandbox.tasks]
        exported = Counter(day for window in windows for day in days(*window))
        return {exported[day] for day in days(first, last)}

    # --- Processes ---

    def processes(self) -> dict[str, list[int]]:
        """Those that run for this folder, by the program that they are."""
        mark = f"ADVEXPORT_HOME={self.folder}\0".encode()
        found: dict[str, list[int]] = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
                is_ours = mark in (process / "environ").read_bytes()
            except OSError:
                continue
            names = [Path(os.fsdecode(word)).name for word in command[:2]]
            for name in ("advexport-pipe", "tap_on_clock.py", self.target):
                if is_ours and name in names:
                    found.setdefault(name, []).append(int(process.name))
        return found

    def worker(self) -> int:
        """The process that has started the pipe."""
        [pipe] = self.processes()["advexport-pipe"]
        return int(Path(f"/proc/{pipe}/stat").read_text().rpartition(")")[2].split()[1])

    def wait_until_half_loaded(self) -> None:
        """Wait until a file has been downloaded and other exports of the run go on."""
        before = self.sandbox.downloads
        # An engine takes its time to start on a busy machine.
        wait_for(lambda: self.sandbox.downloads > before, 150)


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(n) for n in range((last - first).days + 1)]


@contextmanager
def new_home(folder: Path, target: str, **settings: Any) -> Iterator[Home]:  # noqa: ANN401 - the sandbox's
    home = Home(folder, target)
    figures = {"rows_per_day": 4, "vanish_share": 0.3, "late_share": 0.3} | settings
    config = SandboxConfig(
        now=FIRST_MORNING, latency=home.seconds_of, maturing_days=MATURING_DAYS, **figures
    )
    with Sandbox(config) as home.sandbox:
        home.begin()
        yield home
