"""A tap with a selection, for tests that send no request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.encoding.simple import StateMessage

from tap_advexport.singer.messages import MessageWriter
from tap_advexport.tap import TapAdvexport
from tests.support.accounts import handlers_of_signals

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

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


def selection(
    streams: Collection[str], without: Iterable[str], config: Mapping[str, Any]
) -> dict[str, Any]:
    """The catalog as a person saves it who wants just these streams, without some columns."""
    catalog: dict[str, Any] = json.loads(json.dumps(TapAdvexport(config=config).catalog_dict))
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
            elif entry["breadcrumb"][-1] in without:
                entry["metadata"] = {"inclusion": "available", "selected": False}
    return catalog


def tap_with(
    streams: Collection[str],
    config: Mapping[str, Any] | None = None,
    *,
    without: Iterable[str] = (),
    state: dict[str, Any] | None = None,
    writer: MessageWriter | None = None,
) -> TapAdvexport:
    settings = {"auth_token": "made-up-token", "start_date": "2024-01-01", "end_date": "2024-01-31"}
    settings |= config or {}
    with handlers_of_signals():
        catalog = selection(streams, without, settings)
        return TapAdvexport(config=settings, catalog=catalog, state=state, message_writer=writer)
