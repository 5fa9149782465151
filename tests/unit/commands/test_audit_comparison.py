"""What is missing between and around the periods that a warehouse holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tap_advexport.commands.audit_comparison import ComparedPeriod, audit_sql, find_gaps
from tap_advexport.reports import REPORTS, Report

DAILY, _, MONTHLY = REPORTS


def compared(report: Report, *days: str, **figures: int | Decimal) -> list[ComparedPeriod]:
    return [
        ComparedPeriod(
            report=report,
            account="",
            period=date.fromisoformat(day),
            period_version="v",
            differs="cost",
            api_row_count=1,
            warehouse_row_count=1,
            other_row_count=int(figures.get("others", 0)),
            api_clicks_aggr=None,
            warehouse_clicks_aggr=0,
            api_conversions_aggr=2,
            warehouse_conversions_aggr=2,
            api_cost_aggr=figures.get("cost"),
            warehouse_cost_aggr=Decimal("1E+3"),
        )
        for day in days
    ]


@pytest.mark.parametrize(("report", "days", "start", "end", "gaps"), [
    (DAILY, ["2024-02-28", "2024-02-29", "2024-03-01"], None, None, []),
    (DAILY, ["2024-01-05"], "2024-01-02", None, ["2024-01-02 to 2024-01-04"]),
    (DAILY, ["2024-01-05"], "2024-01-09", None, []),
    (DAILY, ["2024-01-01", "2024-01-03"], None, None, ["2024-01-02"]),
    (DAILY, ["2024-01-01", "2024-01-03"], "2024-01-03", None, []),
    (DAILY, ["2024-01-01"], None, "2024-01-03", ["2024-01-02 to 2024-01-03"]),
    (DAILY, ["2024-01-04"], None, "2024-01-03", []),
    (DAILY, ["2024-01-01", "2024-01-09"], None, "2024-01-03", ["2024-01-02 to 2024-01-03"]),
    (DAILY, ["2024-01-03", "2024-01-09", "2024-01-12"], None, "2024-01-03", []),
    (MONTHLY, ["2023-12-01", "2024-01-01"], "2023-12-15", "2024-01-15", []),
    (MONTHLY, ["2023-12-01", "2024-05-01"], None, "2024-01-15", ["2024-01-01"]),
    (MONTHLY, ["2023-12-01", "2024-04-01"], None, None, ["2024-01-01 to 2024-03-01"]),
    (MONTHLY, ["2023-12-01"], None, "2024-02-15", ["2024-01-01 to 2024-02-01"]),
])  # fmt: skip
def test_gaps_between_and_around_the_periods_are_found(
    report: Report, days: list[str], start: str | None, end: str | None, gaps: list[str]
) -> None:
    told = f"{report.label} {{}} (missing): neither rows nor a period row"
    found = find_gaps(
        compared(report, *days),
        start=date.fromisoformat(start) if start else None,
        end=date.fromisoformat(end) if end else None,
    )
    assert [str(gap) for gap in found] == [told.format(gap) for gap in gaps]


def test_a_difference_is_told_with_both_totals_in_plain_digits() -> None:
    [period] = compared(DAILY, "2024-01-01", others=3, cost=Decimal("0.3000000000000000000000"))
    assert str(period) == (
        "daily 2024-01-01 (cost): rows 1 | 1, clicks nothing | 0, conversions 2 | 2,"
        " cost 0.3 | 1000; 3 of other versions"
    )


def test_totals_that_differ_in_their_last_digit_look_different() -> None:
    digits = "1234567890.1234567890123456789012"
    [period] = compared(DAILY, "2024-01-05", cost=Decimal(digits + "00"))
    assert f"cost {digits} | 1000" in str(period)


def test_the_query_has_no_name_left_to_fill_in() -> None:
    names = ("report", "rows", "periods", "rows_account", "periods_account", "copies")
    assert "{{" not in audit_sql(**dict.fromkeys((*names, "cost_tolerance"), "x"))
