"""A backfill takes hardly longer than the API does, in a world whose clock moves by itself."""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from tap_advexport.api.answers import Unfinished
from tap_advexport.exports.policy import Export
from tap_advexport.windows import DateWindow
from tests.support import runner_fakes
from tests.support.runner_fakes import Rig, Takes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.runner_fakes import Api

LATENCIES = (0.1, 0.3, 1, 3, 10, 60, 300, 1200, 3600)
AT_ONCE = 4
LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Backfill:
    """What it took.

    Attributes:
        looks: how often each task was looked at.
    """

    seconds: float
    looks: Sequence[int]


class SlowApi:
    """Tasks take the given seconds, the first submitted first, so many at a time."""

    def __init__(self, api: Api, latencies: Sequence[float], servers: int) -> None:
        self._api = api
        self._latencies = latencies
        self._free = [0.0] * servers
        self._done: dict[str, float] = {}

    def submit(self, _: object) -> None:
        begins = max(heapq.heappop(self._free), self._api.clock.seconds)
        ends = begins + self._latencies[len(self._done)]
        heapq.heappush(self._free, ends)
        self._done[f"task-{len(self._done) + 1}"] = ends

    def poll(self, task: object) -> Unfinished | None:
        is_done = self._api.clock.seconds >= self._done[str(task)] - 1e-6
        return None if is_done else Unfinished("PENDING", is_known=True)


@pytest.fixture(autouse=True)
def _many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_fakes, "MOST_CALLS", 10**6)


def backfill(latencies: Sequence[float], *, servers: int = 10**4, **answers: object) -> Backfill:
    rig = Rig(at_once=AT_ONCE, export_timeout_seconds=10**7)
    slow = SlowApi(rig.api, latencies, servers)
    rig.api.always |= {"submit": slow.submit, "poll": slow.poll, **answers}
    first = date(2024, 1, 1)
    days = (first + timedelta(number) for number in range(len(latencies)))
    told = rig.run(*(Export(DateWindow(day, day)) for day in days))
    assert len(told.ready) == len(latencies)
    asked = rig.api.asked("poll")
    looks = [asked.count(f"task-{number + 1}") for number in range(len(latencies))]
    return Backfill(rig.clock.seconds - 1000.0, looks)


def ideal_seconds(latencies: Sequence[float], at_once: int = AT_ONCE) -> float:
    """How long the tasks take when the next begins at the very moment at which one ends."""
    ends = [0.0] * at_once
    for latency in latencies:
        heapq.heappush(ends, heapq.heappop(ends) + latency)
    return max(ends)


def allowance(latencies: Sequence[float]) -> float:
    """The start, when nothing is known of the API; and how late the last task may be seen."""
    return 0.5 + min(max(latencies) / 5, LONGEST_PAUSE)


@pytest.mark.parametrize("exports", [AT_ONCE, 50, 120])
@pytest.mark.parametrize("latency", LATENCIES)
def test_equal_tasks_take_hardly_longer_than_the_api(latency: float, exports: int) -> None:
    latencies = [latency] * exports
    ideal = latency * math.ceil(exports / AT_ONCE)
    assert ideal == pytest.approx(ideal_seconds(latencies))
    assert backfill(latencies).seconds <= 1.1 * ideal + allowance(latencies)


@pytest.mark.parametrize("latency", LATENCIES[1:])
def test_tasks_that_differ_by_a_fifth_take_hardly_longer_than_the_api(latency: float) -> None:
    chance = random.Random(latency)
    latencies = [latency * chance.uniform(0.8, 1.2) for _ in range(120)]
    assert backfill(latencies).seconds <= 1.1 * ideal_seconds(latencies) + allowance(latencies)


@pytest.mark.parametrize("latency", LATENCIES)
def test_nobody_waits_for_the_one_in_twenty_that_takes_twenty_times_as_long(
    latency: float,
) -> None:
    chance = random.Random(latency)
    latencies = [latency * (20 if chance.random() < 0.05 else 1) for _ in range(120)]
    assert max(latencies) == 20 * latency
    assert backfill(latencies).seconds <= 1.1 * ideal_seconds(latencies) + allowance(latencies)


@pytest.mark.parametrize("latency", LATENCIES)
def test_looks_grow_with_the_logarithm_of_the_age_until_the_longest_pause(latency: float) -> None:
    found = backfill([latency] * 50)
    # Five quarters of a second, then a fifth more each time, then one a minute...
    growing = math.log(max(min(latency, 5 * LONGEST_PAUSE) / 1.25, 1), 1.2)
    most = 5 + growing + max(latency - 5 * LONGEST_PAUSE, 0) / LONGEST_PAUSE
    # ...and the two that earlier tasks advise.
    assert max(found.looks) <= math.ceil(most) + 3
    assert sum(found.looks) / len(found.looks) <= math.ceil(most) + 1


def test_an_api_that_runs_fewer_tasks_than_were_submitted_is_kept_busy_all_the_time() -> None:
    latencies = [30.0] * 60
    found = backfill(latencies, servers=2)
    assert found.seconds <= 1.1 * ideal_seconds(latencies, at_once=2) + allowance([60.0])


def test_downloads_and_conversions_take_place_while_others_wait() -> None:
    latencies = [30.0] * 60
    found = backfill(latencies, convert=Takes(12), download=Takes(1))
    # A download has its place among the exports in flight; of a conversion only the last is left.
    ideal = ideal_seconds([latency + 1 for latency in latencies])
    assert found.seconds <= 1.1 * ideal + allowance(latencies) + 2 * 12
