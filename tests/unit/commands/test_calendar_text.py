"""The calendar in a terminal: a symbol for each day, and what is to be said of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scripts.render_coverage import STATE
from tap_advexport.commands.calendar_text import render_text
from tap_advexport.reports import REPORTS
from tests.support.calendars import BOOKMARK, calendar
from tests.support.days import NOW
from tests.support.paths import ROOT


def lines(bookmark: dict[str, Any], now: datetime = NOW) -> list[str]:
    return list(render_text([calendar(bookmark, now=now)], now, is_coloured=False))


def test_a_day_is_one_symbol_and_an_exported_one_its_age() -> None:
    out = lines(BOOKMARK)
    march = "." + "1" * 19 + "0" * 10 + "?"
    # January has no day in the calendar, and of April there is none.
    assert [line for line in out if re.search("Jan|Feb|Mar|Apr", line)] == [
        f"2024 Feb ..........!..................   Mar {march}",
    ]
    assert "  ! failed: 2024-02-11" in out
    assert "  ? pending: 2024-03-31" in out
    assert "  - missing: 2024-04-01" in out


def test_an_old_export_is_a_plus() -> None:
    out = lines(BOOKMARK, NOW + timedelta(days=12))
    assert [line for line in out if re.search("Mar|Apr", line)] == [
        "2024 Feb ..........!..................   Mar ." + "+" * 29 + "-",
    ]


@pytest.mark.parametrize("is_coloured", [True, False])
def test_three_years_of_three_reports_fit_into_one_screen(*, is_coloured: bool) -> None:
    bookmarks = json.loads((ROOT / STATE).read_text("utf-8"))["bookmarks"]
    now = datetime(2024, 12, 31, 6, tzinfo=UTC)
    calendars = [calendar(bookmarks[each.stream], each, now=now) for each in REPORTS]
    out = list(render_text(calendars, now, is_coloured=is_coloured))
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out]
    assert max(map(len, plain)) < 80
    assert len(out) < 50
    assert (plain != out) == is_coloured
    assert "2022  365 days settled" in plain


def test_many_gaps_are_named_in_part_and_counted() -> None:
    settled = [[f"2024-03-{n:02}", f"2024-03-{n:02}"] for n in range(1, 30, 2)]
    out = lines({"settled": settled})
    at = out.index("  ! failed: 2024-03-02, 2024-03-04, 2024-03-06, 2024-03-08, 2024-03-10 and 9")
    assert out[at + 1] == "    more"
