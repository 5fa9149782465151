"""Carries out what the policy decides after an error: pauses, queue, events and log lines."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final, assert_never

from msgspec.structs import replace

from tap_advexport.errors import ExportError, InvalidFileError, RequestError, TapAdvexportError
from tap_advexport.exports.job import AT_THE_API, Abandoned, ExportJob, Failed, Phase
from tap_advexport.exports.limits import ENDED_SECONDS
from tap_advexport.exports.pacing import (
    MAX_RETRY_SECONDS,
    Random,
    poll_again_pause,
    retry_pause,
)
from tap_advexport.exports.policy import (
    VISIBLE_WITHIN_SECONDS,
    EndRun,
    Export,
    GiveUp,
    PollAgain,
    Refuse,
    RetryPolicy,
    RetryRequest,
    Situation,
    Split,
    Step,
    SubmitAgain,
    SubmitLater,
    SubmitSoon,
    after_failure,
    in_single_periods,
)
from tap_advexport.exports.refusals import FAILURE, Refusals

if TYPE_CHECKING:
    from collections import deque

    from tap_advexport.exports.circuit_breaker import CircuitBreaker
    from tap_advexport.exports.job import Event
    from tap_advexport.exports.limits import Limits, UnseenTasks
    from tap_advexport.exports.schedule import Schedule
    from tap_advexport.windows import DateWindow

logger = logging.getLogger(__name__)

# An API that gave an answer other than 429 within this time is slow, but not down.
SLOW_IS_NOT_DOWN_SECONDS: Final = 600.0
# The last pauses between submissions, while an unseen task may refuse them, are this share of it.
UNSEEN_PAUSES: Final = 4
LIMITED: Final = "it still counts a task of this account as unfinished: run again later"
# What differs between two refusals of one kind: ids, times and counts, not the HTTP status.
_VARIES: Final = re.compile(r"(?<![\w.:+-])(?<!HTTP )[\w.:+-]*\d[\w.:+-]*")
_LONGEST_WORDS: Final = 500


class Recovery:
    """Handles the errors of exports in flight."""

    def __init__(  # noqa: PLR0913 - all that errors change
        self,
        *,
        schedule: Schedule,
        events: deque[Event],
        limits: Limits,
        retry_policy: RetryPolicy,
        breaker: CircuitBreaker,
        unseen_tasks: UnseenTasks,
        random: Random,
    ) -> None:
        self.refusals = Refusals(breaker.is_refusing and not breaker.succeeded)
        self.ended_by: TapAdvexportError | None = None
        self._schedule = schedule
        self._events = events
        self._limits = limits
        self._retry_policy = retry_policy
        self._breaker = breaker
        self._unseen = unseen_tasks
        self._random = random

    def take(self, job: ExportJob, error: TapAdvexportError, now: float) -> None:
        """Handle an error of a job."""
        situation = self._situation(job, error, now)
        if isinstance(error, RequestError):
            if error.is_throttled:
                self._throttled(job, error, situation, now)
            elif job.phase is Phase.SUBMIT and error.has_arrived and not error.names_no_task:
                self._unseen.may_exist(now)
        elif job.phase in AT_THE_API:
            self._breaker.answered_at = now
        step = after_failure(job.export, error, self._retry_policy, situation)
        if isinstance(step, RetryRequest) and isinstance(error, RequestError):
            self._send_again(job, error, now)
            return
        self._follow(job, step, error, now)

    def _situation(self, job: ExportJob, error: TapAdvexportError, now: float) -> Situation:
        refusal = error.refusal if isinstance(error, ExportError) else ""
        return Situation(
            is_crowded=self._schedule.open_beside(job) > 0,
            may_be_crowded=self._unseen.may_refuse(_words_of(error), now),
            is_limited=self._schedule.tasks.is_learned,
            has_answered=self._breaker.answered_at > float("-inf"),
            refused_beside=self.refusals.refused_beside(job.export.window, refusal),
            is_taught=bool(refusal) and self.refusals.is_taught(job.export, refusal),
            seconds_submitted=now - job.began_at,
            seconds_finished=0.0 if job.finished_at is None else now - job.finished_at,
            asks=job.asks,
            seconds_asking=now - job.asking_since,
            export_timeout_seconds=self._limits.export_timeout_seconds,
        )

    def _throttled(
        self, job: ExportJob, error: RequestError, situation: Situation, now: float
    ) -> None:
        after = error.retry_after_seconds
        if after is not None:
            after = min(after, self._limits.export_timeout_seconds)
        self._schedule.throttle.refused(
            now,
            sent_at=job.work_began_at,
            retry_after_seconds=after,
            random=self._random,
        )
        if job.phase is Phase.SUBMIT and not situation.is_crowded:
            self._schedule.pace.refused(is_told=error.retry_after_seconds is not None)
        patience = min(SLOW_IS_NOT_DOWN_SECONDS, self._limits.export_timeout_seconds)
        is_slow = now - self._breaker.answered_at < patience
        if is_slow or (job.phase is Phase.SUBMIT and self._unseen.is_possible(now)):
            job.export = replace(job.export, tries=job.export.tries - 1)

    def _send_again(self, job: ExportJob, error: RequestError, now: float) -> None:
        pause = 0.0
        if not error.is_throttled:
            pause = retry_pause(
                job.export.tries,
                random=self._random,
                retry_after_seconds=error.retry_after_seconds,
            )
        may_exist = job.phase is Phase.SUBMIT and error.has_arrived
        logger.log(
            logging.INFO if error.is_setup else logging.WARNING,
            "%s; trying again in %.1f s, try %d of %d%s",
            self._named(job.export.window, error),
            max(pause, self._schedule.throttle.seconds_until_open(now)),
            job.export.tries + 1,
            self._retry_policy.attempts(error),
            " (a task may exist there all the same)" if may_exist else "",
        )
        job.due_at = now + pause

    def _follow(self, job: ExportJob, step: Step, error: TapAdvexportError, now: float) -> None:
        task, window = job.export.task, job.export.window
        # A refused submission is no setback: the API has answered it. A failed task is one.
        is_setback = task is not None or not _is_refusal(error)
        if isinstance(step, SubmitAgain | Split) and is_setback:
            self._breaker.setbacks += 1
            self._breaker.is_doubtful |= isinstance(step, Split)
            if self._schedule.is_hopeless():
                step = GiveUp(keeps_task=False)
        match step:
            case RetryRequest(export):
                job.export = export
            case PollAgain(export):
                self._poll_again(job, export, error, now)
            case SubmitAgain(export):
                logger.warning("%s; submitting it again", self._named(window, error))
                pause = retry_pause(max(export.submissions, 1), random=self._random)
                self._go_on(job, export, Phase.SUBMIT, now + pause)
            case SubmitSoon(export):
                self._submit_soon(job, export, error, now)
            case SubmitLater() | Split() | Refuse() | GiveUp() | EndRun():
                self._schedule.jobs.remove(job)
                self._leave(job, step, error, now)
            case _:
                assert_never(step)
        is_kept = isinstance(step, RetryRequest | PollAgain | EndRun) or (
            isinstance(step, GiveUp) and step.keeps_task
        )
        if task and not is_kept:
            if job.finished_at is None and not _is_refusal(error):
                self._unseen.may_exist(now)
            else:
                self._unseen.ended(now)
            self._events.append(Abandoned(task))

    def _leave(
        self,
        job: ExportJob,
        step: SubmitLater | Split | Refuse | GiveUp | EndRun,
        error: TapAdvexportError,
        now: float,
    ) -> None:
        """Carry out a step after which the job is no longer in flight."""
        window = job.export.window
        names_no_task = isinstance(error, RequestError) and error.names_no_task
        is_refusal = isinstance(step, Split | Refuse) or (
            isinstance(step, GiveUp) and names_no_task
        )
        if job.export.task is None and is_refusal:
            before = job.export.polls_again
            self._unseen.refused(_words_of(error), now, refused_before=before)
        match step:
            case SubmitLater(export):
                self._submit_later(job, export, error, now)
            case Split(parts):
                shown = f"{len(parts)} days"
                if len(parts) == 2:  # noqa: PLR2004 - halves
                    shown = " and ".join(str(part.window) for part in parts)
                logger.warning("%s; splitting it into %s", self._named(window, error), shown)
                self._schedule.put_back(parts)
            case Refuse():
                self._refuse(job.export, error)
            case GiveUp():
                # Not logged as an error: the run ends with one line for all days that failed.
                named = self._named(window, error)
                logger.debug("%s; these days fail in this run", named)
                advice = error.advice if isinstance(error, ExportError) else ""
                self._breaker.last_failure = f"{named}; {advice or 'run again later'}"
                self._breaker.failed += 1
                self._breaker.invalid += isinstance(error, InvalidFileError)
                self._events.append(Failed(window, str(error), advice))
            case EndRun(last):
                # Raised by the runner, after the events that are still to be yielded.
                self.ended_by = self.ended_by or last
            case _:
                assert_never(step)

    def _poll_again(
        self, job: ExportJob, export: Export, error: TapAdvexportError, now: float
    ) -> None:
        named = self._named(job.export.window, error)
        if export.fresh_urls > job.export.fresh_urls:
            logger.warning("%s; asking the task for a download URL again", named)
            pause = retry_pause(export.fresh_urls, random=self._random)
        else:
            logger.info("%s; it may not be visible yet", named)
            pause = poll_again_pause(export.polls_again)
            since = job.began_at if job.finished_at is None else job.finished_at
            ends_at = since + VISIBLE_WITHIN_SECONDS
            if now < ends_at:
                pause = min(pause, ends_at - now)
        self._go_on(job, export, Phase.POLL, now + pause)

    def _submit_soon(
        self, job: ExportJob, export: Export, error: TapAdvexportError, now: float
    ) -> None:
        named = self._named(job.export.window, error)
        logger.info("%s; again soon: a task of ours may still count as unfinished", named)
        longest = max(MAX_RETRY_SECONDS, self._unseen.seconds / UNSEEN_PAUSES)
        pause = poll_again_pause(export.polls_again + 2, longest)
        if self._unseen.is_refusal(_words_of(error)):
            # Most likely it is one again: one more submission must do.
            pause = max(pause, ENDED_SECONDS)
        self._go_on(job, export, Phase.SUBMIT, now + pause)

    def _submit_later(
        self, job: ExportJob, export: Export, error: TapAdvexportError, now: float
    ) -> None:
        open_tasks = self._schedule.open_beside(job)
        self._unseen.limited(_words_of(error))
        may_be_rate = isinstance(error, RequestError)
        named = self._named(job.export.window, error)
        logger.info("%s; later: other tasks are unfinished (%d)", named, open_tasks)
        self._schedule.tasks.refused(open_tasks, now, may_be_rate=may_be_rate)
        self._schedule.put_back([replace(export, limited_by=_words_of(error))])

    def _refuse(self, export: Export, error: TapAdvexportError) -> None:
        if not isinstance(error, ExportError):
            msg = f"a refusal of another kind: {error!r}"
            raise AssertionError(msg)  # noqa: TRY004 - a mistake of ours
        logger.debug("%s; these days fail in this run", self._named(export.window, error))
        is_limit = self._unseen.is_limit(_words_of(error))
        self.refusals.add(export, error, LIMITED if is_limit else "")
        if error.refusal == FAILURE:
            # Not a refusal in the API's words: where nothing else works, the API is down.
            self._breaker.failed += 1
            self._breaker.last_failure = f"{self._named(export.window, error)}; run again later"
        queue = self._schedule.queue
        if queue and self.refusals.is_to_be_taken_apart(queue[0], error.refusal):
            parts = in_single_periods(queue.popleft(), self._retry_policy.interval)
            self._schedule.put_back(parts)
        if self.refusals.has_ended and self.refusals.oldest:
            older = self._schedule.drop_older(self.refusals.oldest)
            self._breaker.is_refusing = True
            logger.info("older windows are not asked for in this run (%d)", len(older))
            self.refusals.add_unasked(older)

    def _named(self, window: DateWindow, error: TapAdvexportError) -> str:
        """Return the error's text with its report and days, unless it names them already."""
        days = f"{self._retry_policy.interval} {window}"
        return str(error) if days in str(error) else f"{days}: {error}"

    def _go_on(self, job: ExportJob, export: Export, phase: Phase, due_at: float) -> None:
        job.export, job.phase, job.due_at = export, phase, due_at
        job.spool = job.download = None
        job.asks = 0


def _words_of(error: TapAdvexportError) -> str:
    """Return the API's words, which tell a limit on tasks from other refusals, without numbers."""
    said = error.said if isinstance(error, ExportError) else ""
    return _VARIES.sub("#", said[:_LONGEST_WORDS])


def _is_refusal(error: TapAdvexportError) -> bool:
    return isinstance(error, ExportError) and bool(error.refusal)
