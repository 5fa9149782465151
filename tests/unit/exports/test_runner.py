"""Exports in flight, with a scripted API and a clock that moves only when the runner waits."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from tap_advexport.errors import AuthorizationError, ConfigError, FileError, OutputError, TaskError
from tap_advexport.exports.circuit_breaker import CircuitBreaker
from tap_advexport.exports.job import Ready, Submitted
from tap_advexport.exports.workers import ThreadWorkers
from tests.support.runner_fakes import LOST, NEVER, ODD, PENDING, Rig, Takes, Told, adopted, wanted
from tests.support.servers import wait_for

if TYPE_CHECKING:
    from collections.abc import Generator

    from tap_advexport.exports.job import Event
    from tap_advexport.windows import DateWindow

# --- When all goes well -----------------------------------------------------------------------


def test_windows_are_submitted_polled_downloaded_and_ready_in_whatever_order() -> None:
    rig = Rig()
    rig.api.script["poll"] = [PENDING, Takes(5, PENDING)]
    told = rig.run(wanted(1, 7), wanted(8, 14), wanted(15))
    assert sorted(told.ready) == ["2024-03-01..2024-03-07", "2024-03-08..2024-03-14", "2024-03-15"]
    assert told.pending == []
    assert rig.api.count("submit") == 3


def test_a_task_is_told_before_anything_else_is_told_of_it() -> None:
    told = Rig().run(wanted(1))
    assert [type(event) for event in told.events] == [Submitted, Ready]


def test_a_slow_export_holds_no_other_up() -> None:
    rig = Rig(at_once=2)
    rig.api.always["poll"] = lambda task: (
        PENDING if task == "task-1" and rig.clock.seconds < 1500 else None
    )
    told = rig.run(wanted(1), *(wanted(day) for day in range(2, 9)))
    assert told.ready[-1] == "2024-03-01"
    assert rig.api.times("submit")[-1] < 10


# --- Requests ---------------------------------------------------------------------------------


def test_a_request_that_never_ends_is_given_up_and_sent_again() -> None:
    rig = Rig(request_timeout_seconds=10)
    rig.api.script["submit"] = [Takes(NEVER)]
    rig.api.script["poll"] = [Takes(NEVER)]
    assert rig.run(wanted(1)).ready == ["2024-03-01"]
    assert rig.api.times("submit") == pytest.approx([0, 21.25])


def test_a_late_answer_to_a_request_that_was_given_up_counts_for_nothing() -> None:
    rig = Rig(request_timeout_seconds=10)
    rig.api.script["submit"] = [Takes(22)]
    rig.api.always["poll"] = Takes(30)
    told = rig.run(wanted(1))
    assert told.submitted == ["task-2"]


def test_a_download_that_never_ends_is_cut_when_the_export_time_is_over() -> None:
    rig = Rig(request_timeout_seconds=10, export_timeout_seconds=15)
    rig.api.script["download"] = [Takes(NEVER)]
    assert rig.run(wanted(1)).ready
    assert rig.api.times("download") == pytest.approx([0.25, 15.5])


@pytest.mark.parametrize("kind", ["submit", "poll", "download"])
@pytest.mark.parametrize(
    "error",
    [AuthorizationError("refused", status=401), ConfigError("api_url"), OutputError("full")],
)
def test_what_concerns_all_ends_the_run_at_once(kind: str, error: Exception) -> None:
    rig = Rig()
    rig.api.script[kind] = [error]
    with pytest.raises(type(error)):
        rig.run(*(wanted(day) for day in range(1, 9)))
    assert rig.api.count("submit") <= 2


def test_what_is_known_when_the_run_ends_by_an_error_is_still_told() -> None:
    rig = Rig()
    rig.api.script["submit"] = [None, AuthorizationError("refused", status=401)]
    told = rig.events(wanted(1), wanted(2))
    assert Told([next(told)]).submitted == ["task-1"]
    with pytest.raises(AuthorizationError):
        next(told)


def test_the_task_of_a_submission_under_way_is_still_told_when_the_run_ends_by_an_error() -> None:
    rig = Rig()
    rig.api.script["submit"] = [Takes(0.5), AuthorizationError("refused", status=401)]
    told = rig.events(wanted(1), wanted(2))
    assert Told([next(told)]).submitted == ["task-1"]
    with pytest.raises(AuthorizationError):
        next(told)


def test_nothing_is_begun_by_a_slow_reader_before_a_refusal_that_came_meanwhile() -> None:
    rig = Rig()
    rig.api.script["submit"] = [None, Takes(0.5)]
    rig.api.script["poll"] = [Takes(1, AuthorizationError("refused", status=401))]
    told = rig.events(wanted(1), wanted(2))
    for number in (1, 2):
        assert Told([next(told)]).submitted == [f"task-{number}"]
        rig.clock.seconds += 5.0
    with pytest.raises(AuthorizationError):
        next(told)
    assert rig.api.count("poll") == 1


# --- Tasks ------------------------------------------------------------------------------------


def test_a_task_in_an_unknown_state_is_waited_for_until_the_time_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(export_timeout_seconds=300)
    rig.api.always["poll"] = lambda task: ODD if task == "task-1" else None
    told = rig.run(wanted(1))
    assert told.submitted == ["task-1", "task-2"]
    assert 300 <= rig.api.times("submit")[1] < 302
    assert caplog.text.count("is in a state that is not documented, HIBERNATING") == 1


def test_a_task_that_is_stuck_is_given_up_when_its_time_is_over() -> None:
    rig = Rig(
        export_timeout_seconds=300, export_attempts=2, circuit_breaker=CircuitBreaker(succeeded=1)
    )
    rig.api.always["poll"] = PENDING
    told = rig.run(wanted(1))
    assert list(told.failed) == ["2024-03-01"]
    assert "still PENDING after 300 s" in told.failed["2024-03-01"]
    assert rig.clock.seconds - 1000 < 603


def test_a_task_that_is_done_at_the_last_look_counts() -> None:
    rig = Rig(export_timeout_seconds=300)
    rig.api.always["poll"] = lambda _: PENDING if rig.clock.seconds < 1300 else None
    assert rig.run(wanted(1)).submitted == ["task-1"]


def test_a_long_task_is_not_looked_at_more_often_than_the_interval_asks_for() -> None:
    rig = Rig(export_timeout_seconds=10800)
    rig.api.always["poll"] = lambda _: PENDING if rig.clock.seconds < 8200 else None
    rig.run(wanted(1))
    assert 120 <= rig.api.count("poll") <= 160


# --- Adoption ---------------------------------------------------------------------------------


def test_an_adopted_task_is_polled_and_not_submitted() -> None:
    rig = Rig()
    told = rig.run(adopted(1, 7))
    assert told.ready == ["2024-03-01..2024-03-07"]
    assert rig.api.asked("poll") == ["old"]
    assert rig.api.count("submit") == 0


@pytest.mark.parametrize(
    "error",
    [TaskError("HTTP 404"), AuthorizationError("refused", status=403), TaskError("FAILURE")],
    ids=["404", "403", "failure"],
)
def test_an_adopted_task_that_is_gone_is_submitted_again(error: Exception) -> None:
    rig = Rig()
    rig.api.script["poll"] = [error]
    told = rig.run(adopted(1, 7))
    assert told.abandoned == ["old"]
    assert told.submitted == ["task-1"]
    assert told.ready == ["2024-03-01..2024-03-07"]


def test_a_token_that_is_refused_with_401_is_no_matter_of_the_adopted_task() -> None:
    rig = Rig()
    rig.api.script["poll"] = [AuthorizationError("refused", status=401)]
    with pytest.raises(AuthorizationError):
        rig.run(adopted(1))


def test_an_adopted_task_has_a_fresh_time_out() -> None:
    rig = Rig(export_timeout_seconds=300)
    rig.api.always["poll"] = lambda _: PENDING if rig.clock.seconds < 1250 else None
    assert rig.run(adopted(1, hours_old=20)).ready
    rig = Rig(export_timeout_seconds=300)
    rig.api.always["poll"] = lambda task: PENDING if task == "old" else None
    assert rig.run(adopted(1, hours_old=20)).abandoned == ["old"]


def test_an_adopted_task_out_of_tries_stays_for_the_next_run() -> None:
    rig = Rig()
    rig.api.always["poll"] = lambda task: LOST if task == "old" else None
    told = rig.run(adopted(1), wanted(2))
    assert told.failed == {"2024-03-01": "the connection failed"}
    assert told.abandoned == []


# --- The end ----------------------------------------------------------------------------------


def test_a_stop_begins_nothing_new_and_tells_submissions_that_were_under_way() -> None:
    rig = Rig(at_once=3)
    rig.api.always["submit"] = Takes(0.5)
    rig.api.script["submit"] = [Takes(0.1)]
    told = []
    for event in rig.events(*(wanted(day) for day in range(1, 9))):
        told.append(event)
        rig.runner.stop()
    assert Told(told).submitted == ["task-1", "task-2", "task-3"]
    assert rig.api.count("submit") == 3
    assert rig.api.count("poll") == 0


def test_a_stop_waits_a_second_at_most() -> None:
    rig = Rig(at_once=3)
    rig.api.always["submit"] = Takes(NEVER)
    rig.api.script["submit"] = [Takes(0.1)]
    for _ in rig.events(*(wanted(day) for day in range(1, 9))):
        rig.runner.stop()
    assert rig.clock.seconds - 1000 == pytest.approx(1.1)


def test_a_file_that_is_being_converted_at_the_end_stays_open_until_that_is_over() -> None:
    """Its number would be another file's, and the reader would move the position of that one."""
    is_reading, hold = threading.Event(), threading.Event()

    def read(window: DateWindow) -> None:
        if window.first.day == 1:
            is_reading.set()
            hold.wait(10)
        else:
            # The first event comes no earlier.
            is_reading.wait(10)

    rig = Rig(workers=ThreadWorkers())
    rig.api.always["convert"] = read
    with closing(cast("Generator[Event]", rig.events(adopted(1), adopted(2)))) as events:
        next(events)
        assert is_reading.is_set()
        [source] = [job.spool for job in rig.runner.jobs if job.export.window.first.day == 1]
    assert source
    assert not source.closed
    hold.set()
    wait_for(lambda: source.closed)


# --- What is shown ----------------------------------------------------------------------------


def test_no_download_url_is_in_any_repr_or_log_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rig = Rig()
    rig.api.script["download"] = [LOST, FileError("HTTP 403"), FileError("HTML"), FileError("XML")]
    shown: list[Any] = []
    for event in rig.events(wanted(1), wanted(2)):
        shown += [repr(event), repr(rig.runner), repr(rig.runner.jobs)]
    assert "secret" not in caplog.text + "".join(shown)


@pytest.mark.parametrize(
    "task_id",
    ["a\nERROR forged line", "a\r\u2028b", "x" * 5000],
    ids=["line feed", "separators", "long"],
)
def test_an_odd_task_id_makes_no_log_line_of_its_own(
    caplog: pytest.LogCaptureFixture, task_id: str
) -> None:
    caplog.set_level(logging.DEBUG)
    rig = Rig(
        export_timeout_seconds=20, export_attempts=1, circuit_breaker=CircuitBreaker(succeeded=1)
    )
    rig.api.always["submit"] = lambda _: task_id
    rig.api.always["poll"] = ODD
    rig.run(wanted(1))
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert len(record.getMessage()) < 600
