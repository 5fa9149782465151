"""Which settings have the tap export again what differs."""

from __future__ import annotations

from datetime import date

import pytest

from tap_advexport.commands.audit_comparison import Gap
from tap_advexport.commands.audit_repair import in_order, repair_settings, stretches
from tap_advexport.reports import REPORTS, Report

DAILY, HOURLY, MONTHLY = REPORTS


def gap(first: str, last: str = "", report: Report = DAILY, account: str = "") -> Gap:
    return Gap(report, account, date.fromisoformat(first), date.fromisoformat(last or first))


def repaired(*gaps: Gap, start: str | None = None, end: str | None = None) -> list[tuple[str, ...]]:
    ends = (date.fromisoformat(text) if text else None for text in (start, end))
    found = repair_settings(gaps, *ends)
    return [tuple(settings.values()) for settings in found]


def test_findings_without_a_period_between_them_are_one_stretch() -> None:
    days = [gap("2024-01-31"), gap("2024-02-01", "2024-02-03"), gap("2024-02-05")]
    months = [gap("2023-12-01", report=MONTHLY), gap("2024-01-01", report=MONTHLY)]
    others = [gap("2024-02-06", report=HOURLY), gap("2024-02-06", account="b")]
    found = [len(each) for each in stretches(in_order([*others, *months, *days]))]
    assert found == [2, 1, 1, 2, 1]
    assert list(stretches([])) == []


@pytest.mark.parametrize(("gaps", "start", "wanted"), [
    ([gap("2024-01-02", "2024-01-05")], None, [("2024-01-02", "2024-01-05")]),
    ([gap("2024-01-02"), gap("2024-03-01")], "2024-01-01", [("2024-01-02", "2024-03-01")]),
    ([gap("2024-01-02", "2024-01-05")], "2024-01-04", [("2024-01-04", "2024-01-05")]),
    ([gap("2024-01-02", "2024-01-05")], "2024-01-06", []),
    # A day of a month brings all of it, and the rest of the last one may not be over.
    ([gap("2024-01-01", report=MONTHLY)], "2024-01-15", [("2024-01-15", "2024-01-15")]),
    ([gap("2024-01-01", report=MONTHLY)], "2024-02-01", []),
    ([gap("2024-01-02", account="a"), gap("2024-01-03", account="b")], None,
     [("a", "2024-01-02", "2024-01-02"), ("b", "2024-01-03", "2024-01-03")]),
    ([], None, []),
])  # fmt: skip
def test_one_range_refreshes_all_of_an_account(
    gaps: list[Gap], start: str | None, wanted: list[tuple[str, ...]]
) -> None:
    assert repaired(*gaps, start=start) == wanted


@pytest.mark.parametrize(("gaps", "end", "wanted"), [
    ([gap("2024-01-02"), gap("2024-02-05")], "2024-01-31", [("2024-01-02", "2024-01-02")]),
    ([gap("2024-01-02", "2024-01-05")], "2024-01-04", [("2024-01-02", "2024-01-04")]),
    ([gap("2024-01-02")], "2024-01-01", []),
    ([gap("2024-01-01", report=MONTHLY)], "2024-01-15", [("2024-01-01", "2024-01-01")]),
])  # fmt: skip
def test_days_after_the_end_are_not_asked_for(
    gaps: list[Gap], end: str, wanted: list[tuple[str, ...]]
) -> None:
    assert repaired(*gaps, end=end) == wanted
    assert repaired(*gaps, start="2024-01-01", end=end) == wanted
