"""An HTTP server that sends exactly the bytes that a test gives it."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Self, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from types import TracebackType


@dataclass(frozen=True)
class Asked:
    """A request as it came; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Close:
    """What to send before the connection is closed."""

    wire: bytes | Iterable[bytes]


def head(code: int = 200, **headers: str | int) -> bytes:
    lines = [f"HTTP/1.1 {code} Whatever"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def reply(body: bytes = b"", code: int = 200, **headers: str | int) -> bytes:
    """A whole answer, with its length."""
    return head(code, Content_Length=len(body), **headers) + body


def chunked(*pieces: bytes) -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head(Transfer_Encoding="chunked") + framed + b"0\r\n\r\n"


class Wire:
    """Serves on loopback within a `with` block, one thread for each connection.

    A CONNECT is answered as a proxy does, whatever the handler: `host:port` is connected.
    """

    def __init__(
        self,
        handler: Callable[[Asked], bytes | Close],
        *,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.handler = handler
        self.requests: list[Asked] = []
        self.connections = 0
        self._host = host
        self._tls = tls
        self._listener = socket.create_server((host, 0), family=family, backlog=64)
        self._open: list[socket.socket] = []
        self._is_over = threading.Event()

    @property
    def origin(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host}:{self.port}"

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    def pause(self, seconds: float) -> bool:
        """Wait, and tell whether the server is still up."""
        return not self._is_over.wait(seconds)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.connections += 1
                number = self.connections
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, cast("BinaryIO", connection.makefile("rb")) as reader:
                while request := _read(reader, number):
                    self.requests.append(request)
                    if request.method == "CONNECT":
                        self._tunnel(connection, request.target)
                        return
                    answer = self.handler(request)
                    if isinstance(answer, bytes):
                        connection.sendall(answer)
                        continue
                    pieces = [answer.wire] if isinstance(answer.wire, bytes) else answer.wire
                    for piece in pieces:
                        connection.sendall(piece)
                    connection.shutdown(socket.SHUT_WR)
                    return

    def _tunnel(self, connection: socket.socket, target: str) -> None:
        address = urlsplit(f"//{target}")
        with socket.create_connection((address.hostname or "", address.port or 0)) as upstream:
            self._open.append(upstream)
            connection.sendall(head())
            back = threading.Thread(target=_pump, args=(upstream, connection), daemon=True)
            back.start()
            _pump(connection, upstream)
            back.join(5)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _read(reader: BinaryIO, number: int) -> Asked | None:
    first = reader.readline().decode("latin-1").split()
    if not first:
        return None
    headers = {}
    while (line := reader.readline().decode("latin-1").strip()) != "":
        name, _, text = line.partition(":")
        headers[name.lower()] = text.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Asked(first[0], first[1], headers, body, number)
