"""The status of each period, and which days are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.commands.calendar import Status, calendar_of, range_to_show
from tap_advexport.coverage.settling import AS_WRITTEN
from tap_advexport.coverage.state import Coverage, Exported
from tap_advexport.reports import REPORTS
from tap_advexport.windows import DateWindow, Task
from tests.support.calendars import BOOKMARK, MONTHLY, calendar
from tests.support.days import NOW, day, rules

if TYPE_CHECKING:
    from tap_advexport.reports import Report


def test_each_day_has_the_status_that_the_state_says() -> None:
    cells = calendar(BOOKMARK).cells
    found = {
        status: sorted(each for each, cell in cells.items() if cell.status is status)
        for status in Status
    }
    assert found[Status.FAILED] == [day("2024-02-11")]
    assert found[Status.PENDING] == [day("2024-03-31")]
    assert found[Status.MISSING] == [day("2024-04-01")]
    assert len(found[Status.SETTLED]) == 29
    assert cells[day("2024-03-20")].age_days == 1
    assert cells[day("2024-03-21")].age_days == 0
    assert list(cells) == [day("2024-02-01") + timedelta(days=n) for n in range(61)]


def test_a_task_that_no_run_takes_over_any_more_is_not_pending() -> None:
    task = {**BOOKMARK["pending"][0], "submitted_at": "2024-04-01T02:59:00Z"}
    cells = calendar({**BOOKMARK, "pending": [task]}).cells
    assert cells[day("2024-03-31")].status is Status.MISSING


def test_a_raised_lookback_shows_settled_days_that_are_due_again() -> None:
    cells = calendar(BOOKMARK, lookback_days=40).cells
    assert cells[day("2024-02-21")].status is Status.SETTLED
    assert cells[day("2024-02-22")].status is Status.PROVISIONAL
    assert cells[day("2024-02-22")].age_days is None


def test_today_is_shown_when_it_is_covered_and_no_day_after_the_end() -> None:
    asked = rules(lookback_days=AS_WRITTEN)
    today = Coverage(unsettled=(Exported(day("2024-04-01"), day("2024-04-02"), NOW),))
    assert range_to_show(today, asked, start_date=None, end_date=None) == DateWindow(
        day("2024-04-01"), day("2024-04-02")
    )
    bounds = {"start_date": day("2024-03-01"), "end_date": day("2024-04-01")}
    assert range_to_show(today, asked, **bounds) == DateWindow(*bounds.values())
    assert range_to_show(today, asked, start_date=day("2024-05-01"), end_date=None) is None
    assert range_to_show(Coverage(), asked, start_date=None, end_date=None) is None


def test_yesterday_is_that_of_the_time_zone() -> None:
    late = Coverage(settled=(DateWindow(day("2024-03-01"), day("2024-03-02")),))
    for zone, last in [("Pacific/Kiritimati", "2024-04-01"), ("Pacific/Niue", "2024-03-31")]:
        shown = range_to_show(
            late, rules(zone=zone, lookback_days=AS_WRITTEN), start_date=None, end_date=None
        )
        assert shown
        assert shown.last == day(last)


@pytest.mark.parametrize(
    ("bookmark", "statuses"),
    [
        ({"settled": [["2024-02-01", "2024-03-31"]]}, ["settled", "settled", "missing"]),
        (
            {"settled": [["2024-02-01", "2024-02-29"]],
             "unsettled": [["2024-03-01", "2024-03-30", "2024-03-31T03:00:00Z"]]},
            ["settled", "provisional", "missing"],
        ),
        (
            {"settled": [["2024-01-01", "2024-01-31"], ["2024-03-01", "2024-03-10"]]},
            ["settled", "failed", "provisional", "missing"],
        ),
    ],
)  # fmt: skip
def test_a_month_is_provisional_until_all_of_it_has_settled(
    bookmark: dict[str, Any], statuses: list[str]
) -> None:
    cells = calendar(bookmark, MONTHLY).cells
    assert [cell.status.value for cell in cells.values()] == statuses
    assert all(first.day == 1 for first in cells)


days = st.dates(day("2024-01-01"), day("2024-04-05"))


windows = st.tuples(days, days).map(lambda pair: DateWindow(min(pair), max(pair)))


@given(st.lists(windows, max_size=4), st.lists(windows, max_size=3), st.sampled_from(REPORTS))
def test_every_period_of_the_range_has_a_status_and_is_counted_once(
    covered: list[DateWindow], tasks: list[DateWindow], report: Report
) -> None:
    asked = rules(report.interval, lookback_days=AS_WRITTEN)
    coverage = Coverage(
        settled=tuple(covered[:1]),
        pending=tuple(Task(str(n), w, NOW) for n, w in enumerate(tasks)),
    )
    shown = range_to_show(coverage, asked, start_date=None, end_date=None)
    if shown is None:
        assert not covered[:1]
        assert not tasks
        return
    drawn = calendar_of(report, coverage, shown, asked)
    assert sum(drawn.count().values()) == len(drawn.cells)
    assert sum(stretch.count for stretch in drawn.stretches()) == len(drawn.cells)
    if report is not MONTHLY:
        assert len(drawn.cells) == shown.days
        settled = {each for each, cell in drawn.cells.items() if cell.status is Status.SETTLED}
        assert settled == {each for each in drawn.cells if any(each in w for w in covered[:1])}
