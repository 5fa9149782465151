"""The exports that were submitted, from the queue to the file."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from advexport_sandbox.effects import ChangeFile, Outcome
    from advexport_sandbox.injections import ActiveFault
    from advexport_sandbox.submissions import Submission


@dataclass(slots=True)
class Task:
    """One export; times are seconds of the API's clock.

    Args:
        submitted_at: The API's local time that fixes the figures.
        outcome: A fault that decides how this task ends.
        file_change: A fault that its file has for ever.
    """

    task_id: str
    submission: Submission
    submitted_at: datetime
    starts: float
    finishes: float
    outcome: ActiveFault[Outcome] | None = None
    file_change: ActiveFault[ChangeFile] | None = None


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
        self._running: list[float] = []
        self._open: set[str] = set()
        self._lock = Lock()
        self.max_running = 0
        self.max_open = 0

    def add(self, submission: Submission, submitted_at: datetime, seconds: float) -> Task:
        """Put a new task in line."""
        with self._lock:
            duration = self._duration(submission)
            starts = self._free_slot(seconds)
            task = Task(str(uuid4()), submission, submitted_at, starts, starts + duration)
            heapq.heappush(self._running, task.finishes)
            self._tasks[task.task_id] = task
            self._open.add(task.task_id)
            self.max_running = max(self.max_running, len(self._running))
            self.max_open = max(self.max_open, len(self._open))
        return task

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

    def _duration(self, submission: Submission) -> float:
        latency = self._latency(submission) if callable(self._latency) else self._latency
        if Random(f"{self._seed}:{len(self._tasks)}").random() < self._tail_share:
            return latency * self._tail_factor
        return latency

    def _free_slot(self, seconds: float) -> float:
        while self._running and self._running[0] <= seconds:
            heapq.heappop(self._running)
        if self._limit is None or len(self._running) < self._limit:
            return seconds
        return heapq.heappop(self._running)
