"""The settings that make the tap export again what differs in an audit."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from tap_advexport.commands.audit_comparison import next_period
from tap_advexport.reports import REPORTS
from tap_advexport.windows import DateWindow, period_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from tap_advexport.commands.audit_comparison import Finding


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by account, report and day."""
    return sorted(findings, key=lambda each: (each.account, REPORTS.index(each.report), each.first))


def stretches(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Group sorted findings: those without a period between them are one list."""
    stretch: list[Finding] = []
    for each in findings:
        if stretch and not _is_next(stretch[-1], each):
            yield stretch
            stretch = []
        stretch.append(each)
    if stretch:
        yield stretch


def repair_settings(
    findings: Iterable[Finding], start: date | None, end: date | None = None
) -> Iterator[dict[str, str]]:
    """Yield one config for each account, which refreshes all its findings in one run.

    Args:
        findings: sorted by account.
        start: the tap's `start_date`, before which it exports nothing; None if unknown.
        end: its `end_date`, likewise.
    """
    for account, group in groupby(findings, key=lambda each: each.account):
        windows = [window for each in group if (window := _refresh(each, start, end))]
        if windows:
            settings = {"account": account} if account else {}
            yield settings | {
                "refresh_start_date": str(min(each.first for each in windows)),
                "refresh_end_date": str(max(each.last for each in windows)),
            }


def _refresh(finding: Finding, start: date | None, end: date | None) -> DateWindow | None:
    """Return the days to refresh, or None if the tap exports none of them.

    For a month its first day is enough: any day brings the whole month, and its last days may not
    be over yet.
    """
    first = max(finding.first, start or finding.first)
    last_day = period_of(finding.last, interval=finding.report.interval).last
    if min(last_day, end or last_day) < first:
        return None
    return DateWindow(first, max(first, min(finding.last, end or finding.last)))


def _is_next(one: Finding, other: Finding) -> bool:
    is_alike = (one.account, one.report) == (other.account, other.report)
    return is_alike and other.first <= next_period(one.report, one.last)
