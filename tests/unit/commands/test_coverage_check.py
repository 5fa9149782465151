"""What a monitor is told of a state, and with which exit code."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.commands.coverage import main
from tap_advexport.commands.coverage_check import parse_age

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Check = Callable[..., tuple[int, Any]]

# A daily schedule in the morning: the state after the run of 2 April, 03:00.
HEALTHY: dict[str, Any] = {
    "settled": [["2024-01-01", "2024-03-01"]],
    "unsettled": [["2024-03-02", "2024-04-01", "2024-04-02T03:00:00Z"]],
}
STALE = [
    ["2024-03-02", "2024-03-10", "2024-03-20T03:00:00Z"],
    ["2024-03-11", "2024-04-01", "2024-04-02T03:00:00Z"],
]
WITH_FAILED = {**HEALTHY, "settled": [["2024-01-01", "2024-02-10"], ["2024-02-13", "2024-03-01"]]}
PENDING = {
    "task_id": "t",
    "first": "2024-04-01",
    "last": "2024-04-01",
    "submitted_at": "2024-04-02T03:00:00Z",
}
BETWEEN = {**PENDING, "first": "2024-02-11", "last": "2024-02-12"}
MORNING = "2024-04-02T04:00:00Z"


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    def run(bookmarks: dict[str, Any], now: str, *options: str) -> tuple[int, Any]:
        path = tmp_path / "state.json"
        path.write_text(json.dumps({"bookmarks": bookmarks}))
        code = main([str(path), "--check", "--now", now, *options])
        return code, capsys.readouterr()

    return run


@pytest.mark.parametrize(("bookmarks", "now", "options", "told"), [
    ({"report_daily": HEALTHY}, MORNING, [], ""),
    # One run was left out, and two.
    ({"report_daily": HEALTHY}, "2024-04-03T23:00:00Z", [], ""),
    ({"report_daily": HEALTHY}, "2024-04-05T04:00:00Z", [],
     "nothing of 2024-04-02 to 2024-04-04; 2024-03-02 to 2024-04-01 last exported 2024-04-02"),
    ({"report_daily": HEALTHY}, "2024-04-05T04:00:00Z", ["--max-age", "4d"], ""),
    ({"report_daily": HEALTHY}, "2024-04-05T04:00:00Z", ["--max-age", "71h"], "last exported"),
    ({"report_daily": HEALTHY}, "2024-04-05T04:00:00Z", ["--max-age", "51h"], "nothing of"),
    ({"report_daily": HEALTHY}, "2024-04-05T04:00:00Z",
     ["--end-date", "2024-04-01"], "last exported"),
    ({"report_daily": {"settled": [["2024-01-01", "2024-04-01"]]}}, "2024-06-01T00:00:00Z",
     ["--end-date", "2024-04-01"], ""),
    ({"report_daily": HEALTHY}, MORNING, ["--start-date", "2023-12-01"],
     "nothing of 2023-12-01 to 2023-12-31"),
    ({"report_daily": {**HEALTHY, "unsettled": STALE}}, MORNING, [],
     "2024-03-02 to 2024-03-10 last exported 2024-03-20 03:00 UTC"),
    ({"report_daily": {**HEALTHY, "unsettled": STALE}}, MORNING, ["--end-date", "2024-03-01"],
     "2024-03-02 to 2024-03-10 last exported 2024-03-20 03:00 UTC"),
    ({"report_daily": {**HEALTHY, "unsettled": STALE}}, MORNING, ["--start-date", "2024-03-05"],
     "2024-03-02 to 2024-03-10 last exported 2024-03-20 03:00 UTC"),
    ({"report_daily": WITH_FAILED}, MORNING, [],
     "report_daily: 2 days failed (2024-02-11 to 2024-02-12)"),
    ({"report_daily": WITH_FAILED}, MORNING, ["--allow-failed", "1"], "2 days failed"),
    # Each run leaves a task of a day that it could not load.
    ({"report_daily": {**WITH_FAILED, "pending": [BETWEEN]}}, MORNING, [],
     "report_daily: 2 days failed (2024-02-11 to 2024-02-12)"),
    ({"report_daily": {**WITH_FAILED, "pending": [BETWEEN]}}, MORNING, ["--allow-failed", "2"], ""),
    ({"report_daily": {**WITH_FAILED, "pending": [BETWEEN]}}, MORNING, ["--max-age", "99d"], ""),
    ({"report_daily": WITH_FAILED}, MORNING, ["--allow-failed", "2"], ""),
    ({"report_daily": HEALTHY, "report_monthly": WITH_FAILED}, MORNING, [],
     "report_monthly: 1 month failed (2024-02)"),
    ({"report_monthly": HEALTHY}, "2024-04-20T04:00:00Z", ["--max-age", "20d"], ""),
    ({"report_monthly": HEALTHY}, "2024-04-20T04:00:00Z", ["--max-age", "17d"],
     "nothing of 2024-04-02 to 2024-04-19"),
    # A task is under way, and no day is wanted for longer than may be.
    ({"report_daily": {"pending": [PENDING]}}, "2024-04-02T04:00:00Z",
     ["--start-date", "2024-04-01"], ""),
    ({}, MORNING, [], "the state covers no day"),
    ({"report_daily": {}}, MORNING, [], "the state covers no day"),
    ({"report_daily": HEALTHY, "report_hourly": {"settled": []}}, MORNING, [],
     "report_hourly: covers no day"),
    # No day is over yet.
    ({"report_daily": {"settled": []}}, "2024-04-02T04:00:00Z", ["--start-date", "2024-04-02"], ""),
    ({"report_daily": {"settled": []}}, "2024-04-02T04:00:00Z", [], "the state covers no day"),
    ({"report_daily": HEALTHY, "report_hourly": {"settled": []}}, "2024-04-02T04:00:00Z",
     ["--start-date", "2024-04-01"], ""),
])  # fmt: skip
def test_a_state_is_well_or_says_in_one_line_why_not(
    check: Check, bookmarks: dict[str, Any], now: str, options: list[str], told: str
) -> None:
    code, printed = check(bookmarks, now, *options)
    assert (printed.out + printed.err).count("\n") == 1
    if told:
        assert (code, printed.out) == (1, "")
        assert told in printed.err
    else:
        assert (code, printed.err) == (0, "")
        assert printed.out.startswith("ok: report_")


def test_what_is_well_is_said_with_its_last_day(check: Check) -> None:
    _, printed = check({"report_daily": HEALTHY, "report_monthly": HEALTHY}, "2024-04-03T00:00:00Z")
    assert printed.out == (
        "ok: report_daily: 92 days to 2024-04-01 | report_monthly: 92 days to 2024-04-01\n"
    )


@pytest.mark.parametrize(("now", "zone", "is_missed"), [
    # 2 April is not there. It ends at 00:00 UTC, in New York at 04:00 UTC.
    ("2024-04-04T01:59:00Z", "UTC", False),
    ("2024-04-04T02:01:00Z", "UTC", True),
    ("2024-04-04T05:59:00Z", "America/New_York", False),
    ("2024-04-04T06:01:00Z", "America/New_York", True),
])  # fmt: skip
def test_a_day_is_over_at_midnight_of_the_account(
    check: Check, now: str, zone: str, *, is_missed: bool
) -> None:
    bookmark = {"settled": [["2024-01-01", "2024-04-01"]]}
    code, printed = check({"report_daily": bookmark}, now, "--max-age", "26h", "--timezone", zone)
    assert code == is_missed
    assert ("nothing of 2024-04-02" in printed.err) == is_missed


@pytest.mark.parametrize(("text", "age"), [
    ("2d", timedelta(days=2)), ("2", timedelta(days=2)), ("36h", timedelta(hours=36)),
    ("90m", timedelta(minutes=90)), ("2 weeks", None), ("-1d", None), ("", None), ("1e3d", None),
])  # fmt: skip
def test_an_age_is_a_number_with_its_unit(text: str, age: timedelta | None) -> None:
    assert parse_age(text) == age


def test_an_age_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-", "--check", "--max-age", "soon"]) == 1
    assert "--max-age" in (told := capsys.readouterr().err)
    assert told.count("\n") == 1
