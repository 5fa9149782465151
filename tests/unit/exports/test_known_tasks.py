"""Which export the id of a task stands for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tap_advexport.exports.known_tasks import KnownTasks
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task
from tests.support.days import window

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
    known.note(Task("1", WEEK, datetime(2024, 4, 2, tzinfo=UTC)), Interval.DAILY)
    assert known.other_export(task_id, interval, days) == other
