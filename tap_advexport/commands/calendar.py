"""The status of each period of a report: settled, provisional, pending, failed or missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from tap_advexport.coverage.plan import is_young
from tap_advexport.coverage.ranges import within
from tap_advexport.coverage.settling import AS_WRITTEN
from tap_advexport.reports import Interval
from tap_advexport.windows import DAY, DateWindow, period_of, periods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from tap_advexport.coverage.settling import Rules
    from tap_advexport.coverage.state import Coverage
    from tap_advexport.reports import Report


class Status(StrEnum):
    """What a state says about a period.

    SETTLED: exported after its figures had stopped changing.
    PROVISIONAL: exported, and will be exported again.
    PENDING: submitted, but not loaded yet.
    FAILED: not exported, although days before and after it were.
    MISSING: not exported yet; before the first or after the last exported day.
    """

    SETTLED = "settled"
    PROVISIONAL = "provisional"
    PENDING = "pending"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Cell:
    """The status of one period.

    Attributes:
        age_days: whole days since the export, for a provisional period, if known.
    """

    status: Status
    age_days: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive periods of the same status and age; `first` and `last` are their first days."""

    first: date
    last: date
    cell: Cell
    count: int


@dataclass(frozen=True, slots=True)
class CoverageCalendar:
    """All periods of one report in a range of days, by their first day and in order."""

    report: Report
    days: DateWindow
    cells: Mapping[date, Cell]

    @property
    def is_monthly(self) -> bool:
        """Whether a period is a month."""
        return self.report.interval is Interval.MONTHLY

    @property
    def unit(self) -> str:
        """The word for a period: month or day."""
        return "month" if self.is_monthly else "day"

    @property
    def years(self) -> range:
        """The years that have periods."""
        return range(self.days.first.year, self.days.last.year + 1)

    def count(self) -> Counter[Status]:
        """Count the periods of each status."""
        return Counter(cell.status for cell in self.cells.values())

    def ages(self) -> tuple[int, int] | None:
        """Return the lowest and the highest age of provisional periods in days; None if unknown."""
        known = [cell.age_days for cell in self.cells.values() if cell.age_days is not None]
        return (min(known), max(known)) if known else None

    def stretches(self, year: int | None = None) -> Iterator[Stretch]:
        """Yield the stretches of one year, or of all years."""
        items = ((day, cell) for day, cell in self.cells.items() if year in {None, day.year})
        for cell, group in groupby(items, key=lambda item: item[1]):
            firsts = [first for first, _ in group]
            yield Stretch(firsts[0], firsts[-1], cell, len(firsts))

    def stretches_of(self, status: Status) -> Sequence[Stretch]:
        """Return the stretches with this status."""
        return [each for each in self.stretches() if each.cell.status is status]


def range_to_show(
    coverage: Coverage, rules: Rules, *, start_date: date | None, end_date: date | None
) -> DateWindow | None:
    """Return the days to show: from `start_date`, or the first known day, to yesterday.

    Today is included if it is covered or pending. No day after `end_date` is shown. Return None if
    there is nothing to show.
    """
    known = [*coverage.covered(), *_on_their_way(coverage, rules)]
    firsts = [start_date] if start_date else [each.first for each in known]
    limit = max([rules.today - DAY, *(each.last for each in known)])
    last = min(end_date or limit, limit)
    if not firsts:
        return None
    first = period_of(min(firsts), interval=rules.interval).first
    return DateWindow(first, last) if first <= last else None


def calendar_of(
    report: Report, coverage: Coverage, days: DateWindow, rules: Rules
) -> CoverageCalendar:
    """Return the status of each period of `report` in `days`."""
    daily = dict(_daily(coverage, days, rules))
    if report.interval is not Interval.MONTHLY:
        return CoverageCalendar(report, days, daily)
    months = periods(days, interval=Interval.MONTHLY)
    cells = {first: _month(_days_of(daily, first)) for first in months}
    return CoverageCalendar(report, days, cells)


def _daily(coverage: Coverage, days: DateWindow, rules: Rules) -> Iterator[tuple[date, Cell]]:
    """Yield each day with its status; later layers overwrite earlier ones."""
    covered = coverage.covered()
    cells = dict.fromkeys(periods(days, interval=Interval.DAILY), Cell(Status.MISSING))
    if covered:
        hull = DateWindow(covered[0].first, covered[-1].last)
        cells |= _painted([hull], days, Cell(Status.FAILED))
    cells |= _painted(_on_their_way(coverage, rules), days, Cell(Status.PENDING))
    cells |= _painted(coverage.settled, days, Cell(Status.PROVISIONAL))
    cells |= _painted(_settled(coverage, rules), days, Cell(Status.SETTLED))
    for each in coverage.unsettled:
        age_days = (rules.now - each.exported_at) // DAY
        cells |= _painted([each], days, Cell(Status.PROVISIONAL, max(0, age_days)))
    yield from cells.items()


def _settled(coverage: Coverage, rules: Rules) -> Iterable[DateWindow]:
    """Return the settled days, without those that a raised lookback makes due again."""
    if rules.lookback_days >= AS_WRITTEN:
        return coverage.settled
    return [day for past in rules.settled_by(rules.now) for day in within(coverage.settled, past)]


def _on_their_way(coverage: Coverage, rules: Rules) -> list[DateWindow]:
    """Return the days of the tasks that the next run can still take over."""
    return [task.window for task in coverage.pending if is_young(task, rules)]


def _painted(windows: Iterable[DateWindow], days: DateWindow, cell: Cell) -> dict[date, Cell]:
    shared = (each.intersect(days) for each in windows)
    return {day: cell for each in shared if each for day in periods(each, interval=Interval.DAILY)}


def _days_of(daily: Mapping[date, Cell], first: date) -> list[Cell]:
    month = period_of(first, interval=Interval.MONTHLY)
    return [daily[day] for day in periods(month, interval=Interval.DAILY) if day in daily]


def _month(days: Sequence[Cell]) -> Cell:
    """Return the status of a whole month: provisional until all its days have settled."""
    statuses = {cell.status for cell in days}
    covered = statuses & {Status.SETTLED, Status.PROVISIONAL}
    if Status.FAILED in statuses:
        return Cell(Status.FAILED)
    if statuses == {Status.SETTLED}:
        return Cell(Status.SETTLED)
    if covered:
        ages = [cell.age_days for cell in days if cell.age_days is not None]
        return Cell(Status.PROVISIONAL, max(ages, default=None))
    return Cell(Status.PENDING if Status.PENDING in statuses else Status.MISSING)
