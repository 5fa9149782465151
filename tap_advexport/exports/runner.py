"""Exports in flight: which request goes out when, in whose name, and when the run is to end.

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
    Failed,
    Fetched,
    Flight,
    Phase,
    Ready,
    Submitted,
    task_of,
)
from tap_advexport.exports.pacing import LookTimes, Random, Throttle, retry_pause
from tap_advexport.exports.policy import (
    DemandAnew,
    EndRun,
    Export,
    GiveUp,
    LookAgain,
    Patience,
    SendAgain,
    Split,
    Step,
    Task,
    after_empty_look,
    after_failure,
)
from tap_advexport.exports.work import Work, close_spool, discard
from tap_advexport.redaction import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_advexport.clock import Clock
    from tap_advexport.exports.job import Answer, Client, Convert, Event, Health, Limits
    from tap_advexport.exports.workers import Outcome, Workers
    from tap_advexport.records.convert import Converted

logger = logging.getLogger(__name__)


# How long a run that is to end waits for the task ids of demands that it has just sent.
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
        patience: Patience,
        sorting: str,
        health: Health,
    ) -> None:
        self._workers = workers
        self._clock = clock
        self._random = random
        self._limits = limits
        self._patience = patience
        self._work = Work(
            client=client,
            convert=convert,
            clock=clock,
            interval=patience.interval,
            sorting=sorting,
            is_stopped=lambda: self._is_stopped,
        )
        self._health = health
        self._queue: deque[Export] = deque()
        self._flights: list[Flight] = []
        self._events: deque[Event] = deque()
        self._jobs = itertools.count()
        self._looks = LookTimes(limits.poll_interval_seconds)
        self._throttle = Throttle(limits.max_concurrent_exports)
        self._is_stopped = False
        self._is_abandoned = False
        self._ended_by: TapAdvexportError | None = None
        self._last_reason = ""
        self._unknown_states: set[str] = set()

    @property
    def flights(self) -> tuple[Flight, ...]:
        """The exports in flight, for whoever shows progress."""
        return tuple(self._flights)

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
        for flight in self._flights:
            if flight.phase is Phase.READY and flight.spool:
                close_spool(flight.spool)

    def events(self, exports: Iterable[Export]) -> Iterator[Event]:
        """Bring the exports (those with a task are looked at, the others demanded).

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
            self._flights = [flight for flight in self._flights if not flight.is_released]
            if not (self._queue or self._flights or self._events):
                return
            self._begin_flights()
            self._begin_jobs()
            if not self._events:
                self._refuse_broken_api()
                self._take(self._workers.wait(self._pause()))
            while self._events:
                yield self._events.popleft()
            # Whoever took them may have been slow: what came meanwhile goes before what is new.
            self._take(self._workers.wait(0.0))

    def _last_submissions(self) -> Iterator[Event]:
        """What the demands that were under way at the end came to, if they are quick."""
        ends_at = self._clock.monotonic() + LAST_ANSWERS_SECONDS
        while self._demands_under_way() and (left := ends_at - self._clock.monotonic()) > 0:
            for outcome in self._workers.wait(left):
                flight = next((f for f in self._flights if f.job == outcome.token), None)
                if flight is None or flight.phase is not Phase.DEMAND:
                    discard(outcome)
                    continue
                flight.job = None
                if isinstance(outcome.value, str):
                    self._demanded(flight, outcome.value)
        yield from self._events

    def _demands_under_way(self) -> bool:
        return any(
            flight.job is not None and flight.phase is Phase.DEMAND for flight in self._flights
        )

    # What may begin.

    def _begin_flights(self) -> None:
        while self._queue and self._has_room():
            export = self._queue.popleft()
            now = self._clock.monotonic()
            phase = Phase.LOOK if export.task else Phase.DEMAND
            flight = Flight(export, phase, due_at=now, began_at=now, waits_since=now)
            if export.task:
                age = (self._clock.now() - export.task.submitted_at).total_seconds()
                flight.began_at -= max(age, 0.0)
                logger.info("%s: adopting task %s", export.window, excerpt(export.task.task_id))
            self._flights.append(flight)

    def _has_room(self) -> bool:
        most = self._limits.max_concurrent_exports
        at_the_api = len(self._at_the_api())
        is_adopted = self._queue[0].task is not None
        if not is_adopted and (self._health.is_broken(most) or self._is_hopeless()):
            return False
        if self._health.is_doubtful and not self._health.succeeded:
            most = 1
        # Files that wait to be converted or emitted bound the disk: no more than those in flight.
        return at_the_api < most and len(self._flights) < 2 * self._limits.max_concurrent_exports

    def _is_hopeless(self) -> bool:
        return self._health.is_hopeless(self._patience.export_attempts)

    def _refuse_broken_api(self) -> None:
        if self._queue and not self._flights:
            self._health.is_given_up = True
            msg = (
                f"the API does not work: {self._health.failed} exports failed and none succeeded, "
                f"so that nothing more is demanded; the last one: {self._last_reason}"
            )
            raise IncompleteError(msg)

    def _begin_jobs(self) -> None:
        now = self._clock.monotonic()
        is_open = self._throttle.seconds_until_open(now) <= 0
        requests = self._requests_under_way()
        conversions = sum(f.job is not None and f.phase is Phase.CONVERT for f in self._flights)
        for flight in self._flights:
            if flight.job is not None or flight.due_at > now:
                continue
            if flight.phase is Phase.CONVERT:
                if conversions < self._limits.conversions_at_once:
                    conversions += 1
                    self._begin_job(flight)
            elif is_open and requests < self._throttle.at_once and self._may_ask(flight):
                requests += 1
                self._begin_job(flight)

    def _may_ask(self, flight: Flight) -> bool:
        return flight.phase in AT_THE_API and (
            flight.phase is not Phase.DEMAND or self._may_demand()
        )

    def _may_demand(self) -> bool:
        """Whether one more task may be open at the API.

        An export whose file turned out to be wrong comes back to be demanded anew, and another may
        have taken its place there.
        """
        is_open = (f.export.task is not None or f.job is not None for f in self._at_the_api())
        return sum(is_open) < self._limits.max_concurrent_exports

    def _at_the_api(self) -> list[Flight]:
        return [flight for flight in self._flights if flight.phase in AT_THE_API]

    def _begin_job(self, flight: Flight) -> None:
        flight.job = next(self._jobs)
        flight.job_sent_at = flight.job_alive_at = self._clock.monotonic()
        if flight.phase in AT_THE_API:
            is_new_demand = flight.phase is Phase.DEMAND and not flight.export.tries
            flight.export = replace(
                flight.export,
                tries=flight.export.tries + 1,
                demands=flight.export.demands + is_new_demand,
            )
        self._workers.start(flight.job, self._work.of(flight))

    # Waiting.

    def _pause(self) -> float | None:
        """Seconds until something is due, or None when only an outcome can go on."""
        now = self._clock.monotonic()
        moments = [
            self._deadline(flight) if flight.job is not None else self._next_move(flight, now)
            for flight in self._flights
            if flight.phase is not Phase.READY
        ]
        return max(0.0, min(moments) - now) if moments else None

    def _next_move(self, flight: Flight, now: float) -> float:
        if flight.phase in AT_THE_API:
            opens_at = now + self._throttle.seconds_until_open(now)
            is_full = self._requests_under_way() >= self._throttle.at_once
            if is_full or not self._may_ask(flight):
                return float("inf")
            return max(flight.due_at, opens_at)
        return float("inf") if flight.due_at <= now else flight.due_at

    def _requests_under_way(self) -> int:
        return sum(flight.job is not None for flight in self._at_the_api())

    def _deadline(self, flight: Flight) -> float:
        """When a job is given up that no time-out of the HTTP library ends."""
        if flight.phase is Phase.CONVERT:
            return float("inf")
        silence = flight.job_alive_at + 2 * self._limits.request_timeout_seconds + 1
        if flight.phase is Phase.FETCH:
            longest = flight.job_sent_at + self._limits.export_timeout_seconds
            return min(silence, max(longest, flight.job_sent_at + 1))
        return silence

    # What came of it.

    def _take(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            flight = next((f for f in self._flights if f.job == outcome.token), None)
            if flight is None:
                discard(outcome)
                continue
            self._take_outcome(flight, outcome)
        now = self._clock.monotonic()
        for flight in [f for f in self._flights if f.job is not None and self._deadline(f) <= now]:
            flight.job = None
            self._take_error(flight, self._silence_of(flight))

    def _silence_of(self, flight: Flight) -> TapAdvexportError:
        task = flight.export.task
        of_task = f" (task {excerpt(task.task_id)})" if task else ""
        what = f"{flight.phase.name.lower()} of {flight.export.window}{of_task}"
        if flight.phase is Phase.FETCH:
            return CutFileError(f"{what}: the download did not come to its end in time")
        return RequestError(f"{what}: no complete answer in time")

    def _take_outcome(self, flight: Flight, outcome: Outcome) -> None:
        flight.job = None
        if outcome.error is not None:
            if not isinstance(outcome.error, TapAdvexportError):
                raise outcome.error
            self._take_error(flight, outcome.error)
            return
        if flight.phase in AT_THE_API:
            self._throttle.answered()
        match cast("Answer", outcome.value):
            case str(task_id):
                self._demanded(flight, task_id)
            case Unfinished() as answer:
                self._unfinished(flight, answer)
            case Finished() as answer:
                self._finished(flight, answer)
            case Fetched(spool, download):
                self._fetched(flight, spool, download)
            case ConvertedFile(lines, converted):
                self._converted(flight, lines, converted)
            case unreachable:
                assert_never(unreachable)

    def _demanded(self, flight: Flight, task_id: str) -> None:
        now = self._clock.monotonic()
        submitted_at = (flight.demanded_at or self._clock.now()).replace(microsecond=0)
        task = Task(task_id, submitted_at)
        export = flight.export
        flight.export = export.demanded(task)
        flight.began_at = flight.waits_since = now
        flight.unfinished_age = 0.0
        flight.phase, flight.due_at = Phase.LOOK, now + self._looks.pause(0.0)
        logger.info("%s: task %s submitted", export.window, excerpt(task_id))
        self._events.append(Submitted(export.window, task))

    def _unfinished(self, flight: Flight, answer: Unfinished) -> None:
        now = self._clock.monotonic()
        shown = excerpt(task_of(flight).task_id)
        flight.export = replace(flight.export, tries=0)
        flight.unfinished_age = now - flight.began_at
        if not answer.is_known and answer.state not in self._unknown_states:
            self._unknown_states.add(answer.state)
            logger.warning(
                "%s: task %s is in a state that is not documented, %s; waiting",
                flight.export.window,
                shown,
                answer.state,
            )
        ends_at = flight.waits_since + self._limits.export_timeout_seconds
        if now >= ends_at:
            msg = (
                f"task {shown} is still {answer.state} after "
                f"{self._limits.export_timeout_seconds:g} s"
            )
            self._take_error(flight, TaskError(msg))
            return
        flight.due_at = min(now + self._looks.pause(flight.unfinished_age), ends_at)

    def _finished(self, flight: Flight, answer: Finished) -> None:
        now = self._clock.monotonic()
        if not answer.url:
            reason = f"task {excerpt(task_of(flight).task_id)} is SUCCESS without a download URL"
            self._follow(flight, after_empty_look(flight.export, self._patience), reason)
            return
        if not flight.export.fresh_urls and not flight.export.empty_looks:
            self._looks.learn(flight.unfinished_age, now - flight.began_at)
        flight.export = replace(flight.export, tries=0)
        flight.url = answer.url
        flight.phase, flight.due_at = Phase.FETCH, now

    def _fetched(self, flight: Flight, spool: BinaryIO, download: Downloaded) -> None:
        flight.spool, flight.download = spool, download
        flight.phase, flight.due_at = Phase.CONVERT, self._clock.monotonic()

    def _converted(self, flight: Flight, lines: BinaryIO, converted: Converted) -> None:
        flight.phase = Phase.READY
        flight.spool = lines
        self._health.succeeded += 1

        def release() -> None:
            close_spool(lines)
            flight.is_released = True
            self._workers.wake()

        byte_count = flight.download.byte_count if flight.download else 0
        self._events.append(
            Ready(flight.export.window, task_of(flight), lines, converted, byte_count, release)
        )

    # What follows from errors.

    def _take_error(self, flight: Flight, error: TapAdvexportError) -> None:
        now = self._clock.monotonic()
        if isinstance(error, RequestError) and error.is_throttled:
            self._throttle.refused(
                now,
                sent_at=flight.job_sent_at,
                retry_after_seconds=error.retry_after_seconds,
                random=self._random,
            )
        step = after_failure(flight.export, error, self._patience)
        if isinstance(step, SendAgain) and isinstance(error, RequestError):
            self._send_again(flight, error, now)
            return
        if isinstance(step, Split):
            self._health.is_doubtful = True
        reason = str(error)
        if isinstance(step, GiveUp) and isinstance(error, ExportError):
            reason = error.with_advice()
        self._follow(flight, step, reason)

    def _send_again(self, flight: Flight, error: RequestError, now: float) -> None:
        pause = 0.0
        if not error.is_throttled:
            pause = retry_pause(
                flight.export.tries,
                random=self._random,
                retry_after_seconds=error.retry_after_seconds,
            )
        note = " (a task may exist there all the same)" if flight.phase is Phase.DEMAND else ""
        logger.warning(
            "%s; trying again in %.1f s, try %d of %d%s",
            error,
            max(pause, self._throttle.seconds_until_open(now)),
            flight.export.tries + 1,
            self._patience.request_attempts,
            note,
        )
        flight.due_at = now + pause

    def _follow(self, flight: Flight, step: Step, reason: str) -> None:
        task = flight.export.task
        window = flight.export.window
        self._last_reason = reason
        if isinstance(step, DemandAnew | Split):
            self._health.setbacks += 1
            if self._is_hopeless():
                step = GiveUp(keeps_task=False)
        match step:
            case SendAgain(export):
                flight.export = export
            case LookAgain(export):
                logger.warning("%s: %s; asking the task for a download URL again", window, reason)
                tries = export.fresh_urls + export.empty_looks
                self._go_on(flight, export, Phase.LOOK, tries)
            case DemandAnew(export):
                logger.warning("%s: %s; demanding it anew", window, reason)
                self._go_on(flight, export, Phase.DEMAND, max(export.demands, 1))
            case Split(parts):
                shown = " and ".join(str(part.window) for part in parts)
                logger.warning("%s: %s; splitting it into %s", window, reason, shown)
                self._flights.remove(flight)
                self._queue.extendleft(reversed(parts))
            case GiveUp():
                # No error yet: the run ends with one line for all that failed.
                logger.warning("%s: %s; these days fail in this run", window, reason)
                self._health.failed += 1
                self._flights.remove(flight)
                self._events.append(Failed(window, reason))
            case EndRun(error):
                # Raised when all that is known beside it has been told.
                self._ended_by = self._ended_by or error
                self._flights.remove(flight)
            case _:
                assert_never(step)
        is_kept = isinstance(step, SendAgain | LookAgain | EndRun) or (
            isinstance(step, GiveUp) and step.keeps_task
        )
        if task and not is_kept:
            self._events.append(Abandoned(task.task_id))

    def _go_on(self, flight: Flight, export: Export, phase: Phase, tries: int) -> None:
        flight.export, flight.phase = export, phase
        flight.due_at = self._clock.monotonic() + retry_pause(tries, random=self._random)
        flight.spool = flight.download = None

    def _close_spools(self) -> None:
        for flight in self._flights:
            if flight.spool and (flight.phase is not Phase.READY or self._is_abandoned):
                close_spool(flight.spool)
