"""What each event makes of the state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tap_advexport.coverage.plan import due
from tap_advexport.coverage.settling import settle
from tap_advexport.coverage.state import Coverage
from tap_advexport.coverage.transitions import (
    dropped,
    forget_sent,
    is_final,
    is_settled,
    overwriting,
    refreshed,
    shaped,
    submitted,
)
from tap_advexport.reports import Interval
from tests.support.days import NOW, at, day, emitted_at, exported, pending, rules, sent, window

MONTHLY = rules(Interval.MONTHLY)
MARCH_ON = window("2024-03-01", "2024-04-01")


# What a run wants


# Settled or not


def test_an_export_settles_the_days_that_ended_lookback_days_before_it() -> None:
    coverage = emitted_at(Coverage(), window("2024-02-25", "2024-03-10"), NOW, "t", {}, rules())
    assert coverage.settled == (window("2024-02-25", "2024-03-02"),)
    assert coverage.unsettled == (exported("2024-03-03", "2024-03-10"),)


def test_without_a_lookback_a_day_is_settled_as_soon_as_it_is_over() -> None:
    strict = rules(lookback_days=0)
    coverage = emitted_at(Coverage(), window("2024-04-01", "2024-04-02"), NOW, "t", {}, strict)
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
    coverage = emitted_at(Coverage(), window("2000-01-01"), NOW, "t", {}, endless)
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


# Events of a run


def test_a_submitted_task_is_pending_until_its_rows_are_out() -> None:
    coverage = submitted(Coverage(), pending("a", "2024-03-03", "2024-03-09"))
    coverage = submitted(coverage, pending("b", "2024-03-10", "2024-03-16"))
    assert [task.task_id for task in coverage.pending] == ["a", "b"]
    coverage = emitted_at(coverage, window("2024-03-03", "2024-03-09"), NOW, "a", {}, rules())
    assert [task.task_id for task in coverage.pending] == ["b"]
    assert coverage.covered() == (window("2024-03-03", "2024-03-09"),)


def test_a_task_that_failed_is_pending_no_more_and_covers_nothing() -> None:
    coverage = submitted(Coverage(), pending("a", "2024-03-03", "2024-03-09"))
    assert dropped(coverage, "another") == coverage
    assert dropped(coverage, "a") == Coverage()


def test_a_task_id_that_the_api_gives_twice_stands_for_the_later_submission() -> None:
    coverage = submitted(Coverage(), pending("a", "2024-03-03", "2024-03-09"))
    coverage = submitted(coverage, pending("a", "2024-03-10", "2024-03-16"))
    assert coverage.pending == (pending("a", "2024-03-10", "2024-03-16"),)


def test_a_new_export_of_a_day_takes_the_place_of_the_old_one() -> None:
    old = at("2024-03-20")
    coverage = Coverage(unsettled=(exported("2024-03-10", "2024-03-19", old),))
    coverage = emitted_at(coverage, window("2024-03-12", "2024-03-14"), NOW, "t", {}, rules())
    assert coverage.unsettled == (
        exported("2024-03-10", "2024-03-11", old),
        exported("2024-03-12", "2024-03-14"),
        exported("2024-03-15", "2024-03-19", old),
    )


def test_a_day_exported_again_under_a_raised_lookback_is_settled_no_more() -> None:
    coverage = Coverage(settled=(window("2024-03-01", "2024-03-31"),))
    coverage = emitted_at(coverage, window("2024-03-05", "2024-03-11"), NOW, "t", {}, rules())
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
    coverage = emitted_at(coverage, days, NOW, "t", told, rules())
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


def test_another_shape_forgets_what_was_sent_and_nothing_else() -> None:
    days = (exported("2024-03-30", "2024-04-01"),)
    coverage = Coverage(unsettled=days, sent={day("2024-04-01"): sent()}, shape="one")
    assert shaped(coverage, "one") is coverage
    assert shaped(coverage, "two") == replace(coverage, sent={}, shape="two")


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
    cut = emitted_at(whole, window("2024-03-01", "2024-03-10"), NOW, "t", told, MONTHLY)
    assert cut.settled == (window("2024-02-01", "2024-03-02"),)
    assert cut.unsettled == (
        exported("2024-03-03", "2024-03-10"),
        exported("2024-04-01", "2024-04-01"),
    )
    assert cut.sent == {day("2024-03-01"): sent("part"), day("2024-04-01"): sent("april")}


def test_a_month_with_an_unsettled_day_remembers_what_was_sent() -> None:
    told = {day("2024-02-01"): sent("february"), day("2024-03-01"): sent("march")}
    coverage = emitted_at(Coverage(), window("2024-02-01", "2024-02-29"), NOW, "a", told, MONTHLY)
    coverage = emitted_at(coverage, window("2024-03-01", "2024-03-31"), NOW, "b", told, MONTHLY)
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
