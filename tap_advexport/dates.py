"""Days and moments: which local day a moment falls on, and where a day begins."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)


def whole_second(moment: datetime) -> datetime:
    """`moment` in UTC, cut down to the second: the precision of the state."""
    return moment.astimezone(UTC).replace(microsecond=0)


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


def rfc3339(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
