"""What the reports of one run share: settings, clock, API client, totals, signals."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

from msgspec import Struct, field

from tap_advexport.api.client import ApiClient
from tap_advexport.clock import Clock, SystemClock
from tap_advexport.exports.circuit_breaker import CircuitBreaker
from tap_advexport.exports.conversion import Conversions
from tap_advexport.exports.known_tasks import KnownTasks
from tap_advexport.exports.limits import UnseenTasks
from tap_advexport.exports.workers import ThreadWorkers, Workers
from tap_advexport.progress.reporter import ProgressReporter
from tap_advexport.sync.signal_grace import GraceAfterSignal
from tap_advexport.sync.totals import FailedDays, RunTotals
from tap_advexport.windows import DateWindow, last_day_to_have, local_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime

    from requests.adapters import BaseAdapter

    from tap_advexport.exports.pacing import Random
    from tap_advexport.settings import Settings

logger = logging.getLogger(__name__)


class Interrupted(BaseException):
    """A signal ended the run at a moment when everything emitted is whole."""


class Machine(Struct, frozen=True):
    """The parts of the outside world that a run uses; a simulation supplies its own.

    Attributes:
        adapter: the transport for HTTP requests; None for the network.
        is_virtual: whether time is simulated. Everything then happens in one thread, and no
            progress is shown.
    """

    clock: Clock = field(default_factory=SystemClock)
    random: Random = random.random
    new_workers: Callable[[], Workers] = ThreadWorkers
    adapter: BaseAdapter | None = None
    is_virtual: bool = False


class Run:
    """One run, over all its reports."""

    def __init__(self, settings: Settings, machine: Machine, user_agent: str) -> None:
        self.settings = settings
        self.machine = machine
        self.started_at: datetime = machine.clock.now()
        self.began_at = machine.clock.monotonic()
        self.circuit_breaker = CircuitBreaker()
        self.unseen_tasks = UnseenTasks()
        self.known_tasks = KnownTasks()
        self.tally = RunTotals()
        self.failures: list[FailedDays] = []
        self.conversions = Conversions()
        self.progress = ProgressReporter(machine.clock.monotonic, is_virtual=machine.is_virtual)
        self.grace = GraceAfterSignal(monotonic=machine.clock.monotonic)
        self.signal: int | None = None
        self._user_agent = settings.user_agent or user_agent
        self._client: ApiClient | None = None
        self._stoppers: list[Callable[[], None]] = []
        self._has_unknown_columns = False

    @property
    def client(self) -> ApiClient:
        """The API client, created when it is first needed."""
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

    @property
    def last_day(self) -> date:
        """The last day to export."""
        settings = self.settings
        today = local_date(self.started_at, settings.timezone)
        return last_day_to_have(today, settings.end_date, include_today=settings.include_today)

    @property
    def refresh(self) -> DateWindow | None:
        """The days to export again, settled or not; None if there are none."""
        first, last = self.settings.refresh_start_date, self.settings.refresh_end_date
        return DateWindow(first, last) if first and last else None

    def hurry(self) -> None:
        """Make fewer, shorter attempts, for interactive use; call this before the first request."""
        self.settings = self.settings.in_a_hurry()

    def interrupt(self, signum: int) -> None:
        """Start nothing new and end soon, because of a signal; only the first signal is kept."""
        if self.signal is None:
            self.signal = signum
            self.grace.begin()
        for stop in self._stoppers:
            stop()

    def raise_if_interrupted(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.signal is not None:
            raise Interrupted

    def on_interrupt(self, stop: Callable[[], None]) -> None:
        """Have `stop` called on a signal, now if one has come; it must be safe in a handler."""
        self._stoppers.append(stop)
        if self.signal is not None:
            stop()

    def warn_of_columns(self, unknown: Iterable[str]) -> None:
        """Warn once of columns that are not in the API's documentation."""
        names = sorted(set(unknown))
        if names and not self._has_unknown_columns:
            self._has_unknown_columns = True
            shown = ", ".join(self.client.shown(name) or "''" for name in names[:5])
            more = f" and {len(names) - 5} more" if names[5:] else ""
            logger.warning(
                "The API's files have unknown columns, which are emitted nowhere: %s%s", shown, more
            )

    def close(self) -> None:
        """Stop any conversions still under way, and the display of progress."""
        self.conversions.close()
        self.progress.end()

    def seconds(self) -> float:
        """Return how many seconds the run has taken so far."""
        return self.machine.clock.monotonic() - self.began_at
