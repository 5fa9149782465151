"""Strict HTTP where the HTTP library is lenient, so that no truncated file looks complete.

A request goes to its URL byte for byte as given, because signatures cover the text of the URL.

The library stops reading headers at a line that is not a header, and loses a length that follows.
It takes a truncated chunk size (`0` of `0000f3a2`) for the end of the file. It takes early hints
(103) for the answer. Here a line that is not a header is skipped, chunks follow RFC 9112, and the
answer is the final one.
"""

from __future__ import annotations

import functools
import http.client
import re
import ssl
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import requests.utils
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.util.ssl_ import create_urllib3_context

from tap_advexport.api.origins import request_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    import urllib3
    from requests import PreparedRequest, Response

_MAX_LINE_BYTES: Final = 1 << 16
_MAX_LINES: Final = 400
_MAX_HEADS: Final = 20
# The library skips 100; after 101 the connection is no longer HTTP (RFC 9110, 15.2).
_EARLY: Final = frozenset(range(102, 200))
_BLANK: Final = frozenset({b"\r\n", b"\n", b""})
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


class FramedResponse(http.client.HTTPResponse):
    """An answer whose headers and chunks are read strictly as written."""

    _chunk_left = 0

    @override
    def begin(self) -> None:
        """Read the head of the final answer.

        Raises:
            http.client.HTTPException: the answer is not HTTP, or its head does not end.
        """
        for _ in range(_MAX_HEADS):
            wire = self.fp
            self.fp = cast("Any", _HeadLines(wire))
            try:
                super().begin()
            finally:
                if not self.isclosed():
                    self.fp = wire
            if self.status not in _EARLY:
                return
            self.headers = self.msg = cast("Any", None)
        raise http.client.HTTPException("hints without an end")

    @override
    def read1(self, n: int = -1) -> bytes:
        """Return at most `n` bytes of the body as soon as there are some; empty at its end.

        Raises:
            http.client.IncompleteRead: a chunk is truncated or malformed.
        """
        if not self.chunked:
            return super().read1(n)
        if self.isclosed() or (self._chunk_left == 0 and not self._begin_chunk()):
            return b""
        found = self.fp.read1(self._chunk_left if n < 0 else min(n, self._chunk_left))
        if not found:
            raise http.client.IncompleteRead(b"")
        self._chunk_left -= len(found)
        if self._chunk_left == 0 and self.fp.readline(2) not in {b"\r\n", b"\n"}:
            raise http.client.IncompleteRead(b"")
        return found

    def _begin_chunk(self) -> bool:
        """Read the size of a chunk; after the last chunk, end the body and return False."""
        match = _CHUNK_SIZE.fullmatch(self.fp.readline(_MAX_LINE_BYTES))
        if match is None:
            raise http.client.IncompleteRead(b"")
        self._chunk_left = int(match[1], 16)
        if self._chunk_left:
            return True
        # Trailers, which nothing here needs. The body is complete, however they end.
        while self.fp.readline(_MAX_LINE_BYTES) not in _BLANK:
            pass
        self.close()
        return False


class FramedAdapter(HTTPAdapter):
    """Sends requests to their URLs exactly as written, and reads answers as FramedResponse.

    It trusts the certificates of the system (or of SSL_CERT_FILE, SSL_CERT_DIR) and those that
    come with the HTTP library. If REQUESTS_CA_BUNDLE names a bundle, it trusts only that.
    """

    _context: ssl.SSLContext | None = None

    @override
    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        url = request.url or ""
        # The library decides whether a proxy gets the whole URL.
        is_whole = not self.request_url(request, dict(proxies or {})).startswith("/")
        _sending.target = url.partition("#")[0] if is_whole else request_target(url)
        return super().send(request, stream, timeout, verify, cert, proxies)

    @override
    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> urllib3.HTTPConnectionPool:
        """Return a pool of connections for the request that read answers as FramedResponse."""
        proxies = dict(proxies) if proxies else None
        found = super().get_connection_with_tls_context(request, verify, proxies, cert)
        pool = cast("urllib3.HTTPConnectionPool", found)
        pool.ConnectionCls = _framed(pool.ConnectionCls)
        return pool

    @override
    def build_connection_pool_key_attributes(
        self, request: PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, kind = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True and host["scheme"] == "https":
            if self._context is None:
                self._context = trusting_context()
            kind["ssl_context"] = self._context
        return host, kind

    @override
    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        # Otherwise the library's own certificates would be read again for each connection.
        if verify is not True:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]


def trusting_context() -> ssl.SSLContext:
    """Return a context that trusts the certificates of the system and of the HTTP library."""
    context = create_urllib3_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_default_certs()
    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    return context


class _Sending(threading.local):
    """The target of the request that the thread sends next; the library would rewrite it."""

    target = "/"


_sending = _Sending()


class _HeadLines:
    """Reads the lines of an answer's head, and skips those that are not headers."""

    def __init__(self, wire: BinaryIO) -> None:
        self._wire = wire
        self._line_count = 0
        self._is_start = True
        self._is_header = False

    def readline(self, limit: int) -> bytes:
        """Return the status line, the next header, or the blank line after the headers."""
        while self._line_count < _MAX_LINES:
            self._line_count += 1
            line = self._wire.readline(limit)
            if self._is_start or line in _BLANK or len(line) >= limit:
                self._is_start = line in _BLANK
                return line
            if line[:1] not in {b" ", b"\t"}:
                line, self._is_header = _header(line)
            # Blanks behind a value are none of it, and a line of blanks would end the head.
            text = line.rstrip(b"\r\n \t")
            if self._is_header and text:
                # The header parser would take a lone CR for the end of the line.
                return text.replace(b"\r", b" ") + b"\r\n"
        raise http.client.HTTPException("headers without an end")

    def close(self) -> None:
        """Close the file that the lines are read from."""
        self._wire.close()


def _header(line: bytes) -> tuple[bytes, bool]:
    """Return a line without blanks before its colon, and whether it is a header."""
    name, colon, value = line.partition(b":")
    name = name.rstrip(b" \t")
    return name + colon + value, bool(colon and _NAME.fullmatch(name))


@functools.cache
def _framed(kind: Any) -> Any:  # noqa: ANN401 - one of the HTTP library's connection classes
    # Pools are reused with their derived class: deriving again would add a class per request.
    if issubclass(kind.response_class, FramedResponse):
        return kind

    def request(self: object, method: str, url: str, *args: object, **kwargs: object) -> None:
        del url
        kind.request(self, method, _sending.target, *args, **kwargs)

    return type(kind.__name__, (kind,), {"response_class": FramedResponse, "request": request})
