"""Writes Singer messages, one per line, encoded by the SDK or ready-made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib.encoding.simple import Message, StateMessage

from tap_advexport.records.lines import LineFrame
from tap_advexport.singer.stdout import OutputClosed, Stdout

if TYPE_CHECKING:
    from collections.abc import Callable


class MessageWriter(SingerWriter):
    """The SDK's writer, extended to write ready-made lines."""

    def __init__(self) -> None:
        super().__init__()
        self._stdout: Stdout | None = None
        self._is_over: Callable[[], bool] = lambda: False
        self.is_state_last = True

    def end_when(self, is_over: Callable[[], bool]) -> None:
        """Stop between two lines as soon as `is_over` returns True."""
        self._is_over = is_over

    def write_message(self, message: Message) -> None:
        """Write one message as one line."""
        if isinstance(message, StateMessage):
            # The SDK copies a message entry by entry, and a state has one entry per unsettled day.
            line = msgspec.json.encode({"type": "STATE", "value": message.value})
        else:
            line = self.format_message(message).encode()
        self.write_lines(line + b"\n")
        self.is_state_last = isinstance(message, StateMessage)

    def write_lines(self, lines: bytes) -> None:
        """Write whole, ready-made lines."""
        self.is_state_last = False
        stdout = self._open()
        if stdout is None:
            sys.stdout.write(lines.decode())
            sys.stdout.flush()
        else:
            stdout.write_lines(lines)

    def is_closed(self) -> bool:
        """Return whether the reader of stdout has gone."""
        return self._stdout is not None and self._stdout.is_closed()

    def _open(self) -> Stdout | None:
        """Return stdout by its descriptor, or None if something like a test runner replaces it."""
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


def record_frame(stream: str, *, version: int | None, time_extracted: str) -> LineFrame:
    """Return the frame that turns records, one per line, into RECORD messages."""
    tail = f',"version":{version}' if version is not None else ""
    return LineFrame(
        f'{{"type":"RECORD","stream":"{stream}","record":'.encode(),
        f'{tail},"time_extracted":"{time_extracted}"}}'.encode(),
    )
