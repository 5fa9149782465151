"""Compares a warehouse's tables with `report_periods`, period by period, using `audit.sql`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from tap_advexport.commands.audit_connection import AuditError
from tap_advexport.reports import PERIODS_STREAM, Report
from tap_advexport.windows import DAY, period_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from tap_advexport.commands.audit_connection import Connection

# A sum of binary floating-point numbers depends on the order of addition; see `audit.sql`.
FLOAT_TOLERANCE: Final = "1e-9"
# A column that only tables of dlt have, in which each row is there once and replaced with its day.
DLT_COLUMN: Final = "is_deleted"
# More than a row can have; see `audit.sql`.
ALL_COPIES: Final = "1000000000"
_FLOAT_TYPES: Final = frozenset({"double", "double precision", "float", "real"})
_VERSION: Final = "period_version"

# Names of tables to names of columns to types.
_Types = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ComparedPeriod:
    """One line of the comparison: the columns of `audit.sql`, and the report itself."""

    report: Report
    account: str
    period: date
    period_version: str | None
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

    @property
    def first(self) -> date:
        """The first day of the period, as in `Gap`."""
        return self.period

    @property
    def last(self) -> date:
        """The same day: this is a single period."""
        return self.period

    def __str__(self) -> str:
        """Describe what differs, with both totals of each figure."""
        pairs = (
            ("rows", self.api_row_count, self.warehouse_row_count),
            ("clicks", self.api_clicks_aggr, self.warehouse_clicks_aggr),
            ("conversions", self.api_conversions_aggr, self.warehouse_conversions_aggr),
            ("cost", self.api_cost_aggr, self.warehouse_cost_aggr),
        )
        figures = ", ".join(f"{name} {_figure(api)} | {_figure(held)}" for name, api, held in pairs)
        others = f"; {self.other_row_count} of other versions" if self.other_row_count else ""
        return f"{_heading(self)} {self.period} ({self.differs}): {figures}{others}"


@dataclass(frozen=True, slots=True)
class Gap:
    """Periods of which the warehouse holds nothing at all; both ends are included."""

    report: Report
    account: str
    first: date
    last: date

    def __str__(self) -> str:
        """Name the periods."""
        span = str(self.first) if self.first == self.last else f"{self.first} to {self.last}"
        return f"{_heading(self)} {span} (missing): neither rows nor a period row"


# Periods that differ from the API; `first` and `last` are the first days of periods.
Finding: TypeAlias = ComparedPeriod | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Warehouse:
    """An open warehouse and the place of the tables in it."""

    connection: Connection
    database: str
    schema: str
    # Names of streams to names of tables, where they differ.
    tables: Mapping[str, str]
    # None: depends on the type of the column.
    cost_tolerance: str | None = None

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """Run a query and return all its rows."""
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall()

    def table(self, stream: str) -> str:
        """Return the name of a stream's table."""
        return self.tables.get(stream, stream)

    def name(self, stream: str) -> str:
        """Return the name of a stream's table with its schema, for messages."""
        return f"{self.schema}.{self.table(stream)}"

    def relation(self, stream: str) -> str:
        """Return the full, quoted name of a stream's table.

        It includes the database, because in DuckDB a schema may have the same name.
        """
        return ".".join(map(_quoted, (self.database, self.schema, self.table(stream))))


def warehouse_of(connection: Connection, **places: Any) -> Warehouse:  # noqa: ANN401  # of Warehouse
    """Return the warehouse of a connection, with its `schema`, `tables` and `cost_tolerance`."""
    cursor = connection.cursor()
    cursor.execute("select current_database()")
    [[database]] = cursor.fetchall()
    return Warehouse(connection=connection, database=database, **places)


def compare(warehouse: Warehouse, reports: Sequence[Report]) -> Iterator[ComparedPeriod]:
    """Compare all periods of the reports, each report in the order of accounts and periods.

    A report that was never loaded has no periods.

    Raises:
        AuditError: a table or a column is missing, so nothing can be compared.
    """
    types = _column_types(warehouse)
    _check(warehouse, PERIODS_STREAM, types)
    loaded = _loaded_reports(warehouse)
    for report in reports:
        if warehouse.table(report.stream) in types:
            _check(warehouse, report.stream, types)
            rows = [ComparedPeriod(report, *row[1:]) for row in _rows(warehouse, report, types)]
            if any(row.period is None for row in rows):
                raise AuditError(
                    f"{warehouse.name(report.stream)} has rows without report_date, whose day is"
                    " unknown: select the column again, delete these rows, and run this once more"
                )
            yield from sorted(rows, key=lambda row: (row.account, row.period))
        elif loaded.get(report.label):
            raise AuditError(
                f"there is no table {warehouse.name(report.stream)}, and report_periods says"
                f" that {loaded[report.label]} rows of it were sent: name it with --table"
            )


def find_gaps(
    periods: Sequence[ComparedPeriod], *, start: date | None, end: date | None
) -> Iterator[Gap]:
    """Find the missing periods of one report and account, between its periods and at both ends.

    Args:
        periods: at least one, in order.
        start: the first wanted day; None: the first that is there.
        end: the last wanted day, also where later ones are there; None: the last that is there.
    """
    report, account = periods[0].report, periods[0].account
    wanted = period_of(start or periods[0].period, interval=report.interval).first
    limit = period_of(end, interval=report.interval).first if end else None
    for each in periods:
        last = _period_before(report, each.period)
        last = min(last, limit) if limit else last
        if wanted <= last:
            yield Gap(report, account, wanted, last)
        wanted = max(wanted, next_period(report, each.period))
    if limit and wanted <= limit:
        yield Gap(report, account, wanted, limit)


def next_period(report: Report, period: date) -> date:
    """Return the first day of the period after `period`."""
    return period_of(period, interval=report.interval).last + DAY


def audit_sql(**names: str) -> str:
    """Return the query with its names filled in."""
    sql = files("tap_advexport.commands").joinpath("audit.sql").read_text(encoding="utf-8")
    for name, value in names.items():
        sql = sql.replace("{{ " + name + " }}", value)
    return sql


def _rows(warehouse: Warehouse, report: Report, types: _Types) -> Sequence[Sequence[Any]]:
    streams = (report.stream, PERIODS_STREAM)
    rows, periods = (types[warehouse.table(stream)] for stream in streams)
    is_float = any(columns.get("cost_aggr") in _FLOAT_TYPES for columns in (rows, periods))
    sql = audit_sql(
        report=report.label,
        rows=warehouse.relation(report.stream),
        periods=warehouse.relation(PERIODS_STREAM),
        rows_account=_account(rows),
        periods_account=_account(periods),
        copies=ALL_COPIES if DLT_COLUMN in rows else "1",
        cost_tolerance=warehouse.cost_tolerance or (FLOAT_TOLERANCE if is_float else "0"),
    )
    return warehouse.query(sql)


def _account(columns: Mapping[str, str]) -> str:
    """Return the SQL for the account; it is empty for rows from before the `account` setting."""
    return "coalesce(account, '')" if "account" in columns else "''"


def _check(warehouse: Warehouse, stream: str, types: _Types) -> None:
    columns = types.get(warehouse.table(stream))
    if columns is None:
        raise AuditError(
            f"there is no table {warehouse.name(stream)}{_elsewhere(warehouse, stream)}"
        )
    if _VERSION not in columns:
        raise AuditError(
            f"{warehouse.name(stream)} has no column {_VERSION}: select it in the catalog, or, if"
            " an older version of the tap loaded the table, load its days once more with"
            " refresh_start_date and refresh_end_date"
        )


def _elsewhere(warehouse: Warehouse, stream: str) -> str:
    found = warehouse.query(
        "select table_schema from information_schema.tables"  # noqa: S608  # quoted literals
        f" where table_catalog = {_literal(warehouse.database)}"
        f" and table_name = {_literal(warehouse.table(stream))} order by table_schema"
    )
    # dlt keeps a staging copy beside each dataset.
    schemas = ", ".join(schema for (schema,) in found if not schema.endswith("_staging"))
    if schemas:
        return f"; one lies in the schema {schemas}: name it with --schema"
    return "; if it lies elsewhere, name it with --schema and --table"


def _column_types(warehouse: Warehouse) -> _Types:
    rows = warehouse.query(
        "select table_name, column_name, lower(data_type) from information_schema.columns"  # noqa: S608  # quoted literals
        f" where table_catalog = {_literal(warehouse.database)}"
        f" and table_schema = {_literal(warehouse.schema)}"
    )
    types: _Types = {}
    for table, column, data_type in rows:
        types.setdefault(table, {})[column] = data_type
    return types


def _loaded_reports(warehouse: Warehouse) -> dict[str, int]:
    rows = warehouse.query(
        f"select report, sum(row_count) from {warehouse.relation(PERIODS_STREAM)} group by report"  # noqa: S608  # a quoted name
    )
    return {report: int(count or 0) for report, count in rows}


def _period_before(report: Report, period: date) -> date:
    return period_of(period - DAY, interval=report.interval).first


def _heading(finding: Finding) -> str:
    return f"{finding.account} {finding.report.label}".lstrip()


def _figure(value: object) -> str:
    if isinstance(value, Decimal):
        # Not `normalize`, which rounds to 28 digits: different totals could look the same.
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return "nothing" if value is None else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
