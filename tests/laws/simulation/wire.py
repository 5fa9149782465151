"""Raw HTTP answers that come piece by piece, read by the real http.client and urllib3."""

from __future__ import annotations

import http.client
import io
from typing import TYPE_CHECKING, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    from typing_extensions import Buffer

    from tests.laws.simulation.clock import VirtualClock

# Seconds until it comes, and what comes: bytes, or what reading raises then.
Piece = tuple[float, "bytes | Exception"]


class Whole(list[Piece]):
    """An answer that comes at once and is as it should be, which is most of them.

    It does not go through http.client, which would take more time than all else of the request.
    """

    def response(self, request: requests.PreparedRequest) -> urllib3.HTTPResponse:
        """Read it."""
        ((_, content),) = self
        assert isinstance(content, bytes)
        start, _, body = content.partition(b"\r\n\r\n")
        status, *fields = start.decode().split("\r\n")
        return urllib3.HTTPResponse(
            body=io.BytesIO(body),
            headers=dict(field.split(": ", 1) for field in fields),
            status=int(status.split()[1]),
            preload_content=False,
            decode_content=False,
            enforce_content_length=True,
            request_method=request.method,
            request_url=request.url,
        )


class _Wire(io.RawIOBase):
    def __init__(self, clock: VirtualClock, pieces: Iterable[Piece], timeout: float) -> None:
        super().__init__()
        self._clock = clock
        self._pieces: Iterator[Piece] = iter(pieces)
        self._timeout = timeout
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = self._received(*piece)
        view = memoryview(buffer)
        taken, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(taken)] = taken
        return len(taken)

    def _received(self, seconds: float, content: bytes | Exception) -> bytes:
        if seconds > self._timeout:
            self._clock.pass_seconds(self._timeout)
            raise TimeoutError("timed out")
        self._clock.pass_seconds(seconds)
        if isinstance(content, Exception):
            raise content
        return content


class _Socket:
    """As much of a socket as http.client needs."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(self._wire)


class WireAdapter(HTTPAdapter):
    """Makes answers of raw bytes, and of what goes wrong the exceptions that requests raises."""

    def receive(
        self,
        request: requests.PreparedRequest,
        pieces: Iterable[Piece],
        *,
        clock: VirtualClock,
        timeout: float,
    ) -> requests.Response:
        """Read the head of an answer; its body is read by whoever wants it.

        Raises:
            requests.RequestException: as over a real connection.
        """
        if isinstance(pieces, Whole):
            return self.build_response(request, pieces.response(request))
        wire = _Wire(clock, pieces, timeout)
        raw = http.client.HTTPResponse(cast("socket.socket", _Socket(wire)), method=request.method)
        try:
            raw.begin()
        except TimeoutError as error:
            text = "Read timed out."
            fault = urllib3.exceptions.ReadTimeoutError(_NO_POOL, request.url or "", text)
            raise requests.ReadTimeout(fault, request=request) from error
        except (http.client.HTTPException, OSError) as error:
            aborted = urllib3.exceptions.ProtocolError("Connection aborted.", error)
            raise requests.ConnectionError(aborted, request=request) from error
        response = urllib3.HTTPResponse(
            body=raw,
            headers=urllib3.HTTPHeaderDict(raw.msg.items()),
            status=raw.status,
            version=raw.version,
            reason=raw.reason,
            preload_content=False,
            decode_content=False,
            original_response=raw,
            enforce_content_length=True,
            request_method=request.method,
            request_url=request.url,
        )
        return self.build_response(request, response)


_NO_POOL = urllib3.HTTPConnectionPool("api.invalid")


def head(status: int, headers: dict[str, str]) -> bytes:
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, 'Odd')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(content: bytes) -> bytes:
    """A chunk of a chunked body; the empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(content), content)
