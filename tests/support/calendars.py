"""A bookmark with days of every status, and the calendar of a bookmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tap_advexport.commands.calendar import CoverageCalendar, calendar_of, range_to_show
from tap_advexport.coverage.settling import AS_WRITTEN
from tap_advexport.coverage.state_envelope import coverage_of
from tap_advexport.reports import REPORTS
from tests.support.days import NOW, rules

if TYPE_CHECKING:
    from datetime import date, datetime

    from tap_advexport.reports import Report

DAILY, HOURLY, MONTHLY = REPORTS
BOOKMARK: Final[dict[str, Any]] = {
    "settled": [["2024-02-01", "2024-02-10"], ["2024-02-12", "2024-03-01"]],
    "unsettled": [
        ["2024-03-02", "2024-03-20", "2024-04-01T03:00:00Z"],
        ["2024-03-21", "2024-03-30", "2024-04-02T03:00:00Z"],
    ],
    "pending": [
        {
            "task_id": "a",
            "first": "2024-03-31",
            "last": "2024-03-31",
            "submitted_at": "2024-04-02T03:00:00Z",
        }
    ],
}
FULL: Final = {"bookmarks": {"report_daily": BOOKMARK}}


def calendar(
    bookmark: dict[str, Any],
    report: Report = DAILY,
    *,
    lookback_days: int = AS_WRITTEN,
    end_date: date | None = None,
    now: datetime = NOW,
) -> CoverageCalendar:
    asked = rules(report.interval, now=now, lookback_days=lookback_days)
    coverage = coverage_of(bookmark, report, asked, start_date=None)
    days = range_to_show(coverage, asked, start_date=None, end_date=end_date)
    assert days
    return calendar_of(report, coverage, days, asked)
