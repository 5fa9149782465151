"""How far a run is, in words."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from tap_advexport.progress.words import duration
from tap_advexport.windows import DateWindow
from tests.support.progresses import MIDWAY, WINDOW


def test_line_says_where_the_exports_are_and_how_long_the_rest_takes() -> None:
    assert MIDWAY.line() == (
        "report daily: exports 3 queued, 2 running (oldest 1 min 15 s), 1 downloading, "
        "1 sending, 4 done; days 30 of 90; 12345 rows; about 2 min 00 s left"
    )


def test_line_tells_failed_days_and_no_time_before_the_first_day_is_done() -> None:
    assert "days 30 of 90 (7 failed)" in replace(MIDWAY, days_failed=7).line()
    assert "left" not in replace(MIDWAY, days_done=0).line()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (250, "4 min 10 s"),
        (11100, "3 h 05 min"),
        (360000, "100 h 00 min"),
    ],
)
def test_duration_is_said_as_a_person_says_it(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_window_that_is_done_is_one_line_and_a_short_one_on_a_terminal() -> None:
    assert str(WINDOW) == "report_daily: 2024-09-12..2024-09-18 is done, 17281 rows sent"
    assert WINDOW.short_line().split("  ", 1)[-1].strip() == "12-18 Sep 2024     17,281 rows"
    some = replace(WINDOW, rows=5, unchanged=3)
    assert str(some).endswith("5 rows sent, 3 of 7 periods unchanged")
    assert replace(WINDOW, rows=0, row_count=0).short_line().endswith("no rows")


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2024-02-29", "2024-02-29", "29 Feb 2024"),
        ("2024-09-28", "2024-10-04", "28 Sep - 4 Oct 2024"),
        ("2023-12-30", "2024-01-05", "30 Dec 2023 - 5 Jan 2024"),
        ("2024-02-01", "2024-02-29", "1-29 Feb 2024"),
    ],
)
def test_days_are_said_as_a_person_says_them(first: str, last: str, words: str) -> None:
    window = DateWindow(date.fromisoformat(first), date.fromisoformat(last))
    assert replace(WINDOW, window=window).short_line().strip().startswith(words + "  ")


def test_time_is_told_from_what_is_done_so_far() -> None:
    assert MIDWAY.seconds_left == pytest.approx(120.0)
    assert MIDWAY.rows_per_second == pytest.approx(205.75)
    assert replace(MIDWAY, seconds=0.0).rows_per_second == 0.0


def test_where_there_is_no_export_none_is_said() -> None:
    nothing = replace(MIDWAY, queued=0, running=0, downloading=0, emitting=0, emitted=0)
    assert nothing.exports() == "none"


def test_a_window_that_is_done_is_told_by_name_to_machines() -> None:
    assert replace(WINDOW, rows=5, unchanged=3).fields() == {
        "stream": "report_daily",
        "first": "2024-09-12",
        "last": "2024-09-18",
        "rows_sent": 5,
        "rows": 17281,
        "periods": 7,
        "periods_unchanged": 3,
    }
