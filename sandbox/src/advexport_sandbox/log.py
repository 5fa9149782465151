"""What the server was asked and how it answered."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from advexport_sandbox.answers import Answer, Endpoint, Request


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request of a client.

    Args:
        endpoint: None for paths that are not of the API.
        path: With its query.
        time: Of the real clock.
        status: 0 when no answer was sent.
    """

    endpoint: Endpoint | None
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    time: datetime
    status: int

    @property
    def host(self) -> str:
        """The origin that the client believed to ask: the header Host."""
        return self.headers.get("Host", "")


class RequestLog:
    """All requests, the oldest first; those to the sandbox's own controls are left out."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = Lock()

    def add(
        self, request: Request, answer: Answer, endpoint: Endpoint | None, time: datetime
    ) -> None:
        """Write one down."""
        status = 0 if answer.is_silent else answer.status
        entry = LoggedRequest(
            endpoint, request.method, request.target, request.headers, request.body, time, status
        )
        with self._lock:
            self._entries.append(entry)

    def entries(self) -> list[LoggedRequest]:
        """List what was written down so far."""
        return list(self._entries)

    def count(self, endpoint: Endpoint) -> int:
        """Count the requests to an endpoint, whatever came of them."""
        return sum(entry.endpoint is endpoint for entry in self.entries())
