"""Singer messages: one a line, by the SDK or ready-made."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from singer_sdk.singerlib.encoding.simple import RecordMessage, StateMessage

from tap_advexport.singer.messages import MessageWriter, record_frame
from tap_advexport.singer.stdout import OutputClosed, WriteInterrupted
from tests.support.pipes import drained

LENGTHS = [1, 2, 511, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_000, 1_048_576, 1_500_000]


def test_messages_are_lines_and_the_last_state_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        stdout.write("by something else, ")
        writer = MessageWriter()
        found = []
        for message in (RecordMessage("s", {"a": "\n\u2028é"}), StateMessage({"bookmarks": {}})):
            writer.write_message(message)
            found.append(writer.is_state_last)
        writer.write_lines(b"{}\n")
        assert [*found, writer.is_state_last] == [False, True, False]
        assert not writer.is_closed()
    got = drained(reading).decode().split("\n")
    os.close(reading)
    assert json.loads(got[0].removeprefix("by something else, "))["record"] == {"a": "\n\u2028é"}
    assert json.loads(got[1])["type"] == "STATE"
    assert got[2:] == ["{}", ""]


def test_messages_go_to_whatever_stands_in_for_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stand_in)
    writer = MessageWriter()
    writer.write_lines("é\n".encode())
    assert stand_in.getvalue() == "é\n"
    assert not writer.is_closed()


def test_without_stdout_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputClosed):
        MessageWriter().write_lines(b"{}\n")


def test_a_writer_ends_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        writer = MessageWriter()
        writer.end_when(lambda: True)
        with pytest.raises(WriteInterrupted):
            writer.write_lines(b"{}\n")
    os.close(reading)


def test_records_are_framed_each() -> None:
    frame = record_frame("s", version=None, time_extracted="t")
    assert list(map(json.loads, frame.wrap(b'{"a":1}\n{"a":"\\n"}\n').splitlines())) == [
        {"type": "RECORD", "stream": "s", "record": {"a": value}, "time_extracted": "t"}
        for value in (1, "\n")
    ]
    [versioned] = record_frame("s", version=7, time_extracted="t").wrap(b"{}\n").splitlines()
    assert json.loads(versioned)["version"] == 7
