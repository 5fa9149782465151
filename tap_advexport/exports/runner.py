"""Schedules exports in flight: what to send next, for which export, and when to stop.

One loop holds all that is known of the exports under way. Requests and conversions are done by
workers, and everything waits in one place; so a slow export, a slow host or a pause after a fault
holds nobody else up. Time, chance and workers are parameters: with virtual ones the loop replays
exactly.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final, assert_never, cast

from tap_advexport.api.client import Downloaded, Finished, Unfinished
from tap_advexport.errors import (
    CutFileError,
    ExportError,
    IncompleteError,
    RequestError,
    TapAdvexportError,
    TaskError,
)
from tap_advexport.exports.job import (
    AT_THE_API,
    Abandoned,
    ConvertedFile,
    DownloadedFile,
    ExportJob,
    Failed,
    Phase,
    Ready,
    Submitted,
    task_of,
)
from tap_advexport.exports.pacing import PollSchedule, Random, Throttle, retry_pause
from tap_advexport.exports.policy import (
    EndRun,
    Export,
    GiveUp,
    PollAgain,
    RetryPolicy,
    RetryRequest,
    Split,
    Step,
    SubmitAgain,
    after_failure,
    after_poll_without_url,
)
from tap_advexport.exports.work import Work, close_spool, discard
from tap_advexport.redaction import excerpt
from tap_advexport.windows import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_advexport.clock import Clock
    from tap_advexport.exports.job import Answer, CircuitBreaker, Client, Convert, Event, Limits
    from tap_advexport.exports.workers import Outcome, Workers
    from tap_advexport.records.convert import Converted

logger = logging.getLogger(__name__)


# How long a run that is to end waits for the task ids of submissions that it has just sent.
LAST_ANSWERS_SECONDS: Final = 1.0


class Runner:
    """Brings windows from the API, several at once, and tells what happens as events."""

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
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._random = random
        self._limits = limits
        self._retry_policy = retry_policy
        self._work = Work(
            client=client,
            convert=convert,
            clock=clock,
            interval=retry_policy.interval,
            sorting=sorting,
            is_stopped=lambda: self._is_stopped,
        )
        self._breaker = circuit_breaker
        self._queue: deque[Export] = deque()
        self._jobs: list[ExportJob] = []
        self._events: deque[Event] = deque()
        self._work_ids = itertools.count()
        self._polls = PollSchedule(limits.poll_interval_seconds)
        self._throttle = Throttle(limits.max_concurrent_exports)
        self._is_stopped = False
        self._is_abandoned = False
        self._ended_by: TapAdvexportError | None = None
        self._last_reason = ""
        self._unknown_states: set[str] = set()

    @property
    def jobs(self) -> tuple[ExportJob, ...]:
        """The exports in flight, for whoever shows progress."""
        return tuple(self._jobs)

    @property
    def queued(self) -> int:
        """How many windows wait for their turn."""
        return len(self._queue)

    def stop(self) -> None:
        """Begin nothing new and end the events soon; safe from any thread or signal handler."""
        self._is_stopped = True
        self._workers.wake()

    def abandon(self) -> None:
        """Stop, and let go of what was brought and not emitted: nobody will release it."""
        self._is_abandoned = True
        self.stop()
        for job in self._jobs:
            if job.phase is Phase.READY and job.spool:
                close_spool(job.spool)

    def events(self, exports: Iterable[Export]) -> Iterator[Event]:
        """Bring the exports: those with a task are polled, the others submitted.

        Raises:
            AuthorizationError, ConfigError, OutputError: nothing else would work either.
            InvalidHeaderError: the files are not what the API's documentation says.
            IncompleteError: the API does not work; it is not asked a thousand times.
        """
        self._queue.extend(exports)
        try:
            yield from self._until_done()
            if self._is_stopped or self._ended_by:
                yield from self._last_submissions()
        finally:
            self._close_spools()
        if self._ended_by:
            raise self._ended_by

    def _until_done(self) -> Iterator[Event]:
        while not self._is_stopped and self._ended_by is None:
            # `release` is called from another thread, which must not change the list itself.
            self._jobs = [job for job in self._jobs if not job.is_released]
            if not (self._queue or self._jobs or self._events):
                return
            self._start_jobs()
            self._start_work()
            if not self._events:
                self._refuse_broken_api()
                self._take(self._workers.wait(self._pause()))
            while self._events:
                yield self._events.popleft()
            # Whoever took them may have been slow: what came meanwhile goes before what is new.
            self._take(self._workers.wait(0.0))

    def _last_submissions(self) -> Iterator[Event]:
        """What the submissions that were under way at the end came to, if they are quick."""
        ends_at = self._clock.monotonic() + LAST_ANSWERS_SECONDS
        while self._submissions_under_way() and (left := ends_at - self._clock.monotonic()) > 0:
            for outcome in self._workers.wait(left):
                job = next((f for f in self._jobs if f.work == outcome.token), None)
                if job is None or job.phase is not Phase.SUBMIT:
                    discard(outcome)
                    continue
                job.work = None
                if isinstance(outcome.value, str):
                    self._submitted(job, outcome.value)
        yield from self._events

    def _submissions_under_way(self) -> bool:
        return any(job.work is not None and job.phase is Phase.SUBMIT for job in self._jobs)

    # What may begin.

    def _start_jobs(self) -> None:
        while self._queue and self._has_room():
            export = self._queue.popleft()
            now = self._clock.monotonic()
            phase = Phase.POLL if export.task else Phase.SUBMIT
            job = ExportJob(export, phase, due_at=now, began_at=now, waits_since=now)
            if export.task:
                age = (self._clock.now() - export.task.submitted_at).total_seconds()
                job.began_at -= max(age, 0.0)
                logger.info("%s: adopting task %s", export.window, excerpt(export.task.task_id))
            self._jobs.append(job)

    def _has_room(self) -> bool:
        most = self._limits.max_concurrent_exports
        at_the_api = len(self._at_the_api())
        is_adopted = self._queue[0].task is not None
        if not is_adopted and (self._breaker.is_broken(most) or self._is_hopeless()):
            return False
        if self._breaker.is_doubtful and not self._breaker.succeeded:
            most = 1
        # Files that wait to be converted or emitted bound the disk: no more than those in flight.
        return at_the_api < most and len(self._jobs) < 2 * self._limits.max_concurrent_exports

    def _is_hopeless(self) -> bool:
        return self._breaker.is_hopeless(self._retry_policy.export_attempts)

    def _refuse_broken_api(self) -> None:
        if self._queue and not self._jobs:
            self._breaker.is_given_up = True
            msg = (
                f"the API does not work: {self._breaker.failed} exports failed and none succeeded, "
                f"so that nothing more is submitted; the last one: {self._last_reason}"
            )
            raise IncompleteError(msg)

    def _start_work(self) -> None:
        now = self._clock.monotonic()
        is_open = self._throttle.seconds_until_open(now) <= 0
        requests = self._requests_under_way()
        conversions = sum(f.work is not None and f.phase is Phase.CONVERT for f in self._jobs)
        for job in self._jobs:
            if job.work is not None or job.due_at > now:
                continue
            if job.phase is Phase.CONVERT:
                if conversions < self._limits.conversions_at_once:
                    conversions += 1
                    self._start_work_of(job)
            elif is_open and requests < self._throttle.at_once and self._may_ask(job):
                requests += 1
                self._start_work_of(job)

    def _may_ask(self, job: ExportJob) -> bool:
        return job.phase in AT_THE_API and (job.phase is not Phase.SUBMIT or self._may_submit())

    def _may_submit(self) -> bool:
        """Whether one more task may be open at the API.

        An export whose file turned out to be wrong comes back to be submitted again, when another
        may have taken its place there.
        """
        is_open = (f.export.task is not None or f.work is not None for f in self._at_the_api())
        return sum(is_open) < self._limits.max_concurrent_exports

    def _at_the_api(self) -> list[ExportJob]:
        return [job for job in self._jobs if job.phase in AT_THE_API]

    def _start_work_of(self, job: ExportJob) -> None:
        job.work = next(self._work_ids)
        job.work_began_at = job.work_alive_at = self._clock.monotonic()
        if job.phase in AT_THE_API:
            is_new_submission = job.phase is Phase.SUBMIT and not job.export.tries
            job.export = replace(
                job.export,
                tries=job.export.tries + 1,
                submissions=job.export.submissions + is_new_submission,
            )
        self._workers.start(job.work, self._work.of(job))

    # Waiting.

    def _pause(self) -> float | None:
        """Seconds until something is due, or None when only an outcome can go on."""
        now = self._clock.monotonic()
        moments = [
            self._deadline(job) if job.work is not None else self._next_move(job, now)
            for job in self._jobs
            if job.phase is not Phase.READY
        ]
        return max(0.0, min(moments) - now) if moments else None

    def _next_move(self, job: ExportJob, now: float) -> float:
        if job.phase in AT_THE_API:
            opens_at = now + self._throttle.seconds_until_open(now)
            is_full = self._requests_under_way() >= self._throttle.at_once
            if is_full or not self._may_ask(job):
                return float("inf")
            return max(job.due_at, opens_at)
        return float("inf") if job.due_at <= now else job.due_at

    def _requests_under_way(self) -> int:
        return sum(job.work is not None for job in self._at_the_api())

    def _deadline(self, job: ExportJob) -> float:
        """When a job is given up that no time-out of the HTTP library ends."""
        if job.phase is Phase.CONVERT:
            return float("inf")
        silence = job.work_alive_at + 2 * self._limits.request_timeout_seconds + 1
        if job.phase is Phase.DOWNLOAD:
            longest = job.work_began_at + self._limits.export_timeout_seconds
            return min(silence, max(longest, job.work_began_at + 1))
        return silence

    # What came of it.

    def _take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            job = next((f for f in self._jobs if f.work == outcome.token), None)
            if job is None:
                discard(outcome)
                continue
            self._take_outcome(job, outcome)
        now = self._clock.monotonic()
        for job in [f for f in self._jobs if f.work is not None and self._deadline(f) <= now]:
            job.work = None
            self._take_error(job, self._silence_of(job))

    def _silence_of(self, job: ExportJob) -> TapAdvexportError:
        task = job.export.task
        of_task = f" (task {excerpt(task.task_id)})" if task else ""
        what = f"{job.phase.name.lower()} of {job.export.window}{of_task}"
        if job.phase is Phase.DOWNLOAD:
            return CutFileError(f"{what}: the download did not come to its end in time")
        return RequestError(f"{what}: no complete answer in time")

    def _take_outcome(self, job: ExportJob, outcome: Outcome) -> None:
        job.work = None
        if outcome.error is not None:
            if not isinstance(outcome.error, TapAdvexportError):
                raise outcome.error
            self._take_error(job, outcome.error)
            return
        if job.phase in AT_THE_API:
            self._throttle.answered()
        match cast("Answer", outcome.value):
            case str(task_id):
                self._submitted(job, task_id)
            case Unfinished() as answer:
                self._unfinished(job, answer)
            case Finished() as answer:
                self._finished(job, answer)
            case DownloadedFile(spool, download):
                self._downloaded(job, spool, download)
            case ConvertedFile(lines, converted):
                self._converted(job, lines, converted)
            case unreachable:
                assert_never(unreachable)

    def _submitted(self, job: ExportJob, task_id: str) -> None:
        now = self._clock.monotonic()
        submitted_at = (job.submitting_at or self._clock.now()).replace(microsecond=0)
        export = job.export
        task = Task(task_id, export.window, submitted_at)
        job.export = export.with_task(task)
        job.began_at = job.waits_since = now
        job.unfinished_age = 0.0
        job.phase, job.due_at = Phase.POLL, now + self._polls.pause(0.0)
        logger.debug("%s: task %s submitted", export.window, excerpt(task_id))
        self._events.append(Submitted(task))

    def _unfinished(self, job: ExportJob, answer: Unfinished) -> None:
        now = self._clock.monotonic()
        shown = excerpt(task_of(job).task_id)
        job.export = replace(job.export, tries=0)
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
            msg = (
                f"task {shown} is still {answer.state} after "
                f"{self._limits.export_timeout_seconds:g} s"
            )
            self._take_error(job, TaskError(msg))
            return
        job.due_at = min(now + self._polls.pause(job.unfinished_age), ends_at)

    def _finished(self, job: ExportJob, answer: Finished) -> None:
        now = self._clock.monotonic()
        if not answer.url:
            reason = f"task {excerpt(task_of(job).task_id)} is SUCCESS without a download URL"
            self._follow(job, after_poll_without_url(job.export, self._retry_policy), reason)
            return
        if not job.export.fresh_urls and not job.export.polls_without_url:
            self._polls.learn(job.unfinished_age, now - job.began_at)
        job.export = replace(job.export, tries=0)
        job.url = answer.url
        job.phase, job.due_at = Phase.DOWNLOAD, now

    def _downloaded(self, job: ExportJob, spool: BinaryIO, download: Downloaded) -> None:
        job.spool, job.download = spool, download
        job.phase, job.due_at = Phase.CONVERT, self._clock.monotonic()

    def _converted(self, job: ExportJob, lines: BinaryIO, converted: Converted) -> None:
        job.phase = Phase.READY
        job.spool = lines
        self._breaker.succeeded += 1

        def release() -> None:
            close_spool(lines)
            job.is_released = True
            self._workers.wake()

        byte_count = job.download.byte_count if job.download else 0
        self._events.append(Ready(task_of(job), lines, converted, byte_count, release))

    # What follows from errors.

    def _take_error(self, job: ExportJob, error: TapAdvexportError) -> None:
        now = self._clock.monotonic()
        if isinstance(error, RequestError) and error.is_throttled:
            self._throttle.refused(
                now,
                sent_at=job.work_began_at,
                retry_after_seconds=error.retry_after_seconds,
                random=self._random,
            )
        step = after_failure(job.export, error, self._retry_policy)
        if isinstance(step, RetryRequest) and isinstance(error, RequestError):
            self._send_again(job, error, now)
            return
        if isinstance(step, Split):
            self._breaker.is_doubtful = True
        reason = str(error)
        if isinstance(step, GiveUp) and isinstance(error, ExportError):
            reason = error.with_advice()
        self._follow(job, step, reason)

    def _send_again(self, job: ExportJob, error: RequestError, now: float) -> None:
        pause = 0.0
        if not error.is_throttled:
            pause = retry_pause(
                job.export.tries,
                random=self._random,
                retry_after_seconds=error.retry_after_seconds,
            )
        note = " (a task may exist there all the same)" if job.phase is Phase.SUBMIT else ""
        logger.warning(
            "%s; trying again in %.1f s, try %d of %d%s",
            error,
            max(pause, self._throttle.seconds_until_open(now)),
            job.export.tries + 1,
            self._retry_policy.request_attempts,
            note,
        )
        job.due_at = now + pause

    def _follow(self, job: ExportJob, step: Step, reason: str) -> None:
        task = job.export.task
        window = job.export.window
        self._last_reason = reason
        if isinstance(step, SubmitAgain | Split):
            self._breaker.setbacks += 1
            if self._is_hopeless():
                step = GiveUp(keeps_task=False)
        match step:
            case RetryRequest(export):
                job.export = export
            case PollAgain(export):
                logger.warning("%s: %s; asking the task for a download URL again", window, reason)
                tries = export.fresh_urls + export.polls_without_url
                self._go_on(job, export, Phase.POLL, tries)
            case SubmitAgain(export):
                logger.warning("%s: %s; submitting it again", window, reason)
                self._go_on(job, export, Phase.SUBMIT, max(export.submissions, 1))
            case Split(parts):
                shown = " and ".join(str(part.window) for part in parts)
                logger.warning("%s: %s; splitting it into %s", window, reason, shown)
                self._jobs.remove(job)
                self._queue.extendleft(reversed(parts))
            case GiveUp():
                # No error yet: the run ends with one line for all that failed.
                logger.warning("%s: %s; these days fail in this run", window, reason)
                self._breaker.failed += 1
                self._jobs.remove(job)
                self._events.append(Failed(window, reason))
            case EndRun(error):
                # Raised when all that is known beside it has been told.
                self._ended_by = self._ended_by or error
                self._jobs.remove(job)
            case _:
                assert_never(step)
        is_kept = isinstance(step, RetryRequest | PollAgain | EndRun) or (
            isinstance(step, GiveUp) and step.keeps_task
        )
        if task and not is_kept:
            self._events.append(Abandoned(task))

    def _go_on(self, job: ExportJob, export: Export, phase: Phase, tries: int) -> None:
        job.export, job.phase = export, phase
        job.due_at = self._clock.monotonic() + retry_pause(tries, random=self._random)
        job.spool = job.download = None

    def _close_spools(self) -> None:
        for job in self._jobs:
            if job.spool and (job.phase is not Phase.READY or self._is_abandoned):
                close_spool(job.spool)
