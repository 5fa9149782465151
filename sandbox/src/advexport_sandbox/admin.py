"""The sandbox's own controls over HTTP, for tests that run in another process."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from advexport_sandbox.answers import Answer, Request, detail_answer, json_answer
from advexport_sandbox.calls import BadInjectionError, parse_match, parse_options
from advexport_sandbox.refusals import LOOP_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from advexport_sandbox.calls import Match, Options

ADMIN_PATH = "/sandbox/"


class Controls(Protocol):
    """What a test can ask a sandbox for and order it to do."""

    @property
    def now(self) -> datetime:
        """The API's time."""

    @property
    def faults(self) -> Mapping[str, int | None]:
        """The faults that will still strike, and how often."""

    @property
    def counters(self) -> Mapping[str, int]:
        """All numbers by name."""

    def advance(self, *, days: float = 0, seconds: float = 0) -> None:
        """Move the API's clock."""

    def set_now(self, now: datetime) -> None:
        """Set the API's clock."""

    def inject(self, name: str, count: int | None = 1, *, match: Match, options: Options) -> object:
        """Order a fault."""

    def clear_faults(self) -> None:
        """Forget all orders."""

    def truth(self, interval: str, first: date, last: date) -> list[dict[str, str]]:
        """Tell what an export would hold that is submitted now."""


def inject_order(sandbox: Controls, order: Mapping[str, Any]) -> None:
    """Inject a fault that JSON describes: its name, and perhaps count, match and options."""
    unknown = set(order) - {"name", "count", "match", "options"}
    if unknown:
        raise BadInjectionError(f"unknown field: {', '.join(sorted(unknown))}")
    sandbox.inject(
        order["name"],
        order.get("count", 1),
        match=parse_match(order.get("match", {})),
        options=parse_options(order.get("options", {})),
    )


class Admin:
    """Turns requests into calls of a sandbox's methods."""

    def __init__(self, sandbox: Controls) -> None:
        self._sandbox = sandbox
        self._routes: Mapping[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/sandbox/clock"): self._tell_clock,
            ("POST", "/sandbox/clock"): self._move_clock,
            ("GET", "/sandbox/faults"): self._tell_faults,
            ("POST", "/sandbox/faults"): self._inject,
            ("DELETE", "/sandbox/faults"): self._clear_faults,
            ("GET", "/sandbox/counters"): self._tell_counters,
            ("GET", "/sandbox/truth"): self._tell_truth,
            ("GET", LOOP_PATH): self._loop,
            ("POST", LOOP_PATH): self._loop,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request to a path below `ADMIN_PATH`."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            return detail_answer(HTTPStatus.NOT_FOUND)
        try:
            return route(request)
        except (ValueError, TypeError, KeyError) as error:
            return detail_answer(HTTPStatus.BAD_REQUEST, f"{type(error).__name__}: {error}")

    def _tell_clock(self, _request: Request) -> Answer:
        return json_answer({"now": self._sandbox.now.astimezone(UTC).isoformat()})

    def _move_clock(self, request: Request) -> Answer:
        content = json.loads(request.body)
        if "now" in content:
            self._sandbox.set_now(datetime.fromisoformat(content["now"]))
        self._sandbox.advance(
            days=content.get("advance_days", 0), seconds=content.get("advance_seconds", 0)
        )
        return self._tell_clock(request)

    def _tell_faults(self, _request: Request) -> Answer:
        return json_answer(self._sandbox.faults)

    def _inject(self, request: Request) -> Answer:
        inject_order(self._sandbox, json.loads(request.body))
        return self._tell_faults(request)

    def _clear_faults(self, request: Request) -> Answer:
        self._sandbox.clear_faults()
        return self._tell_faults(request)

    def _tell_counters(self, _request: Request) -> Answer:
        return json_answer(self._sandbox.counters)

    def _tell_truth(self, request: Request) -> Answer:
        query = dict(parse_qsl(urlsplit(request.target).query))
        first, last = date.fromisoformat(query["first"]), date.fromisoformat(query["last"])
        return json_answer(self._sandbox.truth(query["interval"], first, last))

    def _loop(self, _request: Request) -> Answer:
        return Answer(HTTPStatus.TEMPORARY_REDIRECT, headers=(("Location", LOOP_PATH),))
