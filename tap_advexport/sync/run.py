"""What the streams of one run share: clocks, the client, how it goes, and when to end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from tap_advexport.api.client import ApiClient
from tap_advexport.clock import Clock, SystemClock
from tap_advexport.exports.conversion import Conversions
from tap_advexport.exports.job import CircuitBreaker
from tap_advexport.exports.workers import ThreadWorkers, Workers
from tap_advexport.progress.reporter import Watch, show_on_terminal
from tap_advexport.sync.grace import GraceAfterSignal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from requests.adapters import BaseAdapter

    from tap_advexport.errors import TapAdvexportError
    from tap_advexport.exports.pacing import Random
    from tap_advexport.settings import Settings
    from tap_advexport.windows import DateWindow

IDLE_SECONDS = 1.0

_Item = TypeVar("_Item")


class Halt(SystemExit):
    """Ends the run. No Exception, so that the SDK does not report it as unhandled on its way."""

    def __init__(self, error: TapAdvexportError) -> None:
        super().__init__(1)
        self.error = error


class Interrupted(BaseException):
    """A signal ended the run, at a moment when everything emitted is whole."""


@dataclass(frozen=True)
class Machine:
    """What of the outside world a run uses; a simulation puts its own in.

    Attributes:
        adapter: what carries HTTP requests; None for the network.
        is_threaded: exports go on in a thread of their own while rows are emitted.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: Random = random.random
    new_workers: Callable[[], Workers] = ThreadWorkers
    adapter: BaseAdapter | None = None
    is_threaded: bool = True


@dataclass(frozen=True, slots=True)
class FailedDays:
    """Days of a report that failed in this run, and why."""

    report: str
    window: DateWindow
    reason: str

    def __str__(self) -> str:
        return f"report {self.report}, {self.window}: {self.reason}"


@dataclass(slots=True)
class Tally:
    """What the run did, for the summary."""

    exports: int = 0
    rows: int = 0
    rows_not_sent: int = 0
    byte_count: int = 0
    days_covered: int = 0
    days_unsettled: int = 0
    days_failed: int = 0
    seconds_waiting: float = 0.0

    def line(self, seconds: float) -> str:
        """The summary, the last log line of a run that took so many seconds."""
        return (
            f"Summary: {self.exports} exports, {self.rows} rows sent, {self.rows_not_sent} "
            f"unchanged rows not sent, {self.byte_count} bytes downloaded, "
            f"{self.days_covered} days covered, {self.days_unsettled} of them unsettled, "
            f"{self.days_failed} days failed, {self.seconds_waiting:.1f} s waiting, "
            f"{max(0.0, seconds - self.seconds_waiting):.1f} s working"
        )


class Run:
    """One run of the tap."""

    def __init__(self, settings: Settings, machine: Machine, user_agent: str) -> None:
        self.settings = settings
        self.machine = machine
        self.started_at: datetime = machine.clock.now()
        self.began_at = machine.clock.monotonic()
        self.circuit_breaker = CircuitBreaker()
        self.tally = Tally()
        self.failures: list[FailedDays] = []
        self.conversions = Conversions()
        self.watch = Watch(
            machine.clock.monotonic, show_on_terminal, is_simulated=not machine.is_threaded
        )
        self.grace = GraceAfterSignal(monotonic=machine.clock.monotonic)
        self.signal: int | None = None
        self._user_agent = settings.user_agent or user_agent
        self._client: ApiClient | None = None
        self._stoppers: list[Callable[[], None]] = []

    @property
    def client(self) -> ApiClient:
        """The client of the API, made when it is first needed."""
        if self._client is None:
            settings = self.settings
            self._client = ApiClient(
                api_url=settings.api_url,
                auth_token=settings.auth_token,
                user_agent=self._user_agent,
                timeout_seconds=settings.request_timeout_seconds,
                pool_size=settings.max_concurrent_exports + 1,
                clock=self.machine.clock,
                adapter=self.machine.adapter,
            )
        return self._client

    def hurry(self) -> None:
        """Try less often and less long: a person waits. To be said before the first request."""
        self.settings = self.settings.in_a_hurry()

    def interrupt(self, signum: int) -> None:
        """A signal came: begin nothing new, and end soon. The first signal decides."""
        if self.signal is None:
            self.signal = signum
            self.grace.begin()
        for stop in self._stoppers:
            stop()

    def raise_if_interrupted(self) -> None:
        """Raise Interrupted when a signal came."""
        if self.signal is not None:
            raise Interrupted

    def on_interrupt(self, stop: Callable[[], None]) -> None:
        """Have `stop` called when a signal comes; it must be safe in a signal handler."""
        self._stoppers.append(stop)

    def close(self) -> None:
        """End what may still be under way, and show no progress any more."""
        self.conversions.close()
        self.watch.end()

    def seconds(self) -> float:
        """How long the run has taken so far."""
        return self.machine.clock.monotonic() - self.began_at


class Background(Generic[_Item]):
    """Lets an iterator run ahead in a daemon thread, and hands over what it has, all at a time."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = items
        self._queue: SimpleQueue[tuple[_Item, ...] | BaseException | None] = SimpleQueue()

    def batches(self, on_idle: Callable[[], None]) -> Iterator[list[_Item]]:
        """The items as they come. `on_idle` is called about every second that none does.

        Raises:
            whatever the iterator raises, after all items before it.
        """
        Thread(target=self._feed, name="advexport-exports", daemon=True).start()
        while True:
            try:
                items, end = self._drain()
            except Empty:
                on_idle()
                continue
            if items:
                yield items
            if isinstance(end, BaseException):
                raise end
            if end is not None:
                return

    def _drain(self) -> tuple[list[_Item], BaseException | bool | None]:
        found: list[_Item] = []
        got = self._queue.get(timeout=IDLE_SECONDS)
        while True:
            if not isinstance(got, tuple):
                return found, True if got is None else got
            found += got
            try:
                got = self._queue.get_nowait()
            except Empty:
                return found, None

    def _feed(self) -> None:
        try:
            for item in self._items:
                self._queue.put((item,))
        except BaseException as error:  # noqa: BLE001 - raised where the items are taken
            self._queue.put(error)
        else:
            self._queue.put(None)


def foreground(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """The items one at a time, each when it is asked for."""
    for item in items:
        yield [item]
