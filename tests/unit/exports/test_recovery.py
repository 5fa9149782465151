"""What follows when something goes wrong: requests, tasks, files, days and the API itself."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from tap_advexport.api.answers import Finished
from tap_advexport.errors import (
    SUPPORT,
    AuthorizationError,
    ConfigError,
    CutFileError,
    FileError,
    IncompleteError,
    InvalidHeaderError,
    InvalidRowError,
    RejectedError,
    RequestError,
    TaskError,
)
from tap_advexport.exports.circuit_breaker import CircuitBreaker
from tap_advexport.exports.job import Ready
from tap_advexport.exports.policy import Export
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task
from tests.support.runner_fakes import (
    BAD_REQUEST,
    BUSY,
    ERROR,
    FAILURE,
    LOST,
    NO_FILE,
    NO_TASK,
    PENDING,
    Rig,
    Takes,
    Told,
    adopted,
    on_days_of,
    throttled,
    wanted,
    window,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Submit = Callable[[DateWindow], Exception | None]


@pytest.mark.parametrize("kind", ["submit", "poll"])
def test_a_lost_request_is_sent_again_with_growing_pauses(kind: str) -> None:
    rig = Rig()
    rig.api.script[kind] = [LOST, LOST, LOST]
    told = rig.run(wanted(1))
    assert told.ready
    times = rig.api.times(kind)
    assert [b - a for a, b in pairwise(times)] == [0.25, 0.5, 1.0]


def test_a_lost_download_is_sent_again_and_the_task_not_asked_for_another_url() -> None:
    rig = Rig()
    rig.api.script["download"] = [LOST]
    assert rig.run(wanted(1)).ready
    assert rig.api.count("poll") == 1


def test_a_lost_submission_is_sent_again_and_the_log_says_that_a_task_may_exist(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.api.script["submit"] = [LOST]
    assert rig.run(wanted(1)).submitted == ["task-2"]
    assert "a task may exist there all the same" in caplog.text


def test_a_request_out_of_tries_fails_the_window_unsplit_and_keeps_the_task() -> None:
    rig = Rig(request_attempts=4)
    rig.api.always["poll"] = lambda task: LOST if task == "task-1" else None
    told = rig.run(wanted(1, 7), wanted(8))
    assert told.failed == {"2024-03-01..2024-03-07": "the connection failed"}
    assert told.pending == ["task-1"]
    assert rig.api.asked("poll").count("task-1") == 4


def test_an_answer_in_between_lets_the_tries_begin_again() -> None:
    rig = Rig(request_attempts=2)
    rig.api.script["poll"] = [LOST, PENDING, LOST, PENDING, LOST, PENDING]
    assert rig.run(wanted(1)).ready


def test_a_429_slows_all_requests_as_one_however_many_are_in_flight() -> None:
    rig = Rig(at_once=8)
    rig.api.script["submit"] = [throttled()] * 8
    told = rig.run(*(wanted(day) for day in range(1, 9)))
    assert len(told.ready) == 8
    times = rig.api.times("submit")
    # Eight refusals of requests sent together are one pause, and then one request goes ahead.
    assert times[8] == 0.25
    assert rig.api.count("submit") == 16


def test_after_a_429_one_request_goes_ahead_before_the_others() -> None:
    rig = Rig(at_once=4)
    rig.api.script["submit"] = [*[throttled()] * 4, Takes(3)]
    rig.run(*(wanted(day) for day in range(1, 5)))
    times = rig.api.times("submit")
    assert times[4] == 0.25
    assert times[5] == 3.25


def test_refusals_one_after_another_make_the_pause_grow() -> None:
    rig = Rig(request_attempts=8)
    rig.api.script["submit"] = [throttled()] * 4
    rig.run(wanted(1))
    times = rig.api.times("submit")
    assert [b - a for a, b in pairwise(times)] == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(("asked_for", "paused"), [(7.0, 7.25), (86400.0, 600.25)])
@pytest.mark.parametrize("make", [throttled, lambda s: RequestError("503", retry_after_seconds=s)])
def test_what_the_server_asks_for_is_waited_and_at_most_ten_minutes(
    make: Callable[[float], RequestError], asked_for: float, paused: float
) -> None:
    rig = Rig()
    rig.api.script["poll"] = [make(asked_for)]
    rig.run(wanted(1))
    first, second = rig.api.times("poll")
    assert second - first == pytest.approx(paused)


def test_a_429_is_waited_for_no_longer_than_a_task() -> None:
    rig = Rig(export_timeout_seconds=5)
    rig.api.always["submit"] = throttled(3600)
    rig.run(wanted(1))
    assert rig.api.times("submit")[-1] < 15


def test_a_retry_after_of_one_request_that_is_no_429_stops_no_other() -> None:
    rig = Rig()
    rig.api.script["submit"] = [RequestError("503", retry_after_seconds=100)]
    told = rig.run(wanted(1), *(wanted(day) for day in range(2, 6)))
    assert told.ready[-1] == "2024-03-01"
    assert rig.api.times("submit")[-2] < 50


def test_an_api_that_only_answers_429_is_given_up() -> None:
    rig = Rig(at_once=4)
    rig.api.always["submit"] = throttled(1)
    with pytest.raises(IncompleteError):
        rig.run(*(wanted(day) for day in range(1, 20)))
    assert rig.api.count("submit") <= 4 * 7


def test_an_api_that_answers_429_from_some_moment_on_is_given_up_by_time() -> None:
    rig = Rig(at_once=4, export_timeout_seconds=900)
    rig.api.script["submit"] = [None]
    rig.api.always["submit"] = throttled()
    told = rig.run(*(wanted(day) for day in range(6, 0, -1)))
    assert told.ready == ["2024-03-06"]
    assert list(told.failed) == ["2024-03-01..2024-03-05"]
    assert told.failed["2024-03-01..2024-03-05"].endswith("run again later")
    assert rig.clock.seconds - 1000 < 3 * 900


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("task_seconds", [1, 150])
def test_an_api_that_takes_one_submission_a_minute_is_slow_and_not_down(
    task_seconds: float, at_once: int
) -> None:
    rig = Rig(at_once=at_once)
    accepted: list[float] = []

    def submit(_: object) -> object:
        if accepted and rig.clock.seconds < accepted[-1] + 60:
            return throttled()
        accepted.append(rig.clock.seconds)
        return None

    def poll(_: object) -> object:
        begun = accepted[len(rig.api.windows) - 1 :] or accepted[-1:]
        return PENDING if rig.clock.seconds < begun[0] + task_seconds else None

    rig.api.always |= {"submit": submit, "poll": poll}
    told = rig.run(*(wanted(day) for day in range(7, 0, -1)))
    assert len(told.ready) == 7
    assert rig.api.count("submit") <= 7 + 4 * 7


class OneAtATime:
    """Runs so many tasks at once, for a while each, and refuses all others."""

    def __init__(self, rig: Rig, error: Exception, seconds: float, most: int = 1) -> None:
        self._rig, self._error, self._seconds, self._most = rig, error, seconds, most
        self._ends: dict[str, float] = {}

    def submit(self, _: object) -> object:
        now = self._rig.clock.seconds
        if sum(end > now for end in self._ends.values()) >= self._most:
            return self._error
        self._ends[f"task-{len(self._rig.api.windows)}"] = now + self._seconds
        return None

    def poll(self, task: object) -> object:
        return PENDING if self._rig.clock.seconds < self._ends[str(task)] else None


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("seconds", [1, 40, 600])
@pytest.mark.parametrize(
    "error",
    [BAD_REQUEST, ERROR, throttled(), AuthorizationError("HTTP 403", status=403), BUSY],
    ids=["400", "ERROR", "429", "403", "200"],
)
def test_one_task_at_a_time_brings_all_days_with_few_submissions_in_vain(
    error: Exception, seconds: float, most: int
) -> None:
    rig = Rig(at_once=4)
    api = OneAtATime(rig, error, seconds, most)
    rig.api.always |= {"submit": api.submit, "poll": api.poll}
    told = rig.run(*(week(number) for number in range(7, 0, -1)))
    assert sorted(told.ready) == [str(week(number).window) for number in range(1, 8)]
    assert rig.api.count("submit") <= 3 * 7
    assert rig.clock.seconds - 1000 < 1.5 * 7 * seconds / most + 60


def week(number: int) -> Export:
    first = date(2024, 1, 1) + timedelta(weeks=number)
    return Export(DateWindow(first, first + timedelta(days=6)))


def before(day: date, error: RejectedError) -> Callable[[DateWindow], object]:
    """Refuse windows that hold days before this one."""
    return lambda window: error if window.first < day else None


@pytest.mark.parametrize("error", [BAD_REQUEST, ERROR], ids=["400", "ERROR"])
@pytest.mark.parametrize("kept", [date(2026, 8, 23), date(2026, 8, 24), date(2026, 8, 27)])
def test_a_start_three_years_before_what_is_kept_brings_all_there_is_with_few_refusals(
    kept: date, error: RejectedError
) -> None:
    rig = Rig(at_once=4)
    submit = before(kept, error)
    rig.api.always |= {"submit": submit, "poll": Takes(0.5)}
    last = date(2026, 11, 25)
    ends = [last - timedelta(weeks=number) for number in range(170)]
    told = rig.run(*(Export(DateWindow(end - timedelta(days=6), end)) for end in ends))
    came = [event.window for event in told.events if isinstance(event, Ready)]
    assert min(window.first for window in came) == kept
    assert sum(window.days for window in came) == (last - kept).days + 1
    refused = [asked for asked in rig.api.asked("submit") if date.fromisoformat(asked[:10]) < kept]
    # An ERROR may be one of a moment, and is tried three times until it has taught.
    assert len(refused) <= (30 if error is BAD_REQUEST else 45)
    [(window, reason)] = told.failed.items()
    assert window == f"{ends[-1] - timedelta(days=6)}..{kept - timedelta(days=1)}"
    assert reason == (
        f"the API refuses these days: {error.said}; newer days work: set start_date to {kept}"
    )


@pytest.mark.parametrize("end", [None, FAILURE], ids=["finished", "failed"])
def test_a_task_that_ends_while_a_refusal_is_on_its_way_may_be_its_reason(
    end: Exception | None,
) -> None:
    rig = Rig(at_once=2)
    rig.api.script["submit"] = [None, Takes(5, BAD_REQUEST)]
    rig.api.script["poll"] = [end]
    told = rig.run(wanted(3, 4), wanted(1, 2))
    assert sorted(told.ready) == ["2024-03-01..2024-03-02", "2024-03-03..2024-03-04"]
    assert rig.api.count("submit") == 3 + (end is not None)


def test_the_id_of_a_task_that_is_under_way_is_not_taken_for_an_answer() -> None:
    """An API that answers with the task it is busy with; the file of an empty day fits any days."""
    rig = Rig(at_once=4)
    ends_at = [0.0]

    def submit(_: object) -> object:
        is_busy = rig.clock.seconds < ends_at[0]
        ends_at[0] = ends_at[0] if is_busy else rig.clock.seconds + 10
        return f"task-{ends_at[0]:.0f}"

    def poll(_: object) -> object:
        return PENDING if rig.clock.seconds < ends_at[0] else None

    rig.api.always |= {"submit": submit, "poll": poll}
    told = rig.run(*(week(number) for number in range(7, 0, -1)))
    assert sorted(told.ready) == [str(week(number).window) for number in range(1, 8)]
    assert len(set(told.submitted)) == len(told.submitted) == 7
    assert rig.api.count("submit") <= 3 * 7


def test_the_id_of_another_report_is_never_taken_for_an_answer() -> None:
    rig = Rig(at_once=2)
    for number in range(1, 8):
        task = Task("task", window(1, 7), rig.clock.now())
        rig.known_tasks.note(replace(task, task_id=f"task-{number}"), Interval.HOURLY)
    rig.api.always["submit"] = lambda _: "task-1"
    told = rig.run(wanted(1, 2))
    assert told.ready == []
    [reason] = told.failed.values()
    assert "it gives the task of hourly 2024-03-01..2024-03-07 once more" in reason


# A task of the API that fills its limit of one, although no job of the run holds it.


def busy_until(rig: Rig, seconds: float, refusal: Exception) -> Callable[[object], object]:
    """Refuse submissions until so many seconds after the start of the rig's clock."""
    return lambda _: refusal if rig.clock.seconds - 1000 < seconds else None


def assert_all_came(rig: Rig, told: Told, most: int) -> None:
    assert sorted(told.ready) == ["2024-03-01..2024-03-07", "2024-03-08..2024-03-14"]
    assert told.failed == {}
    assert rig.api.count("submit") <= most


@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST], ids=["ERROR", "400"])
@pytest.mark.parametrize("at_once", [1, 4])
def test_a_slot_that_is_freed_a_while_after_success_costs_time(
    error: Exception, at_once: int
) -> None:
    rig = Rig(at_once=at_once)
    free_at = [0.0]

    def submit(_: object) -> object:
        return error if rig.clock.seconds < free_at[0] else None

    def poll(_: object) -> object:
        free_at[0] = rig.clock.seconds + 1.0
        return None

    rig.api.always["submit"], rig.api.always["poll"] = submit, poll
    assert_all_came(rig, rig.run(wanted(8, 14), wanted(1, 7)), 6)


@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST], ids=["ERROR", "400"])
def test_a_submission_whose_answer_was_lost_may_have_made_a_task(error: Exception) -> None:
    rig = Rig(at_once=1)
    rig.api.always["submit"] = busy_until(rig, 40, error)
    rig.api.script["submit"] = [LOST]
    assert_all_came(rig, rig.run(wanted(8, 14), wanted(1, 7)), 12)


class Slow:
    """An API that takes one task at a time, each for some seconds.

    Of the third task, either the answer is lost or it never ends.
    """

    def __init__(
        self, rig: Rig, seconds: float, refusal: Exception, *, is_lost: bool, is_stuck: bool
    ) -> None:
        self._rig, self._seconds, self._refusal = rig, seconds, refusal
        self._is_lost, self._is_stuck = is_lost, is_stuck
        self._ends_at: dict[str, float] = {}
        rig.api.always["submit"], rig.api.always["poll"] = self.submit, self.poll

    def submit(self, _: DateWindow) -> object:
        now = self._rig.clock.seconds
        if any(end > now for end in self._ends_at.values()):
            return self._refusal
        is_third = len(self._ends_at) == 2
        seconds = float("inf") if is_third and self._is_stuck else self._seconds
        self._ends_at[f"task-{len(self._rig.api.windows)}"] = now + seconds
        return LOST if is_third and self._is_lost else None

    def poll(self, task: str) -> object:
        return PENDING if self._ends_at[task] > self._rig.clock.seconds else None


@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST, throttled()], ids=["ERROR", "400", "429"])
@pytest.mark.parametrize("seconds", [100, 300, 900])
@pytest.mark.parametrize("at_once", [1, 4])
def test_a_lost_answer_costs_no_day_however_long_tasks_take(
    error: Exception, seconds: float, at_once: int
) -> None:
    rig = Rig(at_once=at_once, request_attempts=8, export_timeout_seconds=10800)
    Slow(rig, seconds, error, is_lost=True, is_stuck=False)
    told = rig.run(*(wanted(day) for day in range(15, 0, -1)))
    assert len(told.ready) == 15
    assert rig.api.count("submit") < 110


@pytest.mark.parametrize("at_once", [4, 32])
def test_a_limit_that_says_how_long_to_wait_costs_no_day(at_once: int) -> None:
    rig = Rig(at_once=at_once, request_attempts=8, export_timeout_seconds=10800)
    Slow(rig, 1200, throttled(60), is_lost=False, is_stuck=False)
    told = rig.run(*(wanted(day) for day in range(31, 0, -1)))
    assert len(told.ready) == 31
    assert rig.api.count("submit") < 110


def test_a_limit_that_a_stuck_task_fills_is_not_told_as_the_age_of_the_days() -> None:
    rig = Rig(at_once=4, export_timeout_seconds=1000)
    Slow(rig, 300, BAD_REQUEST, is_lost=False, is_stuck=True)
    told = rig.run(*(wanted(day) for day in range(15, 0, -1)))
    assert len(told.ready) == 2
    assert all("still counts a task" in said for said in told.failed.values())


def test_a_token_that_has_not_worked_yet_is_told_at_once_whatever_may_be_open() -> None:
    rig = Rig(at_once=1)
    rig.unseen_tasks.may_exist(rig.clock.seconds)
    rig.api.always["submit"] = AuthorizationError("refused", status=403)
    with pytest.raises(AuthorizationError):
        rig.run(wanted(1))
    assert rig.clock.seconds == 1000


def test_a_task_that_took_too_long_goes_on_at_the_api() -> None:
    rig = Rig(at_once=1, export_timeout_seconds=3)
    rig.api.always["submit"] = lambda _: BAD_REQUEST if 1 < rig.clock.seconds - 1000 < 30 else None
    rig.api.always["poll"] = lambda task: PENDING if task == "task-1" else None
    assert_all_came(rig, rig.run(wanted(8, 14), wanted(1, 7)), 14)


def test_tasks_of_earlier_runs_and_of_other_reports_may_fill_a_limit() -> None:
    rig = Rig(at_once=1)
    rig.unseen_tasks.may_exist(rig.clock.seconds)
    rig.api.always["submit"] = busy_until(rig, 60, BAD_REQUEST)
    assert_all_came(rig, rig.run(wanted(8, 14), wanted(1, 7)), 14)


BAD_DAYS = [
    *[bad for count in (1, 2, 3) for bad in combinations(range(15, 22), count)],
    *[tuple(range(a, b)) for a in range(8, 22) for b in range(a + 4, min(a + 7, 22))],
]


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST, FAILURE], ids=["ERROR", "400", "FAILURE"])
@pytest.mark.parametrize(
    ("days", "blocks"), [(7, BAD_DAYS), (28, BAD_DAYS[-30::3]), (1, BAD_DAYS[-30::3])]
)
def test_refused_days_cost_themselves_and_no_other(
    error: Exception, at_once: int, days: int, blocks: list[tuple[int, ...]]
) -> None:
    """All that lie in one window, and rows that go over the border of two."""
    for bad in blocks:
        rig = Rig(at_once=at_once)
        fails = on_days_of(error, *map(str, bad))
        if error is FAILURE:
            rig.api.always["poll"] = failing_tasks(rig, fails)
        else:
            rig.api.always["submit"] = fails
        told = rig.run(*(wanted(last - days + 1, last) for last in range(28, 0, -days)))
        came = [event.window for event in told.events if isinstance(event, Ready)]
        assert sum(window.days for window in came) == 28 - len(bad), bad
        assert rig.api.count("submit") <= 28 + 4 * len(bad) + 14, bad


def failing_tasks(rig: Rig, fails: Callable[[DateWindow], object]) -> Callable[[str], object]:
    return lambda task: fails(rig.api.windows[task])


@pytest.mark.parametrize("at_once", [1, 4, 16])
@pytest.mark.parametrize("days", [1, 7])
def test_years_of_failing_tasks_are_given_up_in_whatever_order_they_end(
    at_once: int, days: int
) -> None:
    rig = Rig(at_once=at_once)
    kept = date(2024, 1, 10)
    random = Random(7)
    rig.api.always["poll"] = lambda task: Takes(
        random.uniform(0.1, 4), None if rig.api.windows[task].first >= kept else FAILURE
    )
    lasts = [date(2024, 4, 1) - timedelta(days=days * number) for number in range(365 // days)]
    told = rig.run(*(Export(DateWindow(end - timedelta(days=days - 1), end)) for end in lasts))
    came = [event.window for event in told.events if isinstance(event, Ready)]
    assert sum(window.days for window in came) == (date(2024, 4, 1) - kept).days + 1
    assert rig.api.count("submit") <= 500


@pytest.mark.parametrize("days", [1, 7])
@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST], ids=["ERROR", "400"])
def test_a_task_that_nobody_sees_costs_no_day_after_bad_days_told_in_the_same_words(
    error: Exception, at_once: int, days: int
) -> None:
    """One task at a time; a lost answer has made one, which runs for half a minute."""
    rig = Rig(at_once=at_once)
    busy_until, lost = [0.0], [False]
    bad = {date(2024, 3, 20), date(2024, 3, 10), date(2024, 2, 25)}

    def submit(of: DateWindow) -> object:
        if rig.clock.seconds < busy_until[0] or any(day in of for day in bad):
            return error
        if of.first < date(2024, 2, 10) and not lost[0]:
            lost[0] = True
            busy_until[0] = rig.clock.seconds + 30
            return LOST
        return None

    rig.api.always["submit"] = submit
    lasts = [date(2024, 3, 28) - timedelta(days=days * number) for number in range(84 // days)]
    told = rig.run(*(Export(DateWindow(end - timedelta(days=days - 1), end)) for end in lasts))
    assert lost[0]
    assert sorted(told.failed) == sorted(map(str, bad))


def test_refusals_that_come_late_do_not_stop_days_that_are_older_than_those_that_came() -> None:
    rig = Rig(at_once=8)
    bad = {20, 21, 23, 24, 29, 35, 38, 40, 41, 49, 50, 51, 53, 54, 55, 57}
    first = date(2024, 1, 1)
    # Tasks end in an order by which many of the newer days are refused after older ones came.
    random = Random(696754)

    def submit(of: DateWindow) -> object:
        return BAD_REQUEST if (of.first - first).days in bad else None

    rig.api.always |= {"submit": submit, "poll": lambda _: Takes(random.uniform(0, 60))}
    days = [first + timedelta(days=number) for number in range(59, -1, -1)]
    told = rig.run(*(Export(DateWindow(day, day)) for day in days))
    assert len(told.ready) == 60 - len(bad)


@pytest.mark.parametrize("days", [90, 366])
def test_a_long_window_is_not_asked_for_day_by_day(days: int) -> None:
    rig = Rig(at_once=4)
    last = date(2024, 12, 31)
    bad = {last - timedelta(days=days + offset) for offset in (-1, 0, 1)}
    rig.api.always["submit"] = lambda of: BAD_REQUEST if any(day in of for day in bad) else None
    ends = [last - timedelta(days=days * number) for number in range(2)]
    told = rig.run(*(Export(DateWindow(end - timedelta(days=days - 1), end)) for end in ends))
    came = [event.window for event in told.events if isinstance(event, Ready)]
    assert sum(window.days for window in came) == 2 * days - len(bad)
    assert rig.api.count("submit") <= 80


def test_an_api_that_answers_400_to_all_is_given_up_though_it_had_tasks_of_an_earlier_run() -> None:
    """Each of these may go on there and fill a limit; that is waited for three times."""
    rig = Rig(at_once=4)
    rig.api.always |= {"submit": BAD_REQUEST, "poll": TaskError("HTTP 400: down")}
    tasks = [
        Export(window(day), task=Task(f"old-{day}", window(day), rig.clock.now()), is_adopted=True)
        for day in range(28, 8, -1)
    ]
    told = rig.run(*tasks)
    assert told.ready == []
    assert rig.api.count("submit") <= 60
    assert rig.clock.seconds - 1000 < 900


def test_lost_answers_among_limits_told_with_a_200_come_to_an_end() -> None:
    rig = Rig(at_once=4)
    number = [0]

    def submit(of: DateWindow) -> object:
        if of.first > date(2024, 3, 20):
            return None
        number[0] += 1
        return LOST if number[0] % 2 else BUSY

    rig.api.always["submit"] = submit
    rig.run(*the_month())
    assert rig.api.count("submit") <= 250
    assert rig.clock.seconds - 1000 < 1800


def test_days_whose_tasks_fail_do_not_stop_older_ones() -> None:
    rig = Rig(at_once=4)
    fails = on_days_of(FAILURE, *map(str, range(12, 27)))
    rig.api.always["poll"] = failing_tasks(rig, fails)
    told = rig.run(*(wanted(day) for day in range(28, 0, -1)))
    assert len(told.ready) == 13
    [(window, reason)] = told.failed.items()
    assert window == "2024-03-12..2024-03-26"
    assert "the API cannot make this report: FAILURE" in reason
    assert "start_date" not in reason


def slot_freed_late(rig: Rig, lag_seconds: float, refusal: Callable[[], Exception]) -> Submit:
    """One task at a time; its slot is free some seconds after it is shown as finished."""
    free_at = [0.0]

    def poll(_: object) -> object:
        free_at[0] = rig.clock.seconds + lag_seconds
        return None

    rig.api.always["poll"] = poll
    return lambda _: refusal() if rig.clock.seconds < free_at[0] else None


def the_month() -> list[Export]:
    return [wanted(day) for day in range(28, 0, -1)]


@pytest.mark.parametrize("lag_seconds", [0.5, 1, 2, 4])
@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST], ids=["ERROR", "400"])
@pytest.mark.parametrize("days", [1, 7])
def test_a_bad_day_told_in_the_words_of_a_limit_costs_that_day_alone(
    error: Exception, lag_seconds: float, days: int
) -> None:
    rig = Rig(at_once=4)
    is_busy = slot_freed_late(rig, lag_seconds, lambda: error)
    is_bad = on_days_of(error, "24")
    rig.api.always["submit"] = lambda of: is_bad(of) or is_busy(of)
    told = rig.run(*(wanted(last - days + 1, last) for last in range(28, 0, -days)))
    assert list(told.failed) == ["2024-03-24"]


def test_a_limit_told_with_a_number_that_differs_each_time_is_one_limit() -> None:
    rig = Rig(at_once=4)

    def refusal() -> Exception:
        said = f"HTTP 400: one export at a time, request_id=a{len(rig.api.calls)}-7f"
        return RejectedError(said, refusal="HTTP 400", said=said)

    rig.api.always["submit"] = slot_freed_late(rig, 8, refusal)
    told = rig.run(*the_month()[:12])
    assert (len(told.ready), told.failed) == (12, {})


@pytest.mark.parametrize("lag_seconds", [0.3, 1, 2, 4])
@pytest.mark.parametrize("at_once", [1, 4])
def test_a_limit_told_with_a_200_may_last_a_moment_longer_than_its_task(
    lag_seconds: float, at_once: int
) -> None:
    rig = Rig(at_once=at_once)
    rig.api.always["submit"] = slot_freed_late(rig, lag_seconds, lambda: BUSY)
    told = rig.run(*the_month())
    assert (len(told.ready), told.failed) == (28, {})


@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST], ids=["ERROR", "400"])
def test_refusals_among_lost_answers_come_to_an_end(error: Exception) -> None:
    """Each lost answer may have made a task that fills a limit, so a refusal waits for it."""
    rig = Rig(at_once=4)
    old = before(date(2024, 3, 15), cast("RejectedError", error))
    is_lost = [False]

    def submit(of: DateWindow) -> object:
        if old(of):
            is_lost[0] = not is_lost[0]
        return LOST if is_lost[0] else old(of)

    rig.api.always["submit"] = submit
    told = rig.run(*(wanted(last - 6, last) for last in (28, 21, 14, 7)))
    assert sorted(told.ready) == ["2024-03-15..2024-03-21", "2024-03-22..2024-03-28"]
    assert rig.api.count("submit") <= 150
    assert rig.clock.seconds - 1000 < 1800


def test_an_api_that_knows_no_day_and_loses_every_other_answer_is_given_up() -> None:
    rig = Rig(at_once=4)
    is_lost = [False]

    def submit(_: object) -> object:
        is_lost[0] = not is_lost[0]
        return LOST if is_lost[0] else BAD_REQUEST

    rig.api.always["submit"] = submit
    told = rig.run(*the_month())
    assert (told.ready, list(told.failed)) == ([], ["2024-03-01..2024-03-28"])
    assert rig.api.count("submit") <= 150
    assert rig.clock.seconds - 1000 < 1800


def test_one_refused_day_costs_one_day() -> None:
    rig = Rig(at_once=4)
    rig.api.always["submit"] = on_days_of(BAD_REQUEST, "9")
    told = rig.run(*(wanted(day - 6, day) for day in (28, 21, 14, 7)))
    assert told.failed == {"2024-03-09": "the API refuses these days: HTTP 400 too old"}


def test_days_that_are_refused_in_vain_do_not_stop_older_ones_that_work() -> None:
    rig = Rig(at_once=2)
    rig.api.always["submit"] = on_days_of(BAD_REQUEST, "9", "10", "11")
    told = rig.run(*(wanted(day) for day in range(28, 0, -1)))
    assert list(told.failed) == ["2024-03-09..2024-03-11"]
    assert len(told.ready) == 25


def test_a_dead_proxy_is_one_line_and_quick(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    rig = Rig(at_once=4, request_attempts=8)
    rig.api.always["submit"] = RequestError(
        "the proxy does not connect", is_setup=True, has_arrived=False, advice="check HTTPS_PROXY"
    )
    with pytest.raises(ConfigError, match="the proxy does not connect; check HTTPS_PROXY"):
        rig.run(*(wanted(day) for day in range(7, 0, -1)))
    assert rig.clock.seconds - 1000 < 2
    assert not caplog.text


def test_only_what_may_have_arrived_is_said_to_have_left_a_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    rig.api.script["submit"] = [RequestError("the connection is refused", has_arrived=False)]
    rig.run(wanted(1))
    assert "a task may exist" not in caplog.text


def test_a_task_that_fails_is_submitted_again_and_let_go() -> None:
    rig = Rig()
    rig.api.script["poll"] = [TaskError("FAILURE")]
    told = rig.run(wanted(1))
    assert told.abandoned == ["task-1"]
    assert told.submitted == ["task-1", "task-2"]
    assert told.ready


@pytest.mark.parametrize("kind", ["submit", "poll"])
def test_a_window_whose_tasks_fail_is_split_down_to_the_bad_day(kind: str) -> None:
    breaker = CircuitBreaker(succeeded=1)
    rig = Rig(at_once=2, export_attempts=2, circuit_breaker=breaker)
    fails = on_days_of(ERROR if kind == "submit" else TaskError("stuck"), "3")

    def answer(of: object) -> object:
        return fails(rig.api.windows[of] if isinstance(of, str) else cast("DateWindow", of))

    rig.api.always[kind] = answer
    told = rig.run(wanted(1, 7))
    assert list(told.failed) == ["2024-03-03"]
    assert sorted(told.ready) == ["2024-03-01", "2024-03-02", "2024-03-04..2024-03-07"]


def late(rig: Rig, seconds: float, error: object) -> Callable[[object], object]:
    """What is asked for is not visible before so many seconds are over."""
    return lambda _: error if rig.clock.seconds < 1000.0 + seconds else None


@pytest.mark.parametrize("seconds", [0.3, 1.5, 20, 110])
@pytest.mark.parametrize(
    ("kind", "error"), [("poll", NO_TASK), ("poll", Finished(None)), ("download", NO_FILE)]
)
def test_what_becomes_visible_within_two_minutes_takes_one_submission(
    kind: str, error: object, seconds: float
) -> None:
    rig = Rig()
    rig.api.always[kind] = late(rig, seconds, error)
    told = rig.run(wanted(1, 7), wanted(8, 14))
    assert len(told.ready) == 2
    assert rig.api.count("submit") == 2
    assert rig.clock.seconds - 1000 < 2 * seconds + 2


@pytest.mark.parametrize(
    ("kind", "error"), [("poll", NO_TASK), ("poll", Finished(None)), ("download", NO_FILE)]
)
def test_what_stays_invisible_is_submitted_again_after_two_minutes(
    kind: str, error: object
) -> None:
    rig = Rig()
    rig.api.always[kind] = lambda of: error if "task-1" in str(of) else None
    told = rig.run(wanted(1))
    assert told.submitted == ["task-1", "task-2"]
    assert told.abandoned == ["task-1"]
    times = [at for at in rig.api.times("poll") if at < 120.5]
    pauses = [b - a for a, b in pairwise(times)]
    assert len(times) <= 14
    assert pauses[1:6] == [0.25, 0.5, 1.0, 2.0, 4.0][: len(pauses[1:6])] or pauses[:5] == sorted(
        pauses[:5]
    )
    assert 120 <= rig.api.times("submit")[1] < 122


def test_an_adopted_task_that_is_unknown_is_submitted_again_at_once() -> None:
    rig = Rig()
    rig.api.script["poll"] = [NO_TASK]
    rig.run(adopted(1))
    assert rig.api.times("submit")[0] < 1


@pytest.mark.parametrize("kind", ["download", "convert"])
@pytest.mark.parametrize("error", [FileError("HTTP 403"), CutFileError("cut")])
def test_a_file_that_is_none_is_downloaded_from_a_fresh_url(kind: str, error: Exception) -> None:
    rig = Rig()
    rig.api.script[kind] = [error]
    told = rig.run(wanted(1))
    assert told.submitted == ["task-1"]
    assert rig.api.asked("poll") == ["task-1", "task-1"]
    assert told.ready


def test_fresh_urls_in_vain_lead_to_another_task_and_then_to_a_split() -> None:
    rig = Rig(export_attempts=2, circuit_breaker=CircuitBreaker(succeeded=1))
    rig.api.always["convert"] = on_days_of(CutFileError("cut"), "1")
    told = rig.run(wanted(1, 2))
    assert told.ready == ["2024-03-02"]
    assert told.failed == {"2024-03-01": f"task task-5: cut; {SUPPORT}"}
    assert rig.api.count("download") == 3 * 2 * 2 + 1


def test_an_invalid_row_is_submitted_again_once_then_split_down_to_its_day() -> None:
    rig = Rig(circuit_breaker=CircuitBreaker(succeeded=1))
    rig.api.always["convert"] = on_days_of(InvalidRowError("line 7, column clicks_aggr"), "4")
    told = rig.run(wanted(1, 7))
    assert told.failed == {"2024-03-04": f"task task-11: line 7, column clicks_aggr; {SUPPORT}"}
    assert sorted(told.ready) == ["2024-03-01..2024-03-03", "2024-03-05", "2024-03-06..2024-03-07"]
    assert rig.api.asked("submit").count("2024-03-01..2024-03-07") == 2


def test_with_one_export_at_a_time_an_invalid_newest_day_costs_that_day() -> None:
    rig = Rig(at_once=1)
    rig.api.always["convert"] = on_days_of(InvalidRowError("line 7, column clicks_aggr"), "14")
    told = rig.run(wanted(8, 14), wanted(1, 7))
    assert list(told.failed) == ["2024-03-14"]
    healthy = ["2024-03-01..2024-03-07", "2024-03-08..2024-03-10", "2024-03-11..2024-03-12"]
    assert sorted(told.ready) == [*healthy, "2024-03-13"]


def test_an_invalid_header_is_submitted_again_once_then_the_run_ends_without_a_split() -> None:
    rig = Rig()
    rig.api.always["convert"] = InvalidHeaderError("column cr is missing")
    with pytest.raises(InvalidHeaderError) as caught:
        rig.run(wanted(1, 7))
    days = "daily 2024-03-01..2024-03-07"
    assert str(caught.value) == f"{days}: task task-2: column cr is missing; {SUPPORT}"
    assert rig.api.asked("submit") == ["2024-03-01..2024-03-07"] * 2


@pytest.mark.parametrize("at_once", [1, 4, 32])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("submit", LOST),
        ("poll", FAILURE),
        ("poll", NO_TASK),
        ("poll", PENDING),
        ("poll", LOST),
        ("download", FileError("HTML")),
        ("download", NO_FILE),
        ("convert", CutFileError("cut")),
        ("convert", InvalidRowError("line 2")),
    ],
)
def test_an_api_that_is_down_is_not_asked_for_ever(kind: str, error: object, at_once: int) -> None:
    rig = Rig(at_once=at_once, export_timeout_seconds=130)
    rig.api.always[kind] = error
    with pytest.raises(IncompleteError) as caught:
        rig.run(*(wanted(1, 28) for _ in range(200)))
    assert "the API does not work" in str(caught.value)
    assert "\n" not in str(caught.value)
    # Requests that are lost may be an outage of a moment, which is waited for.
    most = 4 * at_once if kind == "submit" else 44 + 3 * at_once
    assert rig.api.count("submit") <= most
    assert rig.circuit_breaker.is_given_up


def test_the_cause_is_told_where_the_exports_of_another_report_have_failed() -> None:
    first = Rig(at_once=2, request_attempts=1)
    first.api.always["submit"] = LOST
    first.run(wanted(1), wanted(2))
    second = Rig(at_once=2, circuit_breaker=first.circuit_breaker)
    with pytest.raises(IncompleteError, match=r"2 exports failed .*: the connection failed"):
        second.run(wanted(3))
    assert second.api.calls == []


@pytest.mark.parametrize("at_once", [1, 4, 32])
@pytest.mark.parametrize("error", [ERROR, BAD_REQUEST], ids=["ERROR", "400"])
def test_an_api_that_refuses_everything_gets_a_few_dozen_submissions(
    error: Exception, at_once: int
) -> None:
    rig = Rig(at_once=at_once)
    rig.api.always["submit"] = error
    days = range(28, 0, -7)
    told = rig.run(*(wanted(max(day - 6, 1), day) for day in days))
    assert len(told.failed) == 1
    assert "the API refuses these days" in told.failed["2024-03-01..2024-03-28"]
    # All days of the newest window are asked for: one refused day costs one day.
    assert rig.api.count("submit") <= 26 + at_once


def test_tasks_that_are_revoked_twice_and_then_work_fail_no_window_however_many() -> None:
    rig = Rig(at_once=32)
    seen: dict[str, int] = {}

    def poll(task: object) -> object:
        window = str(rig.api.windows[str(task)])
        seen[window] = seen.get(window, 0) + 1
        return TaskError("its state is REVOKED") if seen[window] <= 2 else None

    rig.api.always["poll"] = poll
    told = rig.run(*(wanted(day) for day in range(31, 0, -1)))
    assert len(told.ready) == 31
    assert not told.failed


def test_exports_under_way_are_ended_before_a_broken_api_ends_the_run() -> None:
    rig = Rig(at_once=2, request_attempts=1)
    rig.api.always["submit"] = lambda window: None if window.first.day == 1 else LOST
    rig.api.always["poll"] = Takes(50)
    told = rig.run(*(wanted(day) for day in range(1, 6)))
    assert "2024-03-01" in told.ready


def test_one_success_lets_every_other_window_have_its_turn() -> None:
    rig = Rig(at_once=2, request_attempts=1)
    rig.api.always["submit"] = lambda window: None if window.first.day == 1 else LOST
    told = rig.run(*(wanted(day) for day in range(1, 20)))
    assert len(told.failed) == 18


@pytest.mark.parametrize(("attempts", "submissions"), [(1, 2), (3, 3)])
def test_what_may_have_made_a_task_is_tried_as_often_as_an_export_and_not_split(
    attempts: int, submissions: int
) -> None:
    rig = Rig(circuit_breaker=CircuitBreaker(succeeded=1), export_attempts=attempts)
    rig.api.always["submit"] = RequestError("odd", is_accepted=True)
    assert list(rig.run(wanted(1, 7)).failed) == ["2024-03-01..2024-03-07"]
    assert rig.api.count("submit") == submissions
