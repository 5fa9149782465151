"""What a run may ask the API for, by the state that it was given: a plain account, day by day.

It shares no code with the tap. What is a range there is a set of days here.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from tests.laws.simulation.fate import LawBrokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.laws.simulation.api import Task
    from tests.laws.simulation.settings import RunSettings

DAY: Final = timedelta(days=1)
SKEW: Final = timedelta(minutes=5)
# A task that nobody has seen is not given up before, by a margin for the time of answers.
VISIBLE_AFTER_SECONDS: Final = 100
_SETTLED: Final = date.min


def days_of(first: date, last: date) -> Iterator[date]:
    """The days from the first to the last, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def month_end(day: date) -> date:
    """The last day of the month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def parse_moment(text: str) -> datetime:
    """A moment of the state or of a record."""
    return datetime.fromisoformat(text).astimezone(UTC)


def is_within(first: date, last: date, windows: Iterable[tuple[date, date]]) -> bool:
    """Whether the days are a part of one of the windows."""
    return any(begin <= first and last <= end for begin, end in windows)


@dataclass(slots=True)
class Due:
    """What one report's run has to bring.

    Attributes:
        wanted: the first and the last day, or None.
        days: the wanted days that are not settled.
        adopted: tasks that the run is to poll before it submits their days.
    """

    wanted: tuple[date, date] | None
    days: frozenset[date] = frozenset()
    adopted: dict[str, tuple[date, date]] = field(default_factory=dict)


def due(bookmark: dict[str, Any], settings: RunSettings, interval: str, now: datetime) -> Due:
    """What a run that starts `now` with a report's `bookmark` has to bring."""
    return _Reading(settings, interval, now).due(bookmark)


class _Reading:
    def __init__(self, settings: RunSettings, interval: str, now: datetime) -> None:
        self._settings = settings
        self._is_monthly = interval == "monthly"
        self._zone = ZoneInfo(settings.timezone)
        self._now = now
        self._today = now.astimezone(self._zone).date()

    def due(self, bookmark: dict[str, Any]) -> Due:
        wanted = self._wanted()
        if wanted is None:
            return Due(None)
        exported, pending = self._read(bookmark)
        past = self._today - DAY - timedelta(days=self._settings.lookback_days)
        days = frozenset(
            day
            for day in days_of(*wanted)
            if not (day <= past and self._is_settled(day, exported.get(day)))
        )
        return Due(wanted, days, self._adopted(pending, days, wanted))

    def _wanted(self) -> tuple[date, date] | None:
        settings = self._settings
        limit = self._today if settings.include_today else self._today - DAY
        last = min(settings.end_date or limit, limit)
        if settings.start_date > last:
            return None
        return (
            settings.start_date.replace(day=1) if self._is_monthly else settings.start_date,
            last,
        )

    def _is_settled(self, day: date, exported_on: date | None) -> bool:
        if exported_on is None:
            return False
        refresh = self._settings.refresh
        if refresh and refresh[0] <= day <= refresh[1]:
            return False
        if exported_on == _SETTLED:
            return True
        return exported_on - DAY - timedelta(days=self._settings.lookback_days) >= day

    def _read(self, bookmark: dict[str, Any]) -> tuple[dict[date, date], list[dict[str, Any]]]:
        """On which date each covered day was exported, and the tasks that are under way."""
        exported: dict[date, date] = {}
        for first, last in bookmark.get("settled", []):
            exported.update(dict.fromkeys(days_of(_day(first), _day(last)), _SETTLED))
        for first, last, moment in bookmark.get("unsettled", []):
            at = min(parse_moment(moment), self._now).astimezone(self._zone).date()
            exported.update(dict.fromkeys(days_of(_day(first), _day(last)), at))
        pending = list(bookmark.get("pending", []))
        value = bookmark.get("replication_key_value")
        if exported and value and _day(value) < _gap_free_end(exported):
            holes = (_day(value) + DAY, date.max)
            exported = {day: at for day, at in exported.items() if day < holes[0]}
            pending = [task for task in pending if not self._touches(task, *holes)]
        if self._settings.refresh:
            pending = [task for task in pending if not self._touches(task, *self._settings.refresh)]
        today = self._today
        return {d: at for d, at in exported.items() if d < today + DAY * (at != _SETTLED)}, pending

    def _touches(self, task: dict[str, Any], first: date, last: date) -> bool:
        if self._is_monthly:
            first = first.replace(day=1)
            last = last if last == date.max else month_end(last)
        return _day(task["first"]) <= last and first <= _day(task["last"])

    def _adopted(
        self, pending: list[dict[str, Any]], days: frozenset[date], wanted: tuple[date, date]
    ) -> dict[str, tuple[date, date]]:
        taken: set[date] = set()
        adopted = {}
        for task in sorted(pending, key=self._submitted_at, reverse=True):
            first, last = _day(task["first"]), _day(task["last"])
            window = set(days_of(first, last))
            is_young = -SKEW <= self._now - self._submitted_at(task) < DAY
            is_whole = window <= days
            if self._is_monthly:
                is_whole = first.day == 1 and last == min(month_end(first), wanted[1])
                is_whole = is_whole and not days.isdisjoint(days_of(first, month_end(first)))
            if is_young and is_whole and not window & taken:
                taken |= window
                adopted[task["task_id"]] = (first, last)
        return adopted

    def _submitted_at(self, task: dict[str, Any]) -> datetime:
        at = parse_moment(task["submitted_at"])
        now = self._now.replace(microsecond=0)
        return now if now < at <= now + SKEW else at


def _gap_free_end(exported: dict[date, date]) -> date:
    day = min(exported)
    while day + DAY in exported:
        day += DAY
    return day


def _day(text: str) -> date:
    return date.fromisoformat(text)


class Allowed:
    """Holds every request of a run to what it may ask for.

    Attributes:
        due: by interval, for each selected report.
        emitted: by interval, the periods whose rows are out in this run.
    """

    def __init__(self, settings: RunSettings, due: dict[str, Due]) -> None:
        self.sorting = settings.sorting
        self.due = due
        self.emitted: dict[str, set[date]] = {interval: set() for interval in due}
        self.submissions = 0
        self.refused = 0
        self._window_days = settings.window_days
        self._known: set[str] = set()
        self._polled: set[str] = set()
        # By task, what nobody has seen yet: its days, and when it was submitted.
        self._unseen: dict[str, tuple[str, set[date], float]] = {}
        self._asked_for: dict[str, set[date]] = {
            interval: {day for task in each.adopted.values() for day in days_of(*task)}
            for interval, each in due.items()
        }

    def learn(self, task: Task, seconds: float) -> None:
        """The API told the id of a task."""
        self._known.add(task.task_id)
        days = set(days_of(task.first, task.last))
        self._unseen[task.task_id] = task.interval, days, seconds

    def see(self, task_id: str) -> None:
        """The API told the state of a task."""
        self._unseen.pop(task_id, None)

    def poll(self, task_id: str) -> None:
        """The tap polls a task.

        Raises:
            LawBrokenError: it does not know it, or may not adopt it.
        """
        self._polled.add(task_id)
        if task_id not in self._known and not any(
            task_id in due.adopted for due in self.due.values()
        ):
            msg = f"a poll of the task {task_id}, which may not be adopted"
            raise LawBrokenError(msg)

    def submit(self, body: dict[str, Any], seconds: float) -> None:
        """The tap submits an export.

        Raises:
            LawBrokenError: of days that it has no reason to ask for.
        """
        self.submissions += 1
        interval = body["interval"]
        first, last = _day(body["start_date"]), _day(body["stop_date"])
        window = set(days_of(first, last))
        what = f"a submission of {interval} {first}..{last}"
        due = self.due.get(interval)
        if due is None or due.wanted is None:
            raise LawBrokenError(f"{what}, which is not wanted")
        adopted = due.adopted.values()
        if interval == "monthly":
            self._submit_month(what, first, last, due)
        elif extra := window - due.days:
            raise LawBrokenError(f"{what}: {min(extra)} is settled")
        elif len(window) > self._window_days and not is_within(first, last, adopted):
            raise LawBrokenError(f"{what}: it is too long")
        if window & self.emitted[interval]:
            raise LawBrokenError(f"{what}, whose rows are out already")
        for task_id, task in due.adopted.items():
            if window & set(days_of(*task)) and task_id not in self._polled:
                raise LawBrokenError(f"{what}, which the task {task_id} brings")
        self._check_unseen(what, interval, window, seconds)
        self._check_order(what, interval, window, due)

    def _check_unseen(self, what: str, interval: str, window: set[date], seconds: float) -> None:
        """A task that cannot be seen yet is waited for."""
        for task_id, (of, days, at) in self._unseen.items():
            if of == interval and days & window and seconds - at < VISIBLE_AFTER_SECONDS:
                age = round(seconds - at)
                raise LawBrokenError(
                    f"{what}, whose task {task_id} is {age} s old and was not seen"
                )

    def _check_order(self, what: str, interval: str, window: set[date], due: Due) -> None:
        """The newest days are asked for first."""
        asked_for = self._asked_for[interval]
        if not window & asked_for:
            newer = {day for day in due.days if day > max(window)}
            if missed := newer - asked_for:
                raise LawBrokenError(f"{what}, before {max(missed)} was asked for")
        asked_for |= window

    @staticmethod
    def _submit_month(what: str, first: date, last: date, due: Due) -> None:
        end = month_end(first)
        is_whole = first.day == 1 and due.wanted and last == min(end, due.wanted[1])
        if not is_whole or not set(days_of(first, end)) & due.days:
            raise LawBrokenError(f"{what}: it is no month, or settled")
