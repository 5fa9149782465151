"""What the server says to one request, down to how the bytes leave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus


class Endpoint(StrEnum):
    """The three calls of the API, whose names faults and counters use."""

    SUBMIT = "submit"
    POLL = "poll"
    DOWNLOAD = "download"


class Framing(StrEnum):
    """How a client learns where the body ends."""

    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


class Ending(StrEnum):
    """What becomes of the connection."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came in; `origin` is the server's own, without a slash at the end."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    origin: str

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """Find a header, whatever the case of its name."""
        wanted = name.lower()
        return next((text for key, text in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body, and the ways in which their delivery can go wrong.

    Args:
        sent_share: The share of the body that leaves; less than 1 leaves at least a byte out.
        is_silent: Not even a status leaves.
        head_pause_seconds: Pause in the middle of the headers, or before nothing at all.
        byte_pause_seconds: Pause after every byte of the body.
        stall_seconds: Pause after the last byte that leaves.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    framing: Framing = Framing.LENGTH
    ending: Ending = Ending.KEEP
    sent_share: float = 1
    is_silent: bool = False
    head_pause_seconds: float = 0
    byte_pause_seconds: float = 0
    stall_seconds: float = 0


def json_answer(
    content: object, status: int = HTTPStatus.OK, *, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Answer with a JSON document."""
    return Answer(status, json.dumps(content).encode(), headers=headers)


def detail_answer(
    status: int, detail: str = "", *, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Refuse in the words of the API; without a detail, in those of HTTP."""
    return json_answer({"detail": detail or HTTPStatus(status).phrase}, status, headers=headers)


def storage_error(status: int, code: str) -> Answer:
    """Refuse in the words of a file store, which are XML."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code></Error>'
    return Answer(status, body.encode(), "application/xml")
