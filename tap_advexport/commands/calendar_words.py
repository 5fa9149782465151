"""What the calendar says in words, in the terminal and in the picture alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_advexport.coverage.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, datetime

    from tap_advexport.coverage.standing import Calendar, Stretch

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip

LEGEND: Final = {
    Standing.SETTLED: "settled: the figures no longer move",
    Standing.PROVISIONAL: "provisional: will be exported again",
    Standing.PENDING: "pending: demanded, not brought yet",
    Standing.FAILED: "failed: not there, between days that are",
    Standing.MISSING: "missing: not exported yet",
}


def heading(calendar: Calendar) -> str:
    """The report and its range."""
    return f"{calendar.report.stream}  {calendar.days.first} to {calendar.days.last}"


def as_of(now: datetime) -> str:
    """The moment that the calendar is of."""
    return f"{now:%Y-%m-%d %H:%M} UTC"


def summary(calendar: Calendar) -> str:
    """How many periods stand how: what needs a look is named last."""
    count = calendar.count()
    parts = [
        f"{count[standing]:,} {standing}{_aged(calendar, standing)}"
        for standing in LEGEND
        if count[standing]
    ]
    return f"{_plural(len(calendar.cells), calendar.unit)}: {', '.join(parts)}"


def year_summary(year: int, calendar: Calendar) -> str | None:
    """A year all of whose periods have settled, or none of which is there, in a few words."""
    cells = [cell for first, cell in calendar.cells.items() if first.year == year]
    standings = {cell.standing for cell in cells}
    if len(standings) > 1 or not standings <= {Standing.SETTLED, Standing.MISSING}:
        return None
    return f"{_plural(len(cells), calendar.unit)} {standings.pop()}"


def stretch_name(stretch: Stretch, calendar: Calendar) -> str:
    """A stretch by its ends, in days or in months."""
    first, last = (_name(day, calendar) for day in (stretch.first, stretch.last))
    return first if first == last else f"{first} to {last}"


def stretch_names(stretches: Iterable[Stretch], calendar: Calendar, most: int) -> str:
    """The first few of the stretches, and how many there are more."""
    names = [stretch_name(each, calendar) for each in stretches]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def age(days: int) -> str:
    """How long ago something was exported."""
    return f"{_plural(days, 'day')} ago" if days else "today"


def _aged(calendar: Calendar, standing: Standing) -> str:
    ages = calendar.ages()
    if standing is not Standing.PROVISIONAL or ages is None:
        return ""
    youngest, oldest = ages
    if youngest == oldest:
        return f" (exported {age(oldest)})"
    return f" (exported {age(youngest)} to {age(oldest)})"


def _name(day: date, calendar: Calendar) -> str:
    return f"{day:%Y-%m}" if calendar.is_monthly else day.isoformat()


def _plural(count: int, unit: str) -> str:
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
