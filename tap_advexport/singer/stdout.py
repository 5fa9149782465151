"""Writes only whole lines to stdout, whatever the reader and the signals do."""

from __future__ import annotations

import array
import fcntl
import os
import select
import socket
import stat
import termios
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from tap_advexport.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# A write of at most this many bytes to a pipe is atomic (POSIX).
ATOMIC_BYTES: Final = select.PIPE_BUF
COPY_BYTES: Final = 1 << 18
LOOK_SECONDS: Final = 0.25
DRAIN_SECONDS: Final = 0.002
# The largest capacity of a pipe that needs no privileges (Linux, /proc/sys/fs/pipe-max-size).
LARGEST_PIPE_BYTES: Final = 1 << 20
# When the run is to end, a reader that takes nothing of a line for this long counts as stopped.
STOPPED_SECONDS: Final = 2.0


# These end the run and are not faults. They are not Exceptions, so that the SDK does not report
# them as unhandled.
class OutputClosed(BaseException):
    """The reader of stdout has gone."""


class WriteInterrupted(BaseException):
    """The run is to end and the reader is too slow to wait for; the output ends with a whole line.

    Only a line that is longer than any buffer may be cut, if its reader has stopped.
    """


class Stdout:
    """Writes whole lines to a file descriptor, and can stop between any two of them.

    A write that blocks cannot be given up half way without cutting a line. So a line is begun only
    if all of it has room: if the pipe is empty, as many whole lines as the pipe holds, otherwise
    as many as one atomic write takes. The only exception is a line that is longer than any buffer:
    it is begun, and continued as long as the reader takes some of it.
    """

    def __init__(
        self,
        descriptor: int,
        is_over: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Prepare to write.

        Args:
            is_over: returns whether to stop at the next end of a line.
            look_seconds: how often to call `is_over` while the reader takes nothing.
        """
        self._look_milliseconds = look_seconds * 1000
        self._sleep = sleep
        self._monotonic = monotonic
        self._is_over = is_over
        self._sink = _sink(descriptor)
        self._is_torn = False
        self._poll = select.poll()
        with suppress(OSError):
            self._poll.register(descriptor, select.POLLOUT)

    def write_lines(self, lines: bytes | memoryview) -> None:
        """Write all of the given whole lines.

        Raises:
            OutputClosed: the reader has gone.
            WriteInterrupted: the run is to end; an unknown number of whole lines was written.
            OutputError: the file cannot be written to.
        """
        view = memoryview(lines)
        while view:
            if self._is_torn or self._is_over():
                raise WriteInterrupted
            length = self._piece(view)
            if not length:
                continue
            self._write_whole(view[:length])
            view = view[length:]

    def is_closed(self) -> bool:
        """Return whether the reader of stdout has gone, without writing anything."""
        return _has_gone(self._poll.poll(0))

    def _piece(self, view: memoryview) -> int:
        """Return how many bytes fit without blocking, cut at a line end; 0 if none fit yet."""
        if not self._sink.can_block:
            return min(len(view), COPY_BYTES)
        if self._sink.is_empty():
            return _whole_lines(view, self._sink.room_for(0))
        events = self._poll.poll(self._look_milliseconds)
        if not events:
            return 0
        length = _whole_lines(view, self._sink.atomic_bytes)
        is_long = self._sink.atomic_bytes < length <= self._sink.room_for(length)
        if is_long and not _has_gone(events):
            # The line fits as soon as the pipe is empty. A pipe whose reader has gone never
            # empties; the next write reports that.
            self._sleep(DRAIN_SECONDS)
            return 0
        return length

    def _write_whole(self, view: memoryview) -> None:
        """Write all of it; only a reader that has gone or stopped can cut a line that was begun."""
        taken_at = self._monotonic()
        has_room = self._has_room(len(view))
        most = len(view) if has_room else self._sink.atomic_bytes
        while view:
            if not has_room and not self._poll.poll(self._look_milliseconds):
                if self._is_over() and self._monotonic() - taken_at > STOPPED_SECONDS:
                    # Waiting on would only get this process killed, which cuts the line too.
                    self._is_torn = True
                    raise WriteInterrupted
                continue
            try:
                view = view[self._sink.write(view[:most]) :]
            except BlockingIOError:
                has_room = False
            except (BrokenPipeError, ConnectionResetError):
                raise OutputClosed from None
            except OSError as error:
                msg = f"stdout: {error.strerror or type(error).__name__}"
                raise OutputError(msg) from None
            else:
                taken_at = self._monotonic()

    def _has_room(self, length: int) -> bool:
        if length <= self._sink.atomic_bytes or not self._sink.can_block:
            return True
        return self._sink.is_empty() and length <= self._sink.room_for(length)


def _has_gone(events: Iterable[tuple[int, int]]) -> bool:
    """Return whether the poll events of a descriptor say that its reader has gone."""
    gone = select.POLLERR | select.POLLNVAL | select.POLLHUP
    return any(event & gone for _, event in events)


class _File:
    """A file or device, where writes do not wait for a reader.

    Attributes:
        can_block: whether a write waits for a reader.
        atomic_bytes: how many bytes one write takes whenever `poll` finds room.
    """

    can_block = False
    atomic_bytes = COPY_BYTES

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, view: memoryview) -> int:
        """Write a part of the bytes, without waiting if possible, and return its length."""
        return os.write(self._descriptor, view)

    def is_empty(self) -> bool:
        """Return whether the reader has taken all that was written."""
        return False

    def room_for(self, length: int) -> int:
        """Return how many bytes fit when it is empty, after trying to make room for `length`."""
        del length
        return COPY_BYTES


class _Pipe(_File):
    can_block = True
    atomic_bytes = select.PIPE_BUF

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._capacity = self._resized(0)

    @override
    def is_empty(self) -> bool:
        return _counted(self._descriptor, termios.FIONREAD) == 0

    @override
    def room_for(self, length: int) -> int:
        if self._capacity < length <= LARGEST_PIPE_BYTES:
            self._capacity = max(self._capacity, self._resized(length))
        return self._capacity

    def _resized(self, length: int) -> int:
        """Return the capacity, after a request for `length` bytes (0: none) that may be refused."""
        with suppress(AttributeError, OSError):
            if length:
                return fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, length)
            return fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ)
        return ATOMIC_BYTES


class _Socket(_File):
    """A stream socket, which some programs give their child processes as stdout."""

    can_block = True

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        with self._borrowed() as borrowed:
            buffer_bytes = borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        # `poll` finds room when three quarters of the buffer are free (TCP: one third), and the
        # system's bookkeeping takes some of the room.
        self.atomic_bytes = max(512, buffer_bytes // 8)
        self._capacity = max(512, buffer_bytes // 2)

    @override
    def write(self, view: memoryview) -> int:
        with self._borrowed() as borrowed:
            return borrowed.send(view, socket.MSG_DONTWAIT)

    @override
    def is_empty(self) -> bool:
        return _counted(self._descriptor, termios.TIOCOUTQ) == 0

    @override
    def room_for(self, length: int) -> int:
        return self._capacity

    @contextmanager
    def _borrowed(self) -> Iterator[socket.socket]:
        """Yield the descriptor as a socket object, and detach it, so that it is not closed."""
        borrowed = socket.socket(fileno=self._descriptor)
        try:
            yield borrowed
        finally:
            borrowed.detach()


def _sink(descriptor: int) -> _File:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        return _Pipe(descriptor)
    return _Socket(descriptor) if stat.S_ISSOCK(mode) else _File(descriptor)


def _counted(descriptor: int, request: int) -> int:
    """Return the number of bytes in a pipe or socket; -1 if the system does not say."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, request, count)
    except OSError:
        return -1
    return count[0]


def _whole_lines(view: memoryview, most: int) -> int:
    """Return the length of the whole lines that fit, or of the first line if none fits."""
    if len(view) <= most:
        return len(view)
    end = bytes(view[:most]).rfind(b"\n") + 1
    if end:
        return end
    rest = bytes(view).find(b"\n") + 1
    return rest or len(view)
