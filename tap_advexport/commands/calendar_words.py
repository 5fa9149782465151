"""The texts of the calendar, both in the terminal and in the SVG."""

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
    """Return the report and its range."""
    return f"{calendar.report.stream}  {calendar.days.first} to {calendar.days.last}"


def as_of(now: datetime) -> str:
    """Format the moment that the calendar shows."""
    return f"{now:%Y-%m-%d %H:%M} UTC"


def summary(calendar: CoverageCalendar) -> str:
    """Return how many periods have each status; those that need attention come last."""
    count = calendar.count()
    parts = [
        f"{count[status]:,} {status}{_aged(calendar, status)}" for status in LEGEND if count[status]
    ]
    return f"{plural(len(calendar.cells), calendar.unit)}: {', '.join(parts)}"


def year_summary(year: int, calendar: CoverageCalendar) -> str | None:
    """Summarize a year whose periods are all settled or all missing; None for other years."""
    cells = [cell for first, cell in calendar.cells.items() if first.year == year]
    statuses = {cell.status for cell in cells}
    if len(statuses) > 1 or not statuses <= {Status.SETTLED, Status.MISSING}:
        return None
    return f"{plural(len(cells), calendar.unit)} {statuses.pop()}"


def stretch_name(stretch: Stretch, calendar: CoverageCalendar) -> str:
    """Name a stretch by its ends, in days or months."""
    first, last = (_name(day, calendar) for day in (stretch.first, stretch.last))
    return first if first == last else f"{first} to {last}"


def stretch_names(stretches: Iterable[Stretch], calendar: CoverageCalendar, most: int) -> str:
    """Name at most `most` stretches, and say how many more there are."""
    names = [stretch_name(each, calendar) for each in stretches]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def age(days: int) -> str:
    """Say how long ago something was exported."""
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
