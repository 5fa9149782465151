"""Date windows: when a day begins, the periods of a window, and how due days are split."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from tap_advexport.reports import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
# Fixed, because the names that Python formats depend on the locale.
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class DateWindow:
    """The days from `first` to `last`, both included; never empty."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.first > self.last:
            message = f"a window ends on {self.last}, before it begins on {self.first}"
            raise ValueError(message)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}..{self.last}" if self.first < self.last else f"{self.first}"

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    def covers(self, other: DateWindow) -> bool:
        """Return whether every day of `other` is in this window."""
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: DateWindow) -> bool:
        """Return whether this window shares a day with `other`."""
        return self.first <= other.last and other.first <= self.last

    def intersect(self, other: DateWindow) -> DateWindow | None:
        """Return the days shared with `other`, or None if there are none."""
        if not self.overlaps(other):
            return None
        return DateWindow(max(self.first, other.first), min(self.last, other.last))


@dataclass(frozen=True, slots=True)
class Task:
    """A task that the API has accepted: one export of the days of `window`.

    Attributes:
        submitted_at: when it was submitted, in UTC and whole seconds; its figures are newer.
    """

    task_id: str
    window: DateWindow
    submitted_at: datetime


def whole_second(moment: datetime) -> datetime:
    """Return `moment` in UTC, truncated to the second, which is the precision of the state."""
    return moment.astimezone(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """Format a moment in UTC, to the second."""
    # Not strftime, which drops the leading zeros of years before 1000.
    return whole_second(moment).replace(tzinfo=None).isoformat() + "Z"


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """Return the local date in `zone` at `moment`."""
    try:
        return moment.astimezone(zone).date()
    except OverflowError:  # at the ends of the calendar, where one day does not matter
        return moment.date()


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when `day` begins in `zone`, in UTC.

    If a clock change skips midnight, the day begins at the change.
    """
    midnight = datetime.combine(day, time(), zone)
    try:
        return midnight.astimezone(UTC)
    except OverflowError:  # 0001-01-01 east of Greenwich
        return midnight.replace(tzinfo=UTC)


def first_of_month(day: date) -> date:
    """Return the first day of the month that contains `day`."""
    return day.replace(day=1)


def last_of_month(day: date) -> date:
    """Return the last day of the month that contains `day`."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def last_day_to_have(today: date, end_date: date | None, *, include_today: bool) -> date:
    """Return the last day of the range: `end_date`, but at most the last day that is over.

    With `include_today` the limit is today.
    """
    limit = today if include_today else today - DAY
    return min(end_date or limit, limit)


def period_of(day: date, *, interval: Interval) -> DateWindow:
    """Return the period that contains `day`: the day itself, or its whole month."""
    if interval is Interval.MONTHLY:
        return DateWindow(first_of_month(day), last_of_month(day))
    return DateWindow(day, day)


def whole_periods(window: DateWindow, *, interval: Interval) -> DateWindow:
    """Extend `window` so that it begins and ends with a whole period."""
    return DateWindow(
        period_of(window.first, interval=interval).first,
        period_of(window.last, interval=interval).last,
    )


def periods(window: DateWindow, *, interval: Interval) -> list[date]:
    """Return the first day of every period that `window` touches, in order."""
    days = [window.first + timedelta(days=n) for n in range(window.days)]
    if interval is Interval.MONTHLY:
        return list(dict.fromkeys(first_of_month(day) for day in days))
    return days


def plan_windows(
    days: Sequence[DateWindow], *, interval: Interval, window_days: int, wanted: DateWindow
) -> tuple[DateWindow, ...]:
    """Split the days that are due into windows, in ascending order.

    Args:
        days: the days that are due: sorted, disjoint, maximal.
        interval: if monthly, every month with a due day is exported from its first day on.
        window_days: the maximum number of days in a window; it does not apply to months.
        wanted: the range of the run; the last month is cut off where the range ends.
    """
    if interval is Interval.MONTHLY:
        return tuple(_months(days, wanted))
    return tuple(piece for run in days for piece in _pieces(run, window_days))


def single_periods(window: DateWindow, *, interval: Interval) -> tuple[DateWindow, ...]:
    """Split `window` into its periods."""
    firsts = periods(window, interval=interval)
    parts = (period_of(first, interval=interval).intersect(window) for first in firsts)
    return tuple(part for part in parts if part)


def halves(window: DateWindow, *, interval: Interval) -> tuple[DateWindow, ...] | None:
    """Split `window` in two, or return None if it is one period: a day, or a month."""
    if interval is Interval.MONTHLY or window.days == 1:
        return None
    middle = window.first + timedelta(days=window.days // 2)
    return DateWindow(window.first, middle - DAY), DateWindow(middle, window.last)


def _pieces(run: DateWindow, window_days: int) -> Iterator[DateWindow]:
    for offset in range(0, run.days, window_days):
        first = run.first + timedelta(days=offset)
        yield DateWindow(first, first + timedelta(days=min(window_days, run.days - offset) - 1))


def _months(days: Sequence[DateWindow], wanted: DateWindow) -> Iterator[DateWindow]:
    firsts = dict.fromkeys(
        first for run in days for first in periods(run, interval=Interval.MONTHLY)
    )
    for first in firsts:
        yield DateWindow(first, min(last_of_month(first), wanted.last))
