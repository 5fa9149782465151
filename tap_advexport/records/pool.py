"""Processes that convert large files side by side, which threads of Python cannot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_advexport import errors
from tap_advexport.errors import OutputError
from tap_advexport.records.convert import Converted
from tap_advexport.records.parcels import Fault, receive, send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from tap_advexport.records.convert import Conversion

# -P: what lies in the working folder is not imported.
CHILD_COMMAND: Final = (sys.executable, "-P", "-m", "tap_advexport.records.worker")
# A process that was killed (for lack of memory, as a rule) gets one successor for the same file.
ATTEMPTS: Final = 2


class NoProcessError(Exception):
    """Processes cannot be started here, or cannot import the tap; threads can do their work."""


def usable_cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


class ConversionProcesses:
    """Starts processes as they are needed, uses them again, and ends them all at `close`."""

    def __init__(self, command: Sequence[str] = CHILD_COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._all: list[_Child] = []
        self._is_closed = False

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes that were started and not ended."""
        return tuple(child.process.pid for child in self._all)

    def convert(self, source: BinaryIO, lines: BinaryIO, conversion: Conversion) -> Converted:
        """Convert a file in a process of its own; blocks until it is done.

        Args:
            source: the file as it came, flushed.
            lines: what it held is lost.
            conversion: what is to become of it.

        Raises:
            FileError, InvalidFileError: as `records.convert` raises them.
            OSError: the lines cannot be written.
            OutputError: the process was killed, and so was its successor.
            NoProcessError: processes do not work here; the file is as it was.
        """
        code = 0
        for _ in range(ATTEMPTS):
            child = self._take()
            reply = child.ask(source, lines, conversion)
            if reply is not None:
                self._give_back(child)
                return _converted(reply)
            code = self._remove(child)
            if code >= 0:
                raise NoProcessError(f"exit code {code}")
        raise OutputError(
            f"conversion of the file of task {conversion.export_id}: its process was killed twice "
            f"({signal.Signals(-code).name}), as happens when memory runs out; free some, or lower "
            "max_concurrent_exports"
        )

    def close(self) -> None:
        """End all processes, whatever they are at."""
        with self._lock:
            self._is_closed = True
            children, self._all, self._idle = self._all, [], []
        for child in children:
            child.end()

    def _take(self) -> _Child:
        with self._lock:
            if self._is_closed:
                raise OutputError("conversion: the run is over")
            if self._idle:
                return self._idle.pop()
            try:
                child = _start(self._command)
            except (OSError, ValueError) as error:
                raise NoProcessError(str(error)) from None
            self._all.append(child)
            return child

    def _give_back(self, child: _Child) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(child)

    def _remove(self, child: _Child) -> int:
        with self._lock:
            self._all = [other for other in self._all if other is not child]
        return child.end()


@dataclass(frozen=True, slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    line: socket.socket

    def ask(
        self, source: BinaryIO, lines: BinaryIO, conversion: Conversion
    ) -> Converted | Fault | None:
        """What became of a conversion; None when the process ended instead."""
        try:
            send(self.line, conversion, [source.fileno(), lines.fileno()])
            found = receive(self.line)
        except OSError:
            return None
        return found[0] if found else None

    def end(self) -> int:
        self.process.kill()
        code = self.process.wait()
        self.line.close()
        return code


def _start(command: Sequence[str]) -> _Child:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            # A group of its own, so that a terminal's Ctrl-C is the parent's to answer.
            process = subprocess.Popen(  # noqa: S603 - this very program
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=child_environment(os.environ),
                process_group=0,
            )
        except BaseException:
            ours.close()
            raise
    return _Child(process, ours)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a conversion process gets: none of the tap's, the token above all."""
    return {
        name: text for name, text in environment.items() if not name.startswith("TAP_ADVEXPORT_")
    }


def _converted(reply: Converted | Fault) -> Converted:
    if isinstance(reply, Converted):
        return reply
    if reply.kind == OSError.__name__:
        raise OSError(reply.errno, reply.text)
    if reply.kind:
        raise getattr(errors, reply.kind)(reply.text)
    raise RuntimeError(f"a conversion process failed:\n{reply.text}")
