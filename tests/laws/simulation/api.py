"""The Advertiser Report Export API, with a truth of its own: tasks, files, and their figures."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tests.laws.simulation import files
from tests.laws.simulation.faults import OF_FILES
from tests.laws.simulation.wire import head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random
    from zoneinfo import ZoneInfo

    from tests.laws.simulation.figures import Figure, Figures
    from tests.laws.simulation.habits import Habits
    from tests.laws.simulation.wire import Piece

HOST: Final = "api.example"
FILE_HOSTS: Final = ("files.example", HOST)
BASE_URL: Final = f"https://{HOST}/v1/exports/"
SIGNATURE: Final = "S1GNATURE"
# What a task says that has one of these fates; None: nothing any more.
SPENT_BY: Final = {"task stuck": "PENDING", "task unknown state": "ARCHIVED"}
SPENT_AT_THE_END: Final = {
    "task failure": "FAILURE",
    "task revoked": "REVOKED",
    "task vanishes": None,
    "task never a url": "SUCCESS",
}
OBJECT: Final = {"pid": 4711, "exc_type": "Ignore"}


@dataclass(slots=True)
class Task:
    """An export that was submitted.

    Attributes:
        task_id: what it is polled by; another one may have had it before.
        number: its place among all that were submitted.
        rows: its figures, fixed when it was submitted.
        submitted_at: when the tap sent the submission, by the tap's own clock, to the second.
        true_at: when the API figured it.
        run: the number of the run that submitted it.
        is_known: the answer with its id was not lost.
        polls: how often it was polled.
        is_spent: it failed, vanished, or something was wrong with its file.
    """

    task_id: str
    number: int
    interval: str
    first: date
    last: date
    rows: list[Figure]
    submitted_at: datetime
    true_at: datetime
    run: int
    ready_at: datetime
    fate: str | None
    wrong: str | None
    is_known: bool = True
    polls: int = 0
    is_spent: bool = False
    by_period: dict[date, list[Figure]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for row in self.rows:
            self.by_period[date.fromisoformat(row.time[:10])].append(row)

    def covers(self, day: date) -> bool:
        """Whether the day is in its window."""
        return self.first <= day <= self.last


class Api:
    """Answers as documented in the API's own words, or as a fault has it."""

    def __init__(self, figures: Figures, random: Random, habits: Habits, zone: ZoneInfo) -> None:
        self.figures = figures
        self.habits = habits
        self.tasks: list[Task] = []
        # All that had an id, the latest last.
        self.by_id: dict[str, list[Task]] = defaultdict(list)
        self.by_second: dict[tuple[str, datetime], list[Task]] = defaultdict(list)
        # Periods whose files have an invalid row, by the moment when that is mended.
        self.bad_periods: dict[tuple[str, date], datetime] = {}
        self._random = random
        self._zone = zone
        self._expired: set[str] = set()
        self._ids: dict[tuple[str, date, date], str] = {}
        self._free_at = datetime.min.replace(tzinfo=UTC)

    def first_day_kept(self, now: datetime) -> date:
        """The first day that can be exported."""
        days = self.habits.kept_days
        return date.min if days is None else now.astimezone(self._zone).date() - timedelta(days)

    def is_kept(self, interval: str, day: date, now: datetime) -> bool:
        """Whether the period of a day can be exported."""
        first = day.replace(day=1) if interval == "monthly" else day
        return first >= self.first_day_kept(now)

    def refusal(self, body: dict[str, str], now: datetime) -> bytes | None:
        """Why a submission is not taken now, if it is not."""
        habits, kept = self.habits, self.first_day_kept(now)
        if date.fromisoformat(body["start_date"]) < kept:
            return _detail(400, f"start_date: no data is kept before {kept}")
        if habits.period and now < self._free_at:
            return _detail(429, "Request was throttled.")
        limit = habits.max_unfinished
        if limit is None or sum(now < task.ready_at for task in self.tasks[-99:]) < limit:
            return None
        if habits.refused_as == "error":
            return plain(
                200, json.dumps({"result": habits.said("ERROR"), "task_id": None}).encode()
            )
        return _detail(int(habits.refused_as), "Another report is in progress.")

    def submit(
        self, body: dict[str, str], *, now: datetime, submitted_at: datetime, run: int, fault: str
    ) -> Task:
        """Take a submission."""
        interval = body["interval"]
        first, last = date.fromisoformat(body["start_date"]), date.fromisoformat(body["stop_date"])
        rows = self.figures.rows(interval, first, last, now)
        slow = self._random.choice([0.0, 0.0, 0.3, 2.0])
        task_id = self._id(interval, first, last)
        task = Task(
            task_id=task_id,
            number=len(self.tasks),
            interval=interval,
            first=first,
            last=last,
            rows=rows,
            submitted_at=submitted_at.replace(microsecond=0),
            true_at=now,
            run=run,
            ready_at=now + timedelta(seconds=slow * self._random.random()),
            fate=fault if fault.startswith("task ") else None,
            wrong=self._wrong_of(interval, first, last, now),
        )
        self.tasks.append(task)
        self.by_id[task_id].append(task)
        self._free_at = now + self.habits.period
        self.by_second[interval, task.submitted_at].append(task)
        return task

    def _id(self, interval: str, first: date, last: date) -> str:
        new = f"{len(self.tasks):06}-{self._random.randrange(1 << 32):08x}"
        if not self._random.randrange(9):
            new = f"t{len(self.tasks)}/..?#é"
        if not self.habits.repeats_ids:
            return new
        return self._ids.setdefault((interval, first, last), new)

    def _wrong_of(self, interval: str, first: date, last: date, now: datetime) -> str | None:
        for (of, period), until in self.bad_periods.items():
            if of == interval and first <= period <= last and now < until:
                return self._random.choice(OF_FILES[:6])
        return None

    def poll(self, task_id: str, *, now: datetime) -> bytes:
        """Answer a poll of a task."""
        if not self.by_id.get(task_id):
            return _detail(404, "Not found.")
        task, habits = self.by_id[task_id][-1], self.habits
        if now < task.true_at + habits.task_lag:
            return _detail(habits.hidden_as, "Not found.")
        task.polls += 1
        said = self._said(task, now)
        if said is None:
            return _detail(404, "Not found.")
        state, result = said
        if result is None and state != "SUCCESS" and habits.has_objects:
            return plain(200, json.dumps({"state": habits.said(state), "result": OBJECT}).encode())
        return plain(200, json.dumps({"state": habits.said(state), "result": result}).encode())

    def _said(self, task: Task, now: datetime) -> tuple[str, str | None] | None:
        """State and result of a task; None: it vanished."""
        if task.fate in SPENT_BY or (task.fate in SPENT_AT_THE_END and now >= task.ready_at):
            task.is_spent = True
            state = (SPENT_BY | SPENT_AT_THE_END)[task.fate]
            return (state, None) if state else None
        if now < task.ready_at:
            is_retry = task.fate == "task retry"
            return self._random.choice(["STARTED", "RETRY"]) if is_retry else "PENDING", None
        if task.fate == "task no url" and task.polls < 5:
            return "SUCCESS", self._random.choice([None, ""])
        is_late = now < task.ready_at + self.habits.url_lag
        return "SUCCESS", None if is_late else self._url(task)

    def _url(self, task: Task) -> str:
        number = self._random.randrange(1 << 32)
        host = self._random.choice(FILE_HOSTS)
        path = f"files/{task.number}/{number:x}.csv"
        origin = "" if host == HOST and self._random.random() < 0.2 else f"https://{host}"
        return f"{origin}/{path}?Signature={SIGNATURE}"

    def task_of_file(self, path: str) -> Task:
        """The task whose file lies there: the latest that has its id."""
        return self.by_id[self.tasks[int(path.split("/")[2])].task_id][-1]

    def expire(self, path: str) -> None:
        """Nothing lies there any more, for good."""
        self._expired.add(path)

    def download(self, path: str, *, sorting: str, fault: str, now: datetime) -> Iterator[Piece]:
        """Bring a task's file."""
        task = self.task_of_file(path)
        if now < task.ready_at + self.habits.file_lag:
            return iter([(0.0, plain(self.habits.hidden_as, b"<Error>NoSuchKey</Error>"))])
        if path in self._expired:
            return iter([(0.0, plain(403, b"<Error>expired</Error>"))])
        wrong = task.wrong or (fault if fault in OF_FILES else None)
        data = files.render(
            task.rows,
            self._random,
            sorting=sorting,
            wrong=wrong,
            outside=f"{task.first - timedelta(days=40)} 00:00",
        )
        task.is_spent = task.is_spent or bool(wrong)
        if fault == "drip":
            return files.dripping(data)
        if fault == "endless drip":
            return files.endless()
        if fault and fault not in OF_FILES:
            return files.cut(data, self._random, fault)
        return files.delivered(data, self._random)


def plain(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """A whole answer."""
    return head(status, {"Content-Length": str(len(body)), **(headers or {})}) + body


def _detail(status: int, words: str) -> bytes:
    return plain(status, json.dumps({"detail": words}).encode())
