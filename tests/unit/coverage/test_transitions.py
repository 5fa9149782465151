"""Coverage: what each event makes of the state, and what a run has to do."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.coverage.transitions import (
    Coverage,
    Exported,
    Pending,
    Plan,
    Rules,
    Sent,
    adoptable,
    dropped,
    due,
    emitted,
    forget_sent,
    is_final,
    is_settled,
    overwriting,
    plan,
    refreshed,
    settle,
    submitted,
    wanted,
)
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow

NOW = datetime(2024, 4, 2, 3, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    return date.fromisoformat(text)


def window(first: str, last: str | None = None) -> DateWindow:
    return DateWindow(day(first), day(last or first))


def exported(first: str, last: str, exported_at: datetime = NOW) -> Exported:
    return Exported(day(first), day(last), exported_at)


def pending(task_id: str, first: str, last: str, submitted_at: datetime = NOW) -> Pending:
    return Pending(task_id, day(first), day(last), submitted_at)


def sent(export_id: str = "e") -> Sent:
    return Sent(export_id, "digest", NOW)


def rules(
    interval: Interval = Interval.DAILY,
    zone: str = "UTC",
    now: datetime = NOW,
    lookback_days: int = 30,
) -> Rules:
    return Rules(interval, ZoneInfo(zone), now, lookback_days)


MONTHLY = rules(Interval.MONTHLY)
MARCH_ON = window("2024-03-01", "2024-04-01")


# What a run wants


def test_the_wanted_days_end_with_the_last_day_that_is_over() -> None:
    days = wanted(day("2024-01-01"), None, include_today=False, rules=rules())
    assert days == window("2024-01-01", "2024-04-01")


def test_with_include_today_the_wanted_days_end_today() -> None:
    days = wanted(day("2024-01-01"), None, include_today=True, rules=rules())
    assert days == window("2024-01-01", "2024-04-02")


def test_an_end_date_is_never_later_than_the_last_day_that_is_over() -> None:
    for end_date, last in (("2024-03-05", "2024-03-05"), ("2024-12-31", "2024-04-01")):
        days = wanted(day("2024-01-01"), day(end_date), include_today=False, rules=rules())
        assert days == window("2024-01-01", last)


def test_yesterday_and_today_are_those_of_the_account() -> None:
    for zone, last in (("Pacific/Apia", "2024-04-01"), ("America/Los_Angeles", "2024-03-31")):
        there = rules(zone=zone)
        days = wanted(day("2024-01-01"), None, include_today=False, rules=there)
        assert days == window("2024-01-01", last)


def test_a_start_that_lies_ahead_wants_nothing() -> None:
    assert wanted(day("2024-04-02"), None, include_today=False, rules=rules()) is None
    assert wanted(day("2024-04-02"), None, include_today=True, rules=rules()) == window(
        "2024-04-02"
    )


def test_months_are_wanted_from_the_first_day_of_the_first_one() -> None:
    days = wanted(day("2024-01-20"), None, include_today=False, rules=MONTHLY)
    assert days == window("2024-01-01", "2024-04-01")


def test_a_start_that_lies_ahead_in_a_month_that_has_begun_wants_nothing() -> None:
    later = replace(MONTHLY, now=at("2024-04-20"))
    assert wanted(day("2024-04-25"), None, include_today=True, rules=later) is None


# Settled or not


def test_an_export_settles_the_days_that_ended_lookback_days_before_it() -> None:
    coverage = emitted(Coverage(), window("2024-02-25", "2024-03-10"), NOW, "t", {}, rules())
    assert coverage.settled == (window("2024-02-25", "2024-03-02"),)
    assert coverage.unsettled == (exported("2024-03-03", "2024-03-10"),)


def test_without_a_lookback_a_day_is_settled_as_soon_as_it_is_over() -> None:
    strict = rules(lookback_days=0)
    coverage = emitted(Coverage(), window("2024-04-01", "2024-04-02"), NOW, "t", {}, strict)
    assert coverage.settled == (window("2024-04-01"),)
    assert coverage.unsettled == (exported("2024-04-02", "2024-04-02"),)


def test_days_end_at_midnight_in_the_zone_of_the_account() -> None:
    # Clocks went forward that night: the day had 23 hours.
    berlin = rules(zone="Europe/Berlin", lookback_days=0)
    sunday = window("2024-03-31")
    before, after = at("2024-03-31T21:59:59"), at("2024-03-31T22:00:00")
    assert not is_settled(sunday.first, before, sunday, berlin)
    assert is_settled(sunday.first, after, sunday, berlin)


def test_a_date_that_the_zone_skipped_is_over_when_the_next_begins() -> None:
    apia = rules(zone="Pacific/Apia", lookback_days=0)
    skipped = window("2011-12-30")
    assert not is_settled(skipped.first, at("2011-12-30T09:59:59"), skipped, apia)
    assert is_settled(skipped.first, at("2011-12-30T10:00:00"), skipped, apia)


def test_no_export_settles_anything_while_the_lookback_reaches_before_the_calendar() -> None:
    endless = rules(lookback_days=10**12)
    coverage = emitted(Coverage(), window("2000-01-01"), NOW, "t", {}, endless)
    assert (coverage.settled, coverage.unsettled) == ((), (exported("2000-01-01", "2000-01-01"),))


def test_the_first_day_of_the_calendar_can_be_settled() -> None:
    first = window("0001-01-01")
    early = rules(now=at("0001-02-01"), lookback_days=30)
    assert is_settled(first.first, early.now, first, early)
    assert not is_settled(first.first, early.now, first, replace(early, lookback_days=31))


def test_a_month_is_settled_when_it_is_complete_and_its_last_day_is() -> None:
    february = window("2024-02-01", "2024-02-29")
    assert is_settled(day("2024-02-01"), at("2024-03-31"), february, MONTHLY)
    assert not is_settled(day("2024-02-01"), at("2024-03-30"), february, MONTHLY)
    assert not is_settled(day("2024-02-01"), NOW, window("2024-02-01", "2024-02-28"), MONTHLY)


def test_the_export_that_settles_all_that_is_wanted_of_a_period_is_its_final_one() -> None:
    part = window("2024-02-01", "2024-02-10")
    assert is_final(day("2024-02-01"), at("2024-03-12"), part, MONTHLY)
    assert not is_final(day("2024-02-01"), at("2024-03-11"), part, MONTHLY)
    assert not is_final(day("2024-03-01"), NOW, part, MONTHLY)
    assert is_final(day("2024-02-10"), at("2024-03-12"), part, rules())


# The bookmark


def test_the_bookmark_is_the_last_day_before_the_first_gap() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-01-10"), window("2024-01-20", "2024-01-31")),
        unsettled=(exported("2024-01-11", "2024-01-15"),),
    )
    assert coverage.last_gap_free() == day("2024-01-15")
    assert coverage.covered() == (
        window("2024-01-01", "2024-01-15"),
        window("2024-01-20", "2024-01-31"),
    )


def test_without_a_covered_day_there_is_no_bookmark() -> None:
    assert Coverage(pending=(pending("t", "2024-01-01", "2024-01-07"),)).last_gap_free() is None


# Loading


def test_a_lowered_lookback_settles_what_was_exported_long_enough_after_it_ended() -> None:
    coverage = Coverage(unsettled=(exported("2024-03-03", "2024-04-01"),))
    assert settle(coverage, rules(lookback_days=5)) == Coverage(
        settled=(window("2024-03-03", "2024-03-27"),),
        unsettled=(exported("2024-03-28", "2024-04-01"),),
    )


def test_a_raised_lookback_keeps_days_covered_and_makes_them_due() -> None:
    coverage = Coverage(settled=(window("2024-01-01", "2024-04-01"),))
    raised = rules(lookback_days=10)
    assert settle(coverage, raised) == coverage
    assert due(coverage, window("2024-01-01", "2024-04-01"), raised) == (
        window("2024-03-23", "2024-04-01"),
    )


def test_a_settled_day_that_is_not_over_is_not_covered() -> None:
    coverage = Coverage(settled=(window("2024-03-30", "2024-04-05"),))
    assert settle(coverage, rules(lookback_days=0)).covered() == (
        window("2024-03-30", "2024-04-01"),
    )


def test_a_day_that_has_not_begun_is_not_covered() -> None:
    coverage = Coverage(unsettled=(exported("2024-03-30", "2024-04-05"),))
    assert settle(coverage, rules()).covered() == (window("2024-03-30", "2024-04-02"),)


def test_an_export_later_than_now_counts_as_one_of_now() -> None:
    coverage = Coverage(unsettled=(exported("2024-03-30", "2024-04-01", at("2025-01-01")),))
    loaded = settle(coverage, rules(now=NOW.replace(microsecond=999_999)))
    assert loaded.unsettled == (exported("2024-03-30", "2024-04-01", NOW),)


def test_moments_are_kept_to_the_second_cut_down() -> None:
    fine = NOW.replace(microsecond=999_999)
    coverage = settle(Coverage(unsettled=(exported("2024-04-01", "2024-04-01", fine),)), rules())
    assert coverage.unsettled[0].exported_at == NOW
    coverage = emitted(Coverage(), window("2024-04-01"), fine, "t", {}, rules())
    assert coverage.unsettled[0].exported_at == NOW
    coverage = submitted(Coverage(), pending("t", "2024-04-01", "2024-04-01", fine))
    assert coverage.pending[0].submitted_at == NOW


def test_a_task_submitted_by_a_clock_a_little_ahead_was_submitted_now() -> None:
    ahead = NOW + timedelta(minutes=5)
    coverage = Coverage(
        pending=(
            pending("a", "2024-03-01", "2024-03-01", ahead),
            pending("b", "2024-03-02", "2024-03-02", ahead + timedelta(seconds=1)),
        )
    )
    settled = settle(coverage, rules(now=NOW.replace(microsecond=999_999)))
    assert [task.submitted_at for task in settled.pending] == [NOW, ahead + timedelta(seconds=1)]


def test_neighbours_exported_on_one_local_date_are_one_range_with_the_earliest_time() -> None:
    coverage = Coverage(
        unsettled=(
            exported("2024-03-20", "2024-03-21", at("2024-04-01T23:00:00")),
            exported("2024-03-22", "2024-03-23", at("2024-04-01T22:30:00")),
            exported("2024-03-24", "2024-03-25", at("2024-04-01T21:30:00")),
            exported("2024-03-27", "2024-03-27", at("2024-04-01T21:30:00")),
        )
    )
    assert settle(coverage, rules(zone="Europe/Berlin")).unsettled == (
        exported("2024-03-20", "2024-03-23", at("2024-04-01T22:30:00")),
        exported("2024-03-24", "2024-03-25", at("2024-04-01T21:30:00")),
        exported("2024-03-27", "2024-03-27", at("2024-04-01T21:30:00")),
    )


def test_what_was_sent_counts_for_unsettled_periods_only() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-01-31"),),
        unsettled=(exported("2024-03-05", "2024-03-31"),),
        sent={day(text): sent() for text in ("2024-01-05", "2024-02-05", "2024-03-05")},
    )
    assert settle(coverage, rules()).sent == {day("2024-03-05"): sent()}


def test_what_was_sent_of_a_month_counts_while_a_day_of_it_is_unsettled() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-03-31"),),
        sent={day("2024-02-01"): sent(), day("2024-03-01"): sent()},
    )
    assert settle(coverage, MONTHLY).sent == {day("2024-03-01"): sent()}


# Events of a run


def test_a_demanded_task_is_pending_until_its_rows_are_out() -> None:
    coverage = submitted(Coverage(), pending("a", "2024-03-03", "2024-03-09"))
    coverage = submitted(coverage, pending("b", "2024-03-10", "2024-03-16"))
    assert [task.task_id for task in coverage.pending] == ["a", "b"]
    coverage = emitted(coverage, window("2024-03-03", "2024-03-09"), NOW, "a", {}, rules())
    assert [task.task_id for task in coverage.pending] == ["b"]
    assert coverage.covered() == (window("2024-03-03", "2024-03-09"),)


def test_a_task_that_failed_is_pending_no_more_and_covers_nothing() -> None:
    coverage = submitted(Coverage(), pending("a", "2024-03-03", "2024-03-09"))
    assert dropped(coverage, "another") == coverage
    assert dropped(coverage, "a") == Coverage()


def test_a_task_id_that_the_api_gives_twice_stands_for_the_later_demand() -> None:
    coverage = submitted(Coverage(), pending("a", "2024-03-03", "2024-03-09"))
    coverage = submitted(coverage, pending("a", "2024-03-10", "2024-03-16"))
    assert coverage.pending == (pending("a", "2024-03-10", "2024-03-16"),)


def test_a_new_export_of_a_day_takes_the_place_of_the_old_one() -> None:
    old = at("2024-03-20")
    coverage = Coverage(unsettled=(exported("2024-03-10", "2024-03-19", old),))
    coverage = emitted(coverage, window("2024-03-12", "2024-03-14"), NOW, "t", {}, rules())
    assert coverage.unsettled == (
        exported("2024-03-10", "2024-03-11", old),
        exported("2024-03-12", "2024-03-14"),
        exported("2024-03-15", "2024-03-19", old),
    )


def test_a_day_exported_again_under_a_raised_lookback_is_settled_no_more() -> None:
    coverage = Coverage(settled=(window("2024-03-01", "2024-03-31"),))
    coverage = emitted(coverage, window("2024-03-05", "2024-03-11"), NOW, "t", {}, rules())
    assert coverage.settled == (
        window("2024-03-01", "2024-03-04"),
        window("2024-03-12", "2024-03-31"),
    )
    assert coverage.unsettled == (exported("2024-03-05", "2024-03-11"),)


def test_what_an_export_sent_is_remembered_for_its_unsettled_periods() -> None:
    days = window("2024-03-01", "2024-03-04")
    told = {day(f"2024-03-0{n}"): sent(f"new {n}") for n in (1, 2, 3, 9)}
    coverage = Coverage(
        unsettled=(exported("2024-03-03", "2024-03-05", at("2024-03-20")),),
        sent={day(f"2024-03-0{n}"): sent("old") for n in (3, 4, 5)},
    )
    coverage = emitted(coverage, days, NOW, "t", told, rules())
    # 1 and 2 are settled, 4 was not told, 5 was not in the export, and 9 neither.
    assert coverage.sent == {day("2024-03-03"): sent("new 3"), day("2024-03-05"): sent("old")}


def test_what_was_sent_of_given_periods_can_be_forgotten() -> None:
    coverage = Coverage(
        unsettled=(exported("2024-03-03", "2024-03-04"),),
        sent={day("2024-03-03"): sent(), day("2024-03-04"): sent()},
    )
    assert forget_sent(coverage, [day("2024-03-03"), day("2024-01-01")]) == replace(
        coverage, sent={day("2024-03-04"): sent()}
    )


def test_settled_days_that_are_overwritten_are_due_until_their_new_rows_are_out() -> None:
    before = Coverage(settled=(window("2024-03-01", "2024-03-10"),))
    after = overwriting(before, [day("2024-03-05")], rules())
    assert after == Coverage(
        settled=(window("2024-03-01", "2024-03-04"), window("2024-03-06", "2024-03-10")),
        unsettled=(exported("2024-03-05", "2024-03-05", at("2024-03-05T00:00:00Z")),),
    )


@pytest.mark.parametrize("interval", [Interval.DAILY, Interval.MONTHLY])
def test_no_lookback_of_a_later_run_settles_what_was_overwritten_in_part(
    interval: Interval,
) -> None:
    days = window("2024-03-01", "2024-03-10")
    before = Coverage(
        settled=(window("2024-03-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-03-10"),),
    )
    first = day("2024-03-01")
    changed = [first] if interval is Interval.MONTHLY else [first, day("2024-03-03")]
    lowered = rules(interval, lookback_days=0)
    after = settle(overwriting(before, changed, rules(interval)), lowered)
    assert after.covered() == before.covered()
    assert due(after, days, lowered) == (
        (days,) if interval is Interval.MONTHLY else tuple(window(str(each)) for each in changed)
    )


def test_overwriting_leaves_other_periods_and_tasks_alone() -> None:
    before = Coverage(
        unsettled=(exported("2024-03-03", "2024-03-04"),),
        sent={day("2024-03-03"): sent(), day("2024-03-04"): sent()},
        pending=(pending("a", "2024-03-03", "2024-03-05"),),
    )
    assert overwriting(before, [day("2024-03-04"), day("2024-03-05")], rules()) == Coverage(
        unsettled=(
            exported("2024-03-03", "2024-03-03"),
            exported("2024-03-04", "2024-03-04", at("2024-03-04T00:00:00Z")),
        ),
        sent={day("2024-03-03"): sent()},
        pending=before.pending,
    )


def test_a_month_that_is_cut_off_takes_the_coverage_of_its_other_days() -> None:
    whole = Coverage(
        settled=(window("2024-02-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-04-01"),),
        sent={day("2024-03-01"): sent("whole"), day("2024-04-01"): sent("april")},
    )
    told = {day("2024-03-01"): sent("part")}
    cut = emitted(whole, window("2024-03-01", "2024-03-10"), NOW, "t", told, MONTHLY)
    assert cut.settled == (window("2024-02-01", "2024-03-02"),)
    assert cut.unsettled == (
        exported("2024-03-03", "2024-03-10"),
        exported("2024-04-01", "2024-04-01"),
    )
    assert cut.sent == {day("2024-03-01"): sent("part"), day("2024-04-01"): sent("april")}


def test_a_month_with_an_unsettled_day_remembers_what_was_sent() -> None:
    told = {day("2024-02-01"): sent("february"), day("2024-03-01"): sent("march")}
    coverage = emitted(Coverage(), window("2024-02-01", "2024-02-29"), NOW, "a", told, MONTHLY)
    coverage = emitted(coverage, window("2024-03-01", "2024-03-31"), NOW, "b", told, MONTHLY)
    assert coverage.settled == (window("2024-02-01", "2024-03-02"),)
    assert coverage.sent == {day("2024-03-01"): sent("march")}


# Refresh


def test_refreshed_days_stay_covered_and_count_as_exported_at_their_own_midnight() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-03-05"),),
    )
    berlin = rules(zone="Europe/Berlin", lookback_days=0)
    fresh = refreshed(coverage, window("2024-03-02", "2024-03-09"), berlin)
    assert fresh.covered() == coverage.covered()
    assert fresh.last_gap_free() == coverage.last_gap_free()
    assert fresh.settled == (window("2024-01-01", "2024-03-01"),)
    assert fresh.unsettled == tuple(
        exported(f"2024-03-0{n}", f"2024-03-0{n}", at(f"2024-03-0{n - 1}T23:00:00"))
        for n in (2, 3, 4, 5)
    )
    assert settle(fresh, berlin) == fresh


def test_refreshing_days_that_are_not_covered_changes_nothing() -> None:
    coverage = Coverage(settled=(window("2024-01-01", "2024-01-05"),))
    assert refreshed(coverage, window("2024-02-01", "2024-02-05"), rules()) == coverage


def test_a_refreshed_date_that_the_zone_skipped_is_due_too() -> None:
    apia = rules(zone="Pacific/Apia", lookback_days=0)
    coverage = Coverage(settled=(window("2011-12-28", "2012-01-02"),))
    fresh = settle(refreshed(coverage, window("2011-12-29", "2011-12-31"), apia), apia)
    assert fresh.settled == (window("2011-12-28"), window("2012-01-01", "2012-01-02"))


def test_a_refresh_drops_what_was_sent_and_is_pending_of_its_days() -> None:
    coverage = Coverage(
        unsettled=(exported("2024-03-03", "2024-03-20"),),
        sent={day("2024-03-05"): sent(), day("2024-03-06"): sent()},
        pending=(
            pending("before", "2024-03-03", "2024-03-05"),
            pending("across", "2024-03-05", "2024-03-07"),
        ),
    )
    fresh = refreshed(coverage, window("2024-03-06"), rules())
    assert list(fresh.sent) == [day("2024-03-05")]
    assert [task.task_id for task in fresh.pending] == ["before"]


def test_a_refresh_of_one_day_drops_what_was_sent_and_is_pending_of_its_month() -> None:
    coverage = Coverage(
        unsettled=(exported("2024-02-01", "2024-03-20"),),
        sent={day("2024-02-01"): sent(), day("2024-03-01"): sent()},
        pending=(
            pending("february", "2024-02-01", "2024-02-29"),
            pending("march", "2024-03-01", "2024-03-10"),
        ),
    )
    fresh = refreshed(coverage, window("2024-03-20"), MONTHLY)
    assert list(fresh.sent) == [day("2024-02-01")]
    assert [task.task_id for task in fresh.pending] == ["february"]


# The plan


def test_a_first_run_demands_every_wanted_day() -> None:
    assert plan(Coverage(), MARCH_ON, rules(), 20) == Plan(
        adopted=(),
        demanded=(window("2024-03-01", "2024-03-20"), window("2024-03-21", "2024-04-01")),
        coverage=Coverage(),
    )


def test_a_run_demands_what_is_uncovered_or_unsettled_and_nothing_else() -> None:
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
    assert plan(coverage, None, rules(), 7) == Plan((), (), replace(coverage, pending=()))


def test_a_pending_task_is_adopted_and_its_days_are_not_demanded() -> None:
    task = pending("t", "2024-03-10", "2024-03-12", NOW - timedelta(hours=23))
    planned = plan(Coverage(pending=(task,)), MARCH_ON, rules(), 40)
    assert planned.adopted == planned.coverage.pending == (task,)
    assert planned.demanded == (
        window("2024-03-01", "2024-03-09"),
        window("2024-03-13", "2024-04-01"),
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
    assert (planned.demanded == (MARCH_ON,)) == (not is_adopted)


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
def test_a_task_that_brings_more_than_what_is_due_is_not_adopted(task: Pending) -> None:
    coverage = Coverage(settled=(window("2024-03-01", "2024-03-02"),), pending=(task,))
    planned = plan(coverage, MARCH_ON, rules(), 40)
    assert planned.adopted == ()
    assert planned.demanded == (window("2024-03-03", "2024-04-01"),)
    assert planned.coverage.pending == ()


def test_a_task_may_not_reach_across_a_day_that_is_not_due() -> None:
    coverage = Coverage(
        settled=(window("2024-02-10"),), pending=(pending("t", "2024-02-09", "2024-02-11"),)
    )
    assert plan(coverage, window("2024-02-01", "2024-02-20"), rules(), 40).adopted == ()


def test_a_task_that_touches_a_refreshed_day_is_demanded_anew() -> None:
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
    assert [task.task_id for task in adopted] == ["older", "young"]


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
    assert planned.demanded == (until,)
    assert planned.coverage.settled == (window("2024-01-10", "2024-01-20"),)


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
    assert planned.demanded == (
        window("2024-01-01", "2024-01-31"),
        window("2024-02-01", "2024-02-29"),
        window("2024-04-01", "2024-04-10"),
    )


def test_a_month_that_grew_is_sent_whole() -> None:
    coverage = Coverage(
        unsettled=(exported("2024-03-01", "2024-03-31"), exported("2024-04-01", "2024-04-01")),
        sent={day("2024-03-01"): sent(), day("2024-04-01"): sent()},
    )
    planned = plan(coverage, window("2024-03-01", "2024-04-02"), MONTHLY, 7)
    assert planned.coverage.sent == {day("2024-03-01"): sent()}
    same = plan(coverage, window("2024-03-01", "2024-04-01"), MONTHLY, 7)
    assert same.coverage.sent == coverage.sent


def test_a_month_that_will_be_cut_off_loses_its_other_days_before_its_rows_go_out() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-03-02"),),
        unsettled=(exported("2024-03-03", "2024-04-01"),),
        sent={day("2024-03-01"): sent(), day("2024-04-01"): sent()},
    )
    planned = plan(coverage, window("2024-01-01", "2024-03-10"), MONTHLY, 7)
    assert planned.demanded == (window("2024-03-01", "2024-03-10"),)
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
    assert planned.demanded == (window("2024-03-01", "2024-03-02"),)
    assert planned.coverage.sent == {}


def test_a_settled_month_keeps_its_days_whatever_is_wanted_of_it() -> None:
    coverage = Coverage(settled=(window("2024-01-01", "2024-01-31"),))
    planned = plan(coverage, window("2024-01-01", "2024-01-10"), MONTHLY, 7)
    assert planned == Plan((), (), coverage)


def test_a_refresh_is_planned_with_the_rest() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-01-31"),),
    )
    planned = plan(
        coverage, window("2024-01-01", "2024-01-31"), rules(), 7, window("2024-01-03", "2024-01-05")
    )
    assert planned.demanded == (window("2024-01-03", "2024-01-05"),)
    assert planned.coverage.covered() == coverage.covered()


# Size


def test_the_state_of_a_tap_that_ran_daily_for_years_is_two_ranges() -> None:
    coverage, start = Coverage(), date(2022, 1, 1)
    for run in range(800):
        now = datetime(2022, 1, 2, 3, tzinfo=UTC) + timedelta(days=run)
        today = replace(rules(now=now), zone=ZoneInfo("Europe/Berlin"))
        coverage = settle(coverage, today)
        days = wanted(start, None, include_today=False, rules=today)
        planned = plan(coverage, days, today, 7)
        coverage = planned.coverage
        for n, each in enumerate(reversed(planned.demanded)):
            later = now + timedelta(minutes=n)
            told = {each.first + timedelta(days=k): sent() for k in range(each.days)}
            coverage = emitted(coverage, each, later, "t", told, today)
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
    for each in planned.demanded[:1000]:
        coverage = emitted(coverage, each, NOW, "t", {}, rules())
    assert time.process_time() - began < 2
    assert len(planned.demanded) == 1824
    assert coverage.settled[0].days == 2001
