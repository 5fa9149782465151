"""The command that shows a calendar: what it reads, says of mistakes, and shows where."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from scripts.render_coverage import rendered
from tap_advexport.commands.coverage import main
from tests.support.calendars import FULL
from tests.support.days import NOW
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    Show = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Show:
    def run(state: object, *options: str, now: datetime = NOW) -> tuple[int, list[str], str]:
        text = state if isinstance(state, str) else json.dumps(state)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            code = main(["-", "--now", now.isoformat(), *options])
        printed = capsys.readouterr()
        return code, printed.out.splitlines(), printed.err

    return run


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("{", "ends in the middle"),
        ("[" * 100_000, "is not valid JSON"),
        ("[1]", "is not a JSON object"),
        ('"state"', "is not a JSON object"),
        ('{"tap": 1}', "neither bookmarks nor a singer_state"),
        ('{"singer_state": 3}', "singer_state is not a JSON object"),
        ('{"bookmarks": []}', "bookmarks is not a JSON object"),
        ('{"bookmarks": {"report_daily": 7}}', "bookmarks.report_daily is not a JSON object"),
        ('{"sources": {"github": {}}}', "sources.advexport has no bookmarks: nothing"),
        ('{"sources": {"advexport": {"bookmarks": [1]}}}', "bookmarks is not a JSON object"),
        ('{"bookmarks": {"report_daily": {"settled": [["2024-01-02", "2024-01-01"]]}}}', "settled"),
        ('{"bookmarks": {"report_daily": {"setled": []}}}', "setled"),
        ('{"bookmarks": {"report_daily": {"replication_key_value": "2024-01-01"}}}', "start-date"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_1(show: Show, text: str, words: str) -> None:
    code, out, error = show(text)
    assert (code, out) == (1, [])
    assert error.startswith("tap-advexport-coverage: ")
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--timezone", "Mars/Base"], "timezone"),
        (["--start-date", "yesterday"], "start_date"),
        (["--lookback-days", "-1"], "lookback_days"),
        (["--end-date", "2024-02-30"], "end_date"),
        (["--now", "soon"], "--now"),
        (["--config", "/nowhere/config.json"], "config: /nowhere/config.json"),
        (["--svg", "/nowhere/coverage.svg"], "svg: /nowhere/coverage.svg"),
        (["--colour"], "--colour"),
        (["--color", "red"], "color"),
    ],
)  # fmt: skip
def test_a_bad_option_is_one_line_and_exit_code_1(
    show: Show, options: list[str], words: str
) -> None:
    code, out, error = show(FULL, *options)
    assert (code, out, error.count("\n")) == (1, [], 1)
    assert words in error


def test_the_config_of_the_tap_says_what_no_option_does(show: Show, tmp_path: Path) -> None:
    config = {
        "auth_token": "secret",
        "start_date": "2024-02-08T00:00:00Z",
        "end_date": "2024-03-25",
        "lookback_days": 40,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), "utf-8")
    _, of_config, _ = show(FULL, "--config", str(path))
    assert of_config[2] == "report_daily  2024-02-08 to 2024-03-25"
    _, of_both, _ = show(FULL, "--config", str(path), "--start-date", "2024-02-09")
    assert of_both[2] == "report_daily  2024-02-09 to 2024-03-25"
    path.write_text('{"auth_token": "secret", ', "utf-8")
    code, _, error = show(FULL, "--config", str(path))
    assert (code, error.count("\n")) == (1, 1)
    assert "secret" not in error


def test_the_environment_of_the_tap_says_what_no_option_does(
    show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAP_ADVEXPORT_START_DATE", "2024-02-08")
    monkeypatch.setenv("TAP_ADVEXPORT_END_DATE", "")
    _, of_environment, _ = show(FULL, "--config", "ENV")
    assert of_environment[2] == "report_daily  2024-02-08 to 2024-04-01"
    _, of_both, _ = show(FULL, "--config", "ENV", "--start-date", "2024-02-09")
    assert of_both[2] == "report_daily  2024-02-09 to 2024-04-01"
    _, without, _ = show(FULL)
    assert without[2] == "report_daily  2024-02-01 to 2024-04-01"


def test_a_state_without_days_is_no_mistake(show: Show) -> None:
    nothing = ["Coverage as of 2024-04-02 03:00 UTC", "The state covers no day."]
    states: list[dict[str, Any]] = [{}, {"bookmarks": {}}, {"bookmarks": {"report_daily": {}}}]
    for state in states:
        assert show(state) == (0, nothing, "")


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_gets_colours_unless_they_are_not_wanted(
    tmp_path: Path, variables: dict[str, str], *, is_coloured: bool
) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(FULL), "utf-8")
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **variables}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tap_advexport.commands.coverage", str(path)],
        stdout=theirs,
        env=environment,
        cwd=ROOT,
    ):
        os.close(theirs)
        printed = b""
        while piece := _read(ours):
            printed += piece
    os.close(ours)
    assert b"Coverage as of" in printed
    assert (b"\x1b[32m" in printed) == is_coloured


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:  # the other end was closed
        return b""


def test_it_starts_without_the_sdk_and_ends_quietly_when_nobody_reads(tmp_path: Path) -> None:
    code = (
        "import sys; from tap_advexport.commands import audit, coverage, merge_states; "
        "heavy = {'singer_sdk', 'requests', 'msgspec', 'tap_advexport.tap'}; "
        "sys.exit(bool(heavy & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
    path = tmp_path / "state.json"
    path.write_text(json.dumps(FULL), "utf-8")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport.commands.coverage", str(path)],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        cwd=ROOT,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_picture_is_written_beside_the_text(show: Show, tmp_path: Path) -> None:
    path = tmp_path / "coverage.svg"
    code, out, _ = show(FULL, "--svg", str(path))
    assert (code, out[0]) == (0, "Coverage as of 2024-04-02 03:00 UTC")
    assert path.read_text("utf-8").startswith("<svg ")


def test_colours_may_be_asked_for(show: Show) -> None:
    (_, plain, _), (_, coloured, _) = (show(FULL, "--color", each) for each in ("never", "always"))
    assert plain == show(FULL)[1]
    assert any("\x1b[32m" in line for line in coloured)


def test_picture_and_page_of_the_docs_are_those_that_the_command_makes() -> None:
    for name, text in rendered().items():
        assert (ROOT / name).read_text("utf-8") == text, "run scripts/render_coverage.py"


def test_an_unknown_bookmark_of_another_tap_is_not_shown(show: Show) -> None:
    _, out, _ = show({"bookmarks": {**FULL["bookmarks"], "users": {"x": [1]}}})
    assert [line.split()[0] for line in out if line.startswith("report_")] == ["report_daily"]


def test_a_bookmark_alone_counts_from_the_start_date_on(show: Show) -> None:
    state = {"bookmarks": {"report_daily": {"replication_key_value": "2024-03-31T00:00:00Z"}}}
    code, out, _ = show(state, "--start-date", "2024-01-01", "--lookback-days", "30")
    assert code == 0
    assert out[3].startswith("92 days: 61 settled, 30 provisional")
