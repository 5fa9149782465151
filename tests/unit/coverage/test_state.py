"""The state of one report: what is read from it."""

from __future__ import annotations

from tap_advexport.coverage.state import Coverage
from tests.support.days import day, exported, pending, window


def test_the_bookmark_is_the_last_day_before_the_first_gap() -> None:
    coverage = Coverage(
        settled=(window("2024-01-01", "2024-01-10"), window("2024-01-20", "2024-01-31")),
        unsettled=(exported("2024-01-11", "2024-01-15"),),
    )
    assert coverage.last_gap_free() == day("2024-01-15")
    assert coverage.covered() == (
        window("2024-01-01", "2024-01-15"),
        window("2024-01-20", "2024-01-31"),
    )


def test_without_a_covered_day_there_is_no_bookmark() -> None:
    assert Coverage(pending=(pending("t", "2024-01-01", "2024-01-07"),)).last_gap_free() is None
