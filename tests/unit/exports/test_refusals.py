"""What refusals in a row teach, and the one line that they become."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tap_advexport.errors import RejectedError, TaskError
from tap_advexport.exports.refusals import HANDFUL, Refusals
from tap_advexport.windows import DateWindow


def error(kind: str = "HTTP 400", advice: str = "") -> RejectedError:
    return RejectedError("no", refusal=kind, said=f"{kind} too old", advice=advice)


def day(number: int, days: int = 1) -> DateWindow:
    """Days that begin so many days before the end of the year."""
    last = date(2024, 12, 31) - timedelta(days=number)
    return DateWindow(last - timedelta(days=days - 1), last)


def test_two_refused_days_side_by_side_teach_of_older_ones_refused_in_the_same_way() -> None:
    refusals = Refusals()
    refusals.add(day(10), error())
    assert not refusals.is_taught(day(11), "HTTP 400")
    refusals.add(day(11), error())
    assert refusals.is_taught(day(12, 7), "HTTP 400")
    assert not refusals.is_taught(day(12, 7), "ERROR")
    assert not refusals.is_taught(day(3), "HTTP 400")


def test_days_that_lie_apart_teach_only_when_they_are_a_handful() -> None:
    refusals = Refusals()
    for number in range(HANDFUL):
        assert not refusals.is_taught(day(2 * number), "HTTP 400")
        refusals.add(day(2 * number), error())
    assert refusals.is_taught(day(20), "HTTP 400")


def test_a_handful_more_ends_the_asking_for_older_days() -> None:
    refusals = Refusals()
    for number in range(2 + HANDFUL):
        assert not refusals.has_ended
        refusals.add(day(number), error())
    assert refusals.has_ended
    assert refusals.oldest == day(1 + HANDFUL)


@pytest.mark.parametrize(("came", "is_taught"), [(day(20), False), (day(3), True)])
def test_only_older_days_that_came_show_that_age_was_no_reason(
    came: DateWindow, *, is_taught: bool
) -> None:
    refusals = Refusals()
    refusals.add(day(10), error())
    refusals.add(day(11), error())
    refusals.succeeded(came)
    assert refusals.is_taught(day(30), "HTTP 400") == is_taught


def test_another_way_of_refusing_begins_a_row_of_its_own() -> None:
    refusals = Refusals()
    refusals.add(day(10), error())
    refusals.add(day(11), error("ERROR"))
    assert not refusals.is_taught(day(12), "ERROR")


def test_a_report_after_one_that_had_nothing_but_refusals_is_forewarned() -> None:
    refusals = Refusals(_is_taught=True)
    assert refusals.is_taught(day(0, 7), "HTTP 400")
    refusals.succeeded(day(0, 7))
    assert not refusals.is_taught(day(7, 7), "HTTP 400")


def test_refused_days_are_told_as_ranges_with_the_day_from_which_on_others_work() -> None:
    refusals = Refusals()
    refusals.succeeded(day(0, 5))
    for number in (5, 6):
        refusals.add(day(number), error())
    refusals.add_unasked([day(7, 7), day(14, 7)])
    assert list(refusals.ranges()) == [
        (
            DateWindow(day(14, 7).first, day(5).last),
            "the API refuses these days: HTTP 400 too old",
            f"newer days work: set start_date to {day(4).first}",
        )
    ]
    assert list(refusals.ranges()) == []


def test_days_that_are_not_asked_for_have_the_reason_of_the_last_refusal() -> None:
    refusals = Refusals()
    for number, kind in enumerate(("ERROR", "HTTP 404", "HTTP 400")):
        refusals.add(day(number), error(kind, f"advice of {kind}"))
    refusals.add_unasked([day(3, 7), day(10, 7)])
    assert next(refusals.ranges()) == (
        DateWindow(day(10, 7).first, day(2).last),
        "the API refuses these days: HTTP 400 too old",
        "advice of HTTP 400",
    )


@pytest.mark.parametrize(
    ("kind", "came", "advice", "told"),
    [
        ("HTTP 400", [], "", ""),
        ("HTTP 404", [], "check api_url", "check api_url"),
        ("HTTP 405", [day(0)], "a page answers", "a page answers"),
        ("HTTP 400", [day(0), day(9)], "", ""),
        ("HTTP 403", [day(0)], "", "run again later"),
        ("HTTP 429", [day(0)], "", "run again later"),
    ],
)
def test_a_start_date_is_advised_only_where_age_is_the_reason(
    kind: str, came: list[DateWindow], advice: str, told: str
) -> None:
    refusals = Refusals()
    for window in came:
        refusals.succeeded(window)
    refusals.add(day(5), error(kind, advice))
    reason = f"the API refuses these days: {kind} too old"
    assert list(refusals.ranges()) == [(day(5), reason, told)]


def test_a_task_that_fails_is_not_told_as_a_refusal() -> None:
    refusals = Refusals()
    refusals.add(day(5), TaskError("no", refusal="FAILURE", said="FAILURE: too large (task t)"))
    reason = "the API cannot make this report: FAILURE: too large (task t)"
    assert list(refusals.ranges()) == [(day(5), reason, "")]
