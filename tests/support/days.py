"""Builders of days, windows, rules and tasks, for tests of what is covered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tap_advexport.coverage.plan import wanted
from tap_advexport.coverage.settling import Rules
from tap_advexport.coverage.state import Coverage, Exported, Sent
from tap_advexport.coverage.transitions import emitted
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW: Final = datetime(2024, 4, 2, 3, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    return date.fromisoformat(text)


def window(first: str, last: str | None = None) -> DateWindow:
    return DateWindow(day(first), day(last or first))


def exported(first: str, last: str, exported_at: datetime = NOW) -> Exported:
    return Exported(day(first), day(last), exported_at)


def pending(task_id: str, first: str, last: str, submitted_at: datetime = NOW) -> Task:
    return Task(task_id, window(first, last), submitted_at)


def sent(export_id: str = "e") -> Sent:
    return Sent(export_id, "version", NOW)


def rules(
    interval: Interval = Interval.DAILY,
    zone: str = "UTC",
    now: datetime = NOW,
    lookback_days: int = 30,
) -> Rules:
    return Rules(interval, ZoneInfo(zone), now, lookback_days)


def wanted_in(
    rules: Rules, start_date: date, end_date: date | None = None, *, include_today: bool = False
) -> DateWindow | None:
    """What is wanted by a run whose settings say so."""
    limit = rules.today if include_today else rules.today - timedelta(days=1)
    return wanted(start_date, min(end_date or limit, limit), interval=rules.interval)


def emitted_at(  # noqa: PLR0913, PLR0917 - one event, and all that is known of it
    coverage: Coverage,
    window: DateWindow,
    moment: datetime,
    task_id: str,
    sent: Mapping[date, Sent],
    rules: Rules,
) -> Coverage:
    """The coverage after the export of a window that was submitted at that moment."""
    return emitted(coverage, Task(task_id, window, moment), sent, rules)
