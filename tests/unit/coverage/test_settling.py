"""What a state reads like under the rules of a run, and when days settle."""

from __future__ import annotations

from datetime import timedelta

from tap_advexport.coverage.plan import due
from tap_advexport.coverage.settling import settle
from tap_advexport.coverage.state import Coverage
from tap_advexport.coverage.transitions import submitted
from tap_advexport.reports import Interval
from tests.support.days import NOW, at, day, emitted_at, exported, pending, rules, sent, window

MONTHLY = rules(Interval.MONTHLY)
MARCH_ON = window("2024-03-01", "2024-04-01")


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
    coverage = emitted_at(Coverage(), window("2024-04-01"), fine, "t", {}, rules())
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
