"""Days taken out of coverage, claimed, or made due, by hand or because they will be overwritten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_advexport.coverage.ranges import splice, within, without
from tap_advexport.coverage.state import Coverage, Exported, Rules, join_in
from tap_advexport.dates import DAY, local_date, local_midnight
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, periods, whole_periods

if TYPE_CHECKING:
    from datetime import date, datetime


def refreshed(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """The covered days of `window` are to be exported again, by whatever task comes from now on."""
    return _without_traces(reopened(coverage, window, rules), window, rules)


def reopened(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """The covered days of `window` count as exported when they began; and stay covered."""
    days = (
        day
        for run in within(coverage.covered(), window)
        for day in periods(run, interval=Interval.DAILY)
    )
    begun = [Exported(day, day, _beginning(day, rules)) for day in days]
    return replace(
        coverage,
        settled=without(coverage.settled, (window,)),
        unsettled=splice(coverage.unsettled, window, begun, join_in(rules)),
    )


def forgotten(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """The days of `window` were taken out of coverage by hand."""
    coverage = replace(
        coverage,
        settled=without(coverage.settled, (window,)),
        unsettled=without(coverage.unsettled, (window,)),
    )
    return _without_traces(coverage, window, rules)


def claimed(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """Whoever set the bookmark says that `window` was exported, on the day after it.

    What that export settles is up to `settle`, as with everything that is loaded.
    """
    exported_at = min(local_midnight(window.last + DAY, rules.zone), rules.now)
    new = without((Exported(window.first, window.last, exported_at),), coverage.covered())
    unsettled = sorted((*coverage.unsettled, *new), key=lambda each: each.first)
    return replace(coverage, unsettled=tuple(unsettled))


def _beginning(day: date, rules: Rules) -> datetime:
    midnight = local_midnight(day, rules.zone)
    # A whole date that the zone skipped (Apia, 2011-12-30) has no midnight of its own.
    return midnight if local_date(midnight, rules.zone) <= day else midnight - timedelta(seconds=1)


def _without_traces(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """Without what was sent and is pending of days that are due by hand."""
    span = whole_periods(window, interval=rules.interval)
    return replace(
        coverage,
        sent={day: entry for day, entry in coverage.sent.items() if day not in span},
        pending=tuple(each for each in coverage.pending if not each.window.overlaps(span)),
    )
