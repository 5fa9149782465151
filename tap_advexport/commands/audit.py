"""The command `tap-advexport-audit`: does a warehouse hold what the API said, period by period?

It runs `audit.sql`, which the dbt package runs too, and needs the warehouse's driver alone:
`duckdb` for a DuckDB file, `psycopg` or `psycopg2` for PostgreSQL.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from tap_advexport.errors import UserError
from tap_advexport.reports import PERIODS_STREAM, REPORTS, Interval, Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT_SCHEMA: Final = "tap_advexport"

# A sum of binary floating-point numbers depends on the order of adding; see `audit.sql`.
FLOAT_TOLERANCE: Final = "1e-9"
_FLOAT_TYPES: Final = frozenset({"double", "double precision", "float", "real"})

_EXIT_EQUAL: Final = 0
_EXIT_DIFFERS: Final = 1
_EXIT_NOT_COMPARED: Final = 2


class AuditError(UserError):
    """The comparison cannot be made; the text is one line that says why."""


class Cursor(Protocol):
    """The part of a DB-API cursor that the audit uses."""

    def execute(self, sql: str, /) -> object:
        """Run a query."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Give all of its rows."""


class Connection(Protocol):
    """The part of a DB-API connection that the audit uses."""

    def cursor(self) -> Cursor:
        """Give a cursor to run queries with."""

    def close(self) -> None:
        """Give the connection back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse:
    """An open warehouse and where the tables lie in it."""

    connection: Connection
    schema: str
    # Stream to table, where the names differ.
    tables: Mapping[str, str]
    # None: by the type of the column.
    cost_tolerance: str | None = None

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Give all rows of a query."""
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall()

    def table(self, stream: str) -> str:
        """Give the name of a stream's table."""
        return self.tables.get(stream, stream)

    def relation(self, stream: str) -> str:
        """Give the quoted name of a stream's table, schema included."""
        return f"{_quoted(self.schema)}.{_quoted(self.table(stream))}"


@dataclass(frozen=True, slots=True)
class Period:
    """One line of the comparison: the columns of `audit.sql`."""

    report: str
    period: date
    export_id: str | None
    differs: str | None
    api_row_count: int | None
    warehouse_row_count: int
    other_row_count: int
    api_clicks_aggr: int | None
    warehouse_clicks_aggr: int
    api_conversions_aggr: int | None
    warehouse_conversions_aggr: int
    api_cost_aggr: Any
    warehouse_cost_aggr: Any

    def __str__(self) -> str:
        """Say what differs, with both totals of each figure."""
        pairs = (
            ("rows", self.api_row_count, self.warehouse_row_count),
            ("clicks", self.api_clicks_aggr, self.warehouse_clicks_aggr),
            ("conversions", self.api_conversions_aggr, self.warehouse_conversions_aggr),
            ("cost", self.api_cost_aggr, self.warehouse_cost_aggr),
        )
        figures = ", ".join(f"{name} {_figure(api)} | {held}" for name, api, held in pairs)
        others = f"; {self.other_row_count} rows of other exports" if self.other_row_count else ""
        return f"{self.report} {self.period} ({self.differs}): {figures}{others}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Periods of which the warehouse holds nothing at all, both ends included."""

    report: str
    first: date
    last: date

    def __str__(self) -> str:
        """Name the periods."""
        span = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return f"{self.report} {span} (missing): neither rows nor a period row"


def audit(warehouse: Warehouse, reports: Sequence[Report] = REPORTS) -> Iterator[Period]:
    """Compare all periods of the reports; a report that was never loaded has none."""
    types = _column_types(warehouse)
    if warehouse.table(PERIODS_STREAM) not in types:
        raise AuditError(
            f"there is no table {warehouse.relation(PERIODS_STREAM)}: nothing to compare with"
        )
    loaded = _loaded_reports(warehouse)
    for report in reports:
        if warehouse.table(report.stream) in types:
            tolerance = warehouse.cost_tolerance or _cost_tolerance(warehouse, report, types)
            sql = audit_sql(
                report=report.label,
                rows=warehouse.relation(report.stream),
                periods=warehouse.relation(PERIODS_STREAM),
                cost_tolerance=tolerance,
            )
            yield from sorted(
                (Period(*row) for row in warehouse.query(sql)), key=lambda p: p.period
            )
        elif loaded.get(report.label):
            raise AuditError(
                f"there is no table {warehouse.relation(report.stream)}, and report_periods says"
                f" that {loaded[report.label]} rows of it were sent: name it with --table"
            )


def find_gaps(report: Report, periods: Sequence[date], first: date | None) -> Iterator[Gap]:
    """Find what is missing between the sorted periods, and before them from `first` on."""
    wanted = first or (periods[0] if periods else None)
    if wanted and report.interval is Interval.MONTHLY:
        wanted = wanted.replace(day=1)
    for period in periods:
        if wanted and wanted < period:
            yield Gap(report.label, wanted, _period_before(report, period))
        wanted = _period_after(report, period)


def audit_sql(**names: str) -> str:
    """Give the query with its names filled in."""
    sql = files("tap_advexport.commands").joinpath("audit.sql").read_text(encoding="utf-8")
    for name, value in names.items():
        sql = sql.replace("{{ " + name + " }}", value)
    return sql


def connect(url: str) -> tuple[Connection, type[Exception]]:
    """Open a warehouse for reading; gives the driver's class of errors too."""
    if url.startswith(("postgresql://", "postgres://")):
        driver = _driver("psycopg", "psycopg2")
        return driver.connect(url), driver.Error
    driver = _driver("duckdb")
    return driver.connect(_duckdb_path(url), read_only=True), driver.Error


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print what differs, and give the exit code."""
    options = _parser().parse_args(arguments)
    reports = [r for r in REPORTS if not options.report or r.label in options.report]
    try:
        return _run(options, reports)
    except AuditError as error:
        sys.stderr.write(f"tap-advexport-audit: {error}\n")
        return _EXIT_NOT_COMPARED


def _run(options: argparse.Namespace, reports: Sequence[Report]) -> int:
    driver_error: type[Exception] = AuditError
    try:
        connection, driver_error = connect(options.warehouse)
        with closing(connection):
            warehouse = Warehouse(
                connection=connection,
                schema=options.schema,
                tables=dict(options.table),
                cost_tolerance=options.cost_tolerance,
            )
            periods = list(audit(warehouse, reports))
            days = {r: [p.period for p in periods if p.report == r.label] for r in reports}
            gaps = [gap for r in reports for gap in find_gaps(r, days[r], options.first)]
    except AuditError:
        raise
    except Exception as error:
        # Only the driver knows its errors, and it is not known before it is asked to connect.
        if driver_error is AuditError or isinstance(error, driver_error):
            raise AuditError(_one_line(error, options.warehouse)) from error
        raise
    return _tell(periods, gaps)


def _tell(periods: Sequence[Period], gaps: Sequence[Gap]) -> int:
    if not periods:
        raise AuditError("the tables are empty: nothing to compare")
    different = [period for period in periods if period.differs is not None]
    header = (
        ["report period (what differs): figure by the API | in the warehouse"] if different else []
    )
    missing = f", {len(gaps)} gaps" if gaps else ""
    summary = f"{len(periods)} periods compared, {len(different)} differ{missing}"
    for line in (*header, *different, *gaps, summary):
        sys.stdout.write(f"{line}\n")
    return _EXIT_DIFFERS if different or gaps else _EXIT_EQUAL


def _column_types(warehouse: Warehouse) -> dict[str, dict[str, str]]:
    rows = warehouse.query(
        "select table_name, column_name, lower(data_type) from information_schema.columns"  # noqa: S608  # a quoted literal
        f" where table_schema = {_literal(warehouse.schema)}"
    )
    types: dict[str, dict[str, str]] = {}
    for table, column, data_type in rows:
        types.setdefault(table, {})[column] = data_type
    return types


def _loaded_reports(warehouse: Warehouse) -> dict[str, int]:
    rows = warehouse.query(
        f"select report, sum(row_count) from {warehouse.relation(PERIODS_STREAM)} group by report"  # noqa: S608  # a quoted name
    )
    return {report: int(count) for report, count in rows}


def _cost_tolerance(
    warehouse: Warehouse, report: Report, types: Mapping[str, Mapping[str, str]]
) -> str:
    tables = (warehouse.table(report.stream), warehouse.table(PERIODS_STREAM))
    is_float = any(types[table].get("cost_aggr") in _FLOAT_TYPES for table in tables)
    return FLOAT_TOLERANCE if is_float else "0"


def _period_after(report: Report, period: date) -> date:
    if report.interval is Interval.MONTHLY:
        return (period.replace(day=28) + timedelta(days=4)).replace(day=1)
    return period + timedelta(days=1)


def _period_before(report: Report, period: date) -> date:
    day = period - timedelta(days=1)
    return day.replace(day=1) if report.interval is Interval.MONTHLY else day


def _driver(*names: str) -> Any:  # noqa: ANN401  # drivers share no type
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise AuditError(f"install {' or '.join(names)} to read this warehouse")


def _duckdb_path(url: str) -> str:
    """`duckdb:///w.duckdb` is relative for some tools and absolute for others: the file decides."""
    if not url.startswith("duckdb://"):
        return url
    path = url.removeprefix("duckdb://")
    return path if Path(path).exists() else path.removeprefix("/")


def _one_line(error: Exception, url: str) -> str:
    """Give a driver's message without line ends, and without a password that it repeats."""
    text = " ".join(str(error).split()) or type(error).__name__
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    return text.replace(password, "***") if password else text


def _figure(value: object) -> str:
    return "nothing" if value is None else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _table(text: str) -> tuple[str, str]:
    stream, equals, table = text.partition("=")
    if not equals or stream not in {PERIODS_STREAM, *(report.stream for report in REPORTS)}:
        raise argparse.ArgumentTypeError(f"{text!r} is not STREAM=TABLE with a stream of the tap")
    return stream, table


def _number(text: str) -> str:
    return repr(float(text))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tap-advexport-audit",
        description="Compare a warehouse's tables with report_periods, period by period, and print"
        " the periods that differ. Exit code 0: none does; 1: some do; 2: the comparison could not"
        " be made.",
    )
    parser.add_argument(
        "warehouse",
        help="path of a DuckDB file, or postgresql://user@host:port/database (PGPASSWORD is read)",
    )
    parser.add_argument(
        "--schema", default=DEFAULT_SCHEMA, help="schema of the tables (default: %(default)s)"
    )
    parser.add_argument(
        "--report",
        action="append",
        choices=[report.label for report in REPORTS],
        help="compare this report only; may be repeated (default: all that were loaded)",
    )
    parser.add_argument(
        "--table",
        action="append",
        type=_table,
        default=[],
        metavar="STREAM=TABLE",
        help="a stream's table, where it has another name than the stream",
    )
    parser.add_argument(
        "--first",
        type=date.fromisoformat,
        metavar="DATE",
        help="the tap's start_date: days from it on must be there (default: the first day that is)",
    )
    parser.add_argument(
        "--cost-tolerance",
        type=_number,
        metavar="NUMBER",
        help="relative difference allowed between sums of costs (default: 1e-9 where the"
        " warehouse stores binary floating-point numbers, otherwise 0)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
