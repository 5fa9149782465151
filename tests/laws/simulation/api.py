"""The Advertiser Report Export API, with a truth of its own: tasks, files, and their figures."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from tests.laws.simulation import files
from tests.laws.simulation.faults import OF_FILES
from tests.laws.simulation.wire import head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from tests.laws.simulation.figures import Figure, Figures
    from tests.laws.simulation.wire import Piece

HOST: Final = "api.example"
FILE_HOSTS: Final = ("files.example", HOST)
BASE_URL: Final = f"https://{HOST}/v1/exports/"
SIGNATURE: Final = "S1GNATURE"


@dataclass(slots=True)
class Task:
    """An export that was demanded.

    Attributes:
        rows: its figures, fixed when it was demanded.
        demanded_at: when the tap sent the demand, by the tap's own clock, to the second.
        true_at: when the API figured it.
        run: the number of the run that demanded it.
        is_known: the answer with its id was not lost.
        looks: how often it was looked at.
        is_spent: it failed, vanished, or something was wrong with its file.
    """

    task_id: str
    number: int
    interval: str
    first: date
    last: date
    rows: list[Figure]
    demanded_at: datetime
    true_at: datetime
    run: int
    ready_at: datetime
    fate: str | None
    wrong: str | None
    is_known: bool = True
    looks: int = 0
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

    def __init__(self, figures: Figures, random: Random) -> None:
        self.figures = figures
        self.tasks: dict[str, Task] = {}
        self.by_second: dict[tuple[str, datetime], list[Task]] = defaultdict(list)
        # Periods whose files have an invalid row, by the moment when that is mended.
        self.bad_periods: dict[tuple[str, date], datetime] = {}
        self._random = random
        self._expired: set[str] = set()
        self._by_number: list[Task] = []

    def demand(
        self, body: dict[str, str], *, now: datetime, demanded_at: datetime, run: int, fault: str
    ) -> Task:
        """Take a demand."""
        interval = body["interval"]
        first, last = date.fromisoformat(body["start_date"]), date.fromisoformat(body["stop_date"])
        rows = self.figures.rows(interval, first, last, now)
        slow = self._random.choice([0.0, 0.3, 1.0, 8.0])
        task = Task(
            task_id=f"t{len(self.tasks)}/..?#é" if not self._random.randrange(9) else self._id(),
            number=len(self.tasks),
            interval=interval,
            first=first,
            last=last,
            rows=rows,
            demanded_at=demanded_at.replace(microsecond=0),
            true_at=now,
            run=run,
            ready_at=now + timedelta(seconds=slow * self._random.random()),
            fate=fault if fault.startswith("task ") else None,
            wrong=self._wrong_of(interval, first, last, now),
        )
        self.tasks[task.task_id] = task
        self._by_number.append(task)
        self.by_second[interval, task.demanded_at].append(task)
        return task

    def _id(self) -> str:
        return f"{len(self.tasks):06}-{self._random.randrange(1 << 32):08x}"

    def _wrong_of(self, interval: str, first: date, last: date, now: datetime) -> str | None:
        for (of, period), until in self.bad_periods.items():
            if of == interval and first <= period <= last and now < until:
                return self._random.choice(OF_FILES[:6])
        return None

    def look(self, task_id: str, *, now: datetime) -> bytes:
        """Answer a look at a task."""
        task = self.tasks.get(task_id)
        if task is None:
            return plain(404, b'{"detail": "Not found."}')
        task.looks += 1
        state: dict[str, object] = {"state": "PENDING", "result": None}
        is_ready = now >= task.ready_at
        match task.fate:
            case "task failure" | "task revoked" if is_ready:
                task.is_spent = True
                state["state"] = "FAILURE" if task.fate == "task failure" else "REVOKED"
            case "task vanishes" if is_ready:
                task.is_spent = True
                return plain(404, b'{"detail": "Not found."}')
            case "task stuck":
                task.is_spent = True
            case "task unknown state":
                task.is_spent = True
                state["state"] = "ARCHIVED"
            case "task never a url" if is_ready:
                task.is_spent = True
                state["state"] = "SUCCESS"
            case "task no url" if is_ready and task.looks < 5:
                state |= {"state": "SUCCESS", "result": self._random.choice([None, ""])}
            case "task retry" if not is_ready:
                state["state"] = self._random.choice(["STARTED", "RETRY"])
            case _ if is_ready:
                state |= {"state": "SUCCESS", "result": self._url(task)}
            case _:
                pass
        return plain(200, json.dumps(state).encode())

    def _url(self, task: Task) -> str:
        number = self._random.randrange(1 << 32)
        host = self._random.choice(FILE_HOSTS)
        path = f"files/{task.number}/{number:x}.csv"
        return f"https://{host}/{path}?Signature={SIGNATURE}"

    def task_of_file(self, path: str) -> Task:
        """The task whose file lies there."""
        return self._by_number[int(path.split("/")[2])]

    def expire(self, path: str) -> None:
        """Nothing lies there any more, for good."""
        self._expired.add(path)

    def download(self, path: str, *, sorting: str, fault: str) -> Iterator[Piece]:
        """Bring a task's file."""
        task = self.task_of_file(path)
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
