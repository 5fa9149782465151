"""An export in flight as a value, and when a whole run has seen enough."""

from __future__ import annotations

import io

import pytest

from tap_advexport.exports.job import (
    SETBACKS_PER_ATTEMPT,
    CircuitBreaker,
    ExportJob,
    Phase,
    Ready,
    task_of,
)
from tap_advexport.records.convert import Converted
from tests.support.runner_fakes import adopted, wanted, window


def test_an_api_is_broken_when_as_many_exports_failed_as_may_be_in_flight() -> None:
    assert not CircuitBreaker(failed=3).is_broken(4)
    assert CircuitBreaker(failed=4).is_broken(4)
    assert not CircuitBreaker(failed=400, succeeded=1).is_broken(4)


@pytest.mark.parametrize(
    ("breaker", "is_probing"),
    [
        (CircuitBreaker(), False),
        (CircuitBreaker(setbacks=3), False),
        (CircuitBreaker(setbacks=4), True),
        (CircuitBreaker(is_doubtful=True), True),
        (CircuitBreaker(is_doubtful=True, setbacks=4, succeeded=1), False),
    ],
)
def test_where_nothing_worked_one_task_at_a_time_is_enough_to_see(
    breaker: CircuitBreaker, *, is_probing: bool
) -> None:
    assert breaker.is_probing(4) == is_probing


def test_with_many_in_flight_a_dozen_setbacks_are_enough_to_probe() -> None:
    assert not CircuitBreaker(setbacks=SETBACKS_PER_ATTEMPT - 1).is_probing(32)
    assert CircuitBreaker(setbacks=SETBACKS_PER_ATTEMPT).is_probing(32)


def test_a_few_dozen_tasks_that_came_to_nothing_are_hopeless() -> None:
    assert not CircuitBreaker(setbacks=39).is_hopeless(attempts=3, limit=4)
    assert CircuitBreaker(setbacks=40).is_hopeless(attempts=3, limit=4)
    assert not CircuitBreaker(setbacks=4000, succeeded=1).is_hopeless(attempts=3, limit=4)


@pytest.mark.parametrize(
    ("phase", "work", "finished_at", "is_open"),
    [
        (Phase.SUBMIT, None, None, False),
        (Phase.SUBMIT, 7, None, True),
        (Phase.POLL, None, None, True),
        # Finished without a URL: it is no load to the API any more.
        (Phase.POLL, 7, 1.0, False),
        (Phase.DOWNLOAD, 7, 1.0, False),
        (Phase.CONVERT, 7, 1.0, False),
        (Phase.READY, None, 1.0, False),
    ],
)
def test_a_task_is_open_while_the_api_has_or_may_have_it_unfinished(
    phase: Phase, work: int | None, finished_at: float | None, *, is_open: bool
) -> None:
    job = ExportJob(wanted(1), phase, 0.0, work=work, finished_at=finished_at)
    assert job.is_open == is_open


def test_a_job_is_shown_by_its_days_and_phase_alone() -> None:
    job = ExportJob(adopted(1, 7), Phase.DOWNLOAD, 0.0, url="https://h/f?secret")
    assert repr(job) == "ExportJob(2024-03-01..2024-03-07, DOWNLOAD)"


def test_only_what_was_submitted_has_a_task() -> None:
    assert task_of(ExportJob(adopted(1), Phase.POLL, 0.0)).task_id == "old"
    with pytest.raises(AssertionError, match="2024-03-01, SUBMIT"):
        task_of(ExportJob(wanted(1), Phase.SUBMIT, 0.0))


def test_what_is_ready_is_of_the_days_of_its_task() -> None:
    task = task_of(ExportJob(adopted(1, 7), Phase.READY, 0.0))
    converted = Converted((), 0, (), is_time_ordered=True)
    ready = Ready(task, io.BytesIO(), converted, 10, release=lambda: None)
    assert ready.window == window(1, 7)
