"""Singer messages: one a line, by the SDK or ready-made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib.encoding.simple import Message, StateMessage

from tap_advexport.singer.stdout import COPY_BYTES, OutputClosed, Stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


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
