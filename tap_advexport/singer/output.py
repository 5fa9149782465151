"""The output of the tap's streams: STATE, rows of `report_periods` and ready-made lines."""

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
    """The output of one tap, passed to its streams."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._has_written_state = False

    @property
    def writer(self) -> MessageWriter:
        """The message writer of the tap."""
        writer = self._tap.message_writer
        if not isinstance(writer, MessageWriter):
            msg = "the tap's messages go through a writer that cannot write ready-made lines"
            raise TypeError(msg)
        return writer

    def bookmark(self, stream: str) -> object:
        """Return the bookmark of a stream from the state, or None if there is none."""
        return (self._tap.state.get("bookmarks") or {}).get(stream)

    def set_bookmark(self, stream: str, bookmark: dict[str, object]) -> None:
        """Put a stream's bookmark into the state, in one assignment."""
        self._drop_empty_bookmarks()
        self._tap.state.setdefault("bookmarks", {})[stream] = bookmark

    def write_state(self) -> None:
        """Write STATE, unless it is the same as the last one written."""
        self._has_written_state = True
        self._tap.state_writer.write_state(self._tap.state)

    def echo_state(self) -> None:
        """Write the state as received: a dry run ends like any other run, but commits nothing."""
        self._drop_empty_bookmarks()
        self._tap.state.setdefault("bookmarks", {})
        self.write_state()

    def write_last_state(self) -> None:
        """Write STATE again if it has changed, or a message followed: targets would lose it."""
        self._drop_empty_bookmarks()
        if not self._tap.state.get("bookmarks"):
            return
        if not self.writer.is_state_last:
            self.writer.write_message(StateMessage(value=self._tap.state))
        elif self._has_written_state:  # A run that has written nothing ends without a word.
            self.write_state()

    def write_lines(self, lines: bytes) -> None:
        """Write ready-made messages."""
        self.writer.write_lines(lines)

    def write_period(self, row: PeriodRow) -> None:
        """Write a row of `report_periods`, if that stream is selected."""
        stream = self._tap.streams[PERIODS_STREAM]
        if isinstance(stream, PeriodsStream) and stream.selected:
            stream.emit(row)

    def raise_if_reader_has_gone(self) -> None:
        """Raise OutputClosed if the reader of stdout has gone."""
        if self.writer.is_closed():
            raise OutputClosed

    def _drop_empty_bookmarks(self) -> None:
        """Remove empty bookmarks: the SDK leaves one per synced stream, even without a state."""
        bookmarks = self._tap.state.get("bookmarks", {})
        for name in [name for name, bookmark in bookmarks.items() if not bookmark]:
            del bookmarks[name]
