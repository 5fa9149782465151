"""The command as a process, and what its output proves."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from tap_advexport.cli import main
from tests.support.catalogs import catalog_of

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from advexport_sandbox import Sandbox

COMMAND = [sys.executable, "-m", "tap_advexport"]
# Long ago, so that no day is unsettled but in the tests that are about those.
FIRST, LAST = date(2024, 1, 30), date(2024, 2, 8)


@dataclass(frozen=True)
class Tap:
    """Starts the command with a config (and a state) that it writes into a folder."""

    folder: Path
    settings: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    def arguments(self, state: dict[str, Any] | None = None, **settings: Any) -> list[str]:  # noqa: ANN401 - JSON
        """The command line.

        Args:
            settings: those of the tap; `streams` selects just these, `without` deselects columns.
        """
        given = self.settings | settings
        streams, without = given.pop("streams", None), given.pop("without", ())
        arguments = [*COMMAND, "--config", self.save("config", given)]
        if streams is not None:
            catalog = catalog_of(streams, without=without)
            arguments += ["--catalog", self.save("catalog", catalog)]
        return arguments if state is None else [*arguments, "--state", self.save("state", state)]

    def start(
        self, state: dict[str, Any] | None = None, **settings: object
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments(state, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | self.environment,
        )

    def run(self, state: dict[str, Any] | None = None, **settings: object) -> Told:
        with self.start(state, **settings) as process:
            out, log = process.communicate(timeout=120)
        return _told(process.returncode, out, log.decode())

    def run_forked(self, state: dict[str, Any] | None = None, **settings: object) -> Told:
        """Run it in a fork of a process that has imported everything: a second sooner."""
        out, log = self.folder / "out", self.folder / "log"
        arguments = self.arguments(state, **settings)[len(COMMAND) :]
        process = FORKS.Process(target=_run, args=(arguments, str(out), str(log)))
        start(process)
        code = exit_code(process, 120)
        assert code is not None, log.read_text()
        return _told(code, out.read_bytes(), log.read_text())

    def save(self, name: str, value: object) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(value))
        return str(path)


@dataclass(frozen=True)
class SandboxTap(Tap):
    """The command on an account of the sandbox."""

    sandbox: Sandbox = field(kw_only=True)

    def run(self, state: dict[str, Any] | None = None, **settings: object) -> Told:
        return self.run_forked(state, **settings)


def tap_on(sandbox: Sandbox, folder: Path, first: date = FIRST, last: date = LAST) -> SandboxTap:
    """The command for some days of a sandbox's account."""
    settings = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "window_days": 3,
        "poll_interval_seconds": 0.05,
        "request_timeout_seconds": 5,
    }
    return SandboxTap(folder, settings, sandbox=sandbox)


# What the command told in the test that is running: shown when that fails.
TOLD: list[Told] = []


def _told(code: int, out: bytes, log: str) -> Told:
    TOLD.append(Told(code, out, log))
    return TOLD[-1]


FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tap_advexport.command", "tests.support.tap_process"])


# Each start of a process asks all others how they ended, and whoever asks second gets 255.
ASKING = threading.Lock()


def start(process: ForkServerProcess) -> None:
    """Start a process, from any thread."""
    with ASKING:
        process.start()


def exit_code(process: ForkServerProcess, seconds: float | None) -> int | None:
    """Wait for a process at most so long; None when it goes on. From any thread."""
    if not wait([process.sentinel], seconds):
        return None
    with ASKING:
        process.join()
        return process.exitcode


def _run(arguments: list[str], out: str, log: str) -> None:
    for path, descriptor in ((out, 1), (log, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    main(arguments)


def run_in(folder: Path, environment: dict[str, str], *arguments: str) -> Told:
    """The command in a fork, in a working folder and an environment of its own."""
    out, log = folder / "out", folder / "log"
    names = (str(folder), environment, list(arguments), str(out), str(log))
    process = FORKS.Process(target=_run_in, args=names)
    start(process)
    code = exit_code(process, 120)
    assert code is not None, log.read_text()
    return Told(code, out.read_bytes(), log.read_text())


def _run_in(
    folder: str, environment: dict[str, str], arguments: list[str], out: str, log: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    _run(arguments, out, log)


class Forked:
    """A tap in a fork, which looks like a `Popen` with stdout as a pipe."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        log.touch()
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading, "rb")
        with Connection(writing, readable=False) as end:
            names = (arguments[len(COMMAND) :], end, str(log))
            self._process = FORKS.Process(target=_run_piped, args=names)
            start(self._process)

    def send_signal(self, signum: int) -> None:
        if exit_code(self._process, 0) is None and self._process.pid:
            os.kill(self._process.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        code = exit_code(self._process, None)
        self.stdout.close()
        assert code is not None
        return code


def _run_piped(arguments: list[str], end: Connection, log: str) -> None:
    os.dup2(end.fileno(), 1)
    end.close()
    with open(log, "wb") as file:  # noqa: PTH123 - a name that came as a text
        os.dup2(file.fileno(), 2)
    main(arguments)


@dataclass(frozen=True)
class Told:
    """What a process wrote and how it ended."""

    code: int
    out: bytes
    log: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All messages; there is none that is not whole."""
        lines = self.out.split(b"\n")
        assert lines.pop() == b"", "the last line is torn"
        return [json.loads(line, parse_float=Decimal) for line in lines]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def state(self) -> dict[str, Any]:
        """The last STATE."""
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        assert states, self.log
        last = states[-1]
        assert isinstance(last, dict)
        return last

    @property
    def errors(self) -> list[str]:
        return [line for line in self.log.splitlines() if "| ERROR " in line]

    def assert_is_quiet(self) -> None:
        """No traceback, and nothing that Python itself complains about."""
        for word in ("Traceback", "Exception ignored", "Fatal Python error", "Warning:"):
            assert word not in self.log, self.log

    def assert_states_are_true(self, known: dict[str, Any] | None = None) -> None:
        """Every STATE covers only days whose rows and period went out before it, or were known."""
        out = covered_days(known or {})
        open_days: set[str] = set()
        for message in self.messages:
            match message:
                case {"type": "RECORD", "stream": "report_daily", "record": record}:
                    open_days.add(record["report_date"])
                case {"type": "RECORD", "stream": "report_periods", "record": record}:
                    out.add(record["period"])
                    open_days.discard(record["period"])
                case {"type": "STATE", "value": state}:
                    assert covered_days(state) <= out
                case _:
                    pass


def bookmark(state: dict[str, Any]) -> dict[str, Any]:
    found = state.get("bookmarks", {}).get("report_daily", {})
    assert isinstance(found, dict)
    return found


def covered_days(state: dict[str, Any]) -> set[str]:
    days = set()
    for first, last, *_ in [
        *bookmark(state).get("settled", []),
        *bookmark(state).get("unsettled", []),
    ]:
        start, end = date.fromisoformat(first), date.fromisoformat(last)
        days |= {(start + timedelta(days=n)).isoformat() for n in range((end - start).days + 1)}
    return days


def send_pair(process: subprocess.Popen[bytes], first: signal.Signals) -> None:
    """What Meltano sends: one signal, and at once another."""
    process.send_signal(first)
    process.send_signal(signal.SIGTERM)
