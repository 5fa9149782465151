"""Runs a program, reads all that it prints, and tells what that took."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_BYTES = 1 << 20
# Memory is looked at each time that so many pieces were read.
LOOK_PIECES = 16


class FailedRunError(Exception):
    """A program ended with an error."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run took.

    Attributes:
        cpu_seconds: of the process and those that it waited for.
        peak_mb: the most memory that the process had resident.
        children_mb: the most that any child of it had.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    children_mb: float
    lines: int
    byte_count: int


def measure(command: Sequence[str], *, log: Path, copy: BinaryIO | None = None) -> Run:
    """Run a command to its end, reading its stdout through a pipe.

    Args:
        log: where its stderr goes.
        copy: gets all that it prints.

    Raises:
        FailedRunError: its exit code is not 0.
    """
    began = time.perf_counter()
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=_environment(os.environ)
        )
    if process.stdout is None:
        raise FailedRunError("no pipe")
    lines = byte_count = pieces = 0
    own_mb = children_mb = 0.0
    with process.stdout as pipe:
        while chunk := os.read(pipe.fileno(), READ_BYTES):
            lines += chunk.count(b"\n")
            byte_count += len(chunk)
            if copy:
                copy.write(chunk)
            pieces += 1
            if pieces % LOOK_PIECES == 1:
                own_mb = max(own_mb, _peak_mb(process.pid))
                children_mb = max(children_mb, _children_mb(process.pid))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-20:])
        raise FailedRunError(f"{command} ended with exit code {process.returncode}\n{tail}")
    return Run(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        # What the kernel counted holds the forked copy of this process too.
        peak_mb=own_mb or usage.ru_maxrss / 1024,
        children_mb=children_mb,
        lines=lines,
        byte_count=byte_count,
    )


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text for name, text in environment.items() if not name.startswith("TAP_ADVEXPORT_")
    }


def _children_mb(process_id: int) -> float:
    """Return the most memory that a child of a process has had resident so far."""
    try:
        tasks = list(Path(f"/proc/{process_id}/task").iterdir())
        texts = [(task / "children").read_text() for task in tasks]
    except OSError:
        return 0.0
    return max((_peak_mb(int(child)) for text in texts for child in text.split()), default=0.0)


def _peak_mb(process_id: int) -> float:
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return 0.0
    peak = status.partition("VmHWM:")[2].split()
    return int(peak[0]) / 1024 if peak else 0.0
