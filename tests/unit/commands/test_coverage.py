"""The command that shows a calendar: what it reads, the status of each day, and what it draws."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.render_coverage import STATE, rendered
from tap_advexport.commands.calendar import CoverageCalendar, Status, calendar_of, range_to_show
from tap_advexport.commands.coverage import main
from tap_advexport.coverage.singer_state import bookmarks_of, coverage_of, parse_singer_state
from tap_advexport.coverage.state import AS_WRITTEN, Coverage, Exported, Rules
from tap_advexport.errors import StateError
from tap_advexport.reports import REPORTS, Interval
from tap_advexport.windows import DateWindow, Task
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_advexport.reports import Report

    Show = Callable[..., tuple[int, list[str], str]]

NOW = datetime(2024, 4, 2, 4, tzinfo=UTC)
DAILY, HOURLY, MONTHLY = REPORTS
BOOKMARK: dict[str, Any] = {
    "settled": [["2024-02-01", "2024-02-10"], ["2024-02-12", "2024-03-01"]],
    "unsettled": [
        ["2024-03-02", "2024-03-20", "2024-04-01T03:00:00Z"],
        ["2024-03-21", "2024-03-30", "2024-04-02T03:00:00Z"],
    ],
    "pending": [
        {
            "task_id": "a",
            "first": "2024-03-31",
            "last": "2024-03-31",
            "submitted_at": "2024-04-02T03:00:00Z",
        }
    ],
}
FULL = {"bookmarks": {"report_daily": BOOKMARK}}


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


def day(text: str) -> date:
    return date.fromisoformat(text)


def rules(
    interval: Interval = Interval.DAILY, lookback_days: int = AS_WRITTEN, zone: str = "UTC"
) -> Rules:
    return Rules(interval, ZoneInfo(zone), NOW, lookback_days)


def calendar(
    bookmark: dict[str, Any], report: Report = DAILY, lookback_days: int = AS_WRITTEN
) -> CoverageCalendar:
    asked = rules(report.interval, lookback_days)
    coverage = coverage_of(bookmark, report, asked, start_date=None)
    days = range_to_show(coverage, asked, start_date=None, end_date=None)
    assert days
    return calendar_of(report, coverage, days, asked)


# What is read


@pytest.mark.parametrize(
    "shape",
    [
        FULL,
        {"singer_state": FULL},
        {"completed": {"singer_state": FULL}, "partial": {}},
        {"completed": None, "partial": {"singer_state": FULL}},
        {"completed": {"singer_state": {"bookmarks": {"report_daily": {"settled": []}}}},
         "partial": {"singer_state": FULL}},
        {"type": "STATE", "value": FULL},
        {"_state_version": 1, "pipeline_name": "ads", "sources": {"advexport": FULL, "other": {}}},
    ],
    ids=["bare", "get", "completed", "partial", "both", "message", "dlt"],
)  # fmt: skip
def test_a_state_is_freed_of_what_is_wrapped_around_it(shape: dict[str, Any]) -> None:
    assert parse_singer_state(json.dumps(shape), "x") == FULL
    assert (
        bookmarks_of(parse_singer_state(json.dumps(shape, indent=1), "x"), "x") == FULL["bookmarks"]
    )


def test_of_a_dlt_pipeline_with_several_accounts_one_is_named(show: Show) -> None:
    other = {"bookmarks": {"report_daily": {"settled": [["2024-01-01", "2024-01-02"]]}}}
    source = {"accounts": {"north": FULL, "south": other}}
    state = {"sources": {"advexport": source}}
    code, _, error = show(state)
    assert code == 1
    assert "bookmarks of several accounts (north, south): give --account" in error
    assert show(state, "--account", "north") == show(FULL)
    code, _, error = show(state, "--account", "west")
    assert (code, "no bookmarks of the account west" in error) == (1, True)
    alone = {"sources": {"advexport": {"accounts": {"north": FULL}}}}
    assert show(alone) == show(FULL)
    assert "(none, north, south)" in show({"sources": {"advexport": {**FULL, **source}}})[2]


def test_of_several_lines_the_last_state_counts() -> None:
    older = {"bookmarks": {"report_daily": {"settled": [["2024-01-01", "2024-01-02"]]}}}
    assert parse_singer_state(f"{json.dumps(older)}\n{json.dumps(FULL)}\n\n", "x") == FULL


def test_a_partial_state_of_meltano_replaces_only_the_bookmarks_that_it_has() -> None:
    hourly = {"settled": [["2024-01-01", "2024-01-02"]]}
    stored = {
        "completed": {"singer_state": {"bookmarks": {"report_hourly": hourly, "report_daily": {}}}},
        "partial": {"singer_state": FULL},
    }
    found = parse_singer_state(json.dumps(stored), "x")["bookmarks"]
    assert found == {"report_hourly": hourly, "report_daily": BOOKMARK}


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
    nothing = ["Coverage as of 2024-04-02 04:00 UTC", "The state covers no day."]
    states: list[dict[str, Any]] = [{}, {"bookmarks": {}}, {"bookmarks": {"report_daily": {}}}]
    for state in states:
        assert show(state) == (0, nothing, "")


# The status of each day


def test_each_day_has_the_status_that_the_state_says() -> None:
    cells = calendar(BOOKMARK).cells
    found = {
        status: sorted(each for each, cell in cells.items() if cell.status is status)
        for status in Status
    }
    assert found[Status.FAILED] == [day("2024-02-11")]
    assert found[Status.PENDING] == [day("2024-03-31")]
    assert found[Status.MISSING] == [day("2024-04-01")]
    assert len(found[Status.SETTLED]) == 29
    assert cells[day("2024-03-20")].age_days == 1
    assert cells[day("2024-03-21")].age_days == 0
    assert list(cells) == [day("2024-02-01") + timedelta(days=n) for n in range(61)]


def test_a_task_that_no_run_takes_over_any_more_is_not_pending() -> None:
    task = {**BOOKMARK["pending"][0], "submitted_at": "2024-04-01T03:59:00Z"}
    cells = calendar({**BOOKMARK, "pending": [task]}).cells
    assert cells[day("2024-03-31")].status is Status.MISSING


def test_a_raised_lookback_shows_settled_days_that_are_due_again() -> None:
    cells = calendar(BOOKMARK, lookback_days=40).cells
    assert cells[day("2024-02-21")].status is Status.SETTLED
    assert cells[day("2024-02-22")].status is Status.PROVISIONAL
    assert cells[day("2024-02-22")].age_days is None


def test_today_is_shown_when_it_is_covered_and_no_day_after_the_end() -> None:
    asked = rules()
    today = Coverage(unsettled=(Exported(day("2024-04-01"), day("2024-04-02"), NOW),))
    assert range_to_show(today, asked, start_date=None, end_date=None) == DateWindow(
        day("2024-04-01"), day("2024-04-02")
    )
    bounds = {"start_date": day("2024-03-01"), "end_date": day("2024-04-01")}
    assert range_to_show(today, asked, **bounds) == DateWindow(*bounds.values())
    assert range_to_show(today, asked, start_date=day("2024-05-01"), end_date=None) is None
    assert range_to_show(Coverage(), asked, start_date=None, end_date=None) is None


def test_yesterday_is_that_of_the_time_zone() -> None:
    late = Coverage(settled=(DateWindow(day("2024-03-01"), day("2024-03-02")),))
    for zone, last in [("Pacific/Kiritimati", "2024-04-01"), ("Pacific/Niue", "2024-03-31")]:
        shown = range_to_show(late, rules(zone=zone), start_date=None, end_date=None)
        assert shown
        assert shown.last == day(last)


@pytest.mark.parametrize(
    ("bookmark", "statuses"),
    [
        ({"settled": [["2024-02-01", "2024-03-31"]]}, ["settled", "settled", "missing"]),
        (
            {"settled": [["2024-02-01", "2024-02-29"]],
             "unsettled": [["2024-03-01", "2024-03-30", "2024-03-31T03:00:00Z"]]},
            ["settled", "provisional", "missing"],
        ),
        (
            {"settled": [["2024-01-01", "2024-01-31"], ["2024-03-01", "2024-03-10"]]},
            ["settled", "failed", "provisional", "missing"],
        ),
    ],
)  # fmt: skip
def test_a_month_is_provisional_until_all_of_it_has_settled(
    bookmark: dict[str, Any], statuses: list[str]
) -> None:
    cells = calendar(bookmark, MONTHLY).cells
    assert [cell.status.value for cell in cells.values()] == statuses
    assert all(first.day == 1 for first in cells)


days = st.dates(day("2024-01-01"), day("2024-04-05"))
windows = st.tuples(days, days).map(lambda pair: DateWindow(min(pair), max(pair)))


@given(st.lists(windows, max_size=4), st.lists(windows, max_size=3), st.sampled_from(REPORTS))
def test_every_period_of_the_range_has_a_status_and_is_counted_once(
    covered: list[DateWindow], tasks: list[DateWindow], report: Report
) -> None:
    asked = rules(report.interval)
    coverage = Coverage(
        settled=tuple(covered[:1]),
        pending=tuple(Task(str(n), w, NOW) for n, w in enumerate(tasks)),
    )
    shown = range_to_show(coverage, asked, start_date=None, end_date=None)
    if shown is None:
        assert not covered[:1]
        assert not tasks
        return
    drawn = calendar_of(report, coverage, shown, asked)
    assert sum(drawn.count().values()) == len(drawn.cells)
    assert sum(stretch.count for stretch in drawn.stretches()) == len(drawn.cells)
    if report is not MONTHLY:
        assert len(drawn.cells) == shown.days
        settled = {each for each, cell in drawn.cells.items() if cell.status is Status.SETTLED}
        assert settled == {each for each in drawn.cells if any(each in w for w in covered[:1])}


# In the terminal


def test_a_day_is_one_symbol_and_an_exported_one_its_age(show: Show) -> None:
    code, out, error = show(FULL)
    assert (code, error) == (0, "")
    march = "." + "1" * 19 + "0" * 10 + "?"
    # January has no day in the calendar, and of April there is none.
    assert [line for line in out if re.search("Jan|Feb|Mar|Apr", line)] == [
        f"2024 Feb ..........!..................   Mar {march}",
    ]
    assert "  ! failed: 2024-02-11" in out
    assert "  ? pending: 2024-03-31" in out
    assert "  - missing: 2024-04-01" in out


def test_an_old_export_is_a_plus(show: Show) -> None:
    later = NOW + timedelta(days=12)
    _, out, _ = show(FULL, now=later)
    assert [line for line in out if re.search("Mar|Apr", line)] == [
        "2024 Feb ..........!..................   Mar ." + "+" * 29 + "-",
    ]


@pytest.mark.parametrize("color", ["always", "never"])
def test_three_years_of_three_reports_fit_into_one_screen(show: Show, color: str) -> None:
    state = (ROOT / STATE).read_text("utf-8")
    now = datetime(2024, 12, 31, 6, tzinfo=UTC)
    _, out, _ = show(state, "--color", color, now=now)
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out]
    assert max(map(len, plain)) < 80
    assert len(out) < 50
    assert (plain == out) == (color == "never")
    assert "2022  365 days settled" in plain


def test_many_gaps_are_named_in_part_and_counted(show: Show) -> None:
    settled = [[f"2024-03-{n:02}", f"2024-03-{n:02}"] for n in range(1, 30, 2)]
    _, out, _ = show({"bookmarks": {"report_daily": {"settled": settled}}})
    at = out.index("  ! failed: 2024-03-02, 2024-03-04, 2024-03-06, 2024-03-08, 2024-03-10 and 9")
    assert out[at + 1] == "    more"


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
        "import sys; from tap_advexport.commands import coverage, merge_states; "
        "sys.exit(bool({'singer_sdk', 'requests', 'tap_advexport.tap'} & sys.modules.keys()))"
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


# As a picture


def picture(show: Show, folder: Path, state: object, *options: str) -> ET.Element:
    path = folder / "coverage.svg"
    code, _, error = show(state, "--svg", str(path), *options)
    assert (code, error) == (0, "")
    return ET.fromstring(path.read_text("utf-8"))  # noqa: S314 - what this test has just made


def shapes(root: ET.Element, kind: str) -> dict[str, str]:
    paths = [each for each in root.findall(".//{*}path") if each.get("class") == kind]
    return {title.text or "": each.get("d", "") for each in paths for title in each}


def test_the_picture_has_a_box_for_each_day_and_names_its_stretches(
    show: Show, tmp_path: Path
) -> None:
    root = picture(show, tmp_path, FULL)
    settled = shapes(root, "settled")
    assert {title: path.count("M") for title, path in settled.items()} == {
        "2024-02-01 to 2024-02-10: settled": 10,
        "2024-02-12 to 2024-03-01: settled": 19,
        "settled: the figures no longer move": 1,
    }
    assert "2024-03-02 to 2024-03-20: provisional, exported 1 day ago" in shapes(
        root, "provisional"
    )
    assert "2024-02-11: failed" in shapes(root, "failed").keys() & shapes(root, "cross").keys()
    boxes = [
        box
        for each in root.findall(".//{*}path")
        if each.get("class") != "cross"
        for box in re.findall(r"M\d+ \d+", each.get("d", ""))
    ]
    assert len(boxes) == len(set(boxes)) == 61 + 6


def test_the_picture_stands_alone(show: Show, tmp_path: Path) -> None:
    root = picture(show, tmp_path, (ROOT / STATE).read_text("utf-8"))
    text = ET.tostring(root, encoding="unicode")
    assert {each.tag.split("}")[1] for each in root.iter()} == {
        "svg", "title", "desc", "style", "rect", "text", "path"
    }  # fmt: skip
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\(|href|@font-face", text)
    assert "prefers-color-scheme: dark" in text
    width, height = (int(root.get(name, "0")) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width} {height}"
    ends = [(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h", text)]
    assert all(0 <= x <= width - 10 and 0 <= y <= height - 10 for x, y in ends)


def test_days_never_share_a_place_whatever_weekday_a_year_begins_on(
    show: Show, tmp_path: Path
) -> None:
    years = range(1996, 2024)
    state = {"bookmarks": {"report_daily": {"settled": [["1996-01-01", "2023-12-31"]]}}}
    settled = shapes(picture(show, tmp_path, state, "--end-date", "2023-12-31"), "settled")
    for year in years:
        boxes = re.findall(r"M(\d+) (\d+)", settled[f"{year}-01-01 to {year}-12-31: settled"])
        assert len(set(boxes)) == len(boxes) == date(year, 12, 31).timetuple().tm_yday
        assert len({y for _, y in boxes}) == 7
        assert {int(x) for x, _ in boxes} <= {76 + 12 * n for n in range(54)}


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
    with pytest.raises(StateError, match="start-date"):
        coverage_of(state["bookmarks"]["report_daily"], DAILY, rules(), start_date=None)
