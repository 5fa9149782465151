"""The command that merges states: what it reads, prints and refuses."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.commands.merge_states import main
from tap_advexport.coverage.bookmark import render_bookmark
from tap_advexport.coverage.state import Coverage
from tests.support.days import rules, window

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2024, 4, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (
            {"bookmarks": {"users": {"x": 1}, "report_daily": {"settled": []}}},
            {"bookmarks": {"users": {"x": 2}, "report_daily": {"settled": []}}},
            "bookmarks.users",
        ),
        ({"bookmarks": {}, "tap": 1}, {"bookmarks": {}, "tap": 2}, "tap"),
        ({"bookmarks": {}}, {"bookmarks": {"report_daily": {"x": 1}}}, "bookmarks.report_daily"),
        (
            {"bookmarks": {}},
            {"bookmarks": {"report_daily": {"replication_key_value": "2024-01-01"}}},
            "--start-date",
        ),
    ],
)
def test_what_cannot_be_joined_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    one: dict[str, Any],
    other: dict[str, Any],
    words: str,
) -> None:
    code, error = run(tmp_path, capsys, one, other)
    assert code == 1
    assert isinstance(error, str)
    assert error.startswith("tap-advexport-merge-states: ")
    assert error.count("\n") == 1
    assert words in error


def run(
    folder: Path, capsys: pytest.CaptureFixture[str], *states: object, options: tuple[str, ...] = ()
) -> tuple[int, Any]:
    paths = [folder / f"{number}.json" for number in range(len(states))]
    for path, state in zip(paths, states, strict=True):
        path.write_text(json.dumps(state), "utf-8")
    code = main([*map(str, paths), "--now", NOW.isoformat(), *options])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if code == 0 else printed.err


def bookmark(*settled: tuple[str, str]) -> dict[str, Any]:
    coverage = Coverage(settled=tuple(window(*each) for each in settled))
    return {"bookmarks": {"report_daily": render_bookmark(coverage, rules(now=NOW))}}


def test_shares_of_a_backfill_become_one_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shares = [
        bookmark(("2023-01-01", "2023-12-31")),
        {"singer_state": bookmark(("2022-01-01", "2022-12-31"))},
        {"completed": {"singer_state": bookmark(("2024-01-01", "2024-03-01"))}, "partial": {}},
    ]
    whole = bookmark(("2022-01-01", "2024-03-01"))
    assert run(tmp_path, capsys, *shares) == (0, whole)
    code, wrapped = run(tmp_path, capsys, *shares, options=("--meltano",))
    assert (code, wrapped) == (0, {"singer_state": whole})


def test_a_state_that_meltano_does_not_know_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, error = run(tmp_path, capsys, {}, {})
    assert code == 1
    assert "no bookmark in" in error
    assert error.count("\n") == 1
    known = bookmark(("2023-01-01", "2023-12-31"))
    for name, state in ("2022", {}), ("2023", known):
        (tmp_path / name).write_text(json.dumps(state), "utf-8")
    code = main([str(tmp_path / "2022"), str(tmp_path / "2023"), "--now", NOW.isoformat()])
    printed = capsys.readouterr()
    assert (code, json.loads(printed.out)) == (0, known)
    assert printed.err.startswith(f"tap-advexport-merge-states: {tmp_path / '2022'}: no bookmark")
    assert printed.err.count("\n") == 1


def test_states_that_differ_in_shape_are_merged_only_when_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    states = [bookmark(("2023-01-01", "2023-12-31")), bookmark(("2024-01-01", "2024-03-01"))]
    paths = [tmp_path / "north.json", tmp_path / "south.json"]
    for path, state, shape in zip(paths, states, ("n", "s"), strict=True):
        state["bookmarks"]["report_daily"]["shape"] = shape
        path.write_text(json.dumps(state), "utf-8")
    assert main([*map(str, paths), "--now", NOW.isoformat()]) == 1
    printed = capsys.readouterr()
    assert "report_daily: the states differ in columns" in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert main([*map(str, paths), "--any-shape", "--now", NOW.isoformat()]) == 0
    printed = capsys.readouterr()
    [merged] = json.loads(printed.out)["bookmarks"].values()
    assert merged["settled"] == [["2023-01-01", "2024-03-01"]]


def test_a_bookmark_alone_is_merged_from_the_start_date_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = {"bookmarks": {"report_daily": {"replication_key_value": "2024-01-31"}}}
    options = ("--start-date", "2024-01-01")
    code, merged = run(
        tmp_path, capsys, alone, bookmark(("2024-02-01", "2024-02-10")), options=options
    )
    assert code == 0
    found = merged["bookmarks"]["report_daily"]
    assert found["unsettled"] == [["2024-01-01", "2024-01-31", "2024-02-01T00:00:00Z"]]
    assert found["replication_key_value"] == "2024-02-10"


def test_one_of_the_states_may_come_from_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(bookmark(("2024-02-01", "2024-02-10")))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    path = tmp_path / "other.json"
    path.write_text(json.dumps(bookmark(("2024-01-01", "2024-01-31"))), "utf-8")
    assert main(["-", str(path), "--now", NOW.isoformat()]) == 0
    assert json.loads(capsys.readouterr().out) == bookmark(("2024-01-01", "2024-02-10"))


@pytest.mark.parametrize("arguments", [[], ["a.json", "a.json"], ["nope.json"], ["--meltan", "a"]])
def test_a_wrong_command_line_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1


def test_what_a_person_should_know_about_a_state_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = bookmark(("2023-01-01", "2023-12-31"))
    ahead["bookmarks"]["report_daily"]["settled"] = [["2023-01-01", "2030-12-31"]]
    ahead["bookmarks"]["report_daily"]["replication_key_value"] = "2030-12-31"
    path = tmp_path / "ahead.json"
    path.write_text(json.dumps(ahead), "utf-8")
    assert main([str(path), "--now", NOW.isoformat()]) == 0
    told = capsys.readouterr().err
    assert told.startswith(f"tap-advexport-merge-states: {path}: report_daily: the state covers")
    assert told.count("\n") == 1
