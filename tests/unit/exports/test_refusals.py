"""What refusals in a row teach, and the one line that they become."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tap_advexport.errors import RejectedError, TaskError
from tap_advexport.exports.policy import MOST_SINGLE, Export
from tap_advexport.exports.refusals import (
    HANDFUL,
    HANDFUL_MORE,
    LONG_ROW,
    LONG_ROW_OF_FAILURES,
    WHOLE_WINDOWS,
    Refusals,
)
from tap_advexport.windows import DateWindow


def error(kind: str = "HTTP 400", advice: str = "") -> RejectedError:
    return RejectedError("no", refusal=kind, said=f"{kind} too old", advice=advice)


def add(
    refusals: Refusals,
    window: DateWindow,
    kind: str = "HTTP 400",
    advice: str = "",
    *,
    part_of: DateWindow | None = None,
) -> None:
    refusals.add(Export(window, part_of=part_of), error(kind, advice))


def is_taught(refusals: Refusals, window: DateWindow, kind: str = "HTTP 400") -> bool:
    return refusals.is_taught(Export(window), kind)


def day(number: int, days: int = 1) -> DateWindow:
    """Days that begin so many days before the end of the year."""
    last = date(2024, 12, 31) - timedelta(days=number)
    return DateWindow(last - timedelta(days=days - 1), last)


def test_two_refused_days_side_by_side_teach_of_older_ones_refused_in_the_same_way() -> None:
    refusals = Refusals()
    add(refusals, day(10))
    assert not is_taught(refusals, day(11))
    add(refusals, day(11))
    assert is_taught(refusals, day(12, 7))
    assert not is_taught(refusals, day(12, 7), "ERROR")
    assert not is_taught(refusals, day(3))


def test_whole_windows_that_lie_apart_teach_only_when_they_are_a_handful() -> None:
    refusals = Refusals()
    for number in range(WHOLE_WINDOWS):
        assert not is_taught(refusals, day(2 * number))
        add(refusals, day(2 * number))
    assert is_taught(refusals, day(20))


def test_refusals_are_counted_anew_after_an_older_window_came() -> None:
    refusals = Refusals()
    add(refusals, day(0))
    refusals.succeeded(day(1))
    for number in range(1, WHOLE_WINDOWS + 1):
        assert not is_taught(refusals, day(2 * number))
        add(refusals, day(2 * number))
    assert is_taught(refusals, day(20))


def test_a_window_that_was_refused_in_part_teaches_nothing_of_older_ones() -> None:
    """The refused days may end in the next one, whose older days work."""
    refusals, week = Refusals(), day(0, 7)
    for number in range(3, 6):
        add(refusals, day(number), part_of=week)
        assert not is_taught(refusals, day(7, 7))
    add(refusals, day(6), part_of=week)
    assert not is_taught(refusals, day(7, 7))
    assert refusals.refused_beside(day(7, 7), "HTTP 400") == 4
    assert refusals.is_to_be_taken_apart(Export(day(7, 7)), "HTTP 400")
    for number in range(7, 14):
        add(refusals, day(number), part_of=day(7, 7))
    assert is_taught(refusals, day(14, 7))
    assert not refusals.is_to_be_taken_apart(Export(day(14, 7)), "HTTP 400")


def test_a_part_of_a_window_is_not_given_up_for_what_was_refused_beside_it() -> None:
    refusals, month = Refusals(), day(0, 31)
    for number in range(LONG_ROW):
        part = Export(day(number + 1, 5), part_of=month)
        assert not refusals.is_taught(part, "HTTP 400")
        add(refusals, day(number), part_of=month)
    # A row as long as this is the end of what the API keeps.
    assert refusals.is_taught(Export(day(LONG_ROW, 5), part_of=month), "HTTP 400")


def test_a_row_of_three_is_long_enough_to_take_the_next_window_apart() -> None:
    refusals = Refusals()
    for number, is_apart in enumerate((False, False, True)):
        add(refusals, day(number), part_of=day(0, 7))
        following = Export(day(number + 1, 7))
        assert refusals.is_to_be_taken_apart(following, "HTTP 400") == is_apart
    assert refusals.is_to_be_taken_apart(Export(day(3, MOST_SINGLE)), "HTTP 400")
    assert not refusals.is_to_be_taken_apart(Export(day(3, MOST_SINGLE + 1)), "HTTP 400")


@pytest.mark.parametrize("is_adopted", [False, True])
def test_refusals_of_days_that_are_newer_than_one_that_came_teach_nothing(
    *, is_adopted: bool
) -> None:
    """Tasks of an earlier run bring its oldest days first, and say nothing of those between."""
    refusals = Refusals()
    if is_adopted:
        refusals.succeeded(day(20), is_adopted=True)
    else:
        refusals.succeeded(day(20))
    add(refusals, day(10))
    add(refusals, day(11))
    assert is_taught(refusals, day(12)) == is_adopted


@pytest.mark.parametrize("kind", ["HTTP 400", "FAILURE"])
def test_what_an_earlier_report_has_taught_is_not_unlearned_by_one_more(kind: str) -> None:
    refusals = Refusals(_is_taught=True)
    add(refusals, day(0), kind, part_of=day(0, 7))
    assert is_taught(refusals, day(7, 7), kind)


@pytest.mark.parametrize(
    ("window", "kind", "count"),
    [
        (day(12, 3), "HTTP 400", 2),
        (day(13, 3), "HTTP 400", 0),
        (day(9), "HTTP 400", 0),
        (day(12, 3), "ERROR", 0),
    ],
)
def test_a_row_of_refused_days_goes_on_only_with_the_days_before_it(
    window: DateWindow, kind: str, count: int
) -> None:
    refusals = Refusals()
    add(refusals, day(10))
    add(refusals, day(11))
    assert refusals.refused_beside(window, kind) == count


def test_tasks_that_fail_teach_only_after_a_month_of_such_days() -> None:
    refusals = Refusals()
    failed = TaskError("no", refusal="FAILURE", said="FAILURE")
    for number in range(LONG_ROW_OF_FAILURES):
        assert not is_taught(refusals, day(number), "FAILURE")
        assert refusals.refused_beside(day(number), "FAILURE") == 0
        assert not refusals.has_ended
        refusals.add(Export(day(number)), failed)
    assert is_taught(refusals, day(LONG_ROW_OF_FAILURES), "FAILURE")
    refusals.succeeded(day(LONG_ROW_OF_FAILURES))
    assert not is_taught(refusals, day(LONG_ROW_OF_FAILURES + 1), "FAILURE")


def test_a_handful_in_a_row_ends_the_asking_for_older_days() -> None:
    refusals = Refusals()
    for number in range(HANDFUL):
        assert not refusals.has_ended
        add(refusals, day(number))
    assert refusals.has_ended
    assert refusals.oldest == day(HANDFUL - 1)


def test_whole_windows_end_it_when_they_are_few_but_long() -> None:
    refusals = Refusals()
    for number in range(7):
        add(refusals, day(number), part_of=day(0, 7))
    for number in range(1, HANDFUL_MORE):
        assert not refusals.has_ended
        add(refusals, day(7 * number, 7))
    assert refusals.has_ended


@pytest.mark.parametrize(("came", "goes_on"), [(day(20), False), (day(3), True)])
def test_only_older_days_that_came_show_that_age_was_no_reason(
    came: DateWindow, *, goes_on: bool
) -> None:
    refusals = Refusals()
    add(refusals, day(10))
    add(refusals, day(11))
    refusals.succeeded(came)
    assert is_taught(refusals, day(30)) == goes_on


def test_another_way_of_refusing_begins_a_row_of_its_own() -> None:
    refusals = Refusals()
    add(refusals, day(10))
    add(refusals, day(11), "ERROR")
    assert not is_taught(refusals, day(12), "ERROR")


def test_a_report_after_one_that_had_nothing_but_refusals_is_forewarned() -> None:
    refusals = Refusals(_is_taught=True)
    assert is_taught(refusals, day(0, 7))
    refusals.succeeded(day(0, 7))
    assert not is_taught(refusals, day(7, 7))


def test_refused_days_are_told_as_ranges_with_the_day_from_which_on_others_work() -> None:
    refusals = Refusals()
    refusals.succeeded(day(0, 5))
    for number in (5, 6):
        add(refusals, day(number))
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
        add(refusals, day(number), kind, f"advice of {kind}")
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
    add(refusals, day(5), kind, advice)
    reason = f"the API refuses these days: {kind} too old"
    assert list(refusals.ranges()) == [(day(5), reason, told)]


def test_a_task_that_fails_is_not_told_as_a_refusal() -> None:
    refusals = Refusals()
    # That newer days work is no reason to leave these out for good.
    refusals.succeeded(day(0))
    refusals.add(
        Export(day(5)), TaskError("no", refusal="FAILURE", said="FAILURE: too large (task t)")
    )
    reason = "the API cannot make this report: FAILURE: too large (task t)"
    assert list(refusals.ranges()) == [(day(5), reason, "")]
