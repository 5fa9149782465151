"""Small warehouses, filled as targets fill them, and the programs that read them.

DuckDB and the drivers live with dbt in an environment of its own (`.cache/dbt-venv`), away from the
tap's. What is done to a warehouse is done by programs of that environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.reports import COLUMNS, Kind
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

DBT = ROOT / "dbt"
TEXTS = [column.name for column in COLUMNS if column.kind is Kind.TEXT]
CACHE = ROOT / ".cache"
SCHEMA = "tap_advexport"

# What a driver answers, as JSON that keeps every digit.
RUN_SQL = """
import json, sys
url, statements = json.load(sys.stdin)
if url.startswith("postgresql:"):
    import psycopg2
    connection = psycopg2.connect(url)
else:
    import duckdb
    connection = duckdb.connect(url)
cursor, rows = connection.cursor(), []
for statement in statements:
    cursor.execute(statement)
    rows = cursor.fetchall() if cursor.description else []
connection.commit()
connection.close()
plain = (bool, int, type(None))
json.dump([[v if isinstance(v, plain) else str(v) for v in row] for row in rows], sys.stdout)
"""


# --- Environments --------------------------------------------------------------------------------


@contextmanager
def locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def environment(name: str, requirements: str) -> Path:
    """Make an environment under `.cache`, or take the one made before; gives its programs.

    A name stands for the same requirements wherever it is used in one run: others would remove the
    environment from under whoever uses it.
    """
    folder = CACHE / name
    stamp = folder / "requirements.sha256"
    wanted = hashlib.sha256(f"{sys.version_info[:2]}\n{requirements}".encode()).hexdigest()
    with locked(CACHE / f"{name}.lock"):
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _create(folder, requirements)
            stamp.write_text(wanted)
    return folder / "bin"


def _create(folder: Path, requirements: str) -> None:
    python = _python()
    listed = folder.with_suffix(".txt")
    listed.write_text(requirements)
    if uv := shutil.which("uv"):
        run([uv, "venv", "--quiet", "--python", python, str(folder)])
        run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                str(folder / "bin/python"),
                "-r",
                str(listed),
            ]
        )
    else:
        run([python, "-m", "venv", str(folder)])
        run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "-r", str(listed)])


def _python() -> str:
    """Find a Python that the duckdb of target-duckdb has wheels for."""
    names = ["python3.13", "python3.12", "python3.11"]
    found = (
        [sys.executable]
        if sys.version_info < (3, 14)
        else [p for n in names if (p := shutil.which(n))]
    )
    if not found:
        pytest.skip("dbt and duckdb 1.2.2 need a Python from 3.11 to 3.13")
    return found[0]


def dbt_environment() -> Path:
    return environment("dbt-venv", (DBT / "requirements.txt").read_text())


def run(  # noqa: PLR0913 - each is one of subprocess.run
    command: Sequence[str],
    *,
    env: dict[str, str] | None = None,
    text: str | None = None,
    ok: Sequence[int] = (0,),
    cwd: Path | None = None,
    user: str | None = None,
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=cwd,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        env={**os.environ, **(env or {})},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in ok, f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


# --- PostgreSQL ----------------------------------------------------------------------------------


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL server of our own on a free port; gives its URL."""
    programs = _postgres_programs()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # PostgreSQL refuses to run as root, and another user cannot enter root's folders.
    as_root = os.geteuid() == 0
    folder = tempfile.mkdtemp(prefix="advexport-postgres-", dir="/tmp" if as_root else None)  # noqa: S108
    user = "postgres" if as_root else None
    as_user = partial(run, user=user, cwd=Path(folder))
    if as_root:
        shutil.chown(folder, "postgres", "postgres")
    data = f"{folder}/data"
    options = " -c ".join(
        [f"-p {port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
    )
    try:
        as_user(f"{programs}/initdb -D {data} -U postgres -A trust -E UTF8 -N".split())
        control = f"{programs}/pg_ctl -D {data} -w".split()
        as_user([*control, "-o", options, "-l", f"{folder}/log", "start"])
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            as_user([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    found = [str(place) for place in places] + [p for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    return str(Path(found[0]).parent)


# --- What the API said ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an export; the dimensions that no test needs are left out."""

    day: str
    key: str
    clicks: int | None
    conversions: int | None
    # The digits as the API wrote them.
    cost: str | None
    country: str = "NA"


def version_of(rows: Sequence[Row]) -> str:
    """The version of a period's figures: the same rows have the same, in whatever export."""
    return hashlib.md5(repr(sorted(map(repr, rows))).encode()).hexdigest()  # noqa: S324  # a name


@dataclass(frozen=True, slots=True)
class Export:
    """One export: its rows, and the periods it covers, also the empty ones.

    `confirms`: periods whose rows were those of an earlier export, which stays theirs.
    `account`: stored where the warehouse has the column.
    """

    id: str
    at: str
    report: str
    periods: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    confirms: tuple[tuple[str, Export], ...] = ()
    is_settled: bool = False
    account: str = "a"

    def of(self, period: str) -> list[Row]:
        return [row for row in self.rows if row.day == period]

    def period_rows(self) -> list[dict[str, Any]]:
        own = [(period, self, self.of(period)) for period in self.periods]
        old = [(period, export, export.of(period)) for period, export in self.confirms]
        return [
            {
                "account": self.account,
                "report": self.report,
                "period": period,
                "period_version": version_of(rows),
                "export_id": export.id,
                "exported_at": export.at,
                "confirmed_at": self.at,
                "row_count": len(rows),
                "clicks_aggr": sum(row.clicks or 0 for row in rows),
                "conversions_aggr": sum(row.conversions or 0 for row in rows),
                "cost_aggr": sum((Decimal(row.cost or 0) for row in rows), Decimal(0)),
                "is_settled": self.is_settled,
            }
            for period, export, rows in own + old
        ]

    def report_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "account": self.account,
                **dict.fromkeys(TEXTS, ""),
                "time": f"{row.day} 00:00:00",
                "country": row.country,
                "clicks_aggr": row.clicks,
                "conversions_aggr": row.conversions,
                "cost_aggr": None if row.cost is None else Decimal(row.cost),
                "report_date": row.day,
                "row_key": row.key,
                "export_id": self.id,
                "period_version": version_of(self.of(row.day)),
                "exported_at": self.at,
            }
            for row in self.rows
        ]


# --- How a target stores it ----------------------------------------------------------------------

REPORT_TYPES = {
    "row_key": "text",
    "time": "time",
    **dict.fromkeys(TEXTS, "text"),
    "clicks_aggr": "integer",
    "conversions_aggr": "integer",
    "cost_aggr": "number",
    "report_date": "date",
    "export_id": "text",
    "period_version": "text",
    "exported_at": "time",
}
PERIOD_TYPES = {
    "report": "text",
    "period": "date",
    "period_version": "text",
    "export_id": "text",
    "exported_at": "time",
    "confirmed_at": "time",
    "row_count": "integer",
    "clicks_aggr": "integer",
    "conversions_aggr": "integer",
    "cost_aggr": "number",
    "is_settled": "boolean",
}
_POSTGRES = {
    "text": "text",
    "integer": "bigint",
    "number": "numeric",
    "date": "date",
    "time": "timestamp",
    "boolean": "boolean",
}
_DLT = {"time": "timestamptz", "number": "decimal(38, 22)", "date": "date", "integer": "bigint"}
# By the kind of warehouse, and by what fills it: a Singer target or dlt.
TYPES = {
    # target-duckdb keeps dates as text, and integers without a maximum as HUGEINT.
    ("duckdb", "target"): {
        "text": "varchar",
        "integer": "hugeint",
        "number": "double",
        "date": "varchar",
        "time": "timestamp",
        "boolean": "boolean",
    },
    ("postgres", "target"): _POSTGRES,
    ("duckdb", "dlt"): _POSTGRES | _DLT,
    ("postgres", "dlt"): _POSTGRES | _DLT,
}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A warehouse, filled by a target that upserts or appends, or by dlt, which replaces days."""

    kind: str
    url: str
    append_only: bool
    reports: tuple[str, ...]
    filled_by: str = "target"
    has_account: bool = False
    statements: list[str] = field(default_factory=list)

    def create(self) -> None:
        self.statements.append(f"create schema if not exists {SCHEMA}")
        for report in self.reports:
            self._create(f"report_{report}", REPORT_TYPES, ["row_key"])
        self._create("report_periods", PERIOD_TYPES, ["report", "period"])

    def load(self, export: Export, *, with_periods: bool = True) -> None:
        table = f"report_{export.report}"
        if self.filled_by == "dlt":
            days = ", ".join(f"'{day}'" for day in export.periods)
            of = f" and account = '{export.account}'" if self.has_account else ""
            self.statements.append(
                f"delete from {SCHEMA}.{table} where report_date in ({days}){of}"  # noqa: S608  # ours
            )
        for row in export.report_rows():
            self._insert(table, REPORT_TYPES, ["row_key"], row)
        for row in export.period_rows() if with_periods else []:
            self._insert("report_periods", PERIOD_TYPES, ["report", "period"], row)

    def run(self, statement: str) -> None:
        self.statements.append(statement)

    def flush(self) -> None:
        self.query(*self.statements, "select 1")
        self.statements.clear()

    def query(self, *statements: str) -> list[list[Any]]:
        python = dbt_environment() / "python"
        done = run([str(python), "-c", RUN_SQL], text=json.dumps([self.url, statements]))
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def _with_account(self, types: dict[str, str]) -> dict[str, str]:
        return {"account": "text", **types} if self.has_account else types

    def _create(self, table: str, types: dict[str, str], keys: list[str]) -> None:
        own = TYPES[self.kind, self.filled_by]
        columns = [f"{name} {own[kind]}" for name, kind in self._with_account(types).items()]
        if not self.append_only:
            columns.append(f"primary key ({', '.join(self._keys(keys))})")
        self.statements.append(f"create table {SCHEMA}.{table} ({', '.join(columns)})")

    def _keys(self, keys: list[str]) -> list[str]:
        return ["account", *keys] if self.has_account else keys

    def _insert(
        self, table: str, types: dict[str, str], keys: list[str], row: dict[str, Any]
    ) -> None:
        types, keys = self._with_account(types), self._keys(keys)
        values = ", ".join(self._literal(kind, row[name]) for name, kind in types.items())
        updates = ", ".join(f"{name} = excluded.{name}" for name in types if name not in keys)
        upsert = (
            "" if self.append_only else f" on conflict ({', '.join(keys)}) do update set {updates}"
        )
        self.statements.append(f"insert into {SCHEMA}.{table} values ({values}){upsert}")  # noqa: S608  # ours

    def _literal(self, kind: str, value: object) -> str:
        # target-duckdb makes a null of an empty text.
        if value is None or (value == "" and (self.kind, self.filled_by) == ("duckdb", "target")):
            return "null"
        if kind == "time" and self.filled_by == "dlt":
            return f"'{value}+00'"
        return str(value) if kind in {"integer", "number", "boolean"} else f"'{value}'"


# --- The programs --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dbt:
    """dbt in a project, upon a warehouse."""

    url: str
    # Where it writes what it compiles, and its log.
    folder: Path
    project: Path = DBT
    variables: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *arguments: str, ok: Sequence[int] = (0,)) -> dict[str, str]:
        """Run a command; gives the status of every model, test and source by its name."""
        places = {
            "--project-dir": self.project,
            "--profiles-dir": DBT,
            "--log-path": self.folder / "logs",
        }
        options = [str(word) for option in places.items() for word in option]
        if arguments != ("deps",):
            options += [
                "--vars",
                json.dumps(self.variables),
                "--target-path",
                str(self.folder / "target"),
            ]
        written = [self.folder / "target" / name for name in ("run_results.json", "sources.json")]
        for path in written:
            path.unlink(missing_ok=True)
        code, printed = _ask_dbt([*arguments, *options], _connection(self.url))
        assert code in ok, f"dbt {arguments}: exit {code}\n{printed}"
        results = [
            r for path in written if path.exists() for r in json.loads(path.read_text())["results"]
        ]
        return {_name(result["unique_id"]): result["status"] for result in results}


@cache
def _dbt_server() -> subprocess.Popen[str]:
    """One for each process of the test run: dbt imports longer than it works here."""
    return subprocess.Popen(
        [str(dbt_environment() / "python"), str(Path(__file__).with_name("dbt_server.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _ask_dbt(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    server = _dbt_server()
    assert server.stdin
    assert server.stdout
    server.stdin.write(json.dumps({"arguments": arguments, "environment": environment}) + "\n")
    server.stdin.flush()
    code, printed = json.loads(server.stdout.readline())
    return code, printed


def _name(unique_id: str) -> str:
    kind, _, rest = unique_id.partition(".")
    return rest.split(".")[2 if kind == "source" else 1]


def _connection(url: str) -> dict[str, str]:
    if not url.startswith("postgresql:"):
        return {
            "ADVEXPORT_DBT_SCHEMA": "advexport",
            "ADVEXPORT_DBT_TARGET": "duckdb",
            "ADVEXPORT_DUCKDB_PATH": url,
        }
    return {
        "ADVEXPORT_DBT_SCHEMA": "advexport",
        "ADVEXPORT_DBT_TARGET": "postgres",
        "PGHOST": "127.0.0.1",
        "PGPORT": url.rpartition(":")[2].partition("/")[0],
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
        # Whatever the session's zone is, times are UTC's.
        "PGTZ": "America/New_York",
    }


def run_audit(url: str, *arguments: str, programs: Path | None = None) -> tuple[int, str, str]:
    """Run the audit where only the driver is installed; gives exit code, stdout, stderr."""
    python = (programs or dbt_environment()) / "python"
    command = [str(python), "-m", "tap_advexport.commands.audit", url, *arguments]
    done = run(command, env={"PYTHONPATH": str(ROOT), "PGTZ": "America/New_York"}, ok=(0, 1, 2))
    return done.returncode, done.stdout, done.stderr


def once(tmp_path_factory: pytest.TempPathFactory, name: str, build: Callable[[Path], Any]) -> Any:  # noqa: ANN401  # JSON
    """Build what is slow once for all workers of a test run; it comes back through JSON."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"once-{name}"
    result = folder / "result.json"
    with locked(folder / "lock"):
        if not result.exists():
            work = folder / "work"
            # What a failed build left behind.
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            result.write_text(json.dumps(build(work)))
    return json.loads(result.read_text())
