from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from urllib.parse import urlsplit

import pytest

from advexport_sandbox import Match, Options, Sandbox, SandboxConfig
from advexport_sandbox.answers import Answer, Framing, Request
from advexport_sandbox.server import Server
from advexport_sandbox.wire import send
from sandbox.tests.client import Client


def test_many_clients_at_once_get_tasks_of_their_own(api: Sandbox, client: Client) -> None:
    def export(_: int) -> tuple[str, bytes]:
        task_id = client.export()
        return task_id, client.download(task_id).body

    with ThreadPoolExecutor(16) as pool:
        exported = list(pool.map(export, range(64)))
    assert len({task_id for task_id, _ in exported}) == 64
    assert len({body for _, body in exported}) == 1
    assert api.submissions == api.polls == api.downloads == 64


def test_a_client_that_leaves_is_no_error(
    api: Sandbox, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    url = urlsplit(client.file_url(client.export()))
    api.inject("drip", match=Match(endpoint="download"), options=Options(pause_seconds=0.0001))
    with socket.create_connection((url.hostname or "", url.port or 0)) as connection:
        connection.sendall(f"GET {url.path}?{url.query} HTTP/1.1\r\n\r\n".encode())
        connection.recv(1)
    api.stop()
    assert capsys.readouterr().err == ""


def test_a_stop_closes_connections_that_wait_for_requests(api: Sandbox) -> None:
    url = urlsplit(api.origin)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(b"GET /sandbox/clock HTTP/1.1\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(1000)
        api.stop()
        assert connection.recv(1) == b""


def test_a_bug_of_a_test_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: object) -> float:
        raise ZeroDivisionError

    with Sandbox(SandboxConfig(latency=broken)) as api, pytest.raises(RemoteDisconnected):
        Client(api).submit()
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_connection_that_opens_during_the_stop_is_closed() -> None:
    def answer(_: Request) -> Answer:
        return Answer(200)

    near, far = socket.socketpair()
    server = Server(("127.0.0.1", 0), answer)
    with near, far:
        server.stopping.set()
        server.note_opened(near)
        assert far.recv(1) == b""
        far.close()
        server.note_opened(near)
    server.server_close()


@pytest.mark.parametrize(
    ("body", "sent"), [(b"ab\ncd\n", b"ab"), (b"abcdef", b"abc"), (b"\n\n", b""), (b"", b"")]
)
def test_a_cut_does_not_fall_on_the_end_of_a_line(body: bytes, sent: bytes) -> None:
    near, far = socket.socketpair()
    with near, far:
        answer = Answer(200, body, framing=Framing.CLOSE, sent_share=0.5)
        assert not send(near, answer, lambda _: None)
        near.close()
        wire = b"".join(iter(lambda: far.recv(1000), b""))
    assert wire.partition(b"\r\n\r\n")[2] == sent
