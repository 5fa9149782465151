"""The HTTP server: one thread for each connection, and no policy."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Answer, Request
from advexport_sandbox.wire import send

if TYPE_CHECKING:
    from collections.abc import Callable

_STOP_CHECK_SECONDS = 0.02


class Server(ThreadingMixIn, TCPServer):
    """Passes each request to a function and sends what it answers."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Answer]) -> None:
        super().__init__(address, _Handler)
        self.answer = answer
        self.stopping = Event()
        # A process that forgets to stop the server can end all the same.
        self._thread = Thread(
            target=self.serve_forever,
            args=(_STOP_CHECK_SECONDS,),
            name="advexport-sandbox",
            daemon=True,
        )
        self._connections: set[socket.socket] = set()
        self._lock = Lock()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host, port = self.socket.getsockname()[:2]
        return f"http://{host}:{port}"

    def start(self) -> None:
        """Serve in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Close all connections and wait for their threads."""
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._connections:
                _hang_up(connection)
        self.server_close()
        self._thread.join()

    def note_opened(self, connection: socket.socket) -> None:
        """Remember a connection, to close it at the stop."""
        with self._lock:
            self._connections.add(connection)
            if self.stopping.is_set():
                _hang_up(connection)

    def note_closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(connection)

    def handle_error(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Pass over clients that went away; all else is a bug of the sandbox."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # the client was faster
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.note_opened(self.connection)

    def finish(self) -> None:
        self.server.note_closed(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by the base
        """Keep quiet: requests are in the log of the sandbox."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(
            method=self.command,
            target=self.path,
            headers=dict(self.headers.items()),
            body=self.rfile.read(length),
            origin=self.server.origin,
        )
        can_go_on = send(self.connection, self.server.answer(request), self.server.stopping.wait)
        self.close_connection = self.close_connection or not can_go_on

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _serve  # noqa: N815  # named by the base
