"""A quarter in the life of a warehouse: a run a day, of which some fail, die or lose their output.

The tap runs in this process against the sandbox, on one simulated clock, and writes to real files
and pipes. What of its output arrives, and which STATE is kept, is told run by run; who loads it,
and how, is up to the tests.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from advexport_sandbox import Clock, Interval, Match, Sandbox, SandboxConfig
from tap_advexport.singer.sdk import Halt
from tap_advexport.singer.stdout import OutputClosed
from tests.support.accounts import Account, Wall, handlers_of_signals
from tests.support.api_rows import INTEGERS, NUMBERS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tap_advexport.tap import TapAdvexport

# A leap day and a day of 23 hours lie in it.
ZONE: Final = ZoneInfo("Europe/Berlin")
START: Final = date(2024, 1, 8)
EARLIER_START: Final = date(2023, 12, 20)
FIRST_RUN: Final = datetime(2024, 1, 15, 2, tzinfo=UTC)
DAYS: Final = 91
WEEK: Final = 7
LATE_HOURS: Final = 12
# From this day on, `start_date` is earlier: a backfill.
BACKFILL_DAY: Final = 38
LOOKBACK_DAYS: Final = 12
SETTINGS: Final = {
    "lookback_days": LOOKBACK_DAYS,
    "window_days": 5,
    "poll_interval_seconds": 0.01,
    "export_attempts": 2,
}
FIGURES: Final[dict[str, Any]] = {
    "rows_per_day": 5,
    "maturing_days": 9,
    "vanish_share": 0.2,
    "late_share": 0.15,
    "repeat_share": 0.1,
    "empty_day_share": 0.06,
    "seed": 11,
}

# How a run goes, and how often.
WELL, OFF, DAY_FAILS, API_DOWN = "well", "off", "a day fails", "the API is down"
READER_GONE, TARGET_DIES, LOST = "the reader goes", "the target dies", "all is lost"
FATES: Final = {
    WELL: 9,
    READER_GONE: 4,
    TARGET_DIES: 4,
    DAY_FAILS: 3,
    LOST: 1,
    API_DOWN: 1,
    OFF: 1,
}
SHARE_RUN_AGAIN: Final = 0.5

REPORTS: Final = {interval.value: interval for interval in Interval}
# A report and a period of it.
Key = tuple[str, str]
# The cells of a row, the time as a wall clock shows it, numbers with all their digits.
Cells = tuple[str, ...]
Rows = Counter[Cells]
# What the API says of each period that has rows, at one moment.
Said = dict[Key, Rows]
State = dict[str, Any]


@dataclass(frozen=True)
class Arrival:
    """What of a run's output arrived, and what is known of the run.

    Attributes:
        lines: whole lines. Behind the first `in_order` ones, streams were flushed apart and a
            part of each is lost.
        state: the STATE that the next run starts from.
        start: the first day that the run was to bring.
        is_whole: every day was exported at this moment, and all of the output arrived.
    """

    day: int
    moment: datetime
    fate: str
    lines: tuple[bytes, ...]
    in_order: int
    state: State | None
    start: date
    is_whole: bool
    rows_not_sent: int

    @property
    def last_day(self) -> date:
        """The last day that was over."""
        return self.moment.astimezone(ZONE).date() - timedelta(days=1)


@dataclass(frozen=True)
class Quarter:
    """All runs, and what the API said at the moment of each."""

    arrivals: tuple[Arrival, ...]
    said: dict[str, Said]

    def weeks(self) -> list[tuple[Arrival, ...]]:
        """The runs of each week, whose last one went well."""
        weeks = defaultdict(list)
        for arrival in self.arrivals:
            weeks[arrival.day // WEEK].append(arrival)
        return [tuple(week) for week in weeks.values()]


# --- Runs ----------------------------------------------------------------------------------------


def live_through(folder: Path, seed: int = 3) -> Quarter:
    """Run the tap day by day."""
    wall = Wall(FIRST_RUN)
    config = SandboxConfig(timezone=ZONE.key, **FIGURES)
    with Sandbox(config, clock=Clock(timezone=ZONE.key, wall=wall)) as sandbox:
        life = _Life(Account(sandbox, wall, ZONE.key, lambda: 0.0), folder, seed)
        for day in range(DAYS):
            life.live(day)
        return Quarter(tuple(life.arrivals), life.said)


@dataclass
class _Life:
    account: Account
    folder: Path
    seed: int
    random: Random = field(default_factory=Random)
    arrivals: list[Arrival] = field(default_factory=list)
    said: dict[str, Said] = field(default_factory=dict)
    state: State | None = None
    # How much a run wrote lately.
    byte_count: int = 50_000

    def live(self, day: int) -> None:
        """The runs of one day."""
        # How it goes is drawn first: how much a run writes depends on what comes when.
        self.random = Random(f"{self.seed}:{day}")
        fate, is_run_again = self._fate(), self.random.random() < SHARE_RUN_AGAIN
        is_last_of_week = day % WEEK == WEEK - 1
        # So late that no task of the day before is young enough to be adopted.
        hours = LATE_HOURS if is_last_of_week else 0
        minutes = self.random.randrange(90)
        self.account.wall.moment = FIRST_RUN + timedelta(days=day, hours=hours, minutes=minutes)
        if is_last_of_week:
            fate = WELL
        if fate == OFF:
            return
        self._run(day, fate)
        if fate in {READER_GONE, TARGET_DIES} and is_run_again:
            # Somebody starts it again the same day, when figures have moved on.
            self.account.wall.moment += timedelta(hours=self.random.choice([0, 1, 9]), minutes=1)
            self._run(day, WELL)

    def _fate(self) -> str:
        [fate] = self.random.choices([*FATES], [*FATES.values()])
        return fate

    def _run(self, day: int, fate: str) -> None:
        start = EARLIER_START if day >= BACKFILL_DAY else START
        moment = self.account.wall.moment
        self.said[moment.isoformat()] = self._say(moment)
        adopted = [task for task in pending(self.state) if is_young(task, moment)]
        tap = self.account.tap(
            start.isoformat(),
            *(f"report_{report}" for report in REPORTS),
            state=json.loads(json.dumps(self.state)) if self.state else None,
            **SETTINGS,
        )
        with self._trouble(fate, moment):
            most = self.random.randrange(self.byte_count) if fate == READER_GONE else None
            lines, is_done = write(tap, self.folder / "out", most)
        rows_not_sent = tap.run.tally.rows_not_sent
        del tap
        if fate == WELL:
            self.byte_count = sum(map(len, lines))
        arrived, in_order = self._arrive(fate, lines)
        self.state = last_state(arrived[:in_order]) or self.state
        self.arrivals.append(
            Arrival(
                day=day,
                moment=moment,
                fate=fate,
                lines=tuple(arrived),
                in_order=in_order,
                state=self.state,
                start=start,
                # A task that is adopted brings the figures of its own time.
                is_whole=fate == WELL and is_done and not adopted,
                rows_not_sent=rows_not_sent,
            )
        )

    @contextmanager
    def _trouble(self, fate: str, moment: datetime) -> Iterator[None]:
        sandbox = self.account.sandbox
        if fate == DAY_FAILS:
            ago = self.random.randint(1, LOOKBACK_DAYS + 1)
            day = moment.astimezone(ZONE).date() - timedelta(days=ago)
            sandbox.inject("task-failure", count=None, match=Match(day=day))
        if fate == API_DOWN:
            sandbox.inject("submit-error-result", count=None)
        yield
        sandbox.clear_faults()

    def _arrive(self, fate: str, lines: list[bytes]) -> tuple[list[bytes], int]:
        """What reaches the warehouse, and how much of it in order."""
        if fate == LOST:
            return [], 0
        if fate != TARGET_DIES:
            return lines, len(lines)
        # A target passes a STATE on when all before it is stored, and has more in by then.
        ends = [0, *(n + 1 for n, line in enumerate(lines) if _type(line) == "STATE")]
        kept = self.random.choice(ends)
        behind: dict[str, list[bytes]] = defaultdict(list)
        for line in lines[kept:]:
            if _type(line) != "STATE":
                behind[json.loads(line)["stream"]].append(line)
        arrived = lines[:kept]
        for stream in self.random.sample(sorted(behind), len(behind)):
            of_stream = behind[stream]
            arrived += of_stream[: self.random.randint(0, len(of_stream))]
        return arrived, kept

    def _say(self, moment: datetime) -> Said:
        said: Said = defaultdict(Counter)
        last = moment.astimezone(ZONE).date() - timedelta(days=1)
        for report, interval in REPORTS.items():
            first = EARLIER_START.replace(day=1) if report == "monthly" else EARLIER_START
            for row in self.account.sandbox.truth(interval, first, last):
                said[report, row["time"][:10]][cells(row)] += 1
        return said


def write(tap: TapAdvexport, path: Path, most: int | None) -> tuple[list[bytes], bool]:
    """Let it write: the whole lines that were read, and whether it came to its end without error.

    Args:
        most: how many bytes are read before the reader goes; None: it writes to a file.
    """
    with _output(path, most) as (stdout, got), handlers_of_signals(), redirect_stdout(stdout):
        try:
            tap.sync_all()
            tap.output.write_last_state()
            is_done = not tap.has_failures()
        except (Halt, OutputClosed):
            is_done = False
        finally:
            tap.close()
    data = bytes(got) if most is not None else path.read_bytes()
    return data[: data.rfind(b"\n") + 1].splitlines(keepends=True), is_done


@contextmanager
def _output(path: Path, most: int | None) -> Iterator[tuple[Any, bytearray]]:
    got = bytearray()
    if most is None:
        with path.open("w", encoding="utf-8") as file:
            yield file, got
        return
    reading, writing = os.pipe()
    reader = threading.Thread(target=_read, args=(reading, most, got), daemon=True)
    reader.start()
    with open(writing, "w", encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
        yield pipe, got
    reader.join(60)
    assert not reader.is_alive()


def _read(descriptor: int, most: int, got: bytearray) -> None:
    """Read so many bytes, and go."""
    while len(got) < most and (data := os.read(descriptor, most - len(got))):
        got += data
    os.close(descriptor)


def _type(line: bytes) -> str:
    kind = json.loads(line)["type"]
    assert isinstance(kind, str)
    return kind


def last_state(lines: Iterable[bytes]) -> State | None:
    """The last STATE among some lines."""
    found = None
    for line in lines:
        if _type(line) == "STATE":
            found = json.loads(line)["value"]
    return found


def pending(state: State | None) -> list[Any]:
    """The tasks of a state that were not finished."""
    bookmarks = (state or {}).get("bookmarks", {})
    return [task for bookmark in bookmarks.values() for task in bookmark.get("pending", [])]


def is_young(task: dict[str, Any], moment: datetime) -> bool:
    """Whether a run that begins at this moment may take the task over."""
    return moment - _at(task["submitted_at"]) < timedelta(hours=24)


def cells(row: dict[str, Any]) -> Cells:
    """A row of the API or a record, in one form."""
    texts = (row[name] for name in TEXTS)
    numbers = ("" if row[name] is None else str(row[name]) for name in (*INTEGERS, *NUMBERS))
    return (row["time"][:16].replace("T", " "), *texts, *numbers)


# --- A warehouse ---------------------------------------------------------------------------------


@dataclass
class Memory:
    """What an upserting target holds, held against the law at every STATE.

    The law: the rows of a period under the export that `report_periods` names are what the API said
    when that period was confirmed. Only in a period that a killed run left half way may some be
    missing, until the next export of it; wrong ones are never there.

    Attributes:
        dark: the periods that a killed run may have left half way.
    """

    said: dict[str, Said]
    rows: dict[Key, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    periods: dict[Key, dict[str, Any]] = field(default_factory=dict)
    dark: set[Key] = field(default_factory=set)
    states: int = 0
    _touched: set[Key] = field(default_factory=set)

    def load(self, arrival: Arrival) -> None:
        """Take what arrived of a run."""
        if arrival.lines:
            assert not self._touched
        for line in arrival.lines[: arrival.in_order]:
            match json.loads(line, parse_float=Decimal):
                case {"type": "RECORD", "stream": stream, "record": record}:
                    key = self._take(stream, record)
                    if stream == "report_periods":
                        self.dark.discard(key)
                case {"type": "STATE", "value": state}:
                    self._assert_law(self._touched)
                    self._assert_state_is_true(state)
                    self._touched.clear()
                    self.states += 1
                case _:
                    pass
        for line in arrival.lines[arrival.in_order :]:
            message = json.loads(line, parse_float=Decimal)
            if message["type"] == "RECORD":
                self._take(message["stream"], message["record"])
        self.dark |= self._touched
        self._touched.clear()
        self._assert_law(self.periods)

    def true_rows(self, key: Key) -> list[dict[str, Any]]:
        """The rows of a period that hold."""
        version = self.periods.get(key, {"period_version": None})["period_version"]
        return [row for row in self.rows[key].values() if row["period_version"] == version]

    def incomplete(self) -> set[Key]:
        """The periods whose rows are not those that their row in `report_periods` tells of."""
        return {
            key
            for key in {*self.periods, *(key for key, rows in self.rows.items() if rows)}
            if key not in self.periods or len(self.true_rows(key)) != self.periods[key]["row_count"]
        }

    def truth(self, report: str) -> Rows:
        """All rows of a report that hold."""
        found = Rows()
        for key in self.periods:
            if key[0] == report:
                found.update(map(cells, self.true_rows(key)))
        return found

    def _take(self, stream: str, record: dict[str, Any]) -> Key:
        if stream == "report_periods":
            key = record["report"], record["period"]
            self.periods[key] = record
        else:
            key = stream.removeprefix("report_"), record["report_date"]
            self.rows[key][record["row_key"]] = record
        self._touched.add(key)
        return key

    def _assert_law(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key in self.dark and key not in self.periods:
                continue
            period = self.periods[key]
            held = Rows(map(cells, self.true_rows(key)))
            said = self.said[_moment(period["confirmed_at"])].get(key, Rows())
            assert held <= said if key in self.dark else held == said, key
            assert period["row_count"] == said.total(), key
            if key not in self.dark:
                self._assert_totals(key)

    def _assert_totals(self, key: Key) -> None:
        for name in ("clicks_aggr", "conversions_aggr", "cost_aggr"):
            total = sum((Decimal(row[name] or 0) for row in self.true_rows(key)), Decimal(0))
            assert self.periods[key][name] == total, (key, name)

    def _assert_state_is_true(self, state: State) -> None:
        """All that it says is there is there, as it says."""
        for stream, bookmark in state["bookmarks"].items():
            report = stream.removeprefix("report_")
            for first, last, *exported_at in [*bookmark["settled"], *bookmark["unsettled"]]:
                for period in _periods(report, first, last):
                    row = self.periods[report, period]
                    assert not exported_at or _at(row["confirmed_at"]) >= _at(exported_at[0])
            for period, export_id, _, exported_at in bookmark.get("sent", []):
                if (report, period) not in self.dark:
                    said = self.said[_moment(exported_at)].get((report, period), Rows())
                    rows = self.rows[report, period].values()
                    held = Rows(cells(row) for row in rows if row["export_id"] == export_id)
                    assert held == said, (report, period)


def _periods(report: str, first: str, last: str) -> set[str]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    days = (begin + timedelta(days=n) for n in range((end - begin).days + 1))
    return {str(day.replace(day=1) if report == "monthly" else day) for day in days}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _moment(text: str) -> str:
    return _at(text).astimezone(UTC).isoformat()


def restated(quarter: Quarter) -> Counter[str]:
    """How often, from run to run, a period got more rows, fewer, or as many with other figures."""
    found: Counter[str] = Counter()
    for one, other in pairwise(quarter.said.values()):
        for key in one.keys() & other.keys():
            more = other[key].total() - one[key].total()
            if one[key] != other[key]:
                kind = "more" if more > 0 else "fewer" if more else "as many"
                found[f"{kind} rows"] += 1
    return found
