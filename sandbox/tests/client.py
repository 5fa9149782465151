"""A client that shows everything of an answer and corrects nothing."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from email.message import Message

    from advexport_sandbox import Sandbox

WINDOW = {"start_date": "2024-03-01", "stop_date": "2024-03-03"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # whatever the API says
        return json.loads(self.body)


class Client:
    def __init__(self, sandbox: Sandbox, token: str | None = None) -> None:
        self._sandbox = sandbox
        self._token = sandbox.token if token is None else token

    def call(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, method: str, url: str, body: bytes = b"") -> bytes:
        """Send a request and read all bytes until the connection ends."""
        parts = urlsplit(url)
        head = (
            f"{method} {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: Token {self._token}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        address = (parts.hostname or "", parts.port or 0)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(head.encode() + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def submit(self, **fields: object) -> Reply:
        return self.submit_body(json.dumps({**WINDOW, **fields}).encode())

    def submit_body(self, body: bytes) -> Reply:
        return self.call("POST", self._sandbox.url, body, self._authorization())

    def export(self, **fields: object) -> str:
        task_id = self.submit(**fields).json["task_id"]
        assert isinstance(task_id, str)
        return task_id

    def poll(self, task_id: str) -> Reply:
        return self.call("GET", self._sandbox.url + task_id, headers=self._authorization())

    def file_url(self, task_id: str) -> str:
        url = self.poll(task_id).json["result"]
        assert isinstance(url, str)
        return url

    def download(self, task_id: str) -> Reply:
        return self.call("GET", self.file_url(task_id))

    def control(self, method: str, name: str, content: object = None) -> Reply:
        """Use the sandbox's own controls."""
        body = None if content is None else json.dumps(content).encode()
        return self.call(method, f"{self._sandbox.origin}/sandbox/{name}", body)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Token {self._token}"} if self._token else {}
