"""Where a tap's streams put what they have: STATE, the rows of `report_periods`, ready lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk.singerlib.encoding.simple import StateMessage

from tap_advexport.reports import PERIODS_STREAM
from tap_advexport.singer.messages import MessageWriter
from tap_advexport.singer.periods import PeriodsStream
from tap_advexport.singer.stdout import OutputClosed

if TYPE_CHECKING:
    from singer_sdk import Tap

    from tap_advexport.sync.destination import PeriodRow


class SingerOutput:
    """The output of one tap, handed to its streams."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    @property
    def writer(self) -> MessageWriter:
        """What writes messages."""
        writer = self._tap.message_writer
        if not isinstance(writer, MessageWriter):
            msg = "the tap's messages go through a writer that cannot write ready-made lines"
            raise TypeError(msg)
        return writer

    def bookmark(self, stream: str) -> object:
        """What the state holds of a stream; None where that is nothing."""
        return (self._tap.state.get("bookmarks") or {}).get(stream)

    def set_bookmark(self, stream: str, bookmark: dict[str, object]) -> None:
        """Put a stream's bookmark into the state, in one assignment."""
        self._drop_empty_bookmarks()
        self._tap.state.setdefault("bookmarks", {})[stream] = bookmark

    def write_state(self) -> None:
        """Write STATE, unless it is the one written last."""
        self._tap.state_writer.write_state(self._tap.state)

    def echo_state(self) -> None:
        """Write the state as it came in: a dry run ends like any other, and commits nothing."""
        self._drop_empty_bookmarks()
        self._tap.state.setdefault("bookmarks", {})
        self.write_state()

    def write_last_state(self) -> None:
        """Write STATE once more when something followed the last one: targets lose it otherwise."""
        self._drop_empty_bookmarks()
        if self._tap.state.get("bookmarks") and not self.writer.is_state_last:
            self.writer.write_message(StateMessage(value=self._tap.state))

    def write_lines(self, lines: bytes) -> None:
        """Write messages that are ready."""
        self.writer.write_lines(lines)

    def write_period(self, row: PeriodRow) -> None:
        """Write a row of `report_periods`, if that is selected."""
        stream = self._tap.streams[PERIODS_STREAM]
        if isinstance(stream, PeriodsStream) and stream.selected:
            stream.emit(row)

    def raise_if_reader_has_gone(self) -> None:
        """Raise OutputClosed when nobody reads stdout any more."""
        if self.writer.is_closed():
            raise OutputClosed

    def _drop_empty_bookmarks(self) -> None:
        """The SDK leaves one for every stream that it has synced, also where there is no state."""
        bookmarks = self._tap.state.get("bookmarks", {})
        for name in [name for name, bookmark in bookmarks.items() if not bookmark]:
            del bookmarks[name]
