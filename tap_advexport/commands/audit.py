"""The command `tap-advexport-audit`: compares a warehouse with the API, period by period.

It runs `audit.sql`, which the dbt package runs too. It needs only the driver of the warehouse,
which the extras `audit-duckdb` and `audit-postgres` install.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import click

from tap_advexport.commands.audit_comparison import (
    ComparedPeriod,
    Gap,
    compare,
    find_gaps,
    warehouse_of,
)
from tap_advexport.commands.audit_connection import AuditError, open_warehouse
from tap_advexport.commands.audit_repair import in_order, repair_settings, stretches
from tap_advexport.commands.shared import moment_of, plural, run_cli, settings_of
from tap_advexport.reports import PERIODS_STREAM, REPORTS
from tap_advexport.windows import last_day_to_have, local_date

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_advexport.commands.audit_comparison import Finding

_EXIT_EQUAL: Final = 0
_EXIT_DIFFERS: Final = 1
_EXIT_NOT_COMPARED: Final = 2
_STREAMS: Final = (PERIODS_STREAM, *(report.stream for report in REPORTS))


def main(args: Sequence[str] | None = None) -> int:
    """Compare, print the differences, and return the exit code."""
    return run_cli(audit_command, args, failed=_EXIT_NOT_COMPARED)


def _table(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    tables = {}
    for text in values:
        stream, equals, table = text.partition("=")
        if not equals or stream not in _STREAMS:
            raise click.BadParameter(f"{text!r} is not STREAM=TABLE with a stream of the tap")
        tables[stream] = table
    return tables


def _tolerance(_: click.Context, __: click.Parameter, value: float | None) -> str | None:
    if value is not None and not 0 <= value < float("inf"):
        raise click.BadParameter(f"{value} is not a finite number from 0 on")
    return None if value is None else repr(value)


@click.command(name="tap-advexport-audit")
# Accept any number: click's error about an extra one could show a part of a password.
@click.argument("warehouse", nargs=-1)
@click.option("--schema", default="tap_advexport", show_default=True, metavar="NAME",
              help="Schema of the tables; with dlt, the name of the dataset.")  # fmt: skip
@click.option("--report", "labels", multiple=True, type=click.Choice([r.label for r in REPORTS]),
              help="Compare only this one; may be repeated. Default: all of them.")  # fmt: skip
@click.option("--account", metavar="LABEL", help="Compare this account only. Default: all.")
@click.option("--table", "tables", multiple=True, callback=_table, metavar="STREAM=TABLE",
              help="A stream's table, where it has another name than the stream.")  # fmt: skip
@click.option("--config", metavar="FILE", help="Config of the tap, or ENV: start_date, end_date, "
              "timezone and account are taken from it.")  # fmt: skip
@click.option("--start-date", metavar="DATE", help="Days from it on must be there. Default: the "
              "first day that is.")  # fmt: skip
@click.option("--end-date", metavar="DATE", help="Days up to it must be there, if they are over. "
              "Default: the last day that is.")  # fmt: skip
@click.option("--timezone", metavar="ZONE", help="The account's time zone. Default: UTC.")
@click.option("--cost-tolerance", type=float, callback=_tolerance, metavar="NUMBER",
              help="Relative difference allowed "
              "between sums of costs. Default: 1e-9 where the warehouse stores binary "
              "floating-point numbers, otherwise 0.")  # fmt: skip
@click.option("--repair-config", "is_repair", is_flag=True, help="Print only the settings that "
              "export all that differs again: JSON, one line for each account.")  # fmt: skip
def audit_command(  # noqa: PLR0913 - each is an option
    *,
    warehouse: tuple[str, ...],
    schema: str,
    labels: tuple[str, ...],
    tables: Mapping[str, str],
    cost_tolerance: str | None,
    is_repair: bool,
    config: str | None,
    **options: str | None,
) -> int:
    """Compare a warehouse's tables with report_periods, and print the periods that differ.

    WAREHOUSE is the path of a DuckDB file, or postgresql://USER@HOST:PORT/DATABASE (PGPASSWORD is
    read). Exit code 0: nothing differs; 1: something does; 2: the comparison could not be made.
    """
    if len(warehouse) != 1:
        raise click.UsageError(
            f"expected one WAREHOUSE (got {len(warehouse)}): put a URL with blanks or & in quotes"
        )
    settings = settings_of(config, options)
    reports = [report for report in REPORTS if not labels or report.label in labels]
    with open_warehouse(warehouse[0]) as connection:
        place = warehouse_of(
            connection, schema=schema, tables=tables, cost_tolerance=cost_tolerance
        )
        compared = list(compare(place, reports))
    account = settings["account"]
    periods = [each for each in compared if account in {None, each.account}]
    if not periods:
        of_account = f" of account {account}" if account else ""
        raise AuditError(f"there are no periods{of_account}: has it been loaded?")
    gaps = list(_gaps(periods, settings))
    different = [each for each in periods if each.differs is not None]
    findings = in_order([*different, *gaps])
    lines = _repair if is_repair else _told
    for line in lines(findings, settings):
        sys.stdout.write(f"{line}\n")
    summary = f"{plural(len(periods), 'period')} compared, {len(different)} differ"
    missing = f", {plural(len(gaps), 'gap')}" if gaps else ""
    (sys.stderr if is_repair else sys.stdout).write(f"{summary}{missing}\n")
    return _EXIT_DIFFERS if findings else _EXIT_EQUAL


def _gaps(periods: Sequence[ComparedPeriod], settings: Mapping[str, Any]) -> Iterator[Gap]:
    today, end = local_date(moment_of(None), settings["timezone"]), settings["end_date"]
    end = end and last_day_to_have(today, end, include_today=False)
    for _, group in groupby(periods, key=lambda each: (each.report, each.account)):
        yield from find_gaps(list(group), start=settings["start_date"], end=end)


def _told(findings: Sequence[Finding], settings: Mapping[str, Any]) -> Iterator[str]:
    if findings:
        yield "report period (what differs): figure by the API | in the warehouse"
    for stretch in stretches(findings):
        yield from map(str, stretch)
        mended = [json.dumps(each) for each in _repairs(stretch, settings)]
        yield (
            f"    mend with {mended[0]}"
            if mended
            else "    outside start_date and end_date: never exported again"
        )


def _repair(findings: Sequence[Finding], settings: Mapping[str, Any]) -> Iterator[str]:
    yield from map(json.dumps, list(_repairs(findings, settings)) or [{}])


def _repairs(
    findings: Sequence[Finding], settings: Mapping[str, Any]
) -> Iterator[Mapping[str, str]]:
    return repair_settings(findings, settings["start_date"], settings["end_date"])


if __name__ == "__main__":
    sys.exit(main())
