"""Processes that convert large files in parallel, which Python threads cannot do."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from tap_advexport import errors
from tap_advexport.errors import OutputError
from tap_advexport.records.convert import Converted
from tap_advexport.records.worker import FAULT_CODE, Fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from tap_advexport.records.convert import Conversion

# What Python and its libraries read.
_OF_PYTHON: Final = re.compile(
    r"PATH|HOME|USER|LANG|TZ|TMPDIR|TEMP|TMP|VIRTUAL_ENV|(PYTHON|LC_|LD_|DYLD_|MALLOC_|ARROW_).*"
)
_Answer = TypeVar("_Answer", Converted, Fault)

# -P: modules in the working folder are not imported.
CHILD_COMMAND: Final = (sys.executable, "-P", "-m", "tap_advexport.records.worker")
# If a process is killed (usually for lack of memory), a second one converts the same file.
ATTEMPTS: Final = 2


class NoProcessError(Exception):
    """Processes cannot be started here, or end before they answer."""


def usable_cores() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


class ConversionProcesses:
    """Starts one process for each file; `close` kills those that are still running."""

    def __init__(self, command: Sequence[str] = CHILD_COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._running: list[subprocess.Popen[bytes]] = []
        self._is_closed = False

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The ids of the processes that are converting."""
        return tuple(process.pid for process in self._running)

    def convert(self, source: BinaryIO, lines: BinaryIO, conversion: Conversion) -> Converted:
        """Convert a file in a process of its own, and block until it is done.

        The process reads and writes the open files themselves. So their positions move, even if
        the conversion fails, and the buffers of this process do not notice.

        Args:
            source: the file as downloaded, flushed.
            lines: the spool to write to; its previous content is lost.
            conversion: what the file must hold, and how to write it.

        Raises:
            FileError, InvalidFileError: as `records.convert` raises them.
            OSError: the lines cannot be written.
            OutputError: the process and the second one were killed, or the run is over.
            NoProcessError: processes do not work here; both files may have been touched.
        """
        code = 0
        for _ in range(ATTEMPTS):
            code, said = self._run(source, lines, conversion)
            # Python warnings may precede the last line.
            said = said.strip().rpartition(b"\n")[2]
            if code == 0:
                return _read(said, Converted)
            if code == FAULT_CODE:
                raise _error(_read(said, Fault))
            if code > 0:
                raise NoProcessError(said.decode(errors="replace") or f"exit code {code}")
        raise OutputError(
            f"conversion of the file of {conversion.first}..{conversion.last}: its process was "
            f"killed twice ({_signal_name(-code)}), as happens when memory runs out; free "
            "some, or lower max_concurrent_exports"
        )

    def close(self) -> None:
        """Kill all processes, whatever they are doing."""
        with self._lock:
            self._is_closed = True
            for process in self._running:
                process.kill()

    def _run(self, source: BinaryIO, lines: BinaryIO, conversion: Conversion) -> tuple[int, bytes]:
        """Run a process, and return its exit code and all that it wrote to stderr."""
        order = msgspec.json.encode(conversion).decode()
        with self._lock:
            if self._is_closed:
                raise OutputError("conversion: the run is over")
            try:
                # A process group of its own, so that Ctrl-C on a terminal reaches only the parent.
                process = subprocess.Popen(  # noqa: S603 - this very program
                    [*self._command, order],
                    stdin=source,
                    stdout=lines,
                    stderr=subprocess.PIPE,
                    env=child_environment(os.environ),
                    process_group=0,
                )
            except (OSError, ValueError) as error:
                raise NoProcessError(str(error)) from None
            self._running.append(process)
        try:
            _, said = process.communicate()
            return process.returncode, said
        finally:
            with self._lock:
                self._running.remove(process)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a conversion process: what Python and its libraries need.

    Whatever the token, or another secret, is called elsewhere, it is not among them.
    """
    return {name: text for name, text in environment.items() if _OF_PYTHON.fullmatch(name)}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _read(said: bytes, kind: type[_Answer]) -> _Answer:
    try:
        # Through Decimal, so that totals can have any length.
        return msgspec.convert(json.loads(said, parse_int=lambda text: int(Decimal(text))), kind)
    except (ValueError, msgspec.MsgspecError) as error:
        raise NoProcessError(f"an unreadable answer, {error}") from None


def _error(fault: Fault) -> Exception:
    match fault.kind:
        case OSError.__name__:
            return OSError(fault.errno, fault.text)
        case "":
            return RuntimeError(f"a conversion process failed:\n{fault.text}")
        case kind:
            advice = {"advice": fault.advice} if fault.advice else {}
            error: Exception = getattr(errors, kind)(fault.text, **advice)
            return error
