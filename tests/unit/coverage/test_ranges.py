"""Ranges of days: every operation does to ranges what it would do to the days one by one."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.coverage.ranges import (
    compact,
    join_adjacent,
    splice,
    touching,
    union,
    within,
    without,
)
from tap_advexport.windows import DateWindow

FIRST = date(2024, 1, 1)

Days = frozenset[date]


def day(offset: int) -> date:
    return FIRST + timedelta(days=offset)


def days_of(windows: tuple[DateWindow, ...] | list[DateWindow]) -> Days:
    return frozenset(each.first + timedelta(days=n) for each in windows for n in range(each.days))


def is_sorted_and_disjoint(windows: tuple[DateWindow, ...]) -> bool:
    return all(one.last < other.first for one, other in pairwise(windows))


def is_maximal(windows: tuple[DateWindow, ...]) -> bool:
    pairs = pairwise(windows)
    return all(one.last + timedelta(days=1) < other.first for one, other in pairs)


@st.composite
def some_ranges(draw: st.DrawFn) -> tuple[DateWindow, ...]:
    """Sorted and disjoint, now and then with neighbours that touch."""
    ends = sorted(draw(st.sets(st.integers(0, 40), max_size=12)))
    ranges = [DateWindow(day(one), day(other - 1)) for one, other in pairwise(ends)]
    return tuple(each for each in ranges if draw(st.booleans()))


some_span = st.tuples(st.integers(-3, 43), st.integers(0, 12)).map(
    lambda pair: DateWindow(day(pair[0]), day(pair[0] + pair[1]))
)


@given(some_ranges(), some_ranges())
def test_without_takes_away_the_days_of_the_holes(
    ranges: tuple[DateWindow, ...], holes: tuple[DateWindow, ...]
) -> None:
    left = without(ranges, holes)
    assert days_of(left) == days_of(ranges) - days_of(holes)
    assert is_sorted_and_disjoint(left)


@given(some_ranges(), some_span)
def test_within_keeps_the_days_of_the_span(
    ranges: tuple[DateWindow, ...], span: DateWindow
) -> None:
    kept = within(ranges, span)
    assert days_of(kept) == days_of(ranges) & days_of([span])
    assert is_sorted_and_disjoint(kept)
    assert list(touching(ranges, span)) == [each for each in ranges if each.overlaps(span)]


@given(st.lists(some_span))
def test_a_union_has_every_day_in_the_fewest_windows(windows: list[DateWindow]) -> None:
    merged = union(windows)
    assert days_of(merged) == days_of(windows)
    assert is_maximal(merged)


@given(some_ranges(), some_span, some_ranges())
def test_a_splice_is_just_the_new_days_inside_and_the_old_ones_outside(
    ranges: tuple[DateWindow, ...], span: DateWindow, others: tuple[DateWindow, ...]
) -> None:
    old, new = compact(ranges, join_adjacent), within(others, span)
    spliced = splice(old, span, new, join_adjacent)
    assert days_of(spliced) == (days_of(old) - days_of([span])) | days_of(new)
    assert is_maximal(spliced)


@given(some_ranges(), some_span, some_ranges())
def test_ranges_that_do_not_join_stay_as_they_are(
    ranges: tuple[DateWindow, ...], span: DateWindow, others: tuple[DateWindow, ...]
) -> None:
    new = within(others, span)
    spliced = splice(ranges, span, new, lambda one, other: None)  # noqa: ARG005 - a join that never is
    assert spliced == tuple(sorted((*without(ranges, (span,)), *new)))
