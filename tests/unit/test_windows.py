"""Days and windows: where a day begins, how days become exports, halves and periods."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.reports import Interval
from tap_advexport.windows import (
    DateWindow,
    halves,
    last_day_to_have,
    local_midnight,
    period_of,
    periods,
    plan_windows,
    rfc3339,
    single_periods,
    whole_periods,
    whole_second,
)

DAILY, HOURLY, MONTHLY = Interval.DAILY, Interval.HOURLY, Interval.MONTHLY


def window(first: str, last: str | None = None) -> DateWindow:
    return DateWindow(date.fromisoformat(first), date.fromisoformat(last or first))


def days_of(*windows: DateWindow) -> list[date]:
    return [w.first + timedelta(days=n) for w in windows for n in range(w.days)]


def runs(days: set[date]) -> list[DateWindow]:
    """Sorted, disjoint, maximal windows, made the slow way."""
    return [
        DateWindow(day, next(last for last in ahead(day) if last + timedelta(days=1) not in days))
        for day in sorted(days)
        if day - timedelta(days=1) not in days
    ]


def ahead(day: date) -> list[date]:
    return [day + timedelta(days=n) for n in range(500)]


some_days = st.sets(st.integers(0, 120), min_size=1).map(
    lambda offsets: {date(2023, 11, 20) + timedelta(days=n) for n in offsets}
)
some_window = st.tuples(st.dates(date(1999, 1, 1), date(2030, 1, 1)), st.integers(0, 800)).map(
    lambda pair: DateWindow(pair[0], pair[0] + timedelta(days=pair[1]))
)


def test_a_window_includes_both_ends() -> None:
    week = window("2024-01-01", "2024-01-07")
    assert week.days == 7
    assert date(2024, 1, 1) in week
    assert date(2024, 1, 7) in week
    assert date(2023, 12, 31) not in week
    assert date(2024, 1, 8) not in week
    assert "2024-01-03" not in week


def test_a_window_is_written_as_its_ends_and_a_day_as_itself() -> None:
    assert str(window("2024-01-01", "2024-01-07")) == "2024-01-01..2024-01-07"
    assert str(window("2024-02-29")) == "2024-02-29"


def test_a_window_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="2024-01-01, before it begins on 2024-01-02"):
        window("2024-01-02", "2024-01-01")


def test_windows_sort_by_their_days() -> None:
    assert sorted([window("2024-01-02"), window("2024-01-01", "2024-01-05")]) == [
        window("2024-01-01", "2024-01-05"),
        window("2024-01-02"),
    ]


@given(some_window, some_window)
def test_windows_share_what_their_days_share(one: DateWindow, other: DateWindow) -> None:
    shared = sorted(set(days_of(one)) & set(days_of(other)))
    common = one.intersect(other)
    assert one.overlaps(other) == bool(shared) == (common is not None)
    assert (days_of(common) if common else []) == shared
    assert one.covers(other) == (set(days_of(other)) <= set(days_of(one)))


def test_days_that_are_due_are_cut_into_windows_of_at_most_window_days() -> None:
    due = [window("2024-01-01", "2024-01-10"), window("2024-01-20")]
    wanted = window("2024-01-01", "2024-01-31")
    assert plan_windows(due, interval=DAILY, window_days=4, wanted=wanted) == (
        window("2024-01-01", "2024-01-04"),
        window("2024-01-05", "2024-01-08"),
        window("2024-01-09", "2024-01-10"),
        window("2024-01-20"),
    )


def test_a_monthly_window_is_a_whole_month_however_little_of_it_is_due() -> None:
    due = [window("2024-01-31", "2024-02-01"), window("2024-02-10"), window("2024-04-30")]
    wanted = window("2024-01-01", "2024-12-31")
    assert plan_windows(due, interval=MONTHLY, window_days=1, wanted=wanted) == (
        window("2024-01-01", "2024-01-31"),
        window("2024-02-01", "2024-02-29"),
        window("2024-04-01", "2024-04-30"),
    )


def test_the_last_month_is_cut_off_where_the_range_ends() -> None:
    wanted = window("2024-01-01", "2024-02-10")
    assert plan_windows([wanted], interval=MONTHLY, window_days=7, wanted=wanted) == (
        window("2024-01-01", "2024-01-31"),
        window("2024-02-01", "2024-02-10"),
    )


def test_nothing_due_is_no_window() -> None:
    wanted = window("2024-01-01", "2024-02-10")
    assert plan_windows([], interval=DAILY, window_days=7, wanted=wanted) == ()
    assert plan_windows([], interval=MONTHLY, window_days=7, wanted=wanted) == ()


@given(some_days, st.integers(1, 40), st.sampled_from([DAILY, HOURLY]))
def test_windows_cover_every_due_day_once_in_order_and_no_other(
    due: set[date], window_days: int, interval: Interval
) -> None:
    wanted = DateWindow(min(due), max(due))
    planned = plan_windows(runs(due), interval=interval, window_days=window_days, wanted=wanted)
    assert days_of(*planned) == sorted(due)
    assert max(each.days for each in planned) <= window_days


@given(some_days, st.integers(1, 40))
def test_no_two_windows_could_be_one(due: set[date], window_days: int) -> None:
    wanted = DateWindow(min(due), max(due))
    planned = plan_windows(runs(due), interval=DAILY, window_days=window_days, wanted=wanted)
    fewest = sum(-(-run.days // window_days) for run in runs(due))
    assert len(planned) == fewest


@given(some_days, st.integers(0, 40))
def test_monthly_windows_are_the_months_with_due_days_cut_off_at_the_end(
    due: set[date], beyond: int
) -> None:
    wanted = DateWindow(min(due).replace(day=1), max(due) + timedelta(days=beyond))
    planned = plan_windows(runs(due), interval=MONTHLY, window_days=1, wanted=wanted)
    months = {(day.year, day.month) for day in due}
    held = [day for day in days_of(wanted) if (day.year, day.month) in months]
    assert days_of(*planned) == held
    assert [(each.first.year, each.first.month) for each in planned] == sorted(months)


@given(some_window, st.sampled_from([DAILY, HOURLY]))
def test_halves_are_the_window_in_two_nearly_equal_parts(
    whole: DateWindow, interval: Interval
) -> None:
    parts = halves(whole, interval=interval)
    if whole.days == 1:
        assert parts is None
    else:
        assert parts is not None
        assert days_of(*parts) == days_of(whole)
        assert abs(parts[0].days - parts[1].days) <= 1


def test_a_day_and_a_month_have_no_halves() -> None:
    assert halves(window("2024-01-01"), interval=DAILY) is None
    assert halves(window("2024-01-01", "2024-01-31"), interval=MONTHLY) is None


def test_the_periods_of_a_window_are_its_days_or_the_firsts_of_its_months() -> None:
    span = window("2024-01-30", "2024-03-01")
    assert periods(span, interval=HOURLY) == days_of(span)
    assert periods(span, interval=MONTHLY) == [
        date(2024, 1, 1),
        date(2024, 2, 1),
        date(2024, 3, 1),
    ]


@given(some_window, st.sampled_from(Interval))
def test_whole_periods_are_the_periods_of_the_days(span: DateWindow, interval: Interval) -> None:
    whole = whole_periods(span, interval=interval)
    assert whole.covers(span)
    held = [period_of(day, interval=interval) for day in periods(span, interval=interval)]
    assert days_of(*held) == days_of(whole)
    assert all(each.overlaps(span) for each in held)


def test_the_last_month_of_the_calendar_is_a_month_too() -> None:
    assert period_of(date.max, interval=MONTHLY) == window("9999-12-01", "9999-12-31")
    assert whole_periods(window("9999-12-30", "9999-12-31"), interval=DAILY).last == date.max


@pytest.mark.parametrize(
    ("day", "zone", "midnight"),
    [
        (date(2024, 3, 31), "Europe/Berlin", datetime(2024, 3, 30, 23, tzinfo=UTC)),
        (date(2024, 4, 1), "Europe/Berlin", datetime(2024, 3, 31, 22, tzinfo=UTC)),
        (date(2024, 4, 1), "UTC", datetime(2024, 4, 1, tzinfo=UTC)),
        (date.min, "Europe/Berlin", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_midnight_is_a_moment_in_utc(day: date, zone: str, midnight: datetime) -> None:
    found = local_midnight(day, ZoneInfo(zone))
    assert found == midnight
    assert found.tzinfo is UTC


def test_a_moment_is_cut_to_the_second_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    found = whole_second(datetime(2024, 4, 1, 1, 2, 3, 999_999, tzinfo=east))
    assert found == datetime(2024, 3, 31, 23, 2, 3, tzinfo=UTC)
    assert found.tzinfo is UTC
    assert rfc3339(datetime(2024, 4, 1, 1, 2, 3, 999_999, tzinfo=east)) == "2024-03-31T23:02:03Z"
    assert rfc3339(datetime(1, 1, 2, tzinfo=east)) == "0001-01-01T22:00:00Z"


@pytest.mark.parametrize(
    ("end", "last", "last_with_today"),
    [(None, 9, 10), (5, 5, 5), (10, 9, 10), (31, 9, 10)],
)
def test_the_last_day_to_have_is_over_unless_today_is_wanted(
    end: int | None, last: int, last_with_today: int
) -> None:
    today, end_date = date(2024, 1, 10), date(2024, 1, end) if end else None
    assert last_day_to_have(today, end_date, include_today=False).day == last
    assert last_day_to_have(today, end_date, include_today=True).day == last_with_today


def test_a_window_in_single_periods() -> None:
    march = window("2024-02-28", "2024-03-01")
    assert single_periods(march, interval=HOURLY) == (
        window("2024-02-28"),
        window("2024-02-29"),
        window("2024-03-01"),
    )
    assert single_periods(window("2024-01-01", "2024-03-10"), interval=MONTHLY) == (
        window("2024-01-01", "2024-01-31"),
        window("2024-02-01", "2024-02-29"),
        window("2024-03-01", "2024-03-10"),
    )
