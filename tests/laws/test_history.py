"""Ten years of history cost a run nothing: plans and states stay as small as what is in flight."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_advexport.coverage import transitions as days
from tap_advexport.coverage.bookmark import parse_bookmark, render_bookmark
from tap_advexport.coverage.plan import plan
from tap_advexport.coverage.settling import Rules
from tap_advexport.coverage.state import Coverage, Sent
from tap_advexport.reports import Interval
from tap_advexport.windows import Task
from tests.support.days import wanted_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_advexport.windows import DateWindow

START = date(2014, 1, 1)
NOW = datetime(2024, 1, 1, 3, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
LOOKBACK_DAYS = 30
MOST_AT_ONCE = 32
# A task id as long as a UUID, and dates: what an entry of each kind takes as JSON.
ENTRY_BYTES = 160
RANGE_BYTES = 30
# Share of the states whose size is looked at.
LOOKED_AT = 0.2
DIGEST = "0" * 32
TASK_ID = "01234567-89ab-cdef-0123-456789abcdef"


def rules_at(now: datetime, interval: Interval = Interval.DAILY) -> Rules:
    return Rules(interval=interval, zone=UTC_ZONE, now=now, lookback_days=LOOKBACK_DAYS)


def size(coverage: Coverage, rules: Rules) -> int:
    return len(json.dumps(render_bookmark(coverage, rules)))


def range_of(rules: Rules) -> DateWindow:
    wanted = wanted_in(rules, START)
    assert wanted is not None
    return wanted


def backfill(  # noqa: PLR0913, PLR0917 - what a run is made of
    coverage: Coverage,
    rules: Rules,
    window_days: int,
    chance: random.Random,
    at_once: int,
    failed: Collection[date] = (),
) -> tuple[Coverage, int]:
    """A run whose exports finish in any order; gives the largest state on the way, too."""
    planned = plan(coverage, range_of(rules), rules, window_days)
    coverage, largest = planned.coverage, 0
    queue, flying = list(planned.windows), list[Task]()
    while queue or flying:
        while queue and len(flying) < at_once:
            window = queue.pop(0)
            task = Task(f"{TASK_ID}-{window.first}", window, rules.now)
            coverage = days.submitted(coverage, task)
            flying.append(task)
        if chance.random() < LOOKED_AT:
            largest = max(largest, size(coverage, rules))
        task = flying.pop(chance.randrange(len(flying)))
        if task.window.first in failed:
            coverage = days.dropped(coverage, task.task_id)
            continue
        sent = {
            task.window.first + timedelta(number): Sent(task.task_id, DIGEST, rules.now)
            for number in range(task.window.days)
        }
        coverage = days.emitted(coverage, task, sent, rules)
    return coverage, max(largest, size(coverage, rules))


@pytest.mark.parametrize("interval", [Interval.DAILY, Interval.HOURLY])
def test_states_of_a_backfill_are_as_small_as_what_is_in_flight(interval: Interval) -> None:
    rules = rules_at(NOW, interval)
    _, largest = backfill(Coverage(), rules, 1, random.Random(1), MOST_AT_ONCE)
    # Pending tasks, the gaps that they leave, and what was sent of the days that still move.
    entries = MOST_AT_ONCE + MOST_AT_ONCE + LOOKBACK_DAYS + 1
    assert largest < entries * ENTRY_BYTES


def test_daily_runs_of_ten_years_leave_one_range_of_each_kind() -> None:
    coverage, largest = Coverage(), 0
    for day in range(0, 3650, 7):
        rules = rules_at(NOW - timedelta(days=3650 - day))
        coverage, most = backfill(coverage, rules, 7, random.Random(day), 4)
        largest = max(largest, most)
    assert len(coverage.settled) == 1
    assert len(coverage.unsettled) == 1
    assert largest < (LOOKBACK_DAYS + 20) * ENTRY_BYTES


def test_a_run_after_ten_years_plans_nothing_but_the_days_that_move() -> None:
    coverage, _ = backfill(Coverage(), rules_at(NOW), 7, random.Random(1), 4)
    tomorrow = rules_at(NOW + timedelta(days=1))
    planned = plan(coverage, range_of(tomorrow), tomorrow, 7)
    assert sum(window.days for window in planned.windows) == LOOKBACK_DAYS + 1
    assert len(planned.windows) == 5


@settings(max_examples=5, deadline=None)
@given(st.floats(0, 1), st.integers(0, 2**32).map(random.Random))
def test_a_state_grows_with_the_holes_of_failed_days_only_and_is_read_back(
    share: float, chance: random.Random
) -> None:
    rules = rules_at(NOW)
    wanted = range_of(rules)
    failed = {wanted.first + timedelta(n) for n in range(wanted.days) if chance.random() < share}
    coverage, largest = backfill(Coverage(), rules, 1, chance, 4, failed)
    holes = len(failed)
    assert largest < 10_000 + holes * RANGE_BYTES
    bookmark = json.loads(json.dumps(render_bookmark(coverage, rules)))
    read = parse_bookmark(bookmark, start_date=START, rules=rules, path="state")
    assert render_bookmark(read, rules) == bookmark
    submitted = plan(read, wanted, rules, 1).windows
    assert failed <= {window.first for window in submitted}
