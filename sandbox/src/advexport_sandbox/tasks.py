"""The exports that were submitted, from the queue to the file."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from advexport_sandbox.calls import Load

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from advexport_sandbox.injections import ActiveFault
    from advexport_sandbox.submissions import Submission


@dataclass(slots=True)
class Task:
    """One export; times are seconds of the API's clock.

    Args:
        submitted_at: The API's local time that fixes the figures.
        faults: The faults that it keeps, by the kind of their effect.
    """

    task_id: str
    submission: Submission
    submitted_at: datetime
    submitted: float
    finishes: float
    faults: dict[type, ActiveFault[Any]] = field(default_factory=dict)


class Tasks:
    """All tasks, of which a bounded number runs at once while the others wait in line.

    Args:
        latency: Seconds that a task runs, or a function that tells them.
        tail_share: Share of the tasks that take `tail_factor` times as long.
        limit: How many run at once; None is no limit.
    """

    def __init__(
        self,
        latency: float | Callable[[Submission], float] = 0,
        *,
        limit: int | None = None,
        tail_share: float = 0,
        tail_factor: float = 10,
        seed: int = 1,
    ) -> None:
        self._latency = latency
        self._limit = limit
        self._tail_share = tail_share
        self._tail_factor = tail_factor
        self._seed = seed
        self._tasks: dict[str, Task] = {}
        self._by_submission: dict[Submission, Task] = {}
        self._accepted: Counter[date] = Counter()
        self._last_accepted = -math.inf
        # When tasks end: of those that run, and of all that are not over.
        self._running: list[float] = []
        self._unfinished: list[float] = []
        self._open: set[str] = set()
        self._lock = Lock()
        self.max_running = 0
        self.max_open = 0

    def add(self, submission: Submission, submitted_at: datetime, seconds: float) -> Task:
        """Put a new task in line."""
        with self._lock:
            finishes = self._run(submission, submitted_at, seconds)
            task = Task(str(uuid4()), submission, submitted_at, seconds, finishes)
            self._tasks[task.task_id] = self._by_submission[submission] = task
            self._note_open(task)
        return task

    def renew(self, task: Task, submitted_at: datetime, seconds: float) -> None:
        """Put a task in line once more, under its id and with a file of now."""
        with self._lock:
            task.finishes = self._run(task.submission, submitted_at, seconds)
            task.submitted_at, task.submitted = submitted_at, seconds
            task.faults.clear()
            self._note_open(task)

    def load(self, submission: Submission | None, today: date, seconds: float) -> Load:
        """Tell what there is to do."""
        with self._lock:
            _drop_until(self._unfinished, seconds)
            return Load(
                today=today,
                unfinished=len(self._unfinished),
                accepted_today=self._accepted[today],
                idle_seconds=seconds - self._last_accepted,
                has_twin=submission in self._by_submission,
            )

    def twin(self, submission: Submission) -> Task | None:
        """Find the latest task of the same submission."""
        return self._by_submission.get(submission)

    def get(self, task_id: str) -> Task | None:
        """Find a task."""
        return self._tasks.get(task_id)

    def all(self) -> list[Task]:
        """List the tasks in the order in which they were submitted."""
        return list(self._tasks.values())

    def close(self, task: Task) -> None:
        """Note that the client has learned the end of a task."""
        with self._lock:
            self._open.discard(task.task_id)

    def _run(self, submission: Submission, submitted_at: datetime, seconds: float) -> float:
        """Reserve the time of a task, and tell when it ends."""
        duration = self._duration(submission)
        finishes = self._free_slot(seconds) + duration
        heapq.heappush(self._running, finishes)
        heapq.heappush(self._unfinished, finishes)
        self.max_running = max(self.max_running, len(self._running))
        self._accepted[submitted_at.date()] += 1
        self._last_accepted = seconds
        return finishes

    def _note_open(self, task: Task) -> None:
        self._open.add(task.task_id)
        self.max_open = max(self.max_open, len(self._open))

    def _duration(self, submission: Submission) -> float:
        latency = self._latency(submission) if callable(self._latency) else self._latency
        if Random(f"{self._seed}:{len(self._tasks)}").random() < self._tail_share:
            return latency * self._tail_factor
        return latency

    def _free_slot(self, seconds: float) -> float:
        _drop_until(self._running, seconds)
        if self._limit is None or len(self._running) < self._limit:
            return seconds
        return heapq.heappop(self._running)


def _drop_until(ends: list[float], seconds: float) -> None:
    while ends and ends[0] <= seconds:
        heapq.heappop(ends)
