"""What the calendar says in words."""

from __future__ import annotations

from typing import Any

import pytest

from tap_advexport.commands.calendar import Status
from tap_advexport.commands.calendar_words import (
    LEGEND,
    age,
    as_of,
    heading,
    stretch_name,
    stretch_names,
    summary,
    year_summary,
)
from tests.support.calendars import BOOKMARK, MONTHLY, calendar
from tests.support.days import NOW


def test_a_report_is_named_with_its_range_and_its_moment() -> None:
    assert heading(calendar(BOOKMARK)) == "report_daily  2024-02-01 to 2024-04-01"
    assert as_of(NOW) == "2024-04-02 03:00 UTC"


def test_every_status_has_its_words() -> None:
    assert list(LEGEND) == list(Status)


@pytest.mark.parametrize(
    ("bookmark", "words"),
    [
        (
            BOOKMARK,
            (
                "61 days: 29 settled, 29 provisional (exported today to 1 day ago), "
                "1 pending, 1 failed, 1 missing"
            ),
        ),
        ({"settled": [["2024-04-01", "2024-04-01"]]}, "1 day: 1 settled"),
        (
            {"unsettled": [["2024-04-01", "2024-04-01", "2024-04-02T02:00:00Z"]]},
            "1 day: 1 provisional (exported today)",
        ),
        ({"settled": [["2010-01-01", "2024-04-01"]]}, "5,205 days: 5,205 settled"),
    ],
)
def test_what_needs_a_look_is_counted_last(bookmark: dict[str, Any], words: str) -> None:
    assert summary(calendar(bookmark)) == words


def test_a_month_is_counted_as_one() -> None:
    months = calendar({"settled": [["2024-02-01", "2024-03-31"]]}, MONTHLY)
    assert summary(months) == "3 months: 2 settled, 1 missing"
    assert [stretch_name(each, months) for each in months.stretches()] == [
        "2024-02 to 2024-03",
        "2024-04",
    ]


def test_a_year_in_which_all_is_alike_is_a_few_words() -> None:
    lived = calendar(
        {
            "settled": [["2021-12-31", "2022-12-31"]],
            "unsettled": [["2024-01-01", "2024-02-01", "2024-04-02T02:00:00Z"]],
        }
    )
    assert [year_summary(year, lived) for year in lived.years] == [
        "1 day settled",
        "365 days settled",
        # Failed days and provisional ones are shown one by one, however many there are.
        None,
        None,
    ]


def test_the_first_stretches_are_named_and_the_others_counted() -> None:
    drawn = calendar(BOOKMARK)
    stretches = list(drawn.stretches())
    assert len(stretches) == 7
    assert stretch_names(stretches[:2], drawn, 2) == "2024-02-01 to 2024-02-10, 2024-02-11"
    assert stretch_names(stretches, drawn, 1) == "2024-02-01 to 2024-02-10 and 6 more"


@pytest.mark.parametrize(("days", "words"), [(0, "today"), (1, "1 day ago"), (12, "12 days ago")])
def test_an_age_is_said_as_a_person_says_it(days: int, words: str) -> None:
    assert age(days) == words
