"""Signals at every stage, readers that are slow, stopped or gone, through the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from advexport_sandbox import Match, Options, Sandbox, SandboxConfig
from tests.support.tap_process import Tap, Told, bookmark, send_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
# The reader's three seconds of grace, the last STATE's two, and a machine that is busy.
PROMPT_SECONDS = 8.0
EARLY_SECONDS = 4.0
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def tap_of(sandbox: Sandbox, folder: Path, **environment: str) -> Tap:
    settings = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": "2024-01-30",
        "end_date": "2024-02-08",
        "window_days": 2,
        "poll_interval_seconds": 0.05,
        "request_timeout_seconds": 60,
    }
    return Tap(folder, settings, environment)


@pytest.fixture(scope="module")
def large() -> Iterator[Sandbox]:
    """A sandbox whose days fill a pipe many times over."""
    with Sandbox(SandboxConfig(now=LONG_AGO, rows_per_day=1500)) as started:
        yield started


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stalled_poll(sandbox: Sandbox) -> None:
    sandbox.inject("stuck", count=None)


def stalled_submission(sandbox: Sandbox) -> None:
    sandbox.inject("silence", count=None, match=Match(endpoint="submit"))


def stalled_download(sandbox: Sandbox) -> None:
    sandbox.inject("stall", count=None, match=Match(endpoint="download"))


def dripping_download(sandbox: Sandbox) -> None:
    options = Options(pause_seconds=0.05)
    sandbox.inject("drip", count=None, match=Match(endpoint="download"), options=options)


def throttled(sandbox: Sandbox) -> None:
    sandbox.inject("status-429", count=None, options=Options(retry_after=500))


STAGES: list[tuple[Callable[[Sandbox], None], Callable[[Sandbox], bool], int]] = [
    (stalled_submission, lambda sandbox: sandbox.submissions >= 4, 0),
    (stalled_poll, lambda sandbox: sandbox.polls >= 8, 4),
    (stalled_download, lambda sandbox: sandbox.downloads >= 4, 4),
    (dripping_download, lambda sandbox: sandbox.downloads >= 4, 4),
    (throttled, lambda sandbox: sandbox.submissions >= 4, 0),
]


@pytest.mark.parametrize("stage", range(len(STAGES)), ids=[stage[0].__name__ for stage in STAGES])
def test_a_signal_while_the_tap_waits_for_the_api_ends_it_at_once(
    sandbox: Sandbox, tmp_path: Path, stage: int
) -> None:
    fault, is_there, pending = STAGES[stage]
    signum = list(CODES)[stage % 2]
    fault(sandbox)
    unbuffered = "1" if signum is signal.SIGINT else ""
    with tap_of(sandbox, tmp_path, PYTHONUNBUFFERED=unbuffered).start() as process:
        wait_until(lambda: is_there(sandbox))
        process.send_signal(signum)
        began = time.monotonic()
        out, log = process.communicate(timeout=30)
    took = time.monotonic() - began
    told = Told(process.returncode, out, log.decode())
    assert told.code == CODES[signum], told.log
    assert took < EARLY_SECONDS
    told.assert_is_quiet()
    told.assert_states_are_true()
    assert len(bookmark(told.state)["pending"]) == pending
    assert "Summary: " in told.log.splitlines()[-1]


def read_some(process: subprocess.Popen[bytes], until: bytes) -> bytearray:
    """Read until some text has come."""
    assert process.stdout
    got = bytearray()
    while until not in got:
        data = os.read(process.stdout.fileno(), 65_536)
        assert data
        got += data
    return got


@pytest.mark.parametrize(
    ("first", "unbuffered", "pause_seconds"),
    [
        (signal.SIGINT, "", 0.0),
        (signal.SIGTERM, "1", 0.02),
        (signal.SIGINT, "1", 0.3),
        (signal.SIGTERM, "", None),
        (signal.SIGINT, "1", None),
    ],
    ids=["quick", "slow", "too slow", "stopped", "stopped, unbuffered"],
)
def test_a_pair_of_signals_while_rows_go_out_tears_no_line(
    large: Sandbox,
    tmp_path: Path,
    first: signal.Signals,
    unbuffered: str,
    pause_seconds: float | None,
) -> None:
    with tap_of(large, tmp_path, PYTHONUNBUFFERED=unbuffered).start() as process:
        assert process.stdout
        got = read_some(process, b'"RECORD"')
        send_pair(process, first)
        began = time.monotonic()
        if pause_seconds is None:
            process.wait(30)
        while data := os.read(process.stdout.fileno(), 65_536):
            got += data
            time.sleep(pause_seconds or 0)
        process.wait(30)
        took = time.monotonic() - began
        assert process.stderr
        told = Told(process.returncode, bytes(got), process.stderr.read().decode())
    assert took < PROMPT_SECONDS
    assert told.code in {CODES[first], 143}, told.log
    told.assert_is_quiet()
    told.assert_states_are_true()
    if pause_seconds is not None:
        assert told.messages[-1]["type"] == "STATE"


def test_after_an_interruption_the_next_run_brings_the_rest(large: Sandbox, tmp_path: Path) -> None:
    tap = tap_of(large, tmp_path)
    with tap.start() as process:
        got = read_some(process, b'"report_periods"')
        send_pair(process, signal.SIGTERM)
        out, log = process.communicate(timeout=30)
    told = Told(process.returncode, bytes(got) + out, log.decode())
    assert told.code == 143
    again = tap.run(told.state)
    assert again.code == 0
    again.assert_states_are_true(told.state)
    days = {row["period"] for run in (told, again) for row in run.records("report_periods")}
    assert len(days) == 10


# While the command is imported, which takes half a second.
EARLY = """
import os, sys
from tap_advexport import cli
class Sending:
    def find_spec(self, name, *_):
        if name == "tap_advexport.command":
            os.kill(os.getpid(), int(sys.argv[1]))
sys.meta_path.insert(0, Sending())
cli.main([])
"""


@pytest.mark.parametrize("signum", CODES)
def test_a_signal_before_the_run_is_told(signum: signal.Signals) -> None:
    command = [sys.executable, "-c", EARLY, str(int(signum))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == CODES[signum]
    assert done.stderr == f"Interrupted by {signum.name} before the run began\n"
    assert not done.stdout


# --- Readers that go --------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [0, 3, 400])
def test_a_reader_that_goes_ends_the_tap_soon_and_quietly(
    large: Sandbox, tmp_path: Path, lines: int
) -> None:
    with tap_of(large, tmp_path).start() as process:
        assert process.stdout
        assert process.stderr
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        began = time.monotonic()
        log = process.stderr.read().decode()
        process.wait(30)
    assert time.monotonic() - began < PROMPT_SECONDS
    assert process.returncode == 1
    Told(1, b"", log).assert_is_quiet()


def test_a_reader_that_goes_while_the_tap_waits_for_the_api_ends_it_soon(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    stalled_poll(sandbox)
    with tap_of(sandbox, tmp_path).start() as process:
        assert process.stdout
        assert process.stderr
        wait_until(lambda: sandbox.polls >= 8)
        process.stdout.close()
        began = time.monotonic()
        log = process.stderr.read().decode()
        process.wait(30)
    assert time.monotonic() - began < EARLY_SECONDS
    assert process.returncode == 1
    Told(1, b"", log).assert_is_quiet()
