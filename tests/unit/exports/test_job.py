"""An export in flight as a value."""

from __future__ import annotations

import io

import pytest

from tap_advexport.exports.job import ExportJob, Phase, Ready, task_of
from tap_advexport.records.convert import Converted
from tests.support.runner_fakes import adopted, wanted, window


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
