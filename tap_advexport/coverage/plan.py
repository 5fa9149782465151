"""The plan of a run: export every wanted day that is not settled, newest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from tap_advexport.coverage.ranges import touching, union, within, without
from tap_advexport.coverage.settling import MAX_CLOCK_SKEW, Rules, counting
from tap_advexport.coverage.transitions import overwriting, refreshed
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task, period_of, periods, plan_windows, whole_periods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from tap_advexport.coverage.state import Coverage, Sent

MAX_PENDING_AGE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of a run, newest days first.

    Attributes:
        adopted: tasks of an earlier run to wait for.
        windows: the windows to submit.
        coverage: the state to start from. Its `pending` are the adopted tasks. The periods that
            this run exports are unsettled in it, and what was sent of them is forgotten. Otherwise,
            if this run died after it overwrote rows, and the figures then went back to their old
            values, the next run would skip rows that the target no longer holds.
        known: what the target holds of the periods that this run exports, for comparison.
        days_left: the number of due days that are left for a later run.
    """

    adopted: tuple[Task, ...]
    windows: tuple[DateWindow, ...]
    coverage: Coverage
    known: Mapping[date, Sent]
    days_left: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.adopted and not self.windows


@dataclass(frozen=True, slots=True)
class Portion:
    """The part of the due days that a run exports.

    Attributes:
        max_days: the most days to export, but at least one period; None for no limit.
        done: days that were exported, or failed, in runs that this one continues.
    """

    max_days: int | None = None
    done: tuple[DateWindow, ...] = ()


EVERYTHING: Final = Portion()


def wanted(start_date: date, last: date, *, interval: Interval) -> DateWindow | None:
    """Return the days that must be exported, or None if `start_date` is after `last`.

    Args:
        start_date: the first day; for months, the first day of its month is used.
        last: the last day (`windows.last_day_to_have`).
    """
    if start_date > last:
        return None
    return DateWindow(period_of(start_date, interval=interval).first, last)


def due(coverage: Coverage, wanted: DateWindow, rules: Rules) -> tuple[DateWindow, ...]:
    """Return the wanted days that are not settled."""
    # If `lookback_days` was raised, `settled` may hold days that ended less than that ago.
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
) -> tuple[Task, ...]:
    """Return the pending tasks to adopt because they bring due days, in the order of their days.

    Args:
        days: the days that are due.
        refresh: days that no task of an earlier run may bring.
    """
    adopted: list[Task] = []
    for each in sorted(coverage.pending, key=lambda task: task.submitted_at, reverse=True):
        taken = [other.window for other in adopted] + ([refresh] if refresh else [])
        is_free = not any(each.window.overlaps(other) for other in taken)
        if is_free and is_young(each, rules) and _is_due_whole(each.window, days, wanted, rules):
            adopted.append(each)
    return tuple(sorted(adopted, key=lambda task: task.window))


def plan(  # noqa: PLR0913, PLR0917 - all that a plan depends on
    coverage: Coverage,
    wanted: DateWindow | None,
    rules: Rules,
    window_days: int,
    refresh: DateWindow | None = None,
    portion: Portion = EVERYTHING,
) -> Plan:
    """Plan the exports of wanted days that are not settled. Call once, at the start of a run."""
    for again in without((refresh,), portion.done) if refresh else ():
        coverage = refreshed(coverage, again, rules)
    if wanted is None:
        return Plan((), (), replace(coverage, pending=()), {})
    all_days = without(due(coverage, wanted, rules), portion.done)
    days = _first_days(all_days, portion.max_days, coverage, wanted, rules)
    adopted = adoptable(coverage, days, wanted, rules, refresh)
    rest = without(days, tuple(task.window for task in adopted))
    windows = plan_windows(rest, interval=rules.interval, window_days=window_days, wanted=wanted)
    coverage = _of_whole_periods(replace(coverage, pending=adopted), wanted, rules)
    exported = (*(task.window for task in adopted), *windows)
    coverage = _without_cut_off(coverage, exported, rules)
    firsts = {day for each in exported for day in periods(each, interval=rules.interval)}
    return Plan(
        adopted=tuple(reversed(adopted)),
        windows=tuple(reversed(windows)),
        coverage=overwriting(coverage, firsts, rules),
        known={day: entry for day, entry in coverage.sent.items() if day in firsts},
        days_left=_count(all_days) - _count(days),
    )


def _first_days(
    days: tuple[DateWindow, ...],
    max_days: int | None,
    coverage: Coverage,
    wanted: DateWindow,
    rules: Rules,
) -> tuple[DateWindow, ...]:
    """Return the days that a run with a limit exports, in whole periods.

    Days that were never exported come first, newest first; then the days exported longest ago.
    Half of the room is kept for these: if days that are exported again every day had all of it, a
    backfill would never advance; if they had none, days that fail every time would keep it.
    """
    if max_days is None or _count(days) <= max_days:
        return days
    covered = coverage.covered()

    def exported_at(period: DateWindow) -> float:
        moments = [each.exported_at.timestamp() for each in touching(coverage.unsettled, period)]
        return min(moments, default=0.0)

    new: list[DateWindow] = []
    seen: list[DateWindow] = []
    for period in sorted(_periods(days, wanted, rules), reverse=True):
        (new if without((period,), covered) else seen).append(period)
    seen.sort(key=exported_at)
    chosen = _first_periods(new, max_days - min(_count(seen), max_days // 2))
    chosen += _first_periods(seen, max_days - _count(chosen), is_any=not chosen)
    return tuple(piece for each in union(chosen) for piece in within(days, each))


def _first_periods(
    ordered: Sequence[DateWindow], max_days: int, *, is_any: bool = True
) -> list[DateWindow]:
    """Return as many periods as fit, from the first on; with `is_any`, at least one."""
    chosen: list[DateWindow] = []
    for period in ordered:
        max_days -= period.days
        if max_days < 0 and (chosen or not is_any):
            break
        chosen.append(period)
    return chosen


def _periods(days: Iterable[DateWindow], wanted: DateWindow, rules: Rules) -> Iterator[DateWindow]:
    firsts = dict.fromkeys(day for each in days for day in periods(each, interval=rules.interval))
    for first in firsts:
        yield from within((wanted,), period_of(first, interval=rules.interval))


def _count(windows: Iterable[DateWindow]) -> int:
    return sum(each.days for each in windows)


def is_young(task: Task, rules: Rules) -> bool:
    """Return whether a run that starts now may still adopt the task."""
    return -MAX_CLOCK_SKEW <= rules.now - task.submitted_at < MAX_PENDING_AGE


def _of_whole_periods(coverage: Coverage, wanted: DateWindow, rules: Rules) -> Coverage:
    """Forget what was sent of periods that have wanted days that are not covered."""
    missing = without((wanted,), coverage.covered())
    sent = {
        day: entry
        for day, entry in coverage.sent.items()
        if not touching(missing, period_of(day, interval=rules.interval))
    }
    return replace(coverage, sent=sent)


def _without_cut_off(coverage: Coverage, exports: Iterable[DateWindow], rules: Rules) -> Coverage:
    """Uncover the days of exported months that the exports no longer reach.

    `emitted` does this too. But a run that dies between the rows and their STATE must not leave a
    state that says that the month is covered to its end.
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
