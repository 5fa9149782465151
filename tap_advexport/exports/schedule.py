"""Decides which export may go on, and when: the queue, the jobs in flight, and their limits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tap_advexport.exports.job import AT_THE_API, ExportJob, Phase
from tap_advexport.exports.limits import SubmissionPace, TaskLimit
from tap_advexport.exports.pacing import Throttle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from tap_advexport.exports.circuit_breaker import CircuitBreaker
    from tap_advexport.exports.limits import Limits
    from tap_advexport.exports.policy import Export
    from tap_advexport.windows import DateWindow

NEVER = float("inf")


class Schedule:
    """Holds the queued exports and the jobs in flight, and decides what may start when."""

    def __init__(self, limits: Limits, breaker: CircuitBreaker, export_attempts: int) -> None:
        self.queue: deque[Export] = deque()
        self.jobs: list[ExportJob] = []
        self.throttle = Throttle(limits.max_concurrent_exports)
        self.tasks = TaskLimit(limits.max_concurrent_exports)
        self.pace = SubmissionPace()
        self._limits = limits
        self._breaker = breaker
        self._export_attempts = export_attempts

    # The queue.

    def put_back(self, exports: Iterable[Export]) -> None:
        """Put exports back at the head of the queue, but behind newer ones."""
        for export in exports:
            place = 0
            while place < len(self.queue) and self.queue[place].window > export.window:
                place += 1
            self.queue.insert(place, export)

    def drop_older(self, window: DateWindow) -> list[DateWindow]:
        """Remove older windows from the queue, except those with a task, and return them."""
        older = [each for each in self.queue if not each.task and each.window < window]
        self.queue = deque(each for each in self.queue if each.task or each.window >= window)
        return [each.window for each in older]

    def begin(self, now: float, moment: datetime) -> Iterator[ExportJob]:
        """Start exports from the queue while there is room, and yield their jobs."""
        # A probe that is due is over even if there is no room for it. Otherwise its moment would
        # stay in the past, and the loop would never wait.
        self.tasks.at(now)
        while self.queue and self._has_room(now):
            export = self.queue.popleft()
            phase = Phase.POLL if export.task else Phase.SUBMIT
            job = ExportJob(export, phase, due_at=now, began_at=now, waits_since=now)
            if export.task:
                age = (moment - export.task.submitted_at).total_seconds()
                job.began_at -= max(age, 0.0)
            self.jobs.append(job)
            yield job

    def _has_room(self, now: float) -> bool:
        most = self._limits.max_concurrent_exports
        if self.queue[0].task is None:
            if self._breaker.is_broken(most) or self.is_hopeless():
                return False
            most = self._most(now)
        # Files that wait to be converted or emitted take disk space. Allow as many more jobs for
        # them as may be at the API, but only after a first file was valid.
        bound = self._limits.max_concurrent_exports * (2 if self._breaker.succeeded else 1)
        return len(self._at_the_api()) < most and len(self.jobs) < bound

    def _most(self, now: float) -> int:
        """Return how many tasks may be open at the API."""
        is_probing = self._breaker.is_probing(self._limits.max_concurrent_exports)
        return 1 if is_probing else self.tasks.at(now)

    def is_hopeless(self) -> bool:
        """Return whether so many tasks failed that no more are submitted."""
        return self._breaker.is_hopeless(self._export_attempts, self._limits.max_concurrent_exports)

    # The jobs.

    def release(self) -> None:
        """Forget the jobs whose rows were emitted."""
        # `Ready.release` is called from another thread, which must not change the list itself.
        if any(job.is_released for job in self.jobs):
            self.jobs = [job for job in self.jobs if not job.is_released]

    def of(self, work: int) -> ExportJob | None:
        """Return the job that the work was started for, if the job still waits for it."""
        return next((job for job in self.jobs if job.work == work), None)

    def due(self, now: float) -> Iterator[ExportJob]:
        """Yield the jobs that may go on now; the caller must start the work of each at once."""
        is_open = self.throttle.seconds_until_open(now) <= 0
        conversions = sum(job.work is not None for job in self.jobs if job.phase is Phase.CONVERT)
        for job in self.jobs:
            if job.work is not None or job.due_at > now:
                continue
            if job.phase is Phase.CONVERT:
                if conversions < self._limits.conversions_at_once:
                    conversions += 1
                    yield job
            elif is_open and self._may_ask(job, now):
                yield job

    def seconds_until_next(self, now: float) -> float | None:
        """Return the seconds until something is due, or None if only an outcome can come next."""
        moments = [
            self.deadline(job) if job.work is not None else self._next_move(job, now)
            for job in self.jobs
            if job.phase is not Phase.READY
        ]
        if self.queue:
            moments.append(self.tasks.probe_at)
        return max(0.0, min(moments) - now) if moments else None

    def deadline(self, job: ExportJob) -> float:
        """Return when to give up work that no timeout of the HTTP library ends."""
        if job.phase is Phase.CONVERT:
            return NEVER
        silence = job.work_alive_at + 2 * self._limits.request_timeout_seconds + 1
        if job.phase is Phase.DOWNLOAD:
            longest = job.work_began_at + self._limits.export_timeout_seconds
            return min(silence, max(longest, job.work_began_at + 1))
        return silence

    def open_beside(self, job: ExportJob) -> int:
        """Return how many other unfinished tasks of ours the API has, or may have."""
        return sum(other.is_open for other in self.jobs if other is not job)

    def _next_move(self, job: ExportJob, now: float) -> float:
        if job.phase not in AT_THE_API:
            return NEVER if job.due_at <= now else job.due_at
        moment = max(job.due_at, now + self.throttle.seconds_until_open(now))
        if job.phase is Phase.SUBMIT:
            moment = max(moment, self.pace.opens_at)
            if not self._has_place(job, now):
                return max(moment, self.tasks.probe_at)
        is_full = self._requests_beside(job) >= self.throttle.at_once
        return NEVER if is_full else moment

    def _may_ask(self, job: ExportJob, now: float) -> bool:
        if job.phase not in AT_THE_API or self._requests_beside(job) >= self.throttle.at_once:
            return False
        if job.phase is not Phase.SUBMIT:
            return True
        return self.pace.opens_at <= now and self._has_place(job, now)

    def _has_place(self, job: ExportJob, now: float) -> bool:
        """Return whether one more task, that of this job, may be open at the API.

        A job whose file was wrong is submitted again, and another job may have taken its place.
        """
        at_the_api = [other for other in self._at_the_api() if other is not job]
        is_taken = (
            other.export.task is not None or other.work is not None or other.is_refused_for_now
            for other in at_the_api
        )
        return sum(is_taken) < self._most(now)

    def _at_the_api(self) -> list[ExportJob]:
        return [job for job in self.jobs if job.phase in AT_THE_API]

    def _requests_beside(self, job: ExportJob) -> int:
        """Return how many requests in flight hold this one up while few may be in flight.

        A download may take hours, so it holds up no submission and no poll.
        """
        jobs = self._at_the_api()
        if job.phase is not Phase.DOWNLOAD:
            jobs = [other for other in jobs if other.phase is not Phase.DOWNLOAD]
        return sum(other.work is not None for other in jobs)
