"""Checks whether a state is complete and up to date, in one line for a monitor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_advexport.commands.calendar import Status
from tap_advexport.commands.calendar_words import stretch_names
from tap_advexport.commands.shared import plural
from tap_advexport.coverage.ranges import without
from tap_advexport.windows import DAY, DateWindow, local_midnight

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_advexport.commands.calendar import CoverageCalendar, Stretch
    from tap_advexport.coverage.settling import Rules
    from tap_advexport.coverage.state import Coverage

_AGE = re.compile(r"(\d{1,5})([dhm]?)", re.ASCII)
_UNITS = {"": "days", "d": "days", "h": "hours", "m": "minutes"}
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class ReportCoverage:
    """The coverage of one report: its calendar, and the state and rules it was made from."""

    calendar: CoverageCalendar
    coverage: Coverage
    rules: Rules


@dataclass(frozen=True, slots=True)
class CheckLimits:
    """The limits within which a state passes the check.

    Attributes:
        max_age: how long a day may be over without being covered, and how old the last export of a
            provisional day may be.
        allowed_failed: how many periods of a report may have failed.
    """

    max_age: timedelta
    allowed_failed: int


def parse_age(text: str) -> timedelta | None:
    """Parse a duration such as `2d`, `36h` or `90m`; return None if it is not one."""
    match = _AGE.fullmatch(text.strip())
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


def find_problems(
    reports: Sequence[ReportCoverage],
    limits: CheckLimits,
    bare: Sequence[str] = (),
    early: Sequence[str] = (),
) -> str:
    """Return all problems in one line, or an empty text if there are none.

    Args:
        bare: streams that have a bookmark which covers no day, and are not among the reports.
        early: likewise, and no day of them is over yet.
    """
    told = [
        f"{each.calendar.report.stream}: {words}"
        for each in reports
        if (words := "; ".join(_problems(each, limits)))
    ]
    told += [f"{stream}: covers no day" for stream in bare]
    return " | ".join(told) if reports or early else "the state covers no day"


def well(reports: Sequence[ReportCoverage], early: Sequence[str] = ()) -> str:
    """Return what is covered, for a state without problems."""
    parts = []
    for each in reports:
        covered = each.coverage.covered()
        days = plural(sum(window.days for window in covered), "day")
        words = f"{days} to {covered[-1].last}" if covered else "no day yet"
        parts.append(f"{each.calendar.report.stream}: {words}")
    parts += [f"{stream}: no day yet" for stream in early]
    return f"ok: {' | '.join(parts)}"


def _problems(report: ReportCoverage, limits: CheckLimits) -> Iterator[str]:
    calendar = report.calendar
    failed = sorted(_failed(report, limits), key=lambda each: each.first)
    count = sum(each.count for each in failed)
    if count > limits.allowed_failed:
        names = stretch_names(failed, calendar, _MAX_NAMED)
        yield f"{plural(count, calendar.unit)} failed ({names})"
    for gap in _ends(report):
        ended_at = local_midnight(gap.first + DAY, report.rules.zone)
        if _is_older(ended_at, report.rules.now, limits):
            yield f"nothing of {_span(gap)}"
    # Days before `start_date` and after `end_date` too: no run exports these again.
    for old in report.coverage.unsettled:
        if _is_older(old.exported_at, report.rules.now, limits):
            span = _span(DateWindow(old.first, old.last))
            yield f"{span} last exported {old.exported_at:%Y-%m-%d %H:%M} UTC"


def _failed(report: ReportCoverage, limits: CheckLimits) -> Iterator[Stretch]:
    """Yield what lies between covered days and is not there.

    A task that is under way excuses only days that ended lately: each run may leave another one.
    """
    yield from report.calendar.stretches_of(Status.FAILED)
    covered = report.coverage.covered()
    for each in report.calendar.stretches_of(Status.PENDING):
        ended_at = local_midnight(each.first + DAY, report.rules.zone)
        is_between = covered and covered[0].first < each.first < covered[-1].last
        if is_between and _is_older(ended_at, report.rules.now, limits):
            yield each


def _ends(report: ReportCoverage) -> Sequence[DateWindow]:
    """Return the days of the calendar before the first and after the last covered day."""
    covered = report.coverage.covered()
    hull = (DateWindow(covered[0].first, covered[-1].last),) if covered else ()
    return without((report.calendar.days,), hull)


def _is_older(moment: datetime, now: datetime, limits: CheckLimits) -> bool:
    return now - moment > limits.max_age


def _span(window: DateWindow) -> str:
    return str(window).replace("..", " to ")
