"""A state that is not one: the small commands and the tap say the same of it."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING

import pytest

from tap_advexport.commands.coverage import main as coverage
from tap_advexport.commands.merge_states import main as merge_states
from tap_advexport.commands.state_files import read_state
from tap_advexport.coverage.state_envelope import parse_state_object
from tap_advexport.errors import StateError
from tap_advexport.json_files import decode
from tap_advexport.singer.inputs import checked_state

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"bookmarks": {"report_daily": {"settled": [["2024-01-01", "2024-01-31"]]}}}


def told_by_the_tap(data: bytes) -> str:
    with pytest.raises(StateError) as told:
        checked_state(parse_state_object(decode(data, StateError, "state"), "state"))
    return str(told.value)


@pytest.mark.parametrize(("data", "words"), [
    (b"", "is empty: a run before was cut off while it was written, or wrote no STATE; put"),
    (b" \n", "is empty"),
    (codecs.BOM_UTF8, "is empty"),
    (b'{"bookmarks": {"report_daily": {"settled": [["2024-01-01', "ends in the middle (line 1)"),
    (b'{"bookmarks": {"report_daily": [1]}}', "bookmarks.report_daily is not a JSON object"),
    (b'{"bookmarks": {"report_dayly": {"settled": []}}}', "did you mean report_daily?"),
    (b'{"bookmarks": {"daily": {"settled": []}}}', "did you mean report_daily?"),
    (b'\xff\xfe{"bookmarks": {}}', "is not text in UTF-8 (line 1)"),
    (b"[1]", "is not a JSON object"),
])  # fmt: skip
def test_tap_and_commands_agree_on_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, words: str
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(data)
    told = told_by_the_tap(data)
    assert words in told
    for main in (coverage, merge_states):
        assert main([str(path)]) == 1
        line = capsys.readouterr().err
        assert line.endswith(told.removeprefix("state") + "\n")
        assert f": state: {path}" in line
        assert line.count("\n") == 1


def test_a_state_of_another_tap_is_one_line_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state.json"
    path.write_text('{"bookmarks": {"orders": {"id": 7}, "users": {"id": 8}}}')
    for main in (coverage, merge_states):
        assert main([str(path)]) == 1
        assert capsys.readouterr().err.endswith(
            "has no bookmark of this tap, but of orders, users: name a state of tap-advexport\n"
        )


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(codecs.BOM_UTF8 + json.dumps(GOOD).encode())
    assert read_state(str(path)) == GOOD
    assert checked_state(parse_state_object(path.read_text("utf-8-sig"), "state")) == GOOD


def test_of_a_file_of_states_that_is_cut_nothing_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "states.jsonl"
    path.write_text(f'{json.dumps(GOOD)}\n{{"bookmarks": {{"repo')
    assert coverage([str(path)]) == 1
    assert "is not valid JSON (line 2, column 1)" in capsys.readouterr().err
