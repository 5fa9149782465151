"""The command `tap-advexport-coverage`: a calendar of the days that a state covers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_advexport.commands.calendar import calendar_of, range_to_show
from tap_advexport.commands.calendar_svg import render_svg
from tap_advexport.commands.calendar_text import render_text
from tap_advexport.commands.coverage_check import (
    CheckLimits,
    ReportCoverage,
    find_problems,
    parse_age,
    well,
)
from tap_advexport.commands.shared import moment_of, run_cli, settings_of
from tap_advexport.commands.state_files import read_state
from tap_advexport.coverage.settling import AS_WRITTEN, Rules
from tap_advexport.coverage.state_envelope import bookmarks_of, coverage_of
from tap_advexport.errors import IncompleteError, OutputError
from tap_advexport.progress.terminal import wants_colours
from tap_advexport.reports import REPORTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta


def main(args: Sequence[str] | None = None) -> int:
    """Show the calendar and return the exit code."""
    return run_cli(coverage_command, args)


@click.command(name="tap-advexport-coverage")
@click.argument("state", default="-")
@click.option("--config", metavar="FILE", help="Config of the tap, or ENV: start_date, end_date, "
              "timezone and lookback_days are taken from it.")  # fmt: skip
@click.option("--start-date", metavar="DATE", help="First day. Default: the first one covered.")
@click.option("--end-date", metavar="DATE", help="Last day. Default: yesterday, or a later "
              "one that is covered.")  # fmt: skip
@click.option("--account", metavar="LABEL", help="Whose days to show, of the state of a dlt "
              "pipeline that loads several accounts.")  # fmt: skip
@click.option("--timezone", metavar="ZONE", help="The account's time zone. Default: UTC.")
@click.option("--lookback-days", metavar="DAYS", help="Show which days the next run takes for "
              "settled. Default: as the state says.")  # fmt: skip
@click.option("--check", "is_check", is_flag=True, help="Print one line and no calendar: exit code "
              "1 if days failed, are missing, or are out of date.")  # fmt: skip
@click.option("--max-age", metavar="AGE", default="2d", show_default=True, help="With --check: how "
              "long a day may have been over and not be there, or a provisional one not have been "
              "exported again: 2d, 36h.")  # fmt: skip
@click.option("--allow-failed", type=click.IntRange(min=0), metavar="COUNT", default=0,
              show_default=True, help="With --check: failed days that are no alarm.")  # fmt: skip
@click.option("--svg", metavar="FILE", help="Write the calendar as a picture too.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto",
              show_default=True, help="Colours on a terminal, unless NO_COLOR is set.")  # fmt: skip
@click.option("--now", metavar="TIME", help="Show the state as of this moment. Default: now.")
def coverage_command(  # noqa: PLR0913 - each is an option
    *,
    state: str,
    config: str | None,
    is_check: bool,
    max_age: str,
    allow_failed: int,
    svg: str | None,
    color: str,
    now: str | None,
    **options: str | None,
) -> None:
    """Show which days a state covers: settled, provisional, pending, failed, missing.

    STATE is a file, or - for standard input: a Singer state, or what `meltano state get` prints.
    Exit code 0, or 1 with one line for what is wrong with the input, or found by --check.
    """
    limits = CheckLimits(_age(max_age), allow_failed)
    moment = moment_of(now)
    settings = settings_of(config, options)
    if not config and options["lookback_days"] is None:
        settings["lookback_days"] = AS_WRITTEN
    reports, bare, early = _reports(read_state(state, settings["account"]), moment, settings)
    calendars = [each.calendar for each in reports]
    if svg:
        _write(svg, render_svg(calendars, moment))
    if is_check:
        if problems := find_problems(reports, limits, bare, early):
            raise IncompleteError(problems)
        sys.stdout.write(f"{well(reports, early)}\n")
        return
    is_auto = color == "auto" and sys.stdout.isatty() and wants_colours(os.environ)
    is_coloured = color == "always" or is_auto
    for line in render_text(calendars, moment, is_coloured=is_coloured):
        sys.stdout.write(f"{line}\n")


def _reports(
    state: Mapping[str, object], now: datetime, settings: Mapping[str, Any]
) -> tuple[Sequence[ReportCoverage], Sequence[str], Sequence[str]]:
    """Return the reports that have days to show, and the streams whose bookmark covers none.

    The latter are two: those that nothing says a first day of, and those whose first day is not
    over yet.
    """
    bookmarks = bookmarks_of(state, "state")
    start_date, end_date = settings["start_date"], settings["end_date"]
    shown = []
    bare: list[str] = []
    early: list[str] = []
    for report in REPORTS:
        if report.stream in bookmarks:
            rules = Rules(report.interval, settings["timezone"], now, settings["lookback_days"])
            bookmark = bookmarks[report.stream]
            coverage = coverage_of(bookmark, report, rules, start_date=start_date)
            days = range_to_show(coverage, rules, start_date=start_date, end_date=end_date)
            if days:
                calendar = calendar_of(report, coverage, days, rules)
                shown.append(ReportCoverage(calendar, coverage, rules))
            else:
                (bare if start_date is None else early).append(report.stream)
    return shown, bare, early


def _age(text: str) -> timedelta:
    age = parse_age(text)
    if age is None:
        raise click.BadParameter(
            f"{text!r} is not a duration (expected a number with d, h or m)", param_hint="--max-age"
        )
    return age


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"svg: {path} cannot be written: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
