"""Which export the id of a task stands for."""

from __future__ import annotations

import pytest

from tap_advexport.errors import SUPPORT, RejectedError
from tap_advexport.exports.known_tasks import KnownTasks
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task
from tests.support.days import NOW, window

WEEK = window("2024-03-01", "2024-03-07")


@pytest.mark.parametrize(
    ("task_id", "interval", "days", "other"),
    [
        ("1", Interval.DAILY, WEEK, ""),
        ("2", Interval.DAILY, window("2024-03-08"), ""),
        ("1", Interval.HOURLY, WEEK, "daily 2024-03-01..2024-03-07"),
        ("1", Interval.DAILY, window("2024-03-01"), "daily 2024-03-01..2024-03-07"),
    ],
    ids=["the same", "another id", "another report", "other days"],
)
def test_an_id_stands_for_one_export(
    task_id: str, interval: Interval, days: DateWindow, other: str
) -> None:
    known = KnownTasks()
    known.note(Task("1", WEEK, NOW), Interval.DAILY)
    task = Task(task_id, days, NOW)
    for _ in range(2):
        if not other:
            known.accept(task, interval)
            continue
        with pytest.raises(RejectedError) as caught:
            known.accept(task, interval)
        error = caught.value
        said = f"it gives the task of {other} once more"
        assert str(error) == f"submitting {interval} {days}: {said} (task {task_id})"
        assert (error.refusal, error.said, error.advice) == ("the same task", said, SUPPORT)
