"""The whole pipe, from the API to rows in a table: ours, Singer targets, a dlt resource, the limit.

    benchmarks/run --pipe 1000000 --rounds 3

Every way loads four exports into an empty database, and its rows are counted and added up. The
ways of a round follow one another, and ratios are within a round.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import psycopg2

from benchmarks.api import api, save
from benchmarks.chart import bar_chart
from benchmarks.peers import exports
from benchmarks.processes import measure
from benchmarks.truth import Sums, sums_of_api
from tests.support.targets import plugin_of, programs_of
from tests.support.warehouses import postgres

if TYPE_CHECKING:
    from collections.abc import Sequence

PEERS: Final = Path(__file__).resolve().parent / "peers"
EXPORTS: Final = 4
SUMS: Final = (
    "select count(*), sum(clicks_aggr), sum(conversions_aggr), sum(cost_aggr) from {}.report_daily"
)
_PROSE: Final = """\
From the API to {rows} rows in a table that was not there, the interpreter's start and all (programs
have their bytecode), on a machine with {cores} cores (load before: {load:.1f}). PostgreSQL waits
for no disk (`fsync=off`). A ratio says how many times as fast the dlt source is, as the median of
its rounds ({rounds}), with the least and the most."""
_LIMIT: Final = """\
The limit copies files that are there into the table itself. The dlt source gets them from the API
first, checks each row, copies it into a staging table, and moves whole days from there in one
transaction: each row is written twice, and dlt does one step after the other.
"""
_NUMBERS = count()


@dataclass(slots=True)
class Way:
    """One way into one database, and what its rounds took.

    Attributes:
        target: the Singer target; empty for a program of `peers`.
        is_exact: its amounts are decimals.
    """

    name: str
    database: str
    program: tuple[str, ...] = ()
    target: str = ""
    is_batch: bool = False
    is_exact: bool = True
    seconds: list[float] = field(default_factory=list)

    @property
    def schema(self) -> str:
        """Where its table is."""
        if self.target == "target-duckdb":
            return "main"
        return "tap_advexport" if self.target else "ads"


def ways() -> list[Way]:
    """All ways; ours are first for each database."""
    return [
        Way("dlt source of tap-advexport", "PostgreSQL", ("pipe_dlt", "ours")),
        Way(
            "dlt, conventional resource", "PostgreSQL", ("pipe_dlt", "conventional"), is_exact=False
        ),
        Way("tap, target-postgres, BATCH", "PostgreSQL", target="target-postgres", is_batch=True),
        Way("tap, target-postgres, RECORD", "PostgreSQL", target="target-postgres"),
        Way("limit: COPY of the CSV files", "PostgreSQL", ("pipe_limit",)),
        Way("dlt source of tap-advexport", "DuckDB", ("pipe_dlt", "ours")),
        Way("dlt, conventional resource", "DuckDB", ("pipe_dlt", "conventional"), is_exact=False),
        Way("tap, target-duckdb, RECORD", "DuckDB", target="target-duckdb", is_exact=False),
        Way("limit: COPY of the CSV files", "DuckDB", ("pipe_limit",)),
    ]


def measure_pipe(rows: int, rounds: int) -> tuple[int, list[Way]]:
    """Measure all ways, round by round; gives the number of rows as well.

    Raises:
        WrongOutputError: what a way loaded is not what the API said.
    """
    with ExitStack() as stack:
        server = stack.enter_context(postgres()).replace("postgres@", "postgres:none@")
        config = stack.enter_context(api(rows // EXPORTS))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        truth = sums_of_api(config)
        (folder / "csv").mkdir()
        for number, text in enumerate(exports.files(config)):
            (folder / "csv" / f"{number}.csv").write_text(text, "utf-8")
        measured = ways()
        for number in range(rounds):
            for way in measured:
                print(f"  round {number + 1}: {way.name}, {way.database}", flush=True)
                url = _empty_database(way, server, folder)
                command = _command(way, config, url, folder)
                way.seconds.append(measure(command, log=folder / "log").seconds)
                found = _sums(way, url)
                truth.check(found, f"{way.name}, {way.database}", is_exact=way.is_exact)
        return truth.rows, measured


def _empty_database(way: Way, server: str, folder: Path) -> str:
    name = f"pipe{next(_NUMBERS)}"
    if way.database == "DuckDB":
        return str(folder / f"{name}.duckdb")
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create database {name}")
    connection.close()
    return server.rpartition("/")[0] + f"/{name}"


def _command(way: Way, config: dict[str, Any], url: str, folder: Path) -> list[str]:
    if way.program == ("pipe_limit",):
        return [sys.executable, str(PEERS / "pipe_limit.py"), str(folder / "csv"), url]
    if way.program:
        name, *options = way.program
        path = save(folder, config)
        return [sys.executable, str(PEERS / f"{name}.py"), *options, str(path), url]
    return _singer_pipe(way, config, url, folder)


def _singer_pipe(way: Way, config: dict[str, Any], url: str, folder: Path) -> list[str]:
    if way.is_batch:
        files = Path(tempfile.mkdtemp(dir=folder))
        batch = {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": files.as_uri()},
            "batch_size": 100_000,
        }
        config = config | {"batch_config": batch}
    place = (
        {"filepath": url}
        if way.database == "DuckDB"
        else {
            "sqlalchemy_url": url.replace(":", "+psycopg:", 1) + "?options=-c%20timezone%3DUTC",
            "default_target_schema": "tap_advexport",
        }
    )
    given = folder / "target.json"
    given.write_text(json.dumps(plugin_of(way.target).get("config", {}) | place), "utf-8")
    tap = Path(sys.executable).parent / "tap-advexport"
    target = programs_of(way.target) / way.target
    pipe = [
        *(str(tap), "--config", str(save(folder, config))),
        "|",
        *(str(target), "--config", str(given)),
    ]
    line = " ".join(word if word == "|" else shlex.quote(word) for word in pipe)
    return ["bash", "-o", "pipefail", "-c", line]


def _sums(way: Way, url: str) -> Sums:
    query = SUMS.format(way.schema)
    if way.database == "DuckDB":
        with duckdb.connect(url) as database:
            found = database.execute(query).fetchone()
    else:
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            found = cursor.fetchone()
    if found is None:
        raise AssertionError(query)
    rows, clicks, conversions, cost = found
    return Sums(int(rows), int(clicks), int(conversions), Decimal(str(cost)))


def pipe_section(rows: int, measured: Sequence[Way], load: float) -> str:
    """Render what was measured, for docs/performance.md."""
    lines = [
        "## The whole pipe",
        "",
        _PROSE.format(
            rows=f"{rows:,}", cores=os.cpu_count(), load=load, rounds=len(measured[0].seconds)
        ),
        "",
        "| way | into | rows/s | seconds | the dlt source is times as fast |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for way in measured:
        ours = next(each for each in measured if each.database == way.database)
        ratios = [theirs / own for own, theirs in zip(ours.seconds, way.seconds, strict=True)]
        seconds = statistics.median(way.seconds)
        lines.append(
            f"| {way.name} | {way.database} | {rows / seconds:,.0f} | {seconds:.1f} "
            f"| {statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f}) |"
        )
    return "\n".join([*lines, "", _LIMIT, "![Rows a second from the API to a table](pipe.svg)", ""])


def pipe_chart(rows: int, measured: Sequence[Way]) -> str:
    """Draw the same as bars, without the limits."""
    bars = [
        (f"{way.name}, {way.database}", speed, f"{speed:,.0f}")
        for way in measured
        if not way.name.startswith("limit")
        for speed in [rows / statistics.median(way.seconds)]
    ]
    return bar_chart(f"Rows a second from the API to a table, {rows:,} rows", bars)
