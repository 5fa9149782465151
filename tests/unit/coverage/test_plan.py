"""What a run has to do."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.coverage.plan import Plan, Portion, adoptable, due, plan
from tap_advexport.coverage.settling import settle
from tap_advexport.coverage.state import Coverage
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task
from tests.support.days import (
    NOW,
    at,
    day,
    emitted_at,
    exported,
    pending,
    rules,
    sent,
    wanted_in,
    window,
)

MONTHLY = rules(Interval.MONTHLY)
MARCH_ON = window("2024-03-01", "2024-04-01")


def test_the_wanted_days_end_with_the_last_day_that_is_over() -> None:
    days = wanted_in(rules(), day("2024-01-01"), include_today=False)
    assert days == window("2024-01-01", "2024-04-01")


def test_with_include_today_the_wanted_days_end_today() -> None:
    days = wanted_in(rules(), day("2024-01-01"), include_today=True)
    assert days == window("2024-01-01", "2024-04-02")


def test_an_end_date_is_never_later_than_the_last_day_that_is_over() -> None:
    for end_date, last in (("2024-03-05", "2024-03-05"), ("2024-12-31", "2024-04-01")):
        days = wanted_in(rules(), day("2024-01-01"), day(end_date), include_today=False)
        assert days == window("2024-01-01", last)


def test_yesterday_and_today_are_those_of_the_account() -> None:
    for zone, last in (("Pacific/Apia", "2024-04-01"), ("America/Los_Angeles", "2024-03-31")):
        there = rules(zone=zone)
        days = wanted_in(there, day("2024-01-01"), include_today=False)
        assert days == window("2024-01-01", last)


def test_a_start_that_lies_ahead_wants_nothing() -> None:
    assert wanted_in(rules(), day("2024-04-02"), include_today=False) is None
    assert wanted_in(rules(), day("2024-04-02"), include_today=True) == window("2024-04-02")


def test_months_are_wanted_from_the_first_day_of_the_first_one() -> None:
    days = wanted_in(MONTHLY, day("2024-01-20"), include_today=False)
    assert days == window("2024-01-01", "2024-04-01")


def test_a_start_that_lies_ahead_in_a_month_that_has_begun_wants_nothing() -> None:
    later = replace(MONTHLY, now=at("2024-04-20"))
    assert wanted_in(later, day("2024-04-25"), include_today=True) is None


def test_a_first_run_submits_every_wanted_day() -> None:
    assert plan(Coverage(), MARCH_ON, rules(), 20) == Plan(
        adopted=(),
        windows=(window("2024-03-21", "2024-04-01"), window("2024-03-01", "2024-03-20")),
        coverage=Coverage(),
        known={},
    )


def test_a_run_submits_what_is_uncovered_or_unsettled_and_nothing_else() -> None:
    coverage = Coverage(
        settled=(window("2023-12-01", "2024-01-05"), window("2024-01-10", "2024-01-14")),
        unsettled=(exported("2024-01-15", "2024-01-25", at("2024-01-26")),),
    )
    days = due(coverage, window("2024-01-01", "2024-01-31"), rules())
    assert days == (window("2024-01-06", "2024-01-09"), window("2024-01-15", "2024-01-31"))


def test_a_start_date_moved_back_makes_just_the_earlier_days_due() -> None:
    coverage = Coverage(settled=(window("2024-01-01", "2024-01-31"),))
    days = due(coverage, window("2023-12-01", "2024-01-31"), rules())
    assert days == (window("2023-12-01", "2023-12-31"),)


def test_a_run_that_wants_nothing_does_nothing() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01"),), pending=(pending("t", "2024-04-01", "2024-04-01"),)
    )
    assert plan(coverage, None, rules(), 7) == Plan((), (), replace(coverage, pending=()), {})


def test_a_pending_task_is_adopted_and_its_days_are_not_submitted() -> None:
    task = pending("t", "2024-03-10", "2024-03-12", NOW - timedelta(hours=23))
    planned = plan(Coverage(pending=(task,)), MARCH_ON, rules(), 40)
    assert planned.adopted == planned.coverage.pending == (task,)
    assert planned.windows == (
        window("2024-03-13", "2024-04-01"),
        window("2024-03-01", "2024-03-09"),
    )


def test_a_pending_task_is_adopted_whatever_window_days_is_now() -> None:
    task = pending("t", "2024-03-10", "2024-03-12")
    assert plan(Coverage(pending=(task,)), MARCH_ON, rules(), 1).adopted == (task,)


@pytest.mark.parametrize(
    ("age", "is_adopted"),
    [
        (timedelta(hours=24), False),
        (timedelta(hours=24) - timedelta(seconds=1), True),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, seconds=-1), False),
    ],
)
def test_a_task_is_adopted_while_it_is_younger_than_a_day(age: timedelta, is_adopted: bool) -> None:  # noqa: FBT001 - a case's outcome
    task = pending("t", "2024-03-10", "2024-03-12", NOW - age)
    planned = plan(Coverage(pending=(task,)), MARCH_ON, rules(), 40)
    assert (planned.adopted == (task,)) == is_adopted
    assert planned.coverage.pending == planned.adopted
    assert (planned.windows == (MARCH_ON,)) == (not is_adopted)


@pytest.mark.parametrize(
    "task",
    [
        pending("a day is settled", "2024-02-28", "2024-03-04"),
        pending("begins before the range", "2024-02-20", "2024-03-10"),
        pending("ends after the range", "2024-03-20", "2024-04-02"),
        pending("outside", "2023-03-10", "2023-03-12"),
    ],
    ids=lambda task: task.task_id,
)
def test_a_task_that_brings_more_than_what_is_due_is_not_adopted(task: Task) -> None:
    coverage = Coverage(settled=(window("2024-03-01", "2024-03-02"),), pending=(task,))
    planned = plan(coverage, MARCH_ON, rules(), 40)
    assert planned.adopted == ()
    assert planned.windows == (window("2024-03-03", "2024-04-01"),)
    assert planned.coverage.pending == ()


def test_a_task_may_not_reach_across_a_day_that_is_not_due() -> None:
    coverage = Coverage(
        settled=(window("2024-02-10"),), pending=(pending("t", "2024-02-09", "2024-02-11"),)
    )
    assert plan(coverage, window("2024-02-01", "2024-02-20"), rules(), 40).adopted == ()


def test_a_task_that_touches_a_refreshed_day_is_submitted_again() -> None:
    coverage = Coverage(
        pending=(
            pending("touches", "2024-03-10", "2024-03-12"),
            pending("free", "2024-03-13", "2024-03-15"),
        )
    )
    planned = plan(coverage, MARCH_ON, rules(), 40, window("2024-03-12"))
    assert [task.task_id for task in planned.adopted] == ["free"]
    days = due(coverage, MARCH_ON, rules())
    fresh = adoptable(coverage, days, MARCH_ON, rules(), window("2024-03-12"))
    assert fresh == planned.adopted


def test_of_two_tasks_for_one_day_the_younger_is_adopted() -> None:
    hour = timedelta(hours=1)
    coverage = Coverage(
        pending=(
            pending("old", "2024-03-10", "2024-03-12", NOW - 2 * hour),
            pending("young", "2024-03-12", "2024-03-14", NOW - hour),
            pending("older", "2024-03-05", "2024-03-10", NOW - 3 * hour),
        )
    )
    adopted = plan(coverage, MARCH_ON, rules(), 40).adopted
    assert [task.task_id for task in adopted] == ["young", "older"]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_tasks_for_the_same_days_the_younger_is_adopted(order: int) -> None:
    tasks = (
        pending("old", "2024-03-10", "2024-03-12", NOW - timedelta(hours=2)),
        pending("young", "2024-03-10", "2024-03-12", NOW - timedelta(hours=1)),
    )
    adopted = plan(Coverage(pending=tasks[::order]), MARCH_ON, rules(), 40).adopted
    assert [task.task_id for task in adopted] == ["young"]


def test_a_month_that_will_be_cut_off_loses_settled_days_too() -> None:
    coverage = Coverage(settled=(window("2024-01-10", "2024-01-31"),))
    until = window("2024-01-01", "2024-01-20")
    planned = plan(coverage, until, MONTHLY, 7)
    assert planned.windows == (until,)
    assert planned.coverage.covered() == (window("2024-01-10", "2024-01-20"),)


def test_a_monthly_task_is_adopted_only_if_it_is_the_month_as_wanted_now() -> None:
    coverage = Coverage(
        pending=(
            pending("whole", "2024-03-01", "2024-03-31"),
            pending("as of yesterday", "2024-04-01", "2024-04-09"),
            pending("two months", "2024-01-01", "2024-02-29"),
        )
    )
    later = replace(MONTHLY, now=NOW + timedelta(hours=1))
    planned = plan(coverage, window("2024-01-01", "2024-04-10"), later, 7)
    assert [task.task_id for task in planned.adopted] == ["whole"]
    assert planned.windows == (
        window("2024-04-01", "2024-04-10"),
        window("2024-02-01", "2024-02-29"),
        window("2024-01-01", "2024-01-31"),
    )


def test_a_month_that_grew_is_sent_whole() -> None:
    coverage = Coverage(
        unsettled=(exported("2024-03-01", "2024-03-31"), exported("2024-04-01", "2024-04-01")),
        sent={day("2024-03-01"): sent(), day("2024-04-01"): sent()},
    )
    planned = plan(coverage, window("2024-03-01", "2024-04-02"), MONTHLY, 7)
    assert planned.known == {day("2024-03-01"): sent()}
    same = plan(coverage, window("2024-03-01", "2024-04-01"), MONTHLY, 7)
    assert same.known == coverage.sent


def test_a_run_starts_from_a_state_that_doubts_what_it_exports_and_remembers_it() -> None:
    """A run that dies after it overwrote rows leaves nothing that says they are still there."""
    kept, again = day("2024-03-20"), day("2024-03-21")
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-03-19"),),
        unsettled=(exported("2024-03-20", "2024-03-31", at("2024-04-01")),),
        sent={kept: sent(), again: sent()},
    )
    planned = plan(coverage, window("2024-03-21", "2024-04-01"), rules(), 7, window("2024-03-22"))
    assert planned.known == {again: sent()}
    assert planned.coverage.sent == {kept: sent()}
    assert planned.coverage.covered() == coverage.covered()
    assert planned.coverage.settled == coverage.settled
    lowered = settle(planned.coverage, rules(lookback_days=0))
    assert lowered.settled == (window("2024-01-01", "2024-03-20"),)


def test_settled_days_that_a_run_exports_again_are_open_from_its_start_on() -> None:
    coverage = Coverage(settled=(window("2024-01-01", "2024-01-31"),))
    again = window("2024-01-03", "2024-01-05")
    planned = plan(coverage, window("2024-01-01", "2024-01-31"), rules(), 7, again)
    assert planned.coverage.settled == (
        window("2024-01-01", "2024-01-02"),
        window("2024-01-06", "2024-01-31"),
    )


def test_windows_come_newest_first() -> None:
    windows = plan(Coverage(), MARCH_ON, rules(), 7).windows
    assert list(windows) == sorted(windows, reverse=True)
    assert len(windows) == 5


def test_a_month_that_will_be_cut_off_loses_its_other_days_before_its_rows_go_out() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-04-01"),),
        sent={day("2024-03-01"): sent(), day("2024-04-01"): sent()},
    )
    planned = plan(coverage, window("2024-01-01", "2024-03-10"), MONTHLY, 7)
    assert planned.windows == (window("2024-03-01", "2024-03-10"),)
    assert planned.coverage.covered() == (
        window("2024-01-01", "2024-03-10"),
        window("2024-04-01"),
    )
    # Of a day, nothing is ever cut off.
    daily = plan(coverage, window("2024-01-01", "2024-03-10"), rules(), 7)
    assert daily.coverage.covered() == coverage.covered()


def test_a_month_that_will_be_cut_off_to_settled_days_is_sent_whole() -> None:
    coverage = Coverage(
        settled=(window("2024-03-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-04-01"),),
        sent={day("2024-03-01"): sent()},
    )
    raised = replace(MONTHLY, lookback_days=31)
    planned = plan(coverage, window("2024-03-01", "2024-03-02"), raised, 7)
    assert planned.windows == (window("2024-03-01", "2024-03-02"),)
    assert planned.known == {}


def test_a_settled_month_keeps_its_days_whatever_is_wanted_of_it() -> None:
    coverage = Coverage(settled=(window("2024-01-01", "2024-01-31"),))
    planned = plan(coverage, window("2024-01-01", "2024-01-10"), MONTHLY, 7)
    assert planned == Plan((), (), coverage, {})


def test_a_refresh_is_planned_with_the_rest() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-01-31"),),
    )
    planned = plan(
        coverage, window("2024-01-01", "2024-01-31"), rules(), 7, window("2024-01-03", "2024-01-05")
    )
    assert planned.windows == (window("2024-01-03", "2024-01-05"),)
    assert planned.coverage.covered() == coverage.covered()


# Size


def test_the_state_of_a_tap_that_ran_daily_for_years_is_two_ranges() -> None:
    coverage, start = Coverage(), date(2022, 1, 1)
    for run in range(800):
        now = datetime(2022, 1, 2, 3, tzinfo=UTC) + timedelta(days=run)
        today = replace(rules(now=now), zone=ZoneInfo("Europe/Berlin"))
        coverage = settle(coverage, today)
        days = wanted_in(today, start)
        planned = plan(coverage, days, today, 7)
        coverage = planned.coverage
        for n, each in enumerate(reversed(planned.windows)):
            later = now + timedelta(minutes=n)
            told = {each.first + timedelta(days=k): sent() for k in range(each.days)}
            coverage = emitted_at(coverage, each, later, "t", told, today)
        assert len(coverage.settled) <= 1
        assert len(coverage.unsettled) == 1
        assert len(coverage.sent) <= 30
    assert coverage.last_gap_free() == date(2022, 1, 1) + timedelta(days=799)


def test_ten_years_of_single_days_take_no_time() -> None:
    days = [date(2014, 1, 1) + timedelta(days=2 * n) for n in range(1825)]
    coverage = Coverage(settled=tuple(DateWindow(each, each) for each in days))
    range_wanted = DateWindow(days[0], days[-1])
    began = time.process_time()
    planned = plan(settle(coverage, rules()), range_wanted, rules(), 1)
    coverage = planned.coverage
    for each in planned.windows[:1000]:
        coverage = emitted_at(coverage, each, NOW, "t", {}, rules())
    assert time.process_time() - began < 2
    assert len(planned.windows) == 1824
    assert coverage.settled[-1].days == 2001


# --- With a limit --------------------------------------------------------------------------------


def limited(coverage: Coverage, max_days: int, done: tuple[DateWindow, ...] = ()) -> Plan:
    return plan(coverage, MARCH_ON, rules(), 100, portion=Portion(max_days, done))


def test_a_limit_takes_the_newest_days_first() -> None:
    planned = limited(Coverage(), 10)
    assert planned.windows == (window("2024-03-23", "2024-04-01"),)
    assert planned.days_left == MARCH_ON.days - 10


def test_days_that_were_never_exported_come_before_those_that_have_not_settled() -> None:
    coverage = Coverage(unsettled=(exported("2024-03-20", "2024-03-31"),))
    planned = limited(coverage, 6)
    assert planned.windows == (
        window("2024-03-29", "2024-04-01"),
        window("2024-03-18", "2024-03-19"),
    )


def test_days_that_were_never_exported_and_fail_every_time_leave_room_for_the_others() -> None:
    coverage = Coverage(unsettled=(exported("2024-03-26", "2024-04-01"),))
    assert limited(coverage, 1).windows == (window("2024-03-25"),)
    assert limited(coverage, 4).windows == (
        window("2024-03-31", "2024-04-01"),
        window("2024-03-24", "2024-03-25"),
    )
    assert limited(coverage, 5).windows == (
        window("2024-03-31", "2024-04-01"),
        window("2024-03-23", "2024-03-25"),
    )
    assert limited(coverage, 20).windows == (window("2024-03-13", "2024-04-01"),)


def test_of_days_that_have_not_settled_those_unseen_for_longest_come_first() -> None:
    coverage = Coverage(
        unsettled=(
            exported("2024-03-01", "2024-03-15", NOW - timedelta(days=1)),
            exported("2024-03-16", "2024-04-01", NOW),
        )
    )
    assert limited(coverage, 4).windows == (window("2024-03-12", "2024-03-15"),)


def test_days_that_were_never_exported_come_before_settled_ones_that_are_due_again() -> None:
    """A raised `lookback_days` makes settled days due, which have no moment of their export."""
    coverage = Coverage(settled=(window("2024-03-05", "2024-04-01"),))
    assert limited(coverage, 4).windows == (
        window("2024-03-31", "2024-04-01"),
        window("2024-03-03", "2024-03-04"),
    )


def test_a_month_that_was_exported_in_part_comes_before_whole_ones() -> None:
    wanted = window("2024-01-01", "2024-04-01")
    before = NOW - timedelta(days=1)
    coverage = Coverage(
        unsettled=(
            exported("2024-01-01", "2024-02-29", before),
            exported("2024-03-01", "2024-03-30", NOW),
        )
    )
    planned = plan(coverage, wanted, MONTHLY, 7, portion=Portion(64))
    assert [each.first.month for each in planned.windows] == [4, 3, 2]


def test_a_limit_takes_as_many_months_as_fit() -> None:
    wanted = window("2024-01-01", "2024-04-01")
    planned = plan(Coverage(), wanted, MONTHLY, 7, portion=Portion(1 + 31 + 29))
    assert [each.first.month for each in planned.windows] == [4, 3, 2]
    assert planned.days_left == 31


def test_a_limit_takes_one_month_at_least_and_no_part_of_one() -> None:
    planned = plan(Coverage(), MARCH_ON, MONTHLY, 7, portion=Portion(2))
    assert planned.windows == (window("2024-04-01"),)
    rest = plan(Coverage(), MARCH_ON, MONTHLY, 7, portion=Portion(2, planned.windows))
    assert rest.windows == (window("2024-03-01", "2024-03-31"),)
    assert rest.days_left == 0
    seen = Coverage(unsettled=(exported("2024-03-01", "2024-04-01", NOW - timedelta(days=1)),))
    again = plan(seen, window("2024-03-01", "2024-03-31"), MONTHLY, 7, portion=Portion(2))
    assert again.windows == (window("2024-03-01", "2024-03-31"),)


def test_what_was_done_is_neither_exported_nor_refreshed_again() -> None:
    done = (window("2024-03-20", "2024-04-01"),)
    coverage = Coverage(unsettled=(exported("2024-03-01", "2024-04-01"),))
    planned = plan(
        coverage, MARCH_ON, rules(), 100, window("2024-03-18", "2024-03-21"), Portion(None, done)
    )
    assert planned.windows == (window("2024-03-01", "2024-03-19"),)
    assert exported("2024-03-20", "2024-04-01") in planned.coverage.unsettled
