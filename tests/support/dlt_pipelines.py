"""Pipelines of the dlt source into real databases, on clocks that tests move."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import dlt
import duckdb
import psycopg2

from advexport_sandbox import Clock, Interval, Sandbox, SandboxConfig
from tap_advexport.dlt.source import resources
from tap_advexport.sync.run import Machine
from tests.support.accounts import TapClock, Wall
from tests.support.api_rows import INTEGERS, NUMBERS, TEXTS, typed
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Cells = tuple[Any, ...]
FIGURES: Final[dict[str, Any]] = {
    "rows_per_day": 4,
    "maturing_days": 9,
    "vanish_share": 0.2,
    "late_share": 0.15,
    "empty_day_share": 0.15,
    "seed": 7,
}
_NUMBERS = count()


@dataclass
class Place:
    """A dataset of a database, and pipelines that load into it.

    Attributes:
        url: of a PostgreSQL server; empty for DuckDB, in a file of the folder.
    """

    folder: Path
    url: str = ""
    dataset: str = field(default_factory=lambda: f"ads{next(_NUMBERS)}")
    file: str = "warehouse.duckdb"

    @property
    def destination(self) -> Any:  # noqa: ANN401 - one of dlt's
        if self.url:
            return dlt.destinations.postgres(self.url)
        return dlt.destinations.duckdb(str(self.folder / self.file))

    def pipeline(self, name: str = "advexport", machine: str = "one") -> dlt.Pipeline:
        """A pipeline whose local folder is that of a machine."""
        return dlt.pipeline(
            name,
            destination=self.destination,
            dataset_name=self.dataset,
            pipelines_dir=str(self.folder / machine),
        )

    def killed_load(
        self, api: Api, step: str, nth: int, options: dict[str, Any], machine: str = "one"
    ) -> None:
        """Load in a process that is killed at the n-th sign of progress of a step of dlt's.

        The steps `Copy` and `Merge` are those of a job which has stored rows of a report in its
        staging table, or has put them in the place of older ones, and not told yet.
        """
        given = self.folder / "load.json"
        told = {
            "folder": str(self.folder),
            "url": self.url,
            "dataset": self.dataset,
            "machine": machine,
            "step": step,
            "nth": nth,
            "now": api.wall.moment.isoformat(),
            "options": options,
        }
        given.write_text(json.dumps(told), "utf-8")
        command = [sys.executable, "-m", "tests.support.dlt_process", str(given)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the database itself: dlt takes a quarter of a second to say where that is."""
        with closing(self.connection()) as connection:
            # A cursor of DuckDB forgets which schema its connection uses.
            cursor = connection.cursor() if self.url else connection
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def connection(self) -> Any:  # noqa: ANN401 - of either driver
        """A connection of the database's own driver, in the dataset."""
        if self.url:
            return psycopg2.connect(self.url, options=f"-c search_path={self.dataset}")
        connection = duckdb.connect(str(self.folder / self.file))
        connection.execute(f"use {self.dataset}")
        return connection

    def rows(self, table: str, where: str = "true") -> Counter[Cells]:
        """The rows of a report by what the API says of them, times in UTC."""
        return Counter(map(cells, self.query(f"select * from {table} where {where}")))  # noqa: S608

    def count(self, table: str) -> int:
        found = self.query(f"select count(*) as n from {table}")[0]["n"]  # noqa: S608
        assert isinstance(found, int)
        return found

    def days(self, table: str = "report_daily") -> list[str]:
        sql = f"select distinct report_date as d from {table} order by d"  # noqa: S608
        return [str(row["d"]) for row in self.query(sql)]


class RefusingTable:
    """A table of DuckDB that takes no row while this lasts: its load fails for good."""

    def __init__(self, place: Place, table: str) -> None:
        self._place, self._table = place, table

    def __enter__(self) -> None:
        self._alter("add column wanted integer default 1")
        self._alter("alter column wanted set not null")
        self._alter("alter column wanted drop default")

    def __exit__(self, *_: object) -> None:
        self._alter("drop column wanted")

    def _alter(self, how: str) -> None:
        with closing(self._place.connection()) as warehouse:
            warehouse.execute(f"alter table {self._table} {how}")


@dataclass
class Api:
    """An account of the API and the source that reads it, on one clock."""

    sandbox: Sandbox
    wall: Wall

    def source(self, start: str, **options: Any) -> Any:  # noqa: ANN401 - a source of dlt's
        """The source, with the settings of a test over those that make it quick."""
        return source_on(self.wall, **self.options(start, **options))

    def options(self, start: str, **options: object) -> dict[str, Any]:
        return {
            "auth_token": self.sandbox.token,
            "api_url": self.sandbox.url,
            "start_date": start,
            "poll_interval_seconds": 0.01,
            "skip_unchanged": False,
            **options,
        }

    def pass_days(self, days: float) -> None:
        self.wall.moment += timedelta(days=days)

    @property
    def yesterday(self) -> date:
        return self.wall.moment.date() - timedelta(days=1)

    def truth(self, start: str, report: str = "daily", last: date | None = None) -> Counter[Cells]:
        """What the API says now of all days until yesterday."""
        first = date.fromisoformat(start)
        first = first.replace(day=1) if report == "monthly" else first
        rows = self.sandbox.truth(Interval(report), first, last or self.yesterday)
        return Counter(map(cells, map(typed_row, rows)))

    def submitted(self) -> list[tuple[str, str]]:
        """The windows that were submitted so far."""
        return [
            (str(task.submission.first), str(task.submission.last)) for task in self.sandbox.tasks
        ]


def source_on(
    wall: Wall,
    *,
    reports: Sequence[str] = ("daily",),
    max_days_per_load: int | None = None,
    **config: object,
) -> Any:  # noqa: ANN401 - a source of dlt's
    """The source on a clock."""
    machine = Machine(clock=TapClock(wall), random=lambda: 0.0)

    @dlt.source(name="advexport")
    def on_clock() -> Iterator[Any]:
        yield from resources(
            config, reports=reports, max_days_per_load=max_days_per_load, machine=machine
        )

    return on_clock()


@contextmanager
def new_api(now: str = "2024-03-01T03:00:00", **config: Any) -> Iterator[Api]:  # noqa: ANN401
    """An API whose figures move, on a clock that stands still until a test moves it."""
    wall = Wall(datetime.fromisoformat(now).replace(tzinfo=UTC))
    with Sandbox(SandboxConfig(**(FIGURES | config)), clock=Clock(wall=wall)) as sandbox:
        yield Api(sandbox, wall)


def typed_row(row: dict[str, str]) -> dict[str, Any]:
    time, *rest = typed(row)
    names = (*TEXTS, *INTEGERS, *NUMBERS)
    return {"time": datetime.fromisoformat(time), **dict(zip(names, rest, strict=True))}


def cells(row: dict[str, Any]) -> Cells:
    """A row as it can be compared."""
    moment = row["time"].astimezone(UTC)
    return (moment, *(row[name] for name in (*TEXTS, *INTEGERS, *NUMBERS)))
