"""Schedules exports in flight: what to send next, for which export, and when to stop.

One loop holds all that is known of the exports in flight. Workers do the requests and conversions,
and all waiting is done in one place. So a slow export, a slow host or a pause after an error does
not delay the others. Time, randomness and workers are parameters: with virtual ones, a run can be
replayed exactly.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, assert_never, cast

from msgspec.structs import replace

from tap_advexport.api.answers import Finished, Unfinished
from tap_advexport.errors import (
    CutFileError,
    ExportError,
    IncompleteError,
    NoUrlYetError,
    RejectedError,
    RequestError,
    TapAdvexportError,
    TaskError,
)
from tap_advexport.exports.job import (
    AT_THE_API,
    ConvertedFile,
    DownloadedFile,
    ExportJob,
    Failed,
    Phase,
    Ready,
    Submitted,
    task_of,
)
from tap_advexport.exports.pacing import PollSchedule, Random
from tap_advexport.exports.recovery import Recovery
from tap_advexport.exports.schedule import Schedule
from tap_advexport.exports.work import WorkFactory, close_spool, discard
from tap_advexport.redaction import excerpt
from tap_advexport.windows import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_advexport.clock import Clock
    from tap_advexport.exports.circuit_breaker import CircuitBreaker
    from tap_advexport.exports.job import Answer, Client, Convert, Event
    from tap_advexport.exports.known_tasks import KnownTasks
    from tap_advexport.exports.limits import Limits, UnseenTasks
    from tap_advexport.exports.policy import Export, RetryPolicy
    from tap_advexport.exports.workers import Outcome, Workers
    from tap_advexport.records.convert import Converted

logger = logging.getLogger(__name__)

# How long a run that ends waits for the task ids of submissions that are still in flight.
LAST_ANSWERS_SECONDS: Final = 1.0


class Runner:
    """Exports windows, several at once, and yields what happens as events."""

    def __init__(  # noqa: PLR0913 - everything that is not the core comes from outside
        self,
        *,
        client: Client,
        convert: Convert,
        workers: Workers,
        clock: Clock,
        random: Random,
        limits: Limits,
        retry_policy: RetryPolicy,
        sorting: str,
        circuit_breaker: CircuitBreaker,
        unseen_tasks: UnseenTasks,
        known_tasks: KnownTasks,
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._limits = limits
        self._work = WorkFactory(
            client=client,
            convert=convert,
            clock=clock,
            interval=retry_policy.interval,
            sorting=sorting,
            is_stopped=lambda: self._is_stopped,
        )
        self._breaker = circuit_breaker
        self._unseen = unseen_tasks
        self._known_tasks = known_tasks
        self._interval = retry_policy.interval
        self._events: deque[Event] = deque()
        self._schedule = Schedule(limits, circuit_breaker, retry_policy.export_attempts)
        self._recovery = Recovery(
            schedule=self._schedule,
            events=self._events,
            limits=limits,
            retry_policy=retry_policy,
            breaker=circuit_breaker,
            unseen_tasks=unseen_tasks,
            random=random,
        )
        self._work_ids = itertools.count()
        self._polls = PollSchedule(limits.poll_interval_seconds)
        self._is_stopped = False
        self._is_abandoned = False
        self._unknown_states: set[str] = set()

    @property
    def jobs(self) -> tuple[ExportJob, ...]:
        """The exports in flight, for the progress display."""
        return tuple(self._schedule.jobs)

    @property
    def queued(self) -> int:
        """How many windows wait in the queue."""
        return len(self._schedule.queue)

    def stop(self) -> None:
        """Start nothing new, and end the events soon; safe from any thread or signal handler."""
        self._is_stopped = True
        self._workers.wake()

    def abandon(self) -> None:
        """Stop, and close the spools of exports that were not emitted: no one will release them."""
        self._is_abandoned = True
        self.stop()
        for job in self._schedule.jobs:
            if job.phase is Phase.READY and job.spool:
                close_spool(job.spool)

    def events(self, exports: Iterable[Export]) -> Iterator[Event]:
        """Run the exports, newest first: poll those with a task, and submit the others.

        Raises:
            AuthorizationError, ConfigError, OutputError: nothing else would work either.
            InvalidHeaderError: the files are not what the API's documentation says.
            IncompleteError: the API does not work, so nothing more is submitted.
        """
        self._schedule.queue.extend(exports)
        try:
            yield from self._until_done()
            if self._is_stopped or self._recovery.ended_by:
                yield from self._last_submissions()
            yield from itertools.starmap(Failed, self._recovery.refusals.ranges())
        finally:
            self._close_spools()
            self._workers.close(discard)
        if self._recovery.ended_by:
            raise self._recovery.ended_by

    def _until_done(self) -> Iterator[Event]:
        schedule = self._schedule
        while not self._is_stopped and self._recovery.ended_by is None:
            schedule.release()
            if not (schedule.queue or schedule.jobs or self._events):
                return
            now = self._clock.monotonic()
            for job in schedule.begin(now, self._clock.now()):
                if job.export.task:
                    shown = excerpt(job.export.task.task_id)
                    logger.info("%s: adopting task %s", job.export.window, shown)
            for job in schedule.due(now):
                self._start_work_of(job)
            if not self._events:
                self._refuse_broken_api()
                self._take(self._workers.wait(schedule.seconds_until_next(self._clock.monotonic())))
            while self._events:
                yield self._events.popleft()
            # The caller may have been slow. Handle outcomes that came meanwhile before new work.
            self._take(self._workers.wait(0.0))

    def _last_submissions(self) -> Iterator[Event]:
        """Yield the events of submissions that were in flight at the end, if answered in time."""
        ends_at = self._clock.monotonic() + LAST_ANSWERS_SECONDS
        while self._submissions_under_way() and (left := ends_at - self._clock.monotonic()) > 0:
            for outcome in self._workers.wait(left):
                job = self._schedule.of(outcome.token)
                if job is None or job.phase is not Phase.SUBMIT:
                    discard(outcome)
                    continue
                job.work = None
                if isinstance(outcome.value, str):
                    with suppress(RejectedError):
                        self._submitted(job, outcome.value)
        yield from self._events

    def _submissions_under_way(self) -> bool:
        jobs = self._schedule.jobs
        return any(job.work is not None and job.phase is Phase.SUBMIT for job in jobs)

    def _refuse_broken_api(self) -> None:
        if self._schedule.queue and not self._schedule.jobs:
            self._breaker.is_given_up = True
            msg = (
                f"the API does not work: {self._breaker.failed} exports failed and none succeeded, "
                f"so that nothing more is submitted; the last one: {self._breaker.last_failure}"
            )
            raise IncompleteError(msg)

    def _start_work_of(self, job: ExportJob) -> None:
        now = self._clock.monotonic()
        job.work = next(self._work_ids)
        job.work_began_at = job.work_alive_at = now
        if job.phase in AT_THE_API:
            is_first = job.asks == 0
            job.asks += 1
            if is_first:
                job.asking_since = now
            export = job.export
            submissions = export.submissions + (is_first and job.phase is Phase.SUBMIT)
            job.export = replace(export, tries=export.tries + 1, submissions=submissions)
        self._workers.start(job.work, self._work.of(job))

    # Outcomes.

    def _take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            job = self._schedule.of(outcome.token)
            if job is None:
                discard(outcome)
                continue
            self._take_outcome(job, outcome)
        now = self._clock.monotonic()
        for job in [*self._schedule.jobs]:
            if job.work is not None and self._schedule.deadline(job) <= now:
                job.work = None
                self._recovery.take(job, self._silence_of(job), now)

    def _silence_of(self, job: ExportJob) -> TapAdvexportError:
        task = job.export.task
        of_task = f" (task {excerpt(task.task_id)})" if task else ""
        what = f"{job.phase.name.lower()} of {self._interval} {job.export.window}{of_task}"
        if job.phase is Phase.DOWNLOAD:
            return CutFileError(f"{what}: the download did not come to its end in time")
        return RequestError(f"{what}: no complete answer in time")

    def _take_outcome(self, job: ExportJob, outcome: Outcome) -> None:
        job.work = None
        now = self._clock.monotonic()
        if outcome.error is not None:
            if not isinstance(outcome.error, TapAdvexportError):
                raise outcome.error
            self._recovery.take(job, outcome.error, now)
            return
        if job.phase in AT_THE_API:
            job.asks = 0
            self._schedule.throttle.answered()
            self._breaker.answered_at = now
        try:
            self._take_answer(job, cast("Answer", outcome.value), now)
        except ExportError as error:
            self._recovery.take(job, error, now)

    def _take_answer(self, job: ExportJob, answer: Answer, now: float) -> None:
        match answer:
            case str(task_id):
                self._submitted(job, task_id)
            case Unfinished():
                self._unfinished(job, answer, now)
            case Finished():
                self._finished(job, answer, now)
            case DownloadedFile(spool, download):
                job.spool, job.download = spool, download
                job.phase, job.due_at = Phase.CONVERT, now
            case ConvertedFile(lines, converted):
                self._converted(job, lines, converted)
            case unreachable:
                assert_never(unreachable)

    def _submitted(self, job: ExportJob, task_id: str) -> None:
        now = self._clock.monotonic()
        submitted_at = (job.submitting_at or self._clock.now()).replace(microsecond=0)
        task = Task(task_id, job.export.window, submitted_at)
        self._known_tasks.accept(task, self._interval)
        self._schedule.pace.accepted(now)
        self._unseen.prove_limit(job.export.limited_by)
        job.export = job.export.with_task(task)
        job.began_at = job.waits_since = now
        job.unfinished_age, job.finished_at = 0.0, None
        job.phase, job.due_at = Phase.POLL, now + self._polls.pause(0.0)
        logger.debug("%s: task %s submitted", task.window, excerpt(task_id))
        self._events.append(Submitted(task))

    def _unfinished(self, job: ExportJob, answer: Unfinished, now: float) -> None:
        shown = excerpt(task_of(job).task_id)
        job.export = replace(job.export, tries=0, polls_again=0)
        job.unfinished_age = now - job.began_at
        if not answer.is_known and answer.state not in self._unknown_states:
            self._unknown_states.add(answer.state)
            logger.warning(
                "%s: task %s is in a state that is not documented, %s; waiting",
                job.export.window,
                shown,
                answer.state,
            )
        ends_at = job.waits_since + self._limits.export_timeout_seconds
        if now >= ends_at:
            seconds = f"{self._limits.export_timeout_seconds:g} s"
            error = TaskError(
                f"task {shown} is still {answer.state} after {seconds}",
                advice="a smaller window_days or a longer export_timeout_seconds may help",
            )
            self._recovery.take(job, error, now)
            return
        job.due_at = min(now + self._polls.pause(job.unfinished_age), ends_at)

    def _finished(self, job: ExportJob, answer: Finished, now: float) -> None:
        is_news = job.finished_at is None
        if job.finished_at is None:
            job.finished_at = now
            self._schedule.tasks.succeeded()
            self._unseen.ended(now, took=0.0 if job.export.is_adopted else now - job.began_at)
        if not answer.url:
            raise NoUrlYetError(f"task {excerpt(task_of(job).task_id)} is SUCCESS without a URL")
        if is_news and not job.export.polls_again:
            self._polls.learn(job.unfinished_age, now - job.began_at)
        job.export = replace(job.export, tries=0)
        job.url = answer.url
        job.phase, job.due_at = Phase.DOWNLOAD, now

    def _converted(self, job: ExportJob, lines: BinaryIO, converted: Converted) -> None:
        job.phase = Phase.READY
        job.spool = lines
        self._breaker.succeeded += 1
        self._recovery.refusals.succeeded(job.export.window, is_adopted=job.export.is_adopted)

        def release() -> None:
            close_spool(lines)
            job.is_released = True
            self._workers.wake()

        byte_count = job.download.byte_count if job.download else 0
        self._events.append(Ready(task_of(job), lines, converted, byte_count, release))

    def _close_spools(self) -> None:
        for job in self._schedule.jobs:
            # A file that is being converted is closed by its reader. If it were closed here, the
            # next file to be opened would get its descriptor, and two would move one position.
            is_free = job.work is None and (job.phase is not Phase.READY or self._is_abandoned)
            if job.spool and is_free:
                close_spool(job.spool)
