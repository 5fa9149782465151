"""Days, months and windows: where a day begins, the periods of a window, how due days are cut."""

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
# Those of a locale would need the locale.
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
        """How many days it holds."""
        return (self.last - self.first).days + 1

    def covers(self, other: DateWindow) -> bool:
        """Whether every day of `other` is one of its own."""
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: DateWindow) -> bool:
        """Whether it shares a day with `other`."""
        return self.first <= other.last and other.first <= self.last

    def intersect(self, other: DateWindow) -> DateWindow | None:
        """The days it shares with `other`."""
        if not self.overlaps(other):
            return None
        return DateWindow(max(self.first, other.first), min(self.last, other.last))


@dataclass(frozen=True, slots=True)
class Task:
    """A task that the API has accepted: one export of the days of `window`.

    Attributes:
        submitted_at: when it was submitted, in UTC and whole seconds; its figures are younger.
    """

    task_id: str
    window: DateWindow
    submitted_at: datetime


def whole_second(moment: datetime) -> datetime:
    """`moment` in UTC, cut down to the second: the precision of the state."""
    return moment.astimezone(UTC).replace(microsecond=0)


def rfc3339(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    # Not strftime, which leaves out the zeros of years before 1000.
    return whole_second(moment).replace(tzinfo=None).isoformat() + "Z"


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """The date that a calendar in `zone` shows at `moment`."""
    try:
        return moment.astimezone(zone).date()
    except OverflowError:  # at the ends of the calendar, where a day more or less decides nothing
        return moment.date()


def local_midnight(day: date, zone: ZoneInfo) -> datetime:
    """When `day` begins in `zone`, in UTC: the clock change itself where that skips midnight."""
    midnight = datetime.combine(day, time(), zone)
    try:
        return midnight.astimezone(UTC)
    except OverflowError:  # 0001-01-01 east of Greenwich
        return midnight.replace(tzinfo=UTC)


def first_of_month(day: date) -> date:
    """The first day of the month that `day` is in."""
    return day.replace(day=1)


def last_of_month(day: date) -> date:
    """The last day of the month that `day` is in."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def last_day_to_have(today: date, end_date: date | None, *, include_today: bool) -> date:
    """The end of the range: `end_date`, but never later than the last day that is over.

    With `include_today` that limit is today.
    """
    limit = today if include_today else today - DAY
    return min(end_date or limit, limit)


def period_of(day: date, *, interval: Interval) -> DateWindow:
    """The period that `day` is in: itself, or its whole month."""
    if interval is Interval.MONTHLY:
        return DateWindow(first_of_month(day), last_of_month(day))
    return DateWindow(day, day)


def whole_periods(window: DateWindow, *, interval: Interval) -> DateWindow:
    """`window` with the rest of the periods that it begins and ends in."""
    return DateWindow(
        period_of(window.first, interval=interval).first,
        period_of(window.last, interval=interval).last,
    )


def periods(window: DateWindow, *, interval: Interval) -> list[date]:
    """The first day of every period that `window` touches, in order."""
    days = [window.first + timedelta(days=n) for n in range(window.days)]
    if interval is Interval.MONTHLY:
        return list(dict.fromkeys(first_of_month(day) for day in days))
    return days


def plan_windows(
    days: Sequence[DateWindow], *, interval: Interval, window_days: int, wanted: DateWindow
) -> tuple[DateWindow, ...]:
    """The exports that bring the days that are due, in ascending order.

    Args:
        days: what is due: sorted, disjoint, maximal.
        interval: for monthly, every month that is due in part is exported from its first day on.
        window_days: the most days in one window; months are what they are.
        wanted: the range of the run; a month is cut off at its end.
    """
    if interval is Interval.MONTHLY:
        return tuple(_months(days, wanted))
    return tuple(piece for run in days for piece in _pieces(run, window_days))


def halves(window: DateWindow, *, interval: Interval) -> tuple[DateWindow, DateWindow] | None:
    """`window` in two, or None when it is one period: a day, or a month."""
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
