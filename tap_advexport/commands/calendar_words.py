"""What the calendar says in words, in the terminal and in the picture alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_advexport.commands.calendar import Status
from tap_advexport.commands.shared import plural

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from tap_advexport.commands.calendar import CoverageCalendar, Stretch

LEGEND: Final = {
    Status.SETTLED: "settled: the figures no longer move",
    Status.PROVISIONAL: "provisional: will be exported again",
    Status.PENDING: "pending: submitted, not loaded yet",
    Status.FAILED: "failed: not there, between days that are",
    Status.MISSING: "missing: not exported yet",
}


def heading(calendar: CoverageCalendar) -> str:
    """The report and its range."""
    return f"{calendar.report.stream}  {calendar.days.first} to {calendar.days.last}"


def as_of(now: datetime) -> str:
    """The moment that the calendar is of."""
    return f"{now:%Y-%m-%d %H:%M} UTC"


def summary(calendar: CoverageCalendar) -> str:
    """How many periods have each status: what needs a look is named last."""
    count = calendar.count()
    parts = [
        f"{count[status]:,} {status}{_aged(calendar, status)}" for status in LEGEND if count[status]
    ]
    return f"{plural(len(calendar.cells), calendar.unit)}: {', '.join(parts)}"


def year_summary(year: int, calendar: CoverageCalendar) -> str | None:
    """A year all of whose periods have settled, or none of which is there, in a few words."""
    cells = [cell for first, cell in calendar.cells.items() if first.year == year]
    statuses = {cell.status for cell in cells}
    if len(statuses) > 1 or not statuses <= {Status.SETTLED, Status.MISSING}:
        return None
    return f"{plural(len(cells), calendar.unit)} {statuses.pop()}"


def stretch_name(stretch: Stretch, calendar: CoverageCalendar) -> str:
    """A stretch by its ends, in days or in months."""
    first, last = (_name(day, calendar) for day in (stretch.first, stretch.last))
    return first if first == last else f"{first} to {last}"


def stretch_names(stretches: Iterable[Stretch], calendar: CoverageCalendar, most: int) -> str:
    """The first few of the stretches, and how many there are more."""
    names = [stretch_name(each, calendar) for each in stretches]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def age(days: int) -> str:
    """How long ago something was exported."""
    return f"{plural(days, 'day')} ago" if days else "today"


def _aged(calendar: CoverageCalendar, status: Status) -> str:
    ages = calendar.ages()
    if status is not Status.PROVISIONAL or ages is None:
        return ""
    youngest, oldest = ages
    if youngest == oldest:
        return f" (exported {age(oldest)})"
    return f" (exported {age(youngest)} to {age(oldest)})"


def _name(day: date, calendar: CoverageCalendar) -> str:
    return f"{day:%Y-%m}" if calendar.is_monthly else day.isoformat()
