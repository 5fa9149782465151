from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from advexport_sandbox import FAULTS, SandboxConfig
from advexport_sandbox.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "advexport_sandbox")


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = (*PROGRAM, "serve", "--port", "0", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def read(url: str) -> str:
    with urlopen(url, timeout=10) as response:  # noqa: S310  # the program under test
        return str(response.read().decode())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_comes(tmp_path: Path, number: signal.Signals) -> None:
    port_file = tmp_path / "port"
    with served("--port-file", str(port_file), "--now", "2024-04-02T03:00:00Z") as (process, url):
        port = port_file.read_text().strip()
        assert url == f"http://127.0.0.1:{port}/advertiser/api/v1/reports/exports/"
        origin = url.removesuffix("/advertiser/api/v1/reports/exports/")
        assert "2024-04-02T03:00:00" in read(f"{origin}/sandbox/clock")
        os.kill(process.pid, number)
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert list(tmp_path.iterdir()) == [port_file]


def test_faults_and_files_can_be_prepared_at_the_start() -> None:
    order = '{"name": "status-503", "count": null, "match": {"endpoint": "submit"}}'
    prerender = ("--prerender", "daily:2024-01-01:2024-01-31")
    with served("--fault", "stuck", "--fault", order, *prerender) as (_, url):
        origin = url.removesuffix("/advertiser/api/v1/reports/exports/")
        assert read(f"{origin}/sandbox/faults") == '{"stuck": 1, "status-503": null}'


def test_all_settings_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["serve", "--help"])
    assert exited.value.code == 0
    usage = capsys.readouterr().out
    for name in SandboxConfig.__dataclass_fields__:
        assert f"--{name.replace('_', '-')} " in usage


def test_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults"]) == 0
    listed = capsys.readouterr().out
    assert all(f"`{name}`" in listed for name in FAULTS)


def test_a_command_is_required() -> None:
    assert subprocess.run(PROGRAM, capture_output=True, check=False).returncode == 2
