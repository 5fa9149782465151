"""A client that answers by script, workers that do everything at once, and a clock they move."""

from __future__ import annotations

import heapq
import io
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

from tap_advexport.api.answers import Finished, Unfinished
from tap_advexport.api.bodies import Downloaded
from tap_advexport.errors import (
    FileNotFoundYetError,
    RejectedError,
    RequestError,
    TaskError,
    TaskNotFoundError,
)
from tap_advexport.exports.circuit_breaker import CircuitBreaker
from tap_advexport.exports.job import Abandoned, Event, Failed, Ready, Submitted
from tap_advexport.exports.known_tasks import KnownTasks
from tap_advexport.exports.limits import Limits, UnseenTasks
from tap_advexport.exports.policy import Export, RetryPolicy
from tap_advexport.exports.runner import Runner
from tap_advexport.exports.work import discard
from tap_advexport.exports.workers import Outcome
from tap_advexport.records.convert import Converted
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_advexport.errors import ExportError
    from tap_advexport.exports.workers import Workers

START = datetime(2024, 4, 2, 3, tzinfo=UTC)
MOST_CALLS = 3000


class FakeClock:
    """Both clocks, which only the workers move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)


@dataclass(frozen=True)
class Takes:
    """An answer that comes after some seconds; infinitely many: never."""

    seconds: float
    answer: object = None


class FakeWorkers:
    """Does all work at its start, and hands the outcome over when the clock has come there."""

    def __init__(self, clock: FakeClock) -> None:
        self.duration = 0.0
        self._clock = clock
        self._heap: list[tuple[float, int, Outcome]] = []
        self._woken = False

    def start(self, token: int, work: Callable[[], object]) -> None:
        self.duration = 0.0
        try:
            outcome = Outcome(token, value=work())
        except Exception as error:  # noqa: BLE001 - handed over as the real ones do
            outcome = Outcome(token, error=error)
        if self.duration == float("inf"):
            discard(outcome)
            return
        heapq.heappush(self._heap, (self._clock.seconds + self.duration, token, outcome))

    def wait(self, timeout_seconds: float | None) -> list[Outcome]:
        if self._woken:
            self._woken = False
            return []
        first = self._heap[0][0] if self._heap else float("inf")
        until = float("inf") if timeout_seconds is None else self._clock.seconds + timeout_seconds
        assert min(first, until) < float("inf"), "the runner waits for what never comes"
        self._clock.seconds = max(self._clock.seconds, min(first, until))
        found = []
        while self._heap and self._heap[0][0] <= self._clock.seconds:
            found.append(heapq.heappop(self._heap)[2])
        return found

    def wake(self) -> None:
        self._woken = True

    def close(self, discard: Callable[[Outcome], None]) -> None:
        for _, _, outcome in self._heap:
            discard(outcome)


Answers = list[object]


@dataclass
class Api:
    """Answers each kind of call from its script, and as an API that works when that is over.

    `always` answers every call of a kind. An answer is a value, an error to raise, `Takes`, or a
    function of what is asked.
    """

    clock: FakeClock
    workers: FakeWorkers
    script: dict[str, Answers] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, object] = field(default_factory=dict)
    calls: list[tuple[str, float, str]] = field(default_factory=list)
    windows: dict[str, DateWindow] = field(default_factory=dict)

    def submit(self, window: DateWindow, *, interval: Interval, sorting: str) -> str:
        del interval, sorting
        task_id = f"task-{len(self.windows) + 1}"
        self.windows[task_id] = window
        answer = self._answer("submit", window, task_id)
        assert isinstance(answer, str)
        return answer

    def poll(self, task_id: str) -> Unfinished | Finished:
        answer = self._answer("poll", task_id, Finished(f"https://files/{task_id}?secret"))
        assert isinstance(answer, Unfinished | Finished)
        return answer

    def download(
        self, url: str, spool: BinaryIO, *, is_cancelled: Callable[[], bool]
    ) -> Downloaded:
        del spool
        assert not is_cancelled()
        answer = self._answer("download", url, Downloaded(10, is_end_proven=True))
        assert isinstance(answer, Downloaded)
        return answer

    def clear(self, error: ExportError, urls: Iterable[str]) -> None:
        del urls
        error.rewrite(lambda text: text.replace("t0ken", "***"))

    def convert(
        self, spool: BinaryIO, task: Task, downloaded: Downloaded
    ) -> tuple[BinaryIO, Converted]:
        del spool, downloaded
        answer = self._answer("convert", task.window, Converted((), 0, (), is_time_ordered=True))
        assert isinstance(answer, Converted)
        return io.BytesIO(), answer

    def count(self, kind: str) -> int:
        return sum(call == kind for call, _, _ in self.calls)

    def times(self, kind: str) -> list[float]:
        """When calls of a kind were made, in seconds since the start."""
        return [at - 1000.0 for call, at, _ in self.calls if call == kind]

    def asked(self, kind: str) -> list[str]:
        return [what for call, _, what in self.calls if call == kind]

    def _answer(self, kind: str, what: object, default: object) -> object:
        self.calls.append((kind, self.clock.seconds, str(what)))
        assert len(self.calls) < MOST_CALLS, "the runner asks for ever"
        answer = self.script[kind].pop(0) if self.script[kind] else self.always.get(kind, default)
        return self._said(answer, what, default)

    def _said(self, answer: object, what: object, default: object) -> object:
        if isinstance(answer, Takes):
            self.workers.duration += answer.seconds
            inner = default if answer.answer is None else answer.answer
            return self._said(inner, what, default)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            return self._said(answer(what), what, default)
        return default if answer is None else answer


class Rig:
    """A runner with everything around it made up."""

    def __init__(  # noqa: PLR0913 - all that a test may want to choose
        self,
        *,
        at_once: int = 2,
        request_attempts: int = 4,
        export_attempts: int = 3,
        export_timeout_seconds: float = 1000.0,
        request_timeout_seconds: float = 60.0,
        interval: Interval = Interval.DAILY,
        circuit_breaker: CircuitBreaker | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.workers = FakeWorkers(self.clock)
        self.api = Api(self.clock, self.workers)
        self.circuit_breaker = circuit_breaker or CircuitBreaker()
        self.unseen_tasks = UnseenTasks()
        self.known_tasks = KnownTasks()
        self.runner = Runner(
            client=self.api,
            convert=self.api.convert,
            workers=workers or self.workers,
            clock=self.clock,
            random=lambda: 0.5,
            limits=Limits(
                max_concurrent_exports=at_once,
                conversions_at_once=2,
                poll_interval_seconds=60.0,
                export_timeout_seconds=export_timeout_seconds,
                request_timeout_seconds=request_timeout_seconds,
            ),
            retry_policy=RetryPolicy(
                request_attempts=request_attempts,
                export_attempts=export_attempts,
                interval=interval,
            ),
            sorting="time",
            circuit_breaker=self.circuit_breaker,
            unseen_tasks=self.unseen_tasks,
            known_tasks=self.known_tasks,
        )

    def events(self, *exports: Export) -> Iterator[Event]:
        """The events as they come; what is ready is released at once."""
        for event in self.runner.events(exports):
            yield event
            if isinstance(event, Ready):
                event.release()

    def run(self, *exports: Export) -> Told:
        return Told(list(self.events(*exports)))


@dataclass(frozen=True)
class Told:
    """The events of a run."""

    events: list[Event]

    @property
    def ready(self) -> list[str]:
        return [str(event.window) for event in self.events if isinstance(event, Ready)]

    @property
    def failed(self) -> dict[str, str]:
        return {
            str(event.window): f"{event.reason}; {event.advice}" if event.advice else event.reason
            for event in _failed(self.events)
        }

    @property
    def abandoned(self) -> list[str]:
        return [event.task.task_id for event in self.events if isinstance(event, Abandoned)]

    @property
    def submitted(self) -> list[str]:
        return [event.task.task_id for event in self.events if isinstance(event, Submitted)]

    @property
    def pending(self) -> list[str]:
        """The tasks that a next run would find in the state."""
        done = [event.task.task_id for event in self.events if isinstance(event, Ready)]
        gone = {*self.abandoned, *done}
        return [task_id for task_id in self.submitted if task_id not in gone]


def _failed(events: Iterable[Event]) -> Iterator[Failed]:
    return (event for event in events if isinstance(event, Failed))


def window(first: int, last: int | None = None) -> DateWindow:
    """Days of March 2024."""
    return DateWindow(date(2024, 3, first), date(2024, 3, last or first))


def wanted(first: int, last: int | None = None) -> Export:
    return Export(window(first, last))


def adopted(first: int, last: int | None = None, *, hours_old: float = 1) -> Export:
    """A window with the task of an earlier run."""
    submitted_at = START - timedelta(hours=hours_old)
    days = window(first, last)
    return Export(days, task=Task("old", days, submitted_at), is_adopted=True)


# Some of what an API answers.

NEVER = float("inf")
PENDING = Unfinished("PENDING", is_known=True)
ODD = Unfinished("HIBERNATING", is_known=False)
ERROR = RejectedError("the API answers ERROR", refusal="ERROR", said="ERROR")
BUSY = RequestError(
    "the answer (HTTP 200) is not as documented: busy", said="busy", is_accepted=True
)
BUSY.names_no_task = True
BAD_REQUEST = RejectedError("HTTP 400 too old", refusal="HTTP 400", said="HTTP 400 too old")
FAILURE = TaskError("its state is FAILURE", refusal="FAILURE", said="FAILURE")
NO_TASK = TaskNotFoundError("HTTP 404")
NO_FILE = FileNotFoundYetError("HTTP 403")
LOST = RequestError("the connection failed")


def throttled(retry_after: float | None = None) -> RequestError:
    return RequestError("HTTP 429", retry_after_seconds=retry_after, is_throttled=True)


def on_days_of(error: Exception, *texts: str) -> Callable[[DateWindow], object]:
    """Fail windows that hold one of these days of March; all others work."""
    return lambda window: (
        error if any(window.first.day <= int(text) <= window.last.day for text in texts) else None
    )
