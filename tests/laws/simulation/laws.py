"""What must hold: between the API's truth, the warehouse, and every STATE that the target took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tests.laws.simulation.expectations import days_of, month_end, parse_moment
from tests.laws.simulation.fate import LawBrokenError
from tests.laws.simulation.figures import TEXT_COLUMNS, Figure
from tests.laws.simulation.warehouse import INTERVALS, VERSION, Key, Record, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from tests.laws.simulation.api import Api, Task

DAY: Final = timedelta(days=1)
# How far a task's own moment and its record may lie apart, when clocks are set back.
SKEW: Final = timedelta(minutes=6)

Row = tuple[str, ...]
_Entries = dict[date, str]


def row_of(figure: Figure, zone: ZoneInfo) -> Row:
    """A row of the API as it must stand in the warehouse."""
    cells = figure.cells()
    moment = datetime.fromisoformat(figure.time).replace(tzinfo=zone)
    return (
        moment.isoformat(),
        *(cells[name] for name in TEXT_COLUMNS),
        cells["campaign_id"] or "None",
        cells["publisher_id"] or "None",
        cells["clicks_aggr"],
        cells["conversions_aggr"],
        cells["cost_aggr"],
        cells["cr"] or "None",
    )


def row_in(record: Record) -> Row:
    """A record of a report stream as a row."""
    return (
        record["time"],
        *(record[name] for name in TEXT_COLUMNS),
        str(record["campaign_id"]),
        str(record["publisher_id"]),
        str(record["clicks_aggr"]),
        str(record["conversions_aggr"]),
        str(record["cost_aggr"]),
        str(record["cr"]),
    )


@dataclass(slots=True)
class Laws:
    """Checks one life.

    Attributes:
        lookbacks: that of every run so far.
        lineage: the numbers of the runs that the state in force knows of.
        has_skew: the tap's clock was wrong at times.
        is_apart: the target flushes its streams apart, so that one that dies holds more than its
            last STATE says.
    """

    api: Api
    warehouse: Warehouse
    zone: ZoneInfo
    has_skew: bool = False
    is_apart: bool = False
    lookbacks: list[int] = field(default_factory=list)
    lineage: set[int] = field(default_factory=set)
    _dark_before: set[Key] = field(default_factory=set)
    _entries: dict[str, dict[str, _Entries]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _tasks: dict[Key, list[Task]] = field(default_factory=dict)
    _rows: dict[tuple[int, date], list[Row]] = field(default_factory=dict)
    _figures_of: dict[tuple[Key, str], list[Row]] = field(default_factory=dict)
    _version_of: dict[tuple[Key, str], str] = field(default_factory=dict)

    def start_run(self, lookback_days: int) -> None:
        """A run begins, with whatever an earlier one left in the dark."""
        self.lineage.add(len(self.lookbacks))
        self.lookbacks.append(lookback_days)
        self._dark_before = set(self.warehouse.dark)
        self.warehouse.start_run()
        self._entries.clear()
        self._texts.clear()

    def at_state(self, *, is_cut: bool = False) -> None:
        """A STATE was taken.

        Args:
            is_cut: the last one of a run that a signal ended, perhaps in the middle of an export.

        Raises:
            LawBrokenError: it, or what is in force, is not true.
        """
        touched = set(self.warehouse.touched)
        self.warehouse.touched.clear()
        for key in sorted(touched):
            if key in self.warehouse.dark:
                if key not in self._dark_before and not is_cut:
                    raise LawBrokenError(f"{key} is dark at a STATE")
            elif key in self.warehouse.periods:
                self._check_period(key)
        for stream, bookmark in self.warehouse.state.get("bookmarks", {}).items():
            self._check_bookmark(INTERVALS[stream], bookmark, touched)

    def at_rest(self) -> None:
        """A run is over, and its target too: what was passed on is true of what was stored.

        Raises:
            LawBrokenError: STATE says that rows were sent, or settled, which are not there.
        """
        for stream, bookmark in self.warehouse.state.get("bookmarks", {}).items():
            interval = INTERVALS[stream]
            entries = _entries(bookmark)
            for period, version in entries["sent"].items():
                self._check_sent(interval, period, version)
            for day, at in entries["days"].items():
                self._check_known_doubt(interval, day, at)

    def at_the_end(self, interval: str, days: Iterable[date]) -> None:
        """The last run was calm and is over; these days were wanted.

        Raises:
            LawBrokenError: the warehouse is not what the API says.
        """
        for key in sorted({_period(interval, day) for day in days}):
            if key in self.warehouse.unknown:
                continue
            if key not in self.warehouse.periods or key in self.warehouse.dark:
                raise LawBrokenError(f"{key} is missing or dark at the end")
            self._check_period(key)
            self._check_truth(key)

    def overwritten(self, messages: Iterable[Record]) -> set[Key]:
        """The periods in force whose figures are others in these messages, which nobody has yet."""
        keys: set[Key] = set()
        for message in messages:
            if message["type"] != "RECORD" or message["stream"] not in INTERVALS:
                continue
            record = message["record"]
            key = INTERVALS[message["stream"]], date.fromisoformat(record["report_date"])
            if key in self.warehouse.periods and key not in keys:
                figures = sorted(row_in(row) for row in self.warehouse.in_force(key))
                if not any(self._rows_of(t, key[1]) == figures for t in self._named(record)):
                    keys.add(key)
        return keys

    # One period.

    def _check_period(self, key: Key) -> None:
        """What is in force of a period is what the API said in the exports that its row names."""
        if key in self.warehouse.unknown:
            return
        period = self.warehouse.periods[key]
        records = self.warehouse.in_force(key)
        rows = sorted(row_in(record) for record in records)
        exported = self._said_by(period, key)
        said = self._rows_of(exported, key[1])
        if rows != said and key in self.warehouse.mixed and self._is_marked(key):
            # A run was cut amid rows that are alike in all dimensions; the next one sends them.
            return
        self._check_rows(key, rows, said)
        for record in records:
            if self._rows_of(self._said_by(record, key), key[1]) != said:
                raise LawBrokenError(f"{key}: a row in force came with an export of other figures")
        self._learn_version(key, period[VERSION], said)
        confirmed = [task for task in self._confirming(key) if self._rows_of(task, key[1]) == rows]
        if not confirmed:
            raise LawBrokenError(f"{key}: no export confirms it at {period['confirmed_at']}")
        self._tasks[key] = confirmed
        self._check_totals(key, period, exported.by_period.get(key[1], []))
        if not any(self._is_settled(key, task) == period["is_settled"] for task in confirmed):
            raise LawBrokenError(f"{key}: is_settled is {period['is_settled']}")

    @staticmethod
    def _check_rows(key: Key, rows: list[Row], said: list[Row]) -> None:
        if rows != said:
            extra, less = Counter(rows) - Counter(said), Counter(said) - Counter(rows)
            raise LawBrokenError(f"{key}: in force too many {list(extra)}, too few {list(less)}")

    def _learn_version(self, key: Key, version: str, figures: list[Row]) -> None:
        """The same figures have the same version, and others another."""
        if self._figures_of.setdefault((key, version), figures) != figures:
            raise LawBrokenError(f"{key}: two sets of figures have the version {version}")
        if self._version_of.setdefault((key, repr(figures)), version) != version:
            raise LawBrokenError(f"{key}: the same figures have two versions")

    def _said_by(self, record: Record, key: Key) -> Task:
        """The export that a row names; of several, the one whose figures are in force."""
        named = [task for task in self._named(record) if task.covers(key[1])]
        if not named:
            raise LawBrokenError(f"{key}: no task {record['export_id']} at {record['exported_at']}")
        rows = sorted(row_in(row) for row in self.warehouse.of_version(key, record[VERSION]))
        return next((task for task in named if self._rows_of(task, key[1]) == rows), named[0])

    def _named(self, record: Record) -> Iterator[Task]:
        """The tasks that an export_id and an exported_at can mean."""
        at = parse_moment(record["exported_at"])
        first = None
        for task in self.api.by_id.get(record["export_id"], ()):
            if first is None and self._is_same_moment(task.submitted_at, at):
                first = task
            # An id that comes again has its file renewed.
            if first is not None:
                yield task

    def _rows_of(self, task: Task, period: date) -> list[Row]:
        at = task.number, period
        if at not in self._rows:
            figures = task.by_period.get(period, [])
            self._rows[at] = sorted(row_of(figure, self.zone) for figure in figures)
        return self._rows[at]

    def _is_same_moment(self, one: datetime, other: datetime) -> bool:
        return one == other or (self.has_skew and abs(one - other) <= SKEW)

    def _confirming(self, key: Key) -> Iterator[Task]:
        """The exports that a period's confirmed_at can mean."""
        return self._exported_at(key, parse_moment(self.warehouse.periods[key]["confirmed_at"]))

    def _exported_at(self, key: Key, at: datetime) -> Iterator[Task]:
        tasks: Iterable[Task] = self.api.by_second.get((key[0], at), ())
        if self.has_skew:
            tasks = self.api.tasks
        for task in tasks:
            if task.interval == key[0] and task.covers(key[1]):  # noqa: SIM102
                if self._is_same_moment(task.submitted_at, at):
                    of_id = self.api.by_id[task.task_id]
                    yield from of_id[of_id.index(task) :]

    def _check_totals(self, key: Key, period: Record, figures: list[Figure]) -> None:
        said = (
            period["row_count"],
            period["clicks_aggr"],
            period["conversions_aggr"],
            Decimal(str(period["cost_aggr"])),
        )
        true = (
            len(figures),
            sum(figure.clicks for figure in figures),
            sum(figure.conversions for figure in figures),
            sum((Decimal(figure.cost) for figure in figures), Decimal()),
        )
        if said != true:
            raise LawBrokenError(f"{key}: the totals are {said}, and should be {true}")

    def _is_settled(self, key: Key, task: Task) -> bool:
        last = month_end(key[1]) if key[0] == "monthly" else key[1]
        run, period = self.warehouse.confirmations[key][-1]
        at = parse_moment(period["confirmed_at"])
        return task.last >= last and self._settled_by(at, self.lookbacks[run]) >= last

    def _settled_by(self, moment: datetime, lookback_days: int) -> date:
        return moment.astimezone(self.zone).date() - DAY - timedelta(days=lookback_days)

    def _check_truth(self, key: Key) -> None:
        """Where the figures had stopped moving at the latest export, they are the true ones."""
        for task in self._tasks[key]:
            interval, first, last = key[0], key[1], key[1]
            if interval == "monthly":
                last = task.last
            if self.api.figures.has_matured(last, task.true_at):
                figures = self.api.figures.rows(interval, first, last, task.true_at + 999 * DAY)
                true = sorted(row_of(figure, self.zone) for figure in figures)
                if true != self._rows_of(task, key[1]):
                    raise LawBrokenError(f"{key}: the warehouse does not hold the truth")

    # One bookmark.

    def _check_bookmark(self, interval: str, bookmark: dict[str, Any], touched: set[Key]) -> None:
        text = repr(bookmark)
        if self._texts.get(interval) == text and not touched:
            return
        self._texts[interval] = text
        entries = _entries(bookmark)
        before = self._entries.get(interval, {})
        self._entries[interval] = entries
        for kind, check in (("days", self._check_day), ("sent", self._check_sent)):
            old = before.get(kind, {})
            for day, entry in entries[kind].items():
                if old.get(day) != entry or _period(interval, day) in touched:
                    check(interval, day, entry)

    def _check_day(self, interval: str, day: date, entry: str) -> None:
        """A covered day was exported, as late as the STATE says, and late enough if settled."""
        key = _period(interval, day)
        known = [
            (run, parse_moment(record["confirmed_at"]))
            for run, record in self.warehouse.confirmations[key]
            if run in self.lineage
        ]
        known = [(run, at) for run, at in known if self._covers(key, at, day)]
        if not known:
            raise LawBrokenError(f"STATE covers {interval} {day}, which did not come")
        if entry:
            if parse_moment(entry) > max(at for _, at in known) and not self.has_skew:
                raise LawBrokenError(f"STATE says {interval} {day} was exported later than it was")
            return
        # A STATE that is older than what its target holds knows of earlier exports.
        if not any(self._settled_by(at, min(self.lookbacks[run:])) >= day for run, at in known):
            raise LawBrokenError(f"STATE says that {interval} {day} is settled, and it is not")
        self._check_bright(key)

    def _check_known_doubt(self, interval: str, day: date, entry: str) -> None:
        """A day whose rows are half another export's counts as exported at its beginning."""
        key = _period(interval, day)
        if key not in self.warehouse.dark or key in self.warehouse.unknown:
            return
        if not entry or parse_moment(entry).astimezone(self.zone).date() > day:
            at = entry or "settled"
            raise LawBrokenError(f"STATE says {interval} {day} was exported, {at}; it is dark")

    def _is_marked(self, key: Key) -> bool:
        """Whether STATE says that a period was exported at its beginning: it comes again."""
        bookmark = self.warehouse.state["bookmarks"].get(f"report_{key[0]}")
        entry = _entries(bookmark)["days"].get(key[1], "") if bookmark else ""
        return entry != "" and parse_moment(entry).astimezone(self.zone).date() <= key[1]

    def _check_bright(self, key: Key) -> None:
        if key in self.warehouse.dark and key not in self.warehouse.unknown:
            raise LawBrokenError(f"STATE says that {key} is settled, and it is dark")

    def _covers(self, key: Key, at: datetime, day: date) -> bool:
        return any(task.covers(day) for task in self._exported_at(key, at))

    def _check_sent(self, interval: str, period: date, version: str) -> None:
        """What STATE says was sent of a period can be had, whole."""
        key = interval, period
        if key in self.warehouse.unknown:
            return
        if (key, version) not in self._figures_of:
            raise LawBrokenError(f"STATE says that {key} was sent as {version}, which did not come")
        rows = sorted(row_in(row) for row in self.warehouse.of_version(key, version))
        if rows != self._figures_of[key, version]:
            raise LawBrokenError(f"STATE says that {key} was sent as {version}, which is not whole")


def _period(interval: str, day: date) -> Key:
    return interval, day.replace(day=1) if interval == "monthly" else day


def _entries(bookmark: dict[str, Any]) -> dict[str, _Entries]:
    """A bookmark, day by day: when it was exported, or "" for settled; and what was sent."""
    days: _Entries = {}
    for first, last in bookmark["settled"]:
        days.update(dict.fromkeys(days_of(_day(first), _day(last)), ""))
    for first, last, moment in bookmark["unsettled"]:
        days.update(dict.fromkeys(days_of(_day(first), _day(last)), moment))
    sent = {_day(day): version for day, _, version, _ in bookmark.get("sent", [])}
    return {"days": days, "sent": sent}


def _day(text: str) -> date:
    return date.fromisoformat(text)
