"""Merges the states of several machines into one; days in doubt are exported again.

The states must describe loads into the same warehouse. Nothing here reads the warehouse. So where
two states contradict each other, the mistake can only be one export too many.

A day that counts as exported before it was over has been marked for another export: its rows may be
another export's, or someone has asked for it. So a mark counts more than any claim. A settled day
of which another state has a task under way is marked too: its machine may have died amid the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import combinations
from typing import TYPE_CHECKING, Final, TypeVar

from tap_advexport.coverage.bookmark import remarks_on, render_bookmark
from tap_advexport.coverage.ranges import union, within
from tap_advexport.coverage.settling import AS_WRITTEN, Rules, settle
from tap_advexport.coverage.state import Coverage, Exported, Sent
from tap_advexport.coverage.state_envelope import bookmarks_of, coverage_of
from tap_advexport.coverage.transitions import reopened
from tap_advexport.errors import StateError
from tap_advexport.reports import REPORTS, Interval
from tap_advexport.windows import DateWindow, Task, first_of_month, local_date, period_of, periods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from tap_advexport.reports import Report

_Value = TypeVar("_Value")

# For each day: when it was exported, or None if it is settled.
_Claims = dict[date, "datetime | None"]

_REPORTS: Final = {report.stream: report for report in REPORTS}


@dataclass(frozen=True, slots=True)
class Reading:
    """The parameters for reading states.

    Attributes:
        start_date: the tap's `start_date`, if known.
    """

    now: datetime
    zone: ZoneInfo
    start_date: date | None = None

    def rules(self, interval: Interval) -> Rules:
        """Return rules under which only those days are settled that the states list as settled."""
        return Rules(interval, self.zone, self.now, AS_WRITTEN)


def merge_states(states: Mapping[str, Mapping[str, object]], reading: Reading) -> dict[str, object]:
    """Merge Singer states into one that covers everything they cover.

    Args:
        states: the states by name; the names are for error messages.

    Raises:
        StateError: one is not a state of this tap, or two hold values that cannot be merged.
    """
    merged: dict[str, object] = {}
    for key in _keys(states.values()):
        if key != "bookmarks":
            merged[key] = _agreed([state[key] for state in states.values() if key in state], key)
    bookmarks = [bookmarks_of(state, f"state: {name}") for name, state in states.items()]
    merged["bookmarks"] = {
        stream: _bookmark(stream, [each[stream] for each in bookmarks if stream in each], reading)
        for stream in _keys(bookmarks)
    }
    return merged


def streams_of_several_shapes(states: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return the streams whose bookmarks differ in `shape`: their rows are not of one kind.

    Where two states have no stream in common, their shapes must have one: the reports of an account
    are of one shape, unless their columns or maps differ.
    """
    shapes = [_shapes(state, name) for name, state in states.items()]
    several: dict[str, None] = {}
    for one, other in combinations(filter(None, shapes), 2):
        common = one.keys() & other.keys()
        differing = [stream for stream in common if one[stream] != other[stream]]
        if not common and set(one.values()).isdisjoint(other.values()):
            differing = [*one, *other]
        several |= dict.fromkeys(differing)
    return sorted(several)


def _shapes(state: Mapping[str, object], name: str) -> dict[str, str]:
    bookmarks = bookmarks_of(state, f"state: {name}")
    found = ((stream, bookmark.get("shape")) for stream, bookmark in bookmarks.items())
    return {s: shape for s, shape in found if s in _REPORTS and isinstance(shape, str) and shape}


def remarks_on_states(
    states: Mapping[str, Mapping[str, object]], reading: Reading
) -> Iterator[tuple[str, str]]:
    """Yield the name of a state and what a person should know about one of its bookmarks."""
    for name, state in states.items():
        for stream, bookmark in bookmarks_of(state, f"state: {name}").items():
            if report := _REPORTS.get(stream):
                for remark in remarks_on(bookmark, reading.rules(report.interval)):
                    yield name, f"{stream}: {remark}"


def merge_coverages(coverages: Sequence[Coverage], rules: Rules) -> Coverage:
    """Merge coverages of one report into one; their order does not matter.

    A day that is marked in one of them, or settled in one and under way in another, is exported
    again. Otherwise a day that is settled in one of them is settled. Of two exports of a day, the
    later one counts.
    What the target holds of a period is known only if all coverages that touched the period say the
    same. A pending task is kept if it brings a day that is not covered, or that was last exported
    on an earlier date.

    Raises:
        StateError: a task is listed twice, with different days or times.
    """
    coverages = [_of_whole_months(each, rules) for each in coverages]
    claims = _joined([_claims(each) for each in coverages], rules)
    settled = [day for day, at in claims.items() if at is None]
    in_doubt = {day for each in coverages for day in _under_way(each)}.intersection(settled)
    merged = reopened(
        Coverage(
            settled=tuple(DateWindow(day, day) for day in settled),
            unsettled=tuple(Exported(day, day, at) for day, at in claims.items() if at is not None),
        ),
        union(DateWindow(day, day) for day in in_doubt),
        rules,
    )
    # Pick one shape, whatever the order. What was sent in another shape does not count.
    shape = max((each.shape for each in coverages), default="")
    return settle(
        replace(
            merged,
            shape=shape,
            sent=_agreed_sent(coverages, shape, rules),
            pending=tuple(_useful(_tasks(coverages), _claims(merged), rules)),
        ),
        rules,
    )


def _bookmark(
    stream: str, bookmarks: Sequence[Mapping[str, object]], reading: Reading
) -> Mapping[str, object]:
    if stream not in _REPORTS:
        return _agreed(bookmarks, f"bookmarks.{stream}")
    report: Report = _REPORTS[stream]
    rules = reading.rules(report.interval)
    coverages = [
        coverage_of(each, report, rules, start_date=reading.start_date) for each in bookmarks
    ]
    return render_bookmark(merge_coverages(coverages, rules), rules)


def _keys(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    return sorted({key for each in mappings for key in each})


def _agreed(values: Sequence[_Value], name: str) -> _Value:
    """Return the value of a key that this tap does not know, if all states agree on it."""
    if any(each != values[0] for each in values):
        raise StateError(
            f"state: {name} differs from state to state, and is nothing that can be joined; "
            "make it the same in all of them, or remove it"
        )
    return values[0]


def _claims(coverage: Coverage) -> _Claims:
    claims: _Claims = dict.fromkeys(_days(coverage.settled))
    for each in coverage.unsettled:
        claims |= dict.fromkeys(_days([each]), each.exported_at)
    return claims


def _under_way(coverage: Coverage) -> Iterator[date]:
    """Yield the days that a run of this state may have been writing when it ended."""
    settled = set(_days(coverage.settled))
    for day in _days([task.window for task in coverage.pending]):
        if day not in settled:
            yield day


def _joined(all_claims: Sequence[_Claims], rules: Rules) -> _Claims:
    if rules.interval is Interval.MONTHLY:
        all_claims = _cut_alike(all_claims)
    joined: _Claims = {}
    for claims in all_claims:
        for day, at in claims.items():
            joined[day] = _better(day, joined[day], at, rules) if day in joined else at
    return dict(sorted(joined.items()))


def _better(
    day: date, one: datetime | None, other: datetime | None, rules: Rules
) -> datetime | None:
    marks = [at for at in (one, other) if at is not None and _is_mark(day, at, rules)]
    if marks:
        return min(marks)
    return None if one is None or other is None else max(one, other)


def _cut_alike(all_claims: Sequence[_Claims]) -> list[_Claims]:
    """Cut the claims for each month to the shortest of them.

    A month is one figure, and the warehouse holds the figure of the last export, which may be the
    one with fewer days. The days that are cut off cause the month to be exported again.
    """
    lasts = [{first_of_month(day): day for day in sorted(claims)} for claims in all_claims]
    shortest = {
        month: min(each[month] for each in lasts if month in each)
        for month in {month for each in lasts for month in each}
    }
    return [
        {day: at for day, at in claims.items() if day <= shortest[first_of_month(day)]}
        for claims in all_claims
    ]


def _of_whole_months(coverage: Coverage, rules: Rules) -> Coverage:
    """Keep the days of a month only if all days before them in the month are covered too.

    Every export of a month begins on its first day.
    """
    if rules.interval is not Interval.MONTHLY:
        return coverage
    kept = tuple(
        part
        for run in coverage.covered()
        for first in periods(run, interval=Interval.MONTHLY)
        if first >= run.first
        for part in within([run], period_of(first, interval=Interval.MONTHLY))
    )
    return settle(
        replace(
            coverage,
            settled=tuple(part for each in kept for part in within(coverage.settled, each)),
            unsettled=tuple(part for each in kept for part in within(coverage.unsettled, each)),
        ),
        rules,
    )


def _agreed_sent(coverages: Sequence[Coverage], shape: str, rules: Rules) -> dict[date, Sent]:
    """Return what the target holds of the periods on which all states that touched them agree."""
    told = [each.sent if each.shape == shape else {} for each in coverages]
    touched = [
        sorted([*each.covered(), *(task.window for task in each.pending)]) for each in coverages
    ]
    agreed: dict[date, Sent] = {}
    for period in {day for sent in told for day in sent}:
        span = period_of(period, interval=rules.interval)
        said = {
            sent.get(period)
            for sent, windows in zip(told, touched, strict=True)
            if period in sent or any(each.overlaps(span) for each in windows)
        }
        if len(said) == 1 and (entry := said.pop()):
            agreed[period] = entry
    return agreed


def _tasks(coverages: Sequence[Coverage]) -> list[Task]:
    tasks: dict[str, Task] = {}
    for task in (task for each in coverages for task in each.pending):
        if tasks.setdefault(task.task_id, task) != task:
            raise StateError(
                f"state: the pending task {task.task_id} stands in two states with different days "
                "or times; remove it from one of them"
            )
    return sorted(tasks.values(), key=lambda task: (task.submitted_at, task.task_id))


def _useful(tasks: Iterable[Task], claims: _Claims, rules: Rules) -> Iterable[Task]:
    """Yield the tasks that bring a day that is not covered, or was exported on an earlier date.

    For months, yield all tasks: another state that is merged later may shorten a month that is
    whole now. The run that reads the state decides which of these tasks are still due.
    """
    for task in tasks:
        date_of_task = local_date(task.submitted_at, rules.zone)
        if rules.interval is Interval.MONTHLY or any(
            day not in claims or _is_of_earlier_date(claims[day], date_of_task, rules)
            for day in _days([task.window])
        ):
            yield task


def _is_of_earlier_date(at: datetime | None, day: date, rules: Rules) -> bool:
    return at is not None and local_date(at, rules.zone) < day


def _is_mark(day: date, at: datetime | None, rules: Rules) -> bool:
    """Return whether a day counts as exported before it was over."""
    return at is not None and local_date(at, rules.zone) <= day


def _days(windows: Iterable[DateWindow]) -> list[date]:
    return [each.first + timedelta(days=n) for each in windows for n in range(each.days)]
