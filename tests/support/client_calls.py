"""A client of the API, a server with the bytes that a test gives it, and what must not be shown."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tap_advexport.api.client import ApiClient
from tap_advexport.clock import SystemClock
from tap_advexport.errors import TapAdvexportError
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow
from tests.support.wire import Asked, Close, Wire, reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tap_advexport.api.bodies import Downloaded

TOKEN = "t0ken-never-shown"
SIGNATURE = "s1gnature-never-shown"
WINDOW = DateWindow(date(2024, 3, 1), date(2024, 3, 7))
CSV = b"a,b\n1,2\n"
PACKED = gzip.compress(CSV, mtime=0)
API = "/api/exports/"

Answer = bytes | Close


def queued(task_id: object = "task-1") -> bytes:
    return reply(json.dumps({"result": "QUEUED", "task_id": task_id}).encode())


def state(name: str, url: str | None = None) -> bytes:
    return reply(json.dumps({"state": name, "result": url}).encode())


def client_of(api_url: str, timeout_seconds: float = 5, pool_size: int = 3) -> ApiClient:
    return ApiClient(
        api_url=api_url,
        auth_token=TOKEN,
        user_agent="tap-advexport/test",
        timeout_seconds=timeout_seconds,
        pool_size=pool_size,
        clock=SystemClock(),
    )


@contextmanager
def serving(
    answer: Callable[[Asked], Answer] | Answer,
    *,
    timeout_seconds: float = 5,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[Wire, ApiClient]]:
    """A server with one answer for everything, and a client of it."""
    handler = answer if callable(answer) else lambda _: answer
    with Wire(handler, host=host, tls=tls) as server:
        client = client_of(server.origin + API, timeout_seconds)
        yield server, client
        client.close()


def submit(client: ApiClient) -> str:
    return client.submit(WINDOW, interval=Interval.DAILY, sorting="time")


def fetch(client: ApiClient, url: str) -> tuple[bytes, Downloaded]:
    spool = io.BytesIO()
    downloaded = client.download(url, spool)
    return spool.getvalue(), downloaded


def error_of(call: Callable[[], object]) -> TapAdvexportError:
    """The error of a call: one line, without a secret anywhere in it or behind it."""
    with pytest.raises(TapAdvexportError) as caught:
        call()
    error = caught.value
    assert str(error).isprintable()
    assert len(str(error)) < 600
    link: BaseException | None = error
    while link is not None:
        assert_no_secret(str(link), repr(link), repr(link.args))
        link = link.__cause__ or link.__context__
    return error


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert TOKEN not in text
        assert SIGNATURE not in text
