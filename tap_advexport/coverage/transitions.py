"""The transitions of the state: submissions, emitted exports, and days edited by hand.

A day is *covered* when it was exported at all; `settling.py` says when it is *settled*. Each
transition takes one state and returns the next.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tap_advexport.coverage.ranges import (
    compact,
    join_adjacent,
    splice,
    touching,
    union,
    within,
    without,
)
from tap_advexport.coverage.settling import Rules, join_in, settled_part, unsettled_part
from tap_advexport.coverage.state import Coverage, Exported, Sent
from tap_advexport.reports import Interval
from tap_advexport.windows import (
    DAY,
    DateWindow,
    Task,
    local_date,
    local_midnight,
    period_of,
    periods,
    whole_periods,
    whole_second,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime


def submitted(coverage: Coverage, task: Task) -> Coverage:
    """Add a task that was submitted to the pending ones."""
    task = replace(task, submitted_at=whole_second(task.submitted_at))
    return replace(coverage, pending=(*dropped(coverage, task.task_id).pending, task))


def dropped(coverage: Coverage, task_id: str) -> Coverage:
    """Remove a task from the pending ones, for example one that failed or was given up."""
    pending = tuple(each for each in coverage.pending if each.task_id != task_id)
    return replace(coverage, pending=pending)


def emitted(coverage: Coverage, task: Task, sent: Mapping[date, Sent], rules: Rules) -> Coverage:
    """Cover the days of a task whose rows were emitted.

    The figures are those of its submission or later, so `submitted_at` counts as their time.

    Args:
        sent: what the target now holds of its periods; those that this export settles are dropped.
    """
    window = task.window
    # A month that is cut off has partial figures now, so the rest of it is no longer covered.
    span = whole_periods(window, interval=rules.interval)
    settled = settled_part(window, task.submitted_at, rules)
    unsettled = unsettled_part(window, task.submitted_at, rules)
    kept = {
        each: sent[each]
        for each in periods(window, interval=rules.interval)
        if each in sent and touching(unsettled, period_of(each, interval=rules.interval))
    }
    forgot = forget_sent(coverage, periods(span, interval=rules.interval))
    return replace(
        coverage,
        settled=splice(coverage.settled, span, settled, join_adjacent),
        unsettled=splice(coverage.unsettled, span, unsettled, join_in(rules)),
        sent={**forgot.sent, **kept},
        pending=dropped(coverage, task.task_id).pending,
    )


def overwriting(coverage: Coverage, periods: Collection[date], rules: Rules) -> Coverage:
    """Reopen `periods`, whose rows may be overwritten from now on, and forget what was sent.

    If the run dies after this, the periods must be exported again, whatever the settings are by
    then. So what was sent of them is no longer known, and none of their days may count as settled
    by an earlier export, neither now nor after `lookback_days` is lowered.
    """
    windows = union(period_of(day, interval=rules.interval) for day in periods)
    return reopened(forget_sent(coverage, periods), windows, rules)


def forget_sent(coverage: Coverage, periods: Collection[date]) -> Coverage:
    """Forget what the target holds of `periods`."""
    gone = frozenset(periods)
    sent = {day: entry for day, entry in coverage.sent.items() if day not in gone}
    return replace(coverage, sent=sent)


def shaped(coverage: Coverage, shape: str) -> Coverage:
    """Forget what was sent in another shape: it must be sent again in this one."""
    if coverage.shape == shape:
        return coverage
    return replace(coverage, sent={}, shape=shape)


def refreshed(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """Have the covered days of `window` exported again by a new task, not by a pending one."""
    return _without_traces(reopened(coverage, (window,), rules), window, rules)


def reopened(coverage: Coverage, windows: Sequence[DateWindow], rules: Rules) -> Coverage:
    """Treat the covered days of `windows` as exported when each day began; keep them covered.

    Args:
        windows: sorted and disjoint.
    """
    begun = [
        Exported(day, day, _beginning(day, rules))
        for covered in coverage.covered()
        for run in within(windows, covered)
        for day in periods(run, interval=Interval.DAILY)
    ]
    unsettled = sorted((*without(coverage.unsettled, windows), *begun))
    return replace(
        coverage,
        settled=without(coverage.settled, windows),
        unsettled=compact(unsettled, join_in(rules)),
    )


def forgotten(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """Uncover the days of `window`, because someone edited the bookmark by hand."""
    coverage = replace(
        coverage,
        settled=without(coverage.settled, (window,)),
        unsettled=without(coverage.unsettled, (window,)),
    )
    return _without_traces(coverage, window, rules)


def claimed(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """Cover `window` because the bookmark was edited; count it as exported the day after.

    `settle` decides which days that export settles, as for every state that is loaded.
    """
    exported_at = min(local_midnight(window.last + DAY, rules.zone), rules.now)
    new = without((Exported(window.first, window.last, exported_at),), coverage.covered())
    unsettled = sorted((*coverage.unsettled, *new), key=lambda each: each.first)
    return replace(coverage, unsettled=tuple(unsettled))


def is_settled(period: date, exported_at: datetime, window: DateWindow, rules: Rules) -> bool:
    """Return whether the export of `window` has all of the period, and settles it."""
    whole = period_of(period, interval=rules.interval)
    return window.covers(whole) and not unsettled_part(whole, exported_at, rules)


def is_final(period: date, exported_at: datetime, window: DateWindow, rules: Rules) -> bool:
    """Return whether the export of `window` settles every day that it has of the period.

    The rows of such a period are sent even if they are unchanged.
    """
    part = period_of(period, interval=rules.interval).intersect(window)
    return part is not None and not unsettled_part(part, exported_at, rules)


def _beginning(day: date, rules: Rules) -> datetime:
    midnight = local_midnight(day, rules.zone)
    # A date that the zone skipped entirely (Apia, 2011-12-30) has no midnight of its own.
    return midnight if local_date(midnight, rules.zone) <= day else midnight - timedelta(seconds=1)


def _without_traces(coverage: Coverage, window: DateWindow, rules: Rules) -> Coverage:
    """Forget what was sent of the periods of `window`, and drop pending tasks that touch them."""
    span = whole_periods(window, interval=rules.interval)
    return replace(
        coverage,
        sent={day: entry for day, entry in coverage.sent.items() if day not in span},
        pending=tuple(each for each in coverage.pending if not each.window.overlaps(span)),
    )
