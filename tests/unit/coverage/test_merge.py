"""Several states as one: the laws, and what each contradiction becomes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.coverage.bookmark import parse_bookmark, render_bookmark
from tap_advexport.coverage.merge import (
    Reading,
    merge_coverages,
    merge_states,
    remarks_on_states,
    streams_of_several_shapes,
)
from tap_advexport.coverage.plan import due, plan
from tap_advexport.coverage.settling import AS_WRITTEN, Rules, settle
from tap_advexport.coverage.state import Coverage, Exported, Sent
from tap_advexport.coverage.transitions import overwriting
from tap_advexport.errors import StateError
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task, local_date, local_midnight, period_of
from tests.support.days import at, exported, window

NOW = datetime(2024, 4, 20, 12, tzinfo=UTC)
FIRST = date(2024, 2, 25)
ZONE = ZoneInfo("Europe/Berlin")
INTERVALS = st.sampled_from([Interval.DAILY, Interval.HOURLY, Interval.MONTHLY])


def rules(interval: Interval = Interval.DAILY, lookback_days: int = AS_WRITTEN) -> Rules:
    return Rules(interval, ZONE, NOW, lookback_days)


def days_of(*windows: DateWindow) -> list[date]:
    return [each.first + timedelta(days=n) for each in windows for n in range(each.days)]


# A machine's state is made day by day, so that all kinds of days lie beside one another. Tasks and
# exports of several machines meet on the same days and at the same times.

day_kinds = st.one_of(
    st.just("none"),
    st.just("settled"),
    st.just("marked"),
    st.datetimes(datetime(2024, 4, 16), datetime(2024, 4, 20)).map(  # noqa: DTZ001 - made aware
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
)
ENTRIES = [Sent(f"e{n}", f"d{n}", NOW - timedelta(days=n)) for n in range(2)]
patterns = st.lists(st.sampled_from([None, *ENTRIES]), min_size=1, max_size=4)


def some_task(number: int, first: int, length: int, hours: int) -> Task:
    begin = FIRST + timedelta(days=first)
    end = begin + timedelta(days=length)
    return Task(
        f"t{number}-{first}-{length}-{hours}", DateWindow(begin, end), NOW - timedelta(hours=hours)
    )


tasks = st.builds(
    some_task, st.integers(0, 3), st.integers(0, 45), st.integers(0, 6), st.integers(0, 90)
)


@st.composite
def some_coverage(draw: st.DrawFn, interval: Interval) -> Coverage:
    runs = draw(st.lists(st.tuples(day_kinds, st.integers(1, 12)), max_size=5))
    settled, unsettled, begin = [], [], FIRST + timedelta(days=draw(st.integers(0, 10)))
    for kind, length in runs:
        window = DateWindow(begin, begin + timedelta(days=length - 1))
        begin += timedelta(days=length)
        if kind == "settled":
            settled.append(window)
        elif kind == "marked":
            unsettled += [Exported(day, day, local_midnight(day, ZONE)) for day in days_of(window)]
        elif isinstance(kind, datetime):
            unsettled.append(Exported(window.first, window.last, kind))
    periods = sorted({period_of(day, interval=interval).first for day in days_of(*unsettled)})
    sent = {
        period: entry
        for period, entry in zip(periods, cycle(draw(patterns)), strict=False)
        if entry
    }
    pending = {task.task_id: task for task in draw(st.lists(tasks, max_size=3))}
    shape = draw(st.sampled_from(["", "a", "b"]))
    coverage = Coverage(tuple(settled), tuple(unsettled), sent, tuple(pending.values()), shape)
    return settle(coverage, rules(interval))


@st.composite
def machines(draw: st.DrawFn, count: int) -> tuple[Rules, list[Coverage]]:
    interval = draw(INTERVALS)
    return rules(interval), [draw(some_coverage(interval)) for _ in range(count)]


def marks_of(coverage: Coverage, asked: Rules) -> list[date]:
    """The days that are marked for another export: they count as exported before their end."""
    # Such as the tap makes them: months from their first day on.
    coverage = merge_coverages([coverage], asked)
    return [
        day
        for each in coverage.unsettled
        for day in days_of(each)
        if local_date(each.exported_at, ZONE) <= day
    ]


def contested(states: list[Coverage], asked: Rules) -> set[date]:
    """The days that one state has settled, and of which another has a task under way."""
    if asked.interval is Interval.MONTHLY:  # months from their first day on
        states = [merge_coverages([each], asked) for each in states]
    settled = [set(days_of(*each.settled)) for each in states]
    begun = [
        set(days_of(*(task.window for task in each.pending))) - own
        for each, own in zip(states, settled, strict=True)
    ]
    return set().union(*settled) & set().union(*begun)


def essence(coverage: Coverage) -> tuple[object, ...]:
    """All of it but the time of day of exports: neighbours of one date share the earliest."""
    dates = {
        day: local_date(each.exported_at, ZONE)
        for each in coverage.unsettled
        for day in days_of(each)
    }
    return coverage.settled, dates, coverage.sent, coverage.pending, coverage.shape


# The laws


@given(machines(3), st.permutations(range(3)))
def test_the_order_of_the_states_does_not_matter(
    made: tuple[Rules, list[Coverage]], order: list[int]
) -> None:
    asked, states = made
    merged = merge_coverages(states, asked)
    assert merge_coverages([states[n] for n in order], asked) == merged


@given(machines(3))
def test_states_may_be_merged_in_any_grouping(made: tuple[Rules, list[Coverage]]) -> None:
    asked, (one, two, three) = made
    left = merge_coverages([merge_coverages([one, two], asked), three], asked)
    right = merge_coverages([one, merge_coverages([two, three], asked)], asked)
    at_once = merge_coverages([one, two, three], asked)
    settled, dates, *others = essence(at_once)
    is_marked = any(marks_of(each, asked) for each in (one, two, three))
    doubtful = contested([one, two, three], asked)
    for grouped in (left, right):
        if not doubtful:
            assert essence(grouped)[:2] == (settled, dates)
        elif asked.interval is not Interval.MONTHLY:
            # A task may have been of no use before its day was known to be settled.
            again = set(days_of(*at_once.settled)) ^ set(days_of(*grouped.settled))
            assert again <= doubtful
        # A task that was of no use before a mark was known may be gone, and what its days were sent
        # as with it: that costs an export, or rows that are sent once more.
        if not (is_marked or doubtful):
            assert list(essence(grouped)[2:]) == others


@given(machines(2))
def test_a_state_merged_twice_changes_nothing(made: tuple[Rules, list[Coverage]]) -> None:
    asked, (one, two) = made
    merged = merge_coverages([one, two], asked)
    assert merge_coverages([merged], asked) == merged
    assert merge_coverages([merged, merged], asked) == merged
    assert essence(merge_coverages([merged, one], asked)) == essence(merged)
    assert merge_coverages([merged, Coverage()], asked) == merged


@given(machines(2))
def test_a_day_is_covered_and_settled_where_it_is_anywhere(
    made: tuple[Rules, list[Coverage]],
) -> None:
    asked, states = made
    merged = merge_coverages(states, asked)
    marked = {day for each in states for day in marks_of(each, asked)} | contested(states, asked)
    settled = {day for each in states for day in days_of(*each.settled)} - marked
    covered = {day for each in states for day in days_of(*each.covered())}
    assert set(days_of(*merged.covered())) <= covered
    assert set(days_of(*merged.settled)) <= settled
    if asked.interval is not Interval.MONTHLY:
        assert set(days_of(*merged.covered())) == covered
        assert set(days_of(*merged.settled)) == settled


@given(machines(3))
def test_the_later_date_of_two_exports_wins(made: tuple[Rules, list[Coverage]]) -> None:
    asked, states = made
    for each in merge_coverages(states, asked).unsettled:
        for day in days_of(each):
            said = [
                local_date(other.exported_at, ZONE)
                for state in states
                for other in state.unsettled
                if day in other
            ]
            found = local_date(each.exported_at, ZONE)
            if day in contested(states, asked) and found <= day:
                continue
            assert found in said
            if asked.interval is not Interval.MONTHLY:
                assert found == (min(said) if min(said) <= day else max(said))


@given(machines(3))
def test_what_was_sent_is_known_only_where_nobody_who_touched_it_says_otherwise(
    made: tuple[Rules, list[Coverage]],
) -> None:
    asked, states = made
    if asked.interval is Interval.MONTHLY:  # such as the tap makes them: months from their first
        states = [merge_coverages([each], asked) for each in states]
    shape = merge_coverages(states, asked).shape
    states = [each if each.shape == shape else replace(each, sent={}) for each in states]
    for period, entry in merge_coverages(states, asked).sent.items():
        span = period_of(period, interval=asked.interval)
        for state in states:
            began = any(task.window.overlaps(span) for task in state.pending)
            if began or period in state.sent:
                assert state.sent.get(period) == entry
    if asked.interval is Interval.DAILY:
        merged = merge_coverages(states, asked)
        known = {day for each in states for day in each.sent}
        covered = [set(days_of(*each.covered())) for each in states]
        for day in known - merged.sent.keys():
            others = [
                state.sent.get(day)
                for state, has in zip(states, covered, strict=True)
                if day in has
            ]
            began = any(day in task.window for state in states for task in state.pending)
            assert began or len(set(others)) > 1


@given(machines(3))
def test_every_task_that_brings_a_day_which_nobody_has_stays(
    made: tuple[Rules, list[Coverage]],
) -> None:
    asked, states = made
    merged = merge_coverages(states, asked)
    held = set(days_of(*merged.covered()))
    tasks = {task.task_id: task for state in states for task in state.pending}
    kept = {task.task_id for task in merged.pending}
    assert kept <= tasks.keys()
    assert {name for name, task in tasks.items() if not held >= set(days_of(task.window))} <= kept
    if asked.interval is not Interval.MONTHLY:
        settled = set(days_of(*merged.settled))
        assert not {name for name in kept if set(days_of(tasks[name].window)) <= settled}


@given(machines(3), st.integers(0, 60))
def test_whoever_goes_on_from_the_merged_state_is_due_what_no_machine_settled(
    made: tuple[Rules, list[Coverage]], lookback_days: int
) -> None:
    asked, states = made
    merged = merge_coverages(states, asked)
    later = rules(asked.interval, lookback_days)
    bookmark = json.loads(json.dumps(render_bookmark(merged, asked)))
    loaded = parse_bookmark(bookmark, start_date=FIRST, rules=later)
    wanted = DateWindow(date(2024, 2, 1), date(2024, 4, 19))
    settled = {day for each in states for day in days_of(*settle(each, later).settled)}
    settled -= {day for each in states for day in marks_of(each, asked)} | contested(states, asked)
    assert set(days_of(wanted)) - settled <= set(days_of(*due(loaded, wanted, later)))
    planned = plan(loaded, wanted, later, window_days=7)
    exported = {
        day for window in (*(t.window for t in planned.adopted), *planned.windows)
        for day in days_of(window)
    }  # fmt: skip
    assert set(days_of(wanted)) - settled <= exported


# What single contradictions become


ENTRY = Sent("e", "d", datetime(2024, 4, 18, 3, tzinfo=UTC))
DAY = date(2024, 4, 10)
HELD = Coverage(
    unsettled=(exported("2024-04-10", "2024-04-10", at("2024-04-18T03:00:00")),), sent={DAY: ENTRY}
)
MARCH = Coverage(settled=(window("2024-03-01", "2024-03-31"),))


@pytest.mark.parametrize(
    "other",
    [
        Coverage(unsettled=HELD.unsettled),
        Coverage(unsettled=HELD.unsettled, sent={DAY: Sent("f", "d", ENTRY.exported_at)}),
        Coverage(pending=(Task("t", DateWindow(DAY, DAY), NOW),)),
        replace(HELD, shape="another"),
    ],
    ids=["sends it just now", "sent another one", "died before it could say", "another shape"],
)
def test_a_period_that_another_machine_touched_is_sent_again(other: Coverage) -> None:
    assert merge_coverages([HELD, Coverage()], rules()).sent == HELD.sent
    assert merge_coverages([HELD, HELD], rules()).sent == HELD.sent
    assert merge_coverages([HELD, other], rules()).sent == {}


def test_of_several_shapes_one_is_kept_with_what_was_sent_in_it() -> None:
    elsewhere = Coverage(
        unsettled=(exported("2024-04-11", "2024-04-11", at("2024-04-18T03:00:00")),)
    )
    merged = merge_coverages([replace(HELD, shape="a"), replace(elsewhere, shape="b")], rules())
    assert (merged.shape, merged.sent) == ("b", {})
    merged = merge_coverages([replace(HELD, shape="b"), replace(elsewhere, shape="a")], rules())
    assert (merged.shape, merged.sent) == ("b", HELD.sent)


def test_a_month_that_two_machines_cut_off_elsewhere_is_exported_again() -> None:
    asked = rules(Interval.MONTHLY)
    half = Coverage(settled=(window("2024-03-01", "2024-03-15"),))
    merged = merge_coverages([MARCH, half], asked)
    assert merged.settled == half.settled
    wanted = window("2024-03-01", "2024-03-31")
    assert plan(merged, wanted, rules(Interval.MONTHLY, 10), 7).windows == (wanted,)
    assert merge_coverages([MARCH, half], rules()).settled == MARCH.settled


def test_a_month_without_its_first_days_counts_for_nothing() -> None:
    tail = Coverage(settled=(window("2024-03-16", "2024-04-05"),))
    assert merge_coverages([tail], rules(Interval.MONTHLY)).settled == (
        window("2024-04-01", "2024-04-05"),
    )


def test_a_task_of_an_earlier_date_than_the_export_of_its_days_goes() -> None:
    yesterday = Task("t", DateWindow(DAY, DAY), datetime(2024, 4, 17, 3, tzinfo=UTC))
    today = Task("u", DateWindow(DAY, DAY), datetime(2024, 4, 19, 3, tzinfo=UTC))
    merged = merge_coverages([HELD, Coverage(pending=(yesterday, today))], rules())
    assert merged.pending == (today,)


def test_a_task_with_two_accounts_of_its_days_is_an_error() -> None:
    states = [
        Coverage(pending=(Task("t", DateWindow(DAY, DAY + timedelta(days=n)), NOW),))
        for n in range(2)
    ]
    with pytest.raises(StateError, match="pending task t stands in two states"):
        merge_coverages(states, rules())


def test_days_that_a_run_was_overwriting_are_exported_again_whatever_an_older_state_says() -> None:
    """The rows may be those of the run that died; the older state has settled others."""
    state = overwriting(MARCH, [date(2024, 3, 5)], rules())
    for states in ([MARCH, state], [state, MARCH], [state, MARCH, HELD]):
        merged = merge_coverages(states, rules())
        assert date(2024, 3, 5) not in days_of(*merged.settled)
        assert date(2024, 3, 4) in days_of(*merged.settled)
        assert due(merged, window("2024-03-01", "2024-03-31"), rules(lookback_days=0)) == (
            window("2024-03-05", "2024-03-05"),
        )


def test_a_settled_day_that_a_machine_died_over_is_exported_again() -> None:
    """It had not covered the day, so its state has no mark, but part of its rows may be there."""
    day = date(2024, 3, 5)
    died = Coverage(pending=(Task("t", DateWindow(day, day), NOW - timedelta(hours=30)),))
    for states in ([MARCH, died], [died, MARCH]):
        merged = merge_coverages(states, rules())
        assert due(merged, window("2024-03-01", "2024-03-31"), rules(lookback_days=0)) == (
            DateWindow(day, day),
        )
    # In one state, a task beside settled days is of days that it has not settled.
    one = Coverage(settled=MARCH.settled, pending=died.pending)
    assert merge_coverages([one], rules()).settled == MARCH.settled


def test_a_mark_stays_though_another_state_has_a_later_export() -> None:
    state = overwriting(HELD, [DAY], rules())
    merged = merge_coverages([state, HELD], rules())
    assert due(merged, DateWindow(DAY, DAY), rules(lookback_days=0)) == (DateWindow(DAY, DAY),)
    assert merged.sent == {}


READING = Reading(NOW, ZONE)


def test_days_ahead_in_one_state_are_doubt_in_the_merged_one() -> None:
    """The clock of a run was ahead and settled days too early; nothing tells it after merging."""
    ahead = {"report_daily": {"settled": [["2024-01-01", "2024-05-31"]]}}
    state: dict[str, Any] = {"bookmarks": ahead}
    merged: Any = merge_states({"a": state}, READING)
    assert merged["bookmarks"]["report_daily"]["settled"] == [["2024-01-01", "2024-02-17"]]
    [(name, remark)] = remarks_on_states({"a": state, "b": {"bookmarks": {}}}, READING)
    assert (name, remark.partition(":")[0]) == ("a", "report_daily")
    assert "days that lie ahead" in remark


def test_a_shape_of_another_tap_is_of_no_interest() -> None:
    other: dict[str, Any] = {"bookmarks": {"orders": {"shape": ["x"]}}}
    assert streams_of_several_shapes({"a": other, "b": other}) == []


def shaped(**shapes: object) -> dict[str, Any]:
    return {"bookmarks": {f"report_{label}": {"shape": shapes[label]} for label in shapes}}


@pytest.mark.parametrize(
    ("one", "other", "several"),
    [
        (shaped(daily="n"), shaped(daily="n"), []),
        (shaped(daily="n"), shaped(daily="s"), ["report_daily"]),
        (shaped(daily="n", hourly="m"), shaped(daily="n", monthly="x"), []),
        (shaped(daily="n"), shaped(hourly="n"), []),
        (shaped(daily="n"), shaped(hourly="s"), ["report_daily", "report_hourly"]),
        (shaped(daily="n"), {"bookmarks": {}}, []),
        (shaped(daily=["n"]), shaped(daily="s"), []),
    ],
)
def test_states_of_several_accounts_are_known_by_their_shapes(
    one: dict[str, Any], other: dict[str, Any], several: list[str]
) -> None:
    """A shape that is no text is told by whoever reads the bookmark."""
    assert streams_of_several_shapes({"a": one, "b": other}) == several
    assert streams_of_several_shapes({"b": other, "a": one, "c": one}) == several


def test_streams_and_keys_of_others_are_kept_when_all_agree() -> None:
    one: dict[str, Any] = {"bookmarks": {"users": {"x": [1]}, "report_daily": {}}, "tap": "v1"}
    two: dict[str, Any] = {"bookmarks": {"users": {"x": [1]}, "orders": {"y": 2}}}
    assert merge_states({"a": one, "b": two}, READING) == {
        "bookmarks": {"orders": {"y": 2}, "users": {"x": [1]}},
        "tap": "v1",
    }
