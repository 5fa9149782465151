"""Messages on real pipes, sockets and files: whole lines or nothing, whatever the reader does."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tap_advexport.errors import OutputError
from tap_advexport.singer.stdout import OutputClosed, Stdout, WriteInterrupted
from tests.support.pipes import drained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LENGTHS = [1, 2, 511, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000, 1_048_576, 1_500_000]


def line(length: int, letter: int = 0) -> bytes:
    return bytes([97 + letter % 26]) * (length - 1) + b"\n"


class Reader:
    """Reads from a descriptor in a thread, some bytes at a time."""

    def __init__(self, descriptor: int, *, at_once: int = 65_536, pause_seconds: float = 0) -> None:
        self.got = bytearray()
        self._descriptor = descriptor
        self._at_once = at_once
        self._pause_seconds = pause_seconds
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def result(self) -> bytes:
        self._thread.join(30)
        assert not self._thread.is_alive()
        return bytes(self.got)

    def _read(self) -> None:
        while data := os.read(self._descriptor, self._at_once):
            self.got += data
            time.sleep(self._pause_seconds)


Channel = tuple[int, int]


@pytest.fixture(params=["pipe", "socket", "tcp", "non-blocking pipe"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    """The two ends, to read from and to write to."""
    if request.param == "socket":
        ours, theirs = socket.socketpair()
        ends = (theirs.detach(), ours.detach())
    elif request.param == "tcp":
        with socket.create_server(("127.0.0.1", 0)) as server:
            sender = socket.create_connection(server.getsockname())
            ends = (server.accept()[0].detach(), sender.detach())
    else:
        ends = os.pipe()
        os.set_blocking(ends[1], request.param == "pipe")
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


def pipe_of(capacity: int) -> Channel:
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, capacity)
    return ends


def never() -> bool:
    return False


# --- All of it --------------------------------------------------------------------------------


@pytest.mark.parametrize(("at_once", "pause_seconds"), [(1 << 20, 0), (50_000, 0.0005)])
def test_everything_arrives_however_long_the_lines_and_slow_the_reader(
    channel: Channel, at_once: int, pause_seconds: float
) -> None:
    reader = Reader(channel[0], at_once=at_once, pause_seconds=pause_seconds)
    out = Stdout(channel[1], never)
    sent = [line(length, number) for number, length in enumerate(LENGTHS + LENGTHS[::-1])]
    for start in range(0, len(sent), 5):
        out.write_lines(b"".join(sent[start : start + 5]))
    os.close(channel[1])
    assert reader.result() == b"".join(sent)


def test_everything_arrives_in_a_file_and_behind_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"before\n")
    with path.open("ab") as file:
        Stdout(file.fileno(), never).write_lines(line(1_000_000))
    assert path.read_bytes() == b"before\n" + line(1_000_000)


def test_nothing_to_write_writes_nothing(channel: Channel) -> None:
    Stdout(channel[1], never).write_lines(b"")
    assert drained(channel[0]) == b""


# --- The end between two lines ----------------------------------------------------------------


def over_after(looks: int) -> Callable[[], bool]:
    counts = iter(range(looks))
    return lambda: next(counts, None) is None


@pytest.mark.parametrize("length", [10, 100, 3000, 5000, 20_000, 60_000])
@pytest.mark.parametrize("looks", [1, 2, 3, 7, 40])
def test_a_reader_that_has_stopped_gets_whole_lines_only(
    channel: Channel, length: int, looks: int
) -> None:
    out = Stdout(channel[1], over_after(looks), sleep=lambda _: None, look_seconds=0.001)
    with pytest.raises(WriteInterrupted):
        out.write_lines(line(length) * (9_000_000 // length))
    got = drained(channel[0])
    assert len(got) % length == 0
    assert got == line(length) * (len(got) // length)


def test_an_end_that_came_before_writes_nothing(channel: Channel) -> None:
    with pytest.raises(WriteInterrupted):
        Stdout(channel[1], lambda: True).write_lines(b"x\n")
    assert drained(channel[0]) == b""


def test_a_long_line_waits_for_room_for_all_of_it() -> None:
    for capacity in (4096, 65_536):
        reading, writing = pipe_of(capacity)
        os.write(writing, b"x" * 100)
        out = Stdout(writing, over_after(20), sleep=lambda _: None, look_seconds=0.001)
        with pytest.raises(WriteInterrupted):
            out.write_lines(line(capacity))
        assert drained(reading) == b"x" * 100
        os.close(reading)
        os.close(writing)


def test_a_line_longer_than_the_pipe_goes_out_whole_before_anybody_reads() -> None:
    reading, writing = pipe_of(4096)
    Stdout(writing, never).write_lines(line(500_000))
    assert drained(reading) == line(500_000)
    os.close(reading)
    os.close(writing)


def test_a_line_that_no_pipe_holds_is_ended_while_somebody_reads_though_the_run_is_to_end(
    channel: Channel,
) -> None:
    reader = Reader(channel[0], pause_seconds=0.001)
    is_over = over_after(1)
    Stdout(channel[1], is_over).write_lines(line(3_000_000))
    os.close(channel[1])
    assert reader.result() == line(3_000_000)


def test_a_line_that_no_pipe_holds_is_left_when_the_reader_has_stopped_and_nothing_follows(
    channel: Channel,
) -> None:
    ticks = iter(range(10_000))
    looks = [False]

    def is_over() -> bool:
        return not looks or looks.pop()

    out = Stdout(channel[1], is_over, monotonic=lambda: next(ticks), look_seconds=0.001)
    with pytest.raises(WriteInterrupted):
        out.write_lines(line(9_000_000))
    got = drained(channel[0])
    assert got == line(9_000_000)[: len(got)]
    looks += [False] * 100
    with pytest.raises(WriteInterrupted):
        out.write_lines(b"a STATE would continue the torn line\n")
    assert drained(channel[0]) == b""


# --- What cannot be written -------------------------------------------------------------------


def test_a_reader_that_has_gone_is_noticed(channel: Channel) -> None:
    out = Stdout(channel[1], never)
    assert not out.is_closed()
    os.close(channel[0])
    with pytest.raises(OutputClosed):
        out.write_lines(line(100_000) * 50)
    assert out.is_closed()


def test_a_reader_that_leaves_something_behind_is_not_waited_for(channel: Channel) -> None:
    def sleep(_: float) -> None:
        assert not has_gone, "the tap waits for nobody"

    has_gone = False
    out = Stdout(channel[1], never, sleep)
    out.write_lines(line(100))
    os.close(channel[0])
    has_gone = True
    # It would go through whole, but not before the pipe is empty.
    with pytest.raises(OutputClosed):
        out.write_lines(line(6000) * 50)


def test_a_reader_that_has_gone_is_noticed_without_a_write() -> None:
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    with ours:
        outs = [Stdout(writing, never), Stdout(ours.fileno(), never)]
        os.close(reading)
        theirs.close()
        assert [out.is_closed() for out in outs] == [True, True]
    os.close(writing)


def test_a_reader_that_goes_in_the_middle_of_a_line_is_noticed(channel: Channel) -> None:

    def read_a_part() -> None:
        os.read(channel[0], 70_000)
        os.close(channel[0])

    threading.Timer(0.1, read_a_part).start()
    with pytest.raises(OutputClosed):
        Stdout(channel[1], never).write_lines(line(9_000_000))


def test_a_full_disk_is_told_in_one_line() -> None:
    with open("/dev/full", "wb") as full, pytest.raises(OutputError) as caught:  # noqa: PTH123
        Stdout(full.fileno(), never).write_lines(b"x\n")
    assert str(caught.value) == "stdout: No space left on device"


def test_a_descriptor_that_was_closed_is_told_in_one_line() -> None:
    reading, writing = os.pipe()
    out = Stdout(writing, never)
    os.close(writing)
    os.close(reading)
    with pytest.raises(OutputError, match="stdout: "):
        out.write_lines(b"x\n")


# --- Messages ---------------------------------------------------------------------------------


def test_a_write_to_a_pipe_goes_through_whole_when_poll_finds_room() -> None:
    """What `Stdout` builds on, of which POSIX promises only a part."""
    reading, writing = pipe_of(16_384)
    os.set_blocking(writing, False)
    poll = select.poll()
    poll.register(writing, select.POLLOUT)
    for length in (1, 4095, 4096, 3, 4000):
        while poll.poll(0):
            assert os.write(writing, b"x" * length) == length
        drained(reading)
    os.close(reading)
    os.close(writing)
