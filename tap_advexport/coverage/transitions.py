"""Which days are covered, settled and due: what each event makes of the state, and what to do.

A day is *covered* when it was exported at all, and *settled* when it was exported at least
`lookback_days` whole days after it ended. Each function takes one state and returns the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tap_advexport.coverage.edits import refreshed, reopened
from tap_advexport.coverage.ranges import join_adjacent, splice, touching, union, within, without
from tap_advexport.coverage.state import (
    MAX_CLOCK_SKEW,
    Coverage,
    Exported,
    Pending,
    Rules,
    Sent,
    counting,
    join_in,
    settle,
    settled_part,
    unsettled_part,
)
from tap_advexport.dates import DAY, whole_second
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, period_of, periods, plan_windows, whole_periods

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

__all__ = [
    "Coverage",
    "DateWindow",
    "Exported",
    "Pending",
    "Plan",
    "Rules",
    "Sent",
    "adoptable",
    "dropped",
    "due",
    "emitted",
    "forget_sent",
    "is_final",
    "is_settled",
    "is_young",
    "overwriting",
    "plan",
    "refreshed",
    "settle",
    "settles",
    "submitted",
    "wanted",
]

MAX_PENDING_AGE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do.

    Attributes:
        adopted: tasks of an earlier run to wait for, in the order of their days.
        demanded: windows to demand, in the order of their days.
        coverage: the state to start from; its `pending` are the adopted ones.
    """

    adopted: tuple[Pending, ...]
    demanded: tuple[DateWindow, ...]
    coverage: Coverage


def wanted(
    start_date: date, end_date: date | None, *, include_today: bool, rules: Rules
) -> DateWindow | None:
    """The days that a run has to bring, or None when the first of them is still ahead."""
    limit = rules.today if include_today else rules.today - DAY
    last = min(end_date or limit, limit)
    if start_date > last:
        return None
    return DateWindow(period_of(start_date, interval=rules.interval).first, last)


def due(coverage: Coverage, wanted: DateWindow, rules: Rules) -> tuple[DateWindow, ...]:
    """The wanted days that are not settled."""
    # A day in `settled` that ended less than `lookback_days` ago: the setting was raised.
    settled = (
        each for past in rules.settled_by(rules.now) for each in within(coverage.settled, past)
    )
    return without((wanted,), tuple(settled))


def adoptable(
    coverage: Coverage,
    days: Sequence[DateWindow],
    wanted: DateWindow,
    rules: Rules,
    refresh: DateWindow | None = None,
) -> tuple[Pending, ...]:
    """The pending tasks that bring days that are due, in the order of their days.

    Args:
        days: what is due.
        refresh: days that no earlier task may bring.
    """
    adopted: list[Pending] = []
    for each in sorted(coverage.pending, key=lambda task: task.submitted_at, reverse=True):
        taken = [other.window for other in adopted] + ([refresh] if refresh else [])
        is_free = not any(each.window.overlaps(other) for other in taken)
        if is_free and is_young(each, rules) and _is_due_whole(each.window, days, wanted, rules):
            adopted.append(each)
    return tuple(sorted(adopted, key=lambda task: task.window))


def plan(
    coverage: Coverage,
    wanted: DateWindow | None,
    rules: Rules,
    window_days: int,
    refresh: DateWindow | None = None,
) -> Plan:
    """What brings every wanted day that is not settled; once, at the start of a run."""
    if refresh:
        coverage = refreshed(coverage, refresh, rules)
    if wanted is None:
        return Plan((), (), replace(coverage, pending=()))
    days = due(coverage, wanted, rules)
    adopted = adoptable(coverage, days, wanted, rules, refresh)
    rest = without(days, tuple(task.window for task in adopted))
    demanded = plan_windows(rest, interval=rules.interval, window_days=window_days, wanted=wanted)
    coverage = _of_whole_periods(replace(coverage, pending=adopted), wanted, rules)
    exports = (*(task.window for task in adopted), *demanded)
    return Plan(adopted, demanded, _without_cut_off(coverage, exports, rules))


def submitted(coverage: Coverage, task: Pending) -> Coverage:
    """`task` was demanded."""
    task = replace(task, submitted_at=whole_second(task.submitted_at))
    return replace(coverage, pending=(*dropped(coverage, task.task_id).pending, task))


def dropped(coverage: Coverage, task_id: str) -> Coverage:
    """The task failed, or was given up."""
    pending = tuple(each for each in coverage.pending if each.task_id != task_id)
    return replace(coverage, pending=pending)


def emitted(  # noqa: PLR0913, PLR0917 - one event, and all that is known of it
    coverage: Coverage,
    window: DateWindow,
    exported_at: datetime,
    task_id: str,
    sent: Mapping[date, Sent],
    rules: Rules,
) -> Coverage:
    """The rows of `window` went out, as figured at `exported_at` or later.

    Args:
        sent: what the target now holds of its periods; those that this export settles are let go.
    """
    # A month that is cut off has partial figures now, so that the rest of it is no longer covered.
    span = whole_periods(window, interval=rules.interval)
    settled = settled_part(window, exported_at, rules)
    unsettled = unsettled_part(window, exported_at, rules)
    kept = {
        each: sent[each]
        for each in periods(window, interval=rules.interval)
        if each in sent and touching(unsettled, period_of(each, interval=rules.interval))
    }
    forgot = forget_sent(coverage, periods(span, interval=rules.interval))
    return Coverage(
        settled=splice(coverage.settled, span, settled, join_adjacent),
        unsettled=splice(coverage.unsettled, span, unsettled, join_in(rules)),
        sent={**forgot.sent, **kept},
        pending=dropped(coverage, task_id).pending,
    )


def overwriting(coverage: Coverage, periods: Collection[date], rules: Rules) -> Coverage:
    """The rows of `periods` are about to go out, over those that the target holds.

    A run that dies then leaves periods that have to come once more, whatever the settings are by
    that time: what was sent of them is no longer known, and none of their days may be settled by
    its earlier export (as it is, or will be once `lookback_days` is lowered).
    """
    coverage = forget_sent(coverage, periods)
    for each in union(period_of(day, interval=rules.interval) for day in periods):
        coverage = reopened(coverage, each, rules)
    return coverage


def forget_sent(coverage: Coverage, periods: Collection[date]) -> Coverage:
    """What the target holds of `periods` is no longer known."""
    gone = frozenset(periods)
    sent = {day: entry for day, entry in coverage.sent.items() if day not in gone}
    return replace(coverage, sent=sent)


def is_settled(period: date, exported_at: datetime, window: DateWindow, rules: Rules) -> bool:
    """Whether the export of `window` has all of the period, and settles it."""
    whole = period_of(period, interval=rules.interval)
    return window.covers(whole) and not unsettled_part(whole, exported_at, rules)


def is_final(period: date, exported_at: datetime, window: DateWindow, rules: Rules) -> bool:
    """Whether the export of `window` settles all that it has of the period: it is sent whole."""
    part = period_of(period, interval=rules.interval).intersect(window)
    return part is not None and not unsettled_part(part, exported_at, rules)


def is_young(task: Pending, rules: Rules) -> bool:
    """Whether a run that starts now may still take the task over."""
    return -MAX_CLOCK_SKEW <= rules.now - task.submitted_at < MAX_PENDING_AGE


def settles(window: DateWindow, exported_at: datetime, rules: Rules) -> bool:
    """Whether the export of `window` settles all of its days: nobody will compare its rows."""
    return not unsettled_part(window, exported_at, rules)


def _of_whole_periods(coverage: Coverage, wanted: DateWindow, rules: Rules) -> Coverage:
    """Without what was sent of periods that have wanted days that are not covered."""
    missing = without((wanted,), coverage.covered())
    sent = {
        day: entry
        for day, entry in coverage.sent.items()
        if not touching(missing, period_of(day, interval=rules.interval))
    }
    return replace(coverage, sent=sent)


def _without_cut_off(coverage: Coverage, exports: Iterable[DateWindow], rules: Rules) -> Coverage:
    """Without the days of the exported months that the exports no longer reach.

    `emitted` does so too, but a run that dies between the rows and their STATE must not leave one
    that says that the month is there to its end.
    """
    rest = tuple(
        day
        for each in sorted(exports)
        for day in without((whole_periods(each, interval=rules.interval),), (each,))
    )
    settled = without(coverage.settled, rest)
    unsettled = without(coverage.unsettled, rest)
    return counting(replace(coverage, settled=settled, unsettled=unsettled), rules)


def _is_due_whole(
    window: DateWindow, days: Sequence[DateWindow], wanted: DateWindow, rules: Rules
) -> bool:
    if rules.interval is Interval.MONTHLY:
        return window in plan_windows(days, interval=rules.interval, window_days=1, wanted=wanted)
    return any(run.covers(window) for run in touching(days, window))
