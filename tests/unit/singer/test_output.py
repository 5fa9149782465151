"""STATE and the rows of `report_periods`: what is written, when, and what is left of the SDK's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib.encoding.simple import StateMessage

from tap_advexport.singer.output import SingerOutput
from tap_advexport.singer.stdout import OutputClosed
from tests.support.taps import RecordingWriter


class Tap:
    """What a tap has for its output."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.message_writer: SingerWriter = RecordingWriter()
        self.streams: dict[str, Any] = {}
        self.states: list[dict[str, Any]] = []
        self.state_writer = SimpleNamespace(write_state=self.states.append)

    @property
    def written(self) -> list[object]:
        assert isinstance(self.message_writer, RecordingWriter)
        return self.message_writer.written


def output_of(tap: Tap) -> SingerOutput:
    return SingerOutput(cast("Any", tap))


@pytest.mark.parametrize("state", [{}, {"bookmarks": None}, {"bookmarks": {"other": {}}}])
def test_a_stream_without_a_bookmark_has_none(state: dict[str, Any]) -> None:
    assert output_of(Tap(state)).bookmark("report_daily") is None


def test_a_bookmark_is_set_beside_those_of_others_and_the_empty_ones_go() -> None:
    tap = Tap({"bookmarks": {"report_hourly": {}, "users": {"id": 7}}})
    output = output_of(tap)
    output.set_bookmark("report_daily", {"settled": []})
    assert tap.state == {"bookmarks": {"users": {"id": 7}, "report_daily": {"settled": []}}}
    assert output.bookmark("report_daily") == {"settled": []}
    output.write_state()
    assert tap.states == [tap.state]


def test_a_dry_run_ends_with_the_state_as_it_came_in() -> None:
    tap = Tap({})
    output_of(tap).echo_state()
    assert tap.states == [{"bookmarks": {}}]
    assert tap.written == []


def test_the_last_state_is_written_again_only_behind_something_else() -> None:
    tap = Tap({"bookmarks": {"report_daily": {"settled": []}, "report_hourly": {}}})
    output = output_of(tap)
    output.write_last_state()
    assert tap.written == []
    output.write_lines(b"{}\n")
    output.write_last_state()
    output.write_last_state()
    assert tap.written[0] == b"{}\n"
    [state] = tap.written[1:]
    assert isinstance(state, StateMessage)
    assert state.value == {"bookmarks": {"report_daily": {"settled": []}}}


def test_the_last_state_has_what_changed_after_the_one_before() -> None:
    tap = Tap({"bookmarks": {"report_daily": {"pending": []}}})
    output = output_of(tap)
    output.write_last_state()
    assert tap.states == []
    output.write_state()
    output.set_bookmark("report_daily", {"pending": ["task"]})
    output.write_last_state()
    assert tap.states[1:] == [{"bookmarks": {"report_daily": {"pending": ["task"]}}}]


def test_where_there_is_no_bookmark_there_is_no_last_state() -> None:
    tap = Tap({"bookmarks": {"report_hourly": {}}})
    output_of(tap).write_lines(b"{}\n")
    output_of(tap).write_last_state()
    assert tap.written == [b"{}\n"]


def test_a_reader_that_has_gone_ends_the_run() -> None:
    tap = Tap({})
    output_of(tap).raise_if_reader_has_gone()
    assert isinstance(tap.message_writer, RecordingWriter)
    tap.message_writer.has_reader = False
    with pytest.raises(OutputClosed):
        output_of(tap).raise_if_reader_has_gone()


def test_a_writer_that_cannot_write_ready_lines_is_a_mistake_of_ours() -> None:
    tap = Tap({})
    tap.message_writer = SingerWriter()
    with pytest.raises(TypeError):
        output_of(tap).write_lines(b"{}\n")
