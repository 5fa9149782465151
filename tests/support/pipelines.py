"""The tap piped into real targets: each in an environment of its own, bare or through Meltano."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
import yaml

from tests.support.api_rows import INTEGERS, NUMBERS, TEXTS
from tests.support.paths import ROOT
from tests.support.warehouses import CACHE, environment, locked, postgres, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import ExitStack

    from advexport_sandbox import Sandbox

LOADERS: Final[dict[str, dict[str, Any]]] = {
    loader["name"]: loader
    for loader in yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))["plugins"]["loaders"]
}
SCHEMA: Final = "main"

# What a target's own driver answers, as JSON that keeps every digit.
READ: Final = """
import json, sys
url, query = json.load(sys.stdin)
if url.startswith("postgresql:"):
    import psycopg
    connection = psycopg.connect(url)
else:
    import duckdb
    connection = duckdb.connect(url)
cursor = connection.cursor()
cursor.execute(query)
names = [column[0] for column in cursor.description]
plain = (bool, int, type(None))
rows = [[v if isinstance(v, plain) else str(v) for v in row] for row in cursor.fetchall()]
json.dump([dict(zip(names, row)) for row in rows], sys.stdout)
"""
# The query of the README.
TRUE_ROWS: Final = """
    select r.* from {schema}.report_{report} r
    join {schema}.report_periods p
      on p.report = '{report}' and p.period = r.report_date and p.export_id = r.export_id
"""

Rows = list[dict[str, Any]]


# --- Places that targets load into ---------------------------------------------------------------


class Place(Protocol):
    """Where a target loads to."""

    def settings(self) -> dict[str, Any]:
        """The target's settings, over those of `meltano.yml`."""
        ...

    def rows(self, stream: str) -> Rows:
        """All that lies there of a stream; numbers as int or as text with every digit."""
        ...

    def true_rows(self) -> Rows:
        """The rows of the daily report that hold, as the documentation says to find them."""
        ...


@dataclass(frozen=True)
class Database:
    """A database, read with the driver that the target itself brings."""

    target: str
    url: str
    given: Mapping[str, Any]
    schema: str = SCHEMA

    def settings(self) -> dict[str, Any]:
        return dict(self.given)

    def rows(self, stream: str) -> Rows:
        return self.query(f"select * from {self.schema}.{stream}")  # noqa: S608  # ours

    def true_rows(self, report: str = "daily") -> Rows:
        return self.query(TRUE_ROWS.format(schema=self.schema, report=report))

    def query(self, query: str) -> Rows:
        python = str(programs_of(self.target) / "python")
        answer = run([python, "-c", READ], text=json.dumps([self.url, query])).stdout
        rows: Rows = json.loads(answer)
        return rows


@dataclass(frozen=True)
class Files:
    """A folder of files to which every run appends, or adds one."""

    folder: Path
    given: Mapping[str, Any]
    read: Callable[[Path], Iterator[dict[str, Any]]]
    suffix: str

    def settings(self) -> dict[str, Any]:
        return dict(self.given)

    def rows(self, stream: str) -> Rows:
        # In order of their names: those of target-csv hold the time of the run.
        return [
            row
            for path in sorted(self.folder.glob(f"{stream}*.{self.suffix}"))
            for row in self.read(path)
        ]

    def true_rows(self) -> Rows:
        """Of each period the version confirmed last, and each of its rows once."""
        periods = [row for row in self.rows("report_periods") if row["report"] == "daily"]
        ordered = sorted(periods, key=lambda row: (row["confirmed_at"], row["exported_at"]))
        holds = {row["period"]: row["export_id"] for row in ordered}
        held = {
            row["row_key"]: row
            for row in self.rows("report_daily")
            if holds.get(row["report_date"]) == row["export_id"]
        }
        return list(held.values())


def place_of(target: str, folder: Path, stack: ExitStack) -> Place:
    """An empty place for a target, with the settings that docs/targets.md recommends."""
    if target == "target-postgres":
        url = stack.enter_context(postgres())
        # Times come out in the zone of the session, whatever that of the server.
        sqlalchemy_url = f"{url.replace(':', '+psycopg:', 1)}?options=-c%20timezone%3DUTC"
        given = {"sqlalchemy_url": sqlalchemy_url}
        return Database(target, url, given, schema="tap_advexport")
    if target == "target-duckdb":
        path = str(folder / "warehouse.duckdb")
        return Database(target, path, {"filepath": path})
    out = folder / "out"
    out.mkdir()
    if target == "target-jsonl":
        return Files(out, {"destination_path": str(out)}, read_json_lines, "jsonl")
    return Files(out, {"output_path": str(out)}, read_csv, "csv")


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text("utf-8").splitlines():
        yield json.loads(line, parse_float=Decimal)


def read_csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def canonical(row: dict[str, Any]) -> tuple[str, ...]:
    """Cells that can be compared: a moment in UTC, an empty text for null, plain numbers."""
    moment = datetime.fromisoformat(row["time"])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    texts = (moment.astimezone(UTC).isoformat(), *(row[name] or "" for name in TEXTS))
    return *texts, *(canonical_number(row[name]) for name in (*INTEGERS, *NUMBERS))


def canonical_number(value: object) -> str:
    return "" if value in {None, ""} else f"{Decimal(str(value)).normalize():f}"


# --- The programs --------------------------------------------------------------------------------


def programs_of(target: str) -> Path:
    """The programs of a target's environment, as `meltano.yml` says to install it."""
    requirements = LOADERS[target]["pip_url"].replace(" ", "\n") + "\n"
    return environment(target, requirements)


def loader(target: str, place: Place, folder: Path) -> list[str]:
    """The command that loads into a place, with its settings in a file of the folder."""
    config = folder / "target.json"
    given = LOADERS[target].get("config", {}) | place.settings()
    config.write_text(json.dumps(given), "utf-8")
    return [str(programs_of(target) / target), "--config", str(config)]


@dataclass
class Bare:
    """The tap piped into a target, with the state as the last line that the target wrote."""

    target: str
    place: Place
    folder: Path
    sandbox: Sandbox

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    def __call__(self, settings: Mapping[str, Any], *, kill_after_demands: int = 0) -> int:
        """Run once; gives the tap's exit code, or the target's when that fails."""
        states = self.folder / "states.jsonl"
        log = self.folder / "log"
        with states.open("wb") as out, log.open("ab") as err:
            tap = subprocess.Popen(self._tap(settings), stdout=subprocess.PIPE, stderr=err)
            command = loader(self.target, self.place, self.folder)
            loading = subprocess.Popen(command, stdin=tap.stdout, stdout=out, stderr=err)
            assert tap.stdout
            tap.stdout.close()
            if kill_after_demands:
                wait_for(lambda: self.sandbox.submissions >= kill_after_demands)
                loading.kill()
            codes = tap.wait(timeout=120), loading.wait(timeout=120)
        lines = states.read_text("utf-8").splitlines()
        if lines:
            self.state.write_text(lines[-1], "utf-8")
        return next((code for code in codes if code), 0)

    def _tap(self, settings: Mapping[str, Any]) -> list[str]:
        config = self._save("tap.json", settings)
        state = ["--state", str(self.state)] if self.state.exists() else []
        return [sys.executable, "-m", "tap_advexport", "--config", config, *state]

    def _save(self, name: str, value: object) -> str:
        path = self.folder / name
        path.write_text(json.dumps(value), "utf-8")
        return str(path)


@dataclass
class Meltano:
    """`meltano run` in this checkout, with everything that it keeps in folders of the test."""

    target: str
    place: Place
    folder: Path
    sandbox: Sandbox
    is_installed: bool = field(default=False, init=False)

    def __call__(self, settings: Mapping[str, Any], *, kill_after_demands: int = 0) -> int:
        """Run once; gives the exit code."""
        assert not kill_after_demands
        self.install()
        done = self.meltano("run", "tap-advexport", self.target, settings=settings, ok=(0, 1))
        (self.folder / "log").write_text(done.stderr, "utf-8")
        return done.returncode

    def install(self) -> None:
        """Install the tap and the target, once."""
        if not self.is_installed:
            self.meltano("--log-level=warning", "install", "tap-advexport", self.target)
            self.is_installed = True

    def meltano(
        self, *arguments: str, settings: Mapping[str, Any] | None = None, ok: tuple[int, ...] = (0,)
    ) -> subprocess.CompletedProcess[str]:
        command = [str(meltano_program()), *arguments]
        # One folder for each target, and one command at a time in it: two runs of one tap collide.
        with locked(CACHE / f"meltano-{self.target}.lock"):
            return run(command, env=self._variables(settings or {}), cwd=ROOT, ok=ok)

    def _variables(self, settings: Mapping[str, Any]) -> dict[str, str]:
        loader = self.target.upper().replace("-", "_")
        return {
            "MELTANO_SYS_DIR_ROOT": str(CACHE / f"meltano-{self.target}"),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "XDG_STATE_HOME": str(self.folder / "home"),
            "PATH": os.pathsep.join([str(Path(uv_program()).parent), os.environ["PATH"]]),
            **{f"TAP_ADVEXPORT_{name.upper()}": as_text(v) for name, v in settings.items()},
            **{f"{loader}_{name.upper()}": as_text(v) for name, v in self.place.settings().items()},
        }


def meltano_program() -> Path:
    """Meltano in the version of `uv.lock`."""
    export = ["export", "--quiet", "--locked", "--only-group", "meltano", "--no-hashes"]
    requirements = run([uv_program(), *export], cwd=ROOT).stdout
    return environment("meltano-venv", requirements) / "meltano"


def uv_program() -> str:
    """The uv that scripts/test has installed."""
    found = shutil.which("uv", path=f"{CACHE / 'uv/bin'}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip("uv is not installed: run scripts/test-targets")
    return found


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def wait_for(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what another program does."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
