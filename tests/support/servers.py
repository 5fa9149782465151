"""Servers that targets load into, started by the tests on free ports."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.support.warehouses import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

BUCKET: Final = "reports"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """Something that speaks like S3, with an empty bucket; gives its URL."""
    port = free_port()
    program = str(environment("moto", "moto[server]==5.2.5\n") / "moto_server")
    with _serving([program, "-H", "127.0.0.1", "-p", str(port)], folder, port) as url:
        urlopen(Request(f"{url}/{BUCKET}", method="PUT")).close()  # noqa: S310 - our server
        yield url


@contextmanager
def _serving(command: Sequence[str], folder: Path, port: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) as server,
    ):
        try:
            wait_for(lambda: _answers(url))
            yield url
        finally:
            server.terminate()


def _answers(url: str) -> bool:
    try:
        urlopen(url).close()  # noqa: S310 - our server
    except (URLError, ConnectionError):
        return False
    return True


def wait_for(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what another program does."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
