"""What failed, told once for each cause: neighbouring days as one range."""

from __future__ import annotations

from datetime import date

import pytest

from tap_advexport.sync.totals import FailedDays, RunTotals, failed_ranges
from tap_advexport.windows import DateWindow


def failed(first: int, last: int, reason: str, report: str = "daily") -> FailedDays:
    return FailedDays(report, DateWindow(date(2024, 2, first), date(2024, 2, last)), reason)


def told(*failures: FailedDays) -> list[str]:
    return [str(each) for each in failed_ranges(failures)]


def test_neighbours_with_one_cause_are_one_range_in_whatever_order_they_failed() -> None:
    reason = "poll of task {}: its state is FAILURE"
    assert told(
        failed(5, 6, reason.format("b3")),
        failed(1, 2, reason.format("a1")),
        failed(3, 4, reason.format("c2")),
    ) == ["report daily, 2024-02-01..2024-02-06: poll of task b3: its state is FAILURE"]


def test_days_urls_and_tasks_within_a_reason_make_no_other_cause() -> None:
    submission = "submission of daily 2024-02-0{}: HTTP 400 no such range"
    download = "download from https://files/{}: HTTP 404"
    assert len(told(failed(1, 1, submission.format(1)), failed(2, 2, submission.format(2)))) == 1
    assert len(told(failed(1, 1, download.format("a")), failed(2, 2, download.format("b")))) == 1


def test_another_cause_a_gap_and_another_report_are_ranges_of_their_own() -> None:
    assert len(told(failed(1, 1, "HTTP 500"), failed(2, 2, "HTTP 400"))) == 2
    assert len(told(failed(1, 1, "x"), failed(3, 3, "x"))) == 2
    assert len(told(failed(1, 1, "x"), failed(2, 2, "x", report="hourly"))) == 2
    lines = "line {}, column {}: 'x' is not a number"
    assert len(told(failed(1, 1, lines.format(3, "cr")), failed(2, 2, lines.format(4, "x")))) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task a1: line 3, column cr: 'x' is none", "task b2: line 44, column cr: 'y' is none"),
        ("task a1: line 6: the bytes b'\\xe9' are odd", "task b: line 7: the bytes b'\\xff' are"),
        ('not as documented: {"task_id": "ab', 'not as documented: {"task_id": "17-c'),
        ("HTTP 500: Sorry, request 4711-x", "HTTP 500: Sorry, request 0815-y"),
        ("FAILURE: too large (task a1)", "FAILURE: too large (task b2)"),
    ],
)
def test_what_is_quoted_and_numbers_make_no_other_cause(one: str, other: str) -> None:
    assert len(told(failed(1, 1, one), failed(2, 2, other))) == 1


def test_a_range_and_the_totals_have_fields_for_machines() -> None:
    assert failed(1, 3, "why").fields() == {
        "report": "daily",
        "first": "2024-02-01",
        "last": "2024-02-03",
        "days": 3,
        "reason": "why",
        "advice": "",
    }
    totals = RunTotals(exports=2, rows=5, seconds_waiting=1.25)
    assert totals.fields(3.0)["seconds_working"] == 1.75
    assert totals.line(3.0).startswith("2 exports, 5 rows sent, ")
    assert ", 1 day failed, " in RunTotals(days_failed=1).line(3.0)
