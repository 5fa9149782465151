"""The stand-in as a whole: an API that a test starts, moves, breaks and questions."""

from __future__ import annotations

import secrets
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from advexport_sandbox.admin import ADMIN_PATH, Admin
from advexport_sandbox.answers import Answer, Endpoint, Request, detail_answer
from advexport_sandbox.api import COLLECTION_PATH, Api, endpoint_of
from advexport_sandbox.calls import BadInjectionError, Match, Options
from advexport_sandbox.clock import Clock, wall_clock
from advexport_sandbox.config import SandboxConfig
from advexport_sandbox.faults import FAULTS
from advexport_sandbox.figures import COLUMNS, Figures
from advexport_sandbox.files import Files
from advexport_sandbox.injections import Injection, Injections
from advexport_sandbox.log import LoggedRequest, RequestLog
from advexport_sandbox.server import Server
from advexport_sandbox.signing import Signer
from advexport_sandbox.submissions import Interval, Sorting, Submission
from advexport_sandbox.tasks import Task, Tasks

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_ANY_CALL = Match()
_NO_OPTIONS = Options()


class Sandbox:
    """Serves from `start` to `stop`, or within a `with` block; its state is in memory.

    Args:
        clock: In place of one made from the settings, for tests of time-outs without waiting.
    """

    def __init__(self, config: SandboxConfig | None = None, *, clock: Clock | None = None) -> None:
        self._config = config = config or SandboxConfig()
        self._clock = clock or Clock(config.now, timezone=config.timezone)
        self._files = Files(Figures(config), config.cache_bytes)
        self._tasks = Tasks(
            config.latency,
            limit=config.max_running,
            tail_share=config.tail_share,
            tail_factor=config.tail_factor,
            seed=config.seed,
        )
        self._injections = Injections()
        self._log = RequestLog()
        self._api = Api(
            config,
            clock=self._clock,
            tasks=self._tasks,
            files=self._files,
            signer=Signer(secrets.token_bytes()),
            injections=self._injections,
        )
        self._admin = Admin(self)
        self._server: Server | None = None

    def start(self) -> Self:
        """Bind the port and serve in the background."""
        self._server = Server((self._config.host, self._config.port), self._answer)
        self._server.start()
        return self

    def stop(self) -> None:
        """Close all connections and free the port."""
        if self._server:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def origin(self) -> str:
        """Scheme, host and port of the running server."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running")
        return self._server.origin

    @property
    def url(self) -> str:
        """URL of the exports collection."""
        return self.origin + COLLECTION_PATH

    @property
    def token(self) -> str:
        """The token that the API accepts."""
        return self._config.token

    @property
    def now(self) -> datetime:
        """The API's time."""
        return self._clock.now()

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Move the API's clock; tasks and download URLs grow older with it."""
        self._clock.advance(timedelta(days=days, hours=hours, seconds=seconds))

    def set_now(self, now: datetime) -> None:
        """Set the API's clock."""
        self._clock.set(now)

    def inject(
        self,
        name: str,
        count: int | None = 1,
        *,
        match: Match = _ANY_CALL,
        options: Options = _NO_OPTIONS,
    ) -> Injection:
        """Order a fault.

        Args:
            count: How often it strikes; None is always.

        Raises:
            BadInjectionError: No fault has this name, or it never strikes that endpoint.
        """
        if name not in FAULTS:
            raise BadInjectionError(f"no fault is called {name!r}")
        fault = FAULTS[name]
        if match.endpoint not in {None, *fault.endpoints}:
            raise BadInjectionError(f"{name} strikes no {match.endpoint}")
        injection = Injection(fault, count, match, options)
        self._injections.add(injection)
        return injection

    def clear_faults(self) -> None:
        """Forget all orders; what they have befallen stays so."""
        self._injections.clear()

    @property
    def faults(self) -> dict[str, int | None]:
        """The faults that will still strike, and how often; None is always."""
        return self._injections.left()

    @property
    def requests(self) -> list[LoggedRequest]:
        """All requests to anything but the sandbox's controls, the oldest first."""
        return self._log.entries()

    @property
    def submissions(self) -> int:
        """Number of requests that submitted an export."""
        return self._log.count(Endpoint.SUBMIT)

    @property
    def polls(self) -> int:
        """Number of requests for the state of a task."""
        return self._log.count(Endpoint.POLL)

    @property
    def downloads(self) -> int:
        """Number of requests for a file."""
        return self._log.count(Endpoint.DOWNLOAD)

    @property
    def max_running(self) -> int:
        """The most tasks that ever ran at once."""
        return self._tasks.max_running

    @property
    def max_open(self) -> int:
        """The most tasks that were ever submitted and not yet reported as over to the client."""
        return self._tasks.max_open

    @property
    def counters(self) -> dict[str, int]:
        """All numbers by name."""
        return {
            "submissions": self.submissions,
            "polls": self.polls,
            "downloads": self.downloads,
            "tasks": len(self.tasks),
            "max_running": self.max_running,
            "max_open": self.max_open,
        }

    @property
    def tasks(self) -> list[Task]:
        """All tasks in the order in which they were submitted."""
        return self._tasks.all()

    def truth(
        self, interval: Interval | str, first: date, last: date, sorting: Sorting | str = "time"
    ) -> list[dict[str, str]]:
        """Tell what an export would hold that is submitted now."""
        submission = Submission(Interval(interval), first, last, Sorting(sorting))
        return self._named_rows(submission, self._clock.local())

    def rows_of(self, task_id: str) -> list[dict[str, str]]:
        """Tell what the file of a task holds while nothing spoils it.

        Raises:
            LookupError: There is no such task.
        """
        task = self._tasks.get(task_id)
        if task is None:
            raise LookupError(task_id)
        return self._named_rows(task.submission, task.submitted_at)

    def prerender(
        self, interval: Interval | str, first: date, last: date, sorting: Sorting | str = "time"
    ) -> None:
        """Render files ahead, up to `cache_bytes`.

        Sorted by time, they serve any window of whole days or months among these days.
        """
        submission = Submission(Interval(interval), first, last, Sorting(sorting))
        self._files.prerender(submission, self._clock.local())

    def _named_rows(self, submission: Submission, now: datetime) -> list[dict[str, str]]:
        return [dict(zip(COLUMNS, row, strict=True)) for row in self._files.rows(submission, now)]

    def _answer(self, request: Request) -> Answer:
        if request.path.startswith(ADMIN_PATH):
            return self._admin.answer(request)
        time = wall_clock()
        endpoint = endpoint_of(request.path)
        answer = self._api.answer(request, endpoint) if endpoint else detail_answer(404)
        self._log.add(request, answer, endpoint, time)
        return answer
