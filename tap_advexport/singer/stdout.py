"""Whole lines on stdout or nothing, whatever the reader and the signals do."""

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

# A write of at most this many bytes to a pipe goes through whole or not at all (POSIX).
ATOMIC_BYTES: Final = select.PIPE_BUF
COPY_BYTES: Final = 1 << 18
LOOK_SECONDS: Final = 0.25
DRAIN_SECONDS: Final = 0.002
# What a pipe can be made to hold without privileges (Linux, /proc/sys/fs/pipe-max-size).
LARGEST_PIPE_BYTES: Final = 1 << 20
# A reader that takes nothing of a line for so long, when the run is to end, has stopped.
STOPPED_SECONDS: Final = 2.0


# Ends, not faults: no Exceptions, so that the SDK does not report them as unhandled on their way.
class OutputClosed(BaseException):
    """Whoever reads stdout has gone."""


class WriteInterrupted(BaseException):
    """The run is to end, and the reader is too slow to wait for; what is out ends with a line.

    Only a line that is longer than any buffer may be cut, when its reader has stopped.
    """


class Stdout:
    """Writes whole lines to a file descriptor, and can stop between any two of them.

    A write that blocks cannot be left half way, or a line would be torn. So a line is only begun
    when all of it has room: a full pipe's worth when the pipe is empty, and otherwise as many
    whole lines as go through at once. A line that no buffer holds is the one exception: it is
    begun, and ended for as long as the reader takes anything of it.
    """

    def __init__(
        self,
        descriptor: int,
        is_over: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Begin to write.

        Args:
            is_over: whether to stop at the next end of a line.
            look_seconds: how often to look at that while the reader takes nothing.
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
        """Write whole lines, all of them.

        Raises:
            OutputClosed: the reader has gone.
            WriteInterrupted: the run is to end; an unknown number of whole lines is out.
            OutputError: the file cannot be written.
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
        """Whether whoever read stdout has gone (found out without writing)."""
        return _has_gone(self._poll.poll(0))

    def _piece(self, view: memoryview) -> int:
        """How much can be written without blocking, cut at a line's end; 0 after a vain wait."""
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
            # It goes through whole as soon as the pipe is empty; a reader that has gone leaves it
            # as it is, which writing tells.
            self._sleep(DRAIN_SECONDS)
            return 0
        return length

    def _write_whole(self, view: memoryview) -> None:
        """A line that is begun is ended: only a reader that has gone, or stopped, prevents it."""
        taken_at = self._monotonic()
        has_room = self._has_room(len(view))
        most = len(view) if has_room else self._sink.atomic_bytes
        while view:
            if not has_room and not self._poll.poll(self._look_milliseconds):
                if self._is_over() and self._monotonic() - taken_at > STOPPED_SECONDS:
                    # Whoever waits for it to go on would end by killing, and tear it as well.
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
    """Whether what poll tells of a descriptor says that nobody reads it any more."""
    gone = select.POLLERR | select.POLLNVAL | select.POLLHUP
    return any(event & gone for _, event in events)


class _File:
    """A file or device, whose writes wait for nobody.

    Attributes:
        can_block: whether a write waits for a reader.
        atomic_bytes: how much goes through at once whenever `poll` finds room.
    """

    can_block = False
    atomic_bytes = COPY_BYTES

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, view: memoryview) -> int:
        """Write a part of it, without waiting where that is possible."""
        return os.write(self._descriptor, view)

    def is_empty(self) -> bool:
        """Whether the reader has taken all that was written."""
        return False

    def room_for(self, length: int) -> int:
        """How much goes through at once when it is empty, made enough for `length` if it can be."""
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
        """The capacity, after a request for more of it that may be refused."""
        with suppress(AttributeError, OSError):
            if length:
                return fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, length)
            return fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ)
        return ATOMIC_BYTES


class _Socket(_File):
    """A stream socket, as some programs give their children for stdout."""

    can_block = True

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        with self._borrowed() as borrowed:
            buffer_bytes = borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        # `poll` finds room when three quarters of the buffer (of TCP's: one third) are free, and
        # bookkeeping takes some of it.
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
        """The descriptor as a socket object, which would close it in its own end."""
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
    """The bytes that lie in a pipe or socket; -1 when the system does not say."""
    count = array.array("i", [0])
    try:
        fcntl.ioctl(descriptor, request, count)
    except OSError:
        return -1
    return count[0]


def _whole_lines(view: memoryview, most: int) -> int:
    """Bytes of the whole lines at the start that fit, or of the first line when none does."""
    if len(view) <= most:
        return len(view)
    end = bytes(view[:most]).rfind(b"\n") + 1
    if end:
        return end
    rest = bytes(view).find(b"\n") + 1
    return rest or len(view)
