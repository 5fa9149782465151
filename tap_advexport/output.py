"""Singer messages on stdout: whole lines or nothing, whatever the reader and the signals do."""

from __future__ import annotations

import array
import fcntl
import os
import select
import stat
import sys
import termios
import time
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib.encoding.simple import Message, StateMessage

from tap_advexport.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# A write of at most this many bytes to a pipe goes through whole or not at all (POSIX).
ATOMIC_BYTES: Final = select.PIPE_BUF
COPY_BYTES: Final = 1 << 18
LOOK_SECONDS: Final = 0.25
DRAIN_SECONDS: Final = 0.002


# Ends, not faults: no Exceptions, so that the SDK does not report them as unhandled on their way.
class OutputClosed(BaseException):
    """Whoever reads stdout has gone."""


class WriteInterrupted(BaseException):
    """The run is to end, and the reader is too slow to wait for; nothing of a line is left over."""


class Stdout:
    """Writes whole lines to a file descriptor, and can stop between any two of them.

    A blocking write to a pipe cannot be left half way, or a line would be torn. So a write is only
    begun when all of it has room: a full pipe's worth when the pipe is empty, and otherwise as many
    whole lines as go through atomically.
    """

    def __init__(
        self,
        descriptor: int,
        is_over: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._descriptor = descriptor
        self._sleep = sleep
        self._is_over = is_over
        self._is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        self._capacity = _pipe_capacity(descriptor) if self._is_pipe else COPY_BYTES
        self._poll = select.poll()
        with suppress(OSError):
            self._poll.register(descriptor, select.POLLOUT)

    def write_lines(self, lines: bytes | memoryview) -> None:
        """Write whole lines, all of them.

        Raises:
            OutputClosed: the reader has gone.
            WriteInterrupted: the run is to end; an unknown number of whole lines is out.
            OutputError: the file cannot be written.
        """
        view = memoryview(lines)
        while view:
            if self._is_over():
                raise WriteInterrupted
            length = self._piece(view) if self._is_pipe else min(len(view), COPY_BYTES)
            if not length:
                continue
            self._write_whole(view[:length])
            view = view[length:]

    def is_closed(self) -> bool:
        """Whether whoever read stdout has gone (found out without writing)."""
        return any(event & (select.POLLERR | select.POLLNVAL) for _, event in self._poll.poll(0))

    def _piece(self, view: memoryview) -> int:
        """How much can be written without blocking, cut at a line's end; 0 after a vain wait."""
        if self._pending() == 0:
            return _whole_lines(view, self._capacity)
        if not self._poll.poll(LOOK_SECONDS * 1000):
            return 0
        length = _whole_lines(view, ATOMIC_BYTES)
        if ATOMIC_BYTES < length <= self._capacity:
            # A long line goes through whole as soon as the pipe is empty.
            self._sleep(DRAIN_SECONDS)
            return 0
        return length

    def _pending(self) -> int:
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._descriptor, termios.FIONREAD, count)
        except OSError:
            return -1
        return count[0]

    def _write_whole(self, view: memoryview) -> None:
        """A line that is begun is ended: only a reader that has gone stops it."""
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                self._poll.poll(LOOK_SECONDS * 1000)
            except BrokenPipeError:
                raise OutputClosed from None
            except OSError as error:
                msg = f"stdout: {error.strerror or type(error).__name__}"
                raise OutputError(msg) from None


def _whole_lines(view: memoryview, most: int) -> int:
    """Bytes of the whole lines at the start that fit, or of the first line when none does."""
    if len(view) <= most:
        return len(view)
    end = bytes(view[:most]).rfind(b"\n") + 1
    if end:
        return end
    rest = bytes(view).find(b"\n") + 1
    return rest or len(view)


def _pipe_capacity(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    except (AttributeError, OSError):
        return ATOMIC_BYTES


class MessageWriter(SingerWriter):
    """The SDK's writer, which can also write lines that are ready."""

    def __init__(self) -> None:
        super().__init__()
        self._stdout: Stdout | None = None
        self._is_over: Callable[[], bool] = lambda: False
        self.is_state_last = True

    def end_when(self, is_over: Callable[[], bool]) -> None:
        """Stop between two lines as soon as `is_over`."""
        self._is_over = is_over

    def write_message(self, message: Message) -> None:
        """Write one message as one line."""
        self.write_lines(self.format_message(message).encode() + b"\n")
        self.is_state_last = isinstance(message, StateMessage)

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines that are ready."""
        self.is_state_last = False
        stdout = self._open()
        if stdout is None:
            sys.stdout.write(lines.decode())
            sys.stdout.flush()
        else:
            stdout.write_lines(lines)

    def is_closed(self) -> bool:
        """Whether whoever read stdout has gone."""
        return self._stdout is not None and self._stdout.is_closed()

    def _open(self) -> Stdout | None:
        """Stdout by its descriptor, unless something like a test runner stands in for it."""
        if sys.stdout is None:
            raise OutputClosed
        try:
            descriptor = sys.stdout.fileno()
        except (OSError, ValueError):
            return None
        if self._stdout is None:
            sys.stdout.flush()
            self._stdout = Stdout(descriptor, self._is_over)
        return self._stdout


def copy_spans(
    lines: BinaryIO, spans: Iterable[tuple[int, int]], chunk_bytes: int = COPY_BYTES
) -> Iterator[bytes]:
    """The lines in some byte ranges of a spool, in pieces that end at a line's end.

    Args:
        lines: a spool of lines.
        spans: ranges [start, stop) that begin and end at a line's end.
        chunk_bytes: about how large a piece may be; a longer line comes whole.
    """
    for start, stop in spans:
        lines.seek(start)
        left, rest = stop - start, b""
        while left:
            chunk = lines.read(min(chunk_bytes, left))
            if not chunk:
                msg = "a spool is shorter than what was written to it"
                raise AssertionError(msg)
            left -= len(chunk)
            end = chunk.rfind(b"\n") + 1
            if end:
                yield rest + chunk[:end]
                rest = chunk[end:]
            else:
                rest += chunk


class RecordFrame:
    """Makes RECORD messages out of record lines by putting the same text around each."""

    def __init__(self, stream: str, *, version: int | None, time_extracted: str) -> None:
        head = f'{{"type":"RECORD","stream":"{stream}","record":'
        tail = f',"version":{version}' if version is not None else ""
        self._head = head.encode()
        self._tail = f'{tail},"time_extracted":"{time_extracted}"}}'.encode()

    def wrap(self, lines: bytes) -> bytes:
        """Whole record lines as whole RECORD lines."""
        # A raw newline stands only at a line's end: JSON escapes it within texts.
        between = self._tail + b"\n" + self._head
        return self._head + lines[:-1].replace(b"\n", between) + self._tail + b"\n"


class GraceAfterSignal:
    """After a signal, writing may go on for a few seconds, and then ends at a line's end."""

    def __init__(
        self, grace_seconds: float = 3.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_seconds = grace_seconds
        self._monotonic = monotonic
        self._ends_at: float | None = None

    def begin(self) -> None:
        """A signal came (the first counts)."""
        if self._ends_at is None:
            self._ends_at = self._monotonic() + self._grace_seconds

    def extend(self, seconds: float) -> None:
        """Allow for what is still to be written at the very end."""
        self._ends_at = self._monotonic() + seconds

    def is_over(self) -> bool:
        """Writing has to end at the next end of a line."""
        return self._ends_at is not None and self._monotonic() >= self._ends_at
