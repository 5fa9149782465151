"""A tap with a selection, for tests that send no request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.simple import StateMessage

from tap_advexport.singer.messages import MessageWriter
from tap_advexport.tap import TapAdvexport
from tests.support.accounts import handlers_of_signals
from tests.support.catalogs import selected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from singer_sdk.singerlib.encoding.simple import Message


class RecordingWriter(MessageWriter):
    """Keeps what it is to write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[object] = []
        self.has_reader = True

    def write_message(self, message: Message) -> None:
        self.written.append(message)
        self.is_state_last = isinstance(message, StateMessage)

    def write_lines(self, lines: bytes) -> None:
        self.written.append(lines)
        self.is_state_last = False

    def is_closed(self) -> bool:
        return not self.has_reader


def tap_with(
    streams: Collection[str],
    config: Mapping[str, Any] | None = None,
    *,
    without: Collection[str] = (),
    state: dict[str, Any] | None = None,
    writer: MessageWriter | None = None,
) -> TapAdvexport:
    settings = {"auth_token": "made-up-token", "start_date": "2024-01-01", "end_date": "2024-01-31"}
    settings |= config or {}
    with handlers_of_signals():
        discovered = TapAdvexport(config=settings).catalog_dict
        catalog = selected(discovered, streams, without=without)
        return TapAdvexport(config=settings, catalog=catalog, state=state, message_writer=writer)
