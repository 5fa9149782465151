"""The command against the sandbox, over real HTTP: rows, STATE, faults, exit codes."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from advexport_sandbox import Interval, Match, Sandbox, SandboxConfig
from tests.support.api_rows import emitted, typed
from tests.support.tap_process import FIRST, LAST, SandboxTap, Told, tap_on


@pytest.fixture
def sandbox_config() -> SandboxConfig:
    return SandboxConfig(
        now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=12, repeat_share=0.1, seed=7
    )


@pytest.fixture
def command(tmp_path: Path, sandbox: Sandbox) -> SandboxTap:
    return tap_on(sandbox, tmp_path)


def assert_is_truth(
    result: Told, sandbox: Sandbox, interval: Interval = Interval.DAILY, first: date = FIRST
) -> None:
    records = result.records(f"report_{interval.value}")
    truth = sandbox.truth(interval, first, LAST)
    assert Counter(map(emitted, records)) == Counter(map(typed, truth))
    assert len({record["row_key"] for record in records}) == len(records)


@pytest.mark.parametrize("interval", list(Interval))
def test_every_row_of_the_api_comes_out_once(command: SandboxTap, interval: Interval) -> None:
    result = command.run(streams=[f"report_{interval.value}", "report_periods"])
    assert result.code == 0, result.log
    first = FIRST.replace(day=1) if interval is Interval.MONTHLY else FIRST
    assert_is_truth(result, command.sandbox, interval, first)
    assert "Summary: " in result.log.rstrip().splitlines()[-1]


def test_periods_hold_the_totals_of_the_rows_also_of_empty_days(command: SandboxTap) -> None:
    result = command.run()
    rows = Counter(record["report_date"] for record in result.records("report_daily"))
    costs: Counter[str] = Counter()
    for record in result.records("report_daily"):
        costs[record["report_date"]] += record["cost_aggr"] or 0
    found = {
        period["period"]: (period["row_count"], period["cost_aggr"])
        for period in result.records("report_periods")
    }
    all_days = [(FIRST + timedelta(days=n)).isoformat() for n in range((LAST - FIRST).days + 1)]
    assert found == {day: (rows[day], costs[day]) for day in all_days}


def test_a_second_run_on_settled_days_sends_no_request(command: SandboxTap) -> None:
    state = command.run().state
    before = len(command.sandbox.requests)
    again = command.run(state)
    assert again.code == 0
    assert len(command.sandbox.requests) == before
    assert again.state == state


def test_rows_are_out_before_the_state_that_covers_them(command: SandboxTap) -> None:
    seen: set[str] = set()
    for message in command.run().messages:
        if message["type"] == "RECORD" and message["stream"] == "report_periods":
            seen.add(message["record"]["period"])
        if message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["report_daily"]
            for first, last, *_ in [*bookmark["settled"], *bookmark["unsettled"]]:
                day = date.fromisoformat(first)
                while day <= date.fromisoformat(last):
                    assert day.isoformat() in seen
                    day += timedelta(days=1)


def test_a_killed_run_leaves_tasks_that_the_next_one_adopts(tmp_path: Path) -> None:
    config = SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=5, latency=2)
    with Sandbox(config) as sandbox:
        command = tap_on(sandbox, tmp_path)
        with subprocess.Popen(
            command.arguments(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as tap:
            assert tap.stdout
            states = []
            for line in tap.stdout:
                message = json.loads(line)
                states += [message["value"]] if message["type"] == "STATE" else []
                if states and len(states[-1]["bookmarks"]["report_daily"]["pending"]) == 4:
                    break
            tap.kill()
        result = command.run(states[-1])
        assert result.code == 0
        assert sandbox.submissions == 4
        assert_is_truth(result, sandbox)


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_ends_the_run_with_the_tasks_in_the_last_state(
    tmp_path: Path, signum: signal.Signals, code: int, unbuffered: str
) -> None:
    config = SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), latency=60)
    with Sandbox(config) as sandbox:
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        with subprocess.Popen(
            tap_on(sandbox, tmp_path).arguments(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        ) as tap:
            deadline = time.monotonic() + 20
            while sandbox.submissions < 4 and time.monotonic() < deadline:
                time.sleep(0.05)
            tap.send_signal(signum)
            tap.send_signal(signal.SIGTERM)
            out, log = tap.communicate(timeout=10)
        assert tap.returncode in ({code} if signum is signal.SIGTERM else {code, 143})
        last = json.loads(out.splitlines()[-1])
        assert len(last["value"]["bookmarks"]["report_daily"]["pending"]) == 4
        assert b"Traceback" not in log


SURVIVED = [
    "submit-error-result",
    "submit-lost",
    "status-500",
    "status-503",
    "status-429-date",
    "task-failure",
    "task-revoked",
    "success-without-url",
    "url-expired",
    "download-404",
    "download-410",
    "truncated-json",
    "not-json",
    "huge-json",
    "html-body",
    "json-body",
    "xml-body",
    "zip-body",
    "empty-body",
    "cut",
    "cut-chunked",
    "cut-gzip",
    "cut-gzip-member",
    "cut-mid-row",
    "cut-open-quote",
    "reset",
    "bad-cell",
    "short-row",
    "row-outside-window",
    "off-grid-row",
    "invalid-utf8",
    "utf16",
    "missing-column",
    "duplicate-column",
    "extra-column",
    "crlf",
    "bom",
    "gzip",
    "gzip-file",
    "gzip-multi-member",
    "reversed-columns",
    "blank-lines",
    "chunked",
    "no-length",
]


@pytest.mark.parametrize("fault", SURVIVED)
def test_a_fault_that_passes_costs_no_row(command: SandboxTap, fault: str) -> None:
    injected = command.sandbox.inject(fault)
    result = command.run(window_days=5)
    assert injected.hits == 1
    assert result.code == 0, result.log
    assert_is_truth(result, command.sandbox)


def test_a_day_that_fails_leaves_the_others_and_the_next_run_asks_for_just_it(
    command: SandboxTap,
) -> None:
    bad = date(2024, 2, 4)
    command.sandbox.inject("bad-cell", count=None, match=Match(day=bad))
    result = command.run(window_days=4)
    assert result.code == 1
    assert "Traceback" not in result.log
    assert f"Failed days: report daily, {bad}" in result.log
    days = {record["report_date"] for record in result.records("report_daily")}
    assert bad.isoformat() not in days
    command.sandbox.clear_faults()
    before = command.sandbox.submissions
    again = command.run(result.state, window_days=4)
    assert again.code == 0
    assert command.sandbox.submissions == before + 1
    both = Told(0, result.out + again.out, "")
    assert_is_truth(both, command.sandbox)


# A task or a file that stays away is waited for, two minutes: see tests/unit/exports.
@pytest.mark.parametrize("fault", ["task-failure", "task-revoked"])
def test_days_that_fail_for_one_reason_are_one_line(command: SandboxTap, fault: str) -> None:
    for day in range(4, 8):
        match = Match(day=date(2024, 2, day))
        command.sandbox.inject(fault, count=None, match=match)
    result = command.run(window_days=1, export_attempts=1)
    assert result.code == 1
    [line] = [line for line in result.log.splitlines() if "ERROR" in line]
    assert "Failed days: report daily, 2024-02-04..2024-02-07: " in line


def test_an_api_that_answers_error_is_not_asked_for_ever(command: SandboxTap) -> None:
    command.sandbox.inject("submit-error-result", count=None)
    result = command.run(start_date="2020-01-01", window_days=7)
    assert result.code == 1
    assert len(command.sandbox.requests) <= 60
    assert "Traceback" not in result.log


def test_tasks_that_are_submitted_while_output_fails_are_in_the_last_state(
    command: SandboxTap,
) -> None:
    result = command.run(
        window_days=1,
        max_concurrent_exports=2,
        stream_maps={"report_daily": {"x": "1 / 0"}},
    )
    submitted = sum(each.method == "POST" for each in command.sandbox.requests)
    assert len(result.state["bookmarks"]["report_daily"]["pending"]) == submitted


BAD_MAPS: list[tuple[dict[str, Any], str]] = [
    ({"a": "nosuch("}, "Failed to parse"),
    ({"__filter__": "nosuch("}, "Failed to parse"),
    ({"row_key": None}, "Removing key property 'row_key'"),
    ({"__else__": None}, "Invalid key properties"),
    ({"__else__": "x"}, "report_daily.__else__ must be null"),
    ({"__key_properties__": ["nosuch"]}, "Invalid key properties"),
    ({"a": "1 / 0"}, "the map of report_daily fails on a row: ZeroDivisionError"),
    ({"a": "nosuch"}, "the map of report_daily fails on a row"),
    (
        {"a": "md5(config['salt'] + lang)"},
        "the map of report_daily fails on a row: KeyError: 'salt'",
    ),
    (
        {"a": 'md5(config["salt"] + lang)'},
        "the map of report_daily fails on a row: KeyError: 'salt'",
    ),
    (
        {"a": "{'IT': 1}[lang + 'x']"},
        "the map of report_daily fails on a row: KeyError, whose text would quote the row",
    ),
    (
        {"a": "int(aff_sub_id)"},
        "the map of report_daily fails on a row: ValueError, whose text would quote the row",
    ),
    ({"__filter__": "1 / 0"}, "the map of report_daily fails on a row: ZeroDivisionError"),
    ({"__filter__": "country > 5"}, "the map of report_daily fails on a row: TypeError"),
    (
        {"__filtr__": "country == 'IT'"},
        "report_daily.__filtr__ is no operator of stream maps; did you mean",
    ),
    ({"__source__": "report_daily", "lang": "md5(lang)"}, "several maps write report_daily"),
    ({"__source__": "report_*", "lang": "md5(lang)"}, "several maps write report_"),
]
STORAGE = {"root": "file:///nowhere"}
BAD_BATCHES = [
    ({"encoding": {"format": "jsonl"}}, "batch_config: lacks storage"),
    ({"storage": STORAGE}, "batch_config: lacks encoding"),
    ({"encoding": None, "storage": STORAGE}, "batch_config: lacks encoding"),
    ({"encoding": {}, "storage": STORAGE}, "batch_config.encoding: lacks format"),
    ({"encoding": {"format": "jsonl"}, "storage": {}}, "batch_config.storage: lacks root"),
    (
        {"encoding": {"format": "jsonl", "level": 1}, "storage": STORAGE},
        "batch_config.encoding: unknown key 'level' (known: format, compression)",
    ),
]


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        (
            {"report_*": {"aff_sub_id": "md5(aff_sub_id)"}, "report_daily": {"lang": None}},
            "report_daily is mapped by report_* and report_daily, and only the last counts",
        ),
        (
            {"report_daily": None, "*": {"lang": None}},
            "report_daily is mapped by report_daily and *",
        ),
        ({"*": {"__alias__": "ads"}}, "several maps write ads, whose rows would be mixed"),
        ({"ads": {"__source__": "report_*"}}, "several maps write ads"),
    ],
)
def test_maps_that_undo_one_another_are_one_line(
    command: SandboxTap, maps: dict[str, Any], words: str
) -> None:
    result = command.run(stream_maps=maps)
    assert result.code == 1
    [error] = result.errors
    assert words in error
    assert not result.out


@pytest.mark.parametrize(
    "maps",
    [
        {"*": {"aff_sub_id": "md5(aff_sub_id)"}, "report_periods": {"kind": "'x'"}},
        {"*": {"lang": None}, "report_daily": {"lang": None, "country": None}},
        {"report_daily": {"lang": None}, "ids": {"__source__": "report_daily"}},
        {"*": {"lang": None}, "report_daily": None},
    ],
    ids=str,
)
def test_maps_that_undo_nothing_may_fit_one_stream(
    command: SandboxTap, maps: dict[str, Any]
) -> None:
    assert command.run(stream_maps=maps).code == 0


def map_of(columns: dict[str, Any]) -> dict[str, Any]:
    return {"stream_maps": {"report_daily": columns}}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"auth_token": "wrong"}, "auth_token"),
        ({"auth_token": ""}, "auth_token"),
        ({"start_date": "2024-13-01"}, "start_date"),
        ({"end_date": "2020-01-01"}, "start_date"),
        ({"window_days": 0}, "window_days"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"refresh_start_date": "2024-02-01"}, "refresh_end_date"),
        *((map_of(columns), f"stream_maps: {words}") for columns, words in BAD_MAPS),
        *(({"batch_config": config}, words) for config, words in BAD_BATCHES),
        ({"stream_maps": {"__else__": "x"}}, "stream_maps: __else__ must be null"),
        ({"flattening_enabled": "maybe"}, "flattening_enabled"),
        ({"flattening_enabled": True, "flattening_max_depth": "x"}, "flattening_max_depth"),
        ({"flattening_enabled": True, "flattening_max_depth": "1.5"}, "flattening_max_depth"),
        ({"flattening_enabled": "true", "flattening_max_key_length": "inf"}, "flattening_max_key"),
    ],
)
def test_a_wrong_setting_is_one_line(
    command: SandboxTap, settings: dict[str, Any], words: str
) -> None:
    result = command.run(**settings)
    assert result.code == 1
    errors = [line for line in result.log.splitlines() if "ERROR" in line]
    assert len(errors) == 1
    assert words in errors[0]
    assert "Traceback" not in result.log
    assert "wrong" not in result.log


@pytest.mark.parametrize(
    "state",
    [
        {"bookmarks": {"report_daily": {"settled": [["2024-01-02", "2024-01-01"]]}}},
        {"bookmarks": {"report_daily": {"replication_key_value": "yesterday"}}},
        {"bookmarks": {"report_daily": {"setled": []}}},
        {"bookmarks": {"report_dayly": {"replication_key_value": "2024-02-01"}}},
        {"bookmarks": {"daily": {"replication_key_value": "2024-02-01"}}},
        {"bookmarks": {"report_daily": None}},
        {"bookmarks": None},
        {"bookmarks": []},
        {"type": "STATE", "value": {"bookmarks": {}}},
        {"report_daily": {"replication_key_value": "2024-02-01"}},
    ],
)
def test_a_bad_state_is_one_line_and_no_silent_full_sync(
    command: SandboxTap, state: dict[str, Any]
) -> None:
    result = command.run(state)
    assert result.code == 1
    [line] = [line for line in result.log.splitlines() if "ERROR" in line]
    assert "state" in line
    assert "Traceback" not in result.log
    assert not command.sandbox.requests


def test_bookmarks_of_others_are_kept_as_they_are(command: SandboxTap) -> None:
    others = {"orders": {"id": 7}, "report_dayly": {"a": 1}}
    own = {"report_daily": {"replication_key_value": "2024-02-01"}}
    result = command.run({"bookmarks": others | own, "currently_syncing": None})
    assert result.code == 0
    last = result.messages[-1]["value"]["bookmarks"]
    assert {name: last[name] for name in others} == others
    assert last["report_daily"]["replication_key_value"] == LAST.isoformat()


def test_stream_maps_and_ready_made_lines_give_equal_records(command: SandboxTap) -> None:
    plain = command.run()
    mapped = command.run(stream_maps={"report_daily": {"extra": "1"}}, skip_unchanged=False)
    assert mapped.code == 0
    key = lambda record: record["row_key"]  # noqa: E731 - a name for sorting
    ours = sorted(plain.records("report_daily"), key=key)
    theirs = sorted(mapped.records("report_daily"), key=key)
    own = ("extra", "export_id", "exported_at")
    assert [{k: v for k, v in record.items() if k not in own} for record in ours] == [
        {k: v for k, v in record.items() if k not in own} for record in theirs
    ]


def test_deselected_columns_are_left_out_and_the_keys_stay(command: SandboxTap) -> None:
    plain = command.run()
    streams = ["report_daily", "report_periods"]
    fewer = command.run(streams=streams, without=("country", "cr", "campaign"))
    assert fewer.code == 0, fewer.log
    keys = [
        Counter(row["row_key"] for row in run.records("report_daily")) for run in (plain, fewer)
    ]
    assert keys[0] == keys[1]
    assert all(
        not {"country", "cr", "campaign"} & set(row) and "clicks_aggr" in row
        for row in fewer.records("report_daily")
    )


@pytest.mark.parametrize("stream_maps", [{}, {"report_daily": {"extra": "1"}}])
def test_an_account_leads_the_keys_of_every_stream_and_its_label_is_in_every_record(
    command: SandboxTap, stream_maps: dict[str, Any]
) -> None:
    told = command.run(account="north", stream_maps=stream_maps)
    assert told.code == 0, told.log
    keys = {
        message["stream"]: message["key_properties"]
        for message in told.messages
        if message["type"] == "SCHEMA"
    }
    assert keys == {
        "report_daily": ["account", "row_key"],
        "report_periods": ["account", "report", "period"],
    }
    for stream in keys:
        assert {record["account"] for record in told.records(stream)} == {"north"}


def test_every_row_has_the_version_of_its_period_and_a_second_tap_gives_the_same(
    command: SandboxTap,
) -> None:
    first, second = command.run(), command.run(without=("country", "cr"), timezone="Asia/Kolkata")
    versions = [
        {row["period"]: row["period_version"] for row in told.records("report_periods")}
        for told in (first, second)
    ]
    assert versions[0] == versions[1]
    assert all(re.fullmatch("[0-9a-f]{32}", version) for version in versions[0].values())
    for told in (first, second):
        rows = told.records("report_daily")
        assert rows
        assert all(row["period_version"] == versions[0][row["report_date"]] for row in rows)


def test_flattening_takes_the_way_of_the_sdk_and_gives_equal_records(command: SandboxTap) -> None:
    own = ("export_id", "exported_at")
    runs = [command.run(), command.run(flattening_enabled=True, flattening_max_depth=1)]
    found = [
        Counter(
            tuple(sorted((k, str(v)) for k, v in row.items() if k not in own))
            for row in run.records("report_daily")
        )
        for run in runs
    ]
    assert found[0] == found[1]
    assert found[0]


def test_settings_come_from_the_environment(command: SandboxTap) -> None:
    variables = {
        "TAP_ADVEXPORT_AUTH_TOKEN": command.sandbox.token,
        "TAP_ADVEXPORT_API_URL": command.sandbox.url,
        "TAP_ADVEXPORT_START_DATE": f"{LAST}T10:00:00Z",
        "TAP_ADVEXPORT_END_DATE": LAST.isoformat(),
        "TAP_ADVEXPORT_WINDOW_DAYS": "2",
        "TAP_ADVEXPORT_SKIP_UNCHANGED": "no",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config=ENV"],
        capture_output=True,
        check=False,
        timeout=60,
        env=os.environ | variables,
    )
    assert done.returncode == 0, done.stderr
    records = list(map(json.loads, done.stdout.splitlines()))
    days = {
        m["record"]["report_date"]
        for m in records
        if m.get("stream") == "report_daily" and m["type"] == "RECORD"
    }
    assert days <= {LAST.isoformat()}
    assert command.sandbox.submissions == 1


def test_an_unknown_setting_is_told_with_the_nearest_one(command: SandboxTap) -> None:
    result = command.run(lookback_day=3)
    assert result.code == 0
    assert "lookback_day is not a setting of this tap; did you mean lookback_days?" in result.log


def test_unchanged_days_are_confirmed_and_restated_ones_sent_again(tmp_path: Path) -> None:
    today = datetime.now(UTC)  # noqa: TID251 - the command reads the real clock
    config = SandboxConfig(now=today, rows_per_day=8, maturing_days=4)
    start = (today - timedelta(days=12)).date()
    with Sandbox(config) as sandbox:
        command = tap_on(sandbox, tmp_path)
        settings: dict[str, Any] = {
            "start_date": start.isoformat(),
            "end_date": None,
            "lookback_days": 20,
        }
        first = command.run(**settings)
        again = command.run(first.state, **settings)
        assert not again.records("report_daily")
        assert len(again.records("report_periods")) == len(first.records("report_periods"))
        sandbox.advance(days=2)
        third = command.run(again.state, **settings)
        days = {record["report_date"] for record in third.records("report_daily")}
        assert 0 < len(days) < 8
        held: dict[str, dict[str, Any]] = {}
        current: dict[str, str] = {}
        for run in (first, again, third):
            held |= {record["row_key"]: record for record in run.records("report_daily")}
            current |= {row["period"]: row["export_id"] for row in run.records("report_periods")}
        live = [row for row in held.values() if current[row["report_date"]] == row["export_id"]]
        truth = sandbox.truth(Interval.DAILY, start, (today - timedelta(days=1)).date())
        assert Counter(map(emitted, live)) == Counter(map(typed, truth))


def test_rows_that_another_run_has_overwritten_come_again_where_unchanged_ones_are_sent(
    tmp_path: Path,
) -> None:
    today = datetime.now(UTC)  # noqa: TID251 - the command reads the real clock
    with Sandbox(SandboxConfig(now=today, rows_per_day=8, maturing_days=0)) as sandbox:
        command = tap_on(sandbox, tmp_path)
        week: dict[str, Any] = {
            "start_date": str((today - timedelta(days=7)).date()),
            "end_date": None,
        }
        first = command.run(**week)
        streams = ["report_daily", "report_periods"]
        fewer = command.run(streams=streams, without=("cr",), **week)
        whole = command.run(first.state, skip_unchanged=False, **week)
    held = {row["row_key"]: row for row in first.records("report_daily")}
    for run in (fewer, whole):
        held |= {row["row_key"]: row for row in run.records("report_daily")}
    assert Counter(map(emitted, held.values())) == Counter(
        map(emitted, first.records("report_daily"))
    )


def test_dry_run_takes_one_day_and_commits_nothing(command: SandboxTap) -> None:
    config = command.save(
        "c",
        {
            "auth_token": command.sandbox.token,
            "api_url": command.sandbox.url,
            "start_date": "2024-01-01",
            "end_date": "2024-02-08",
        },
    )
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config", config, "--test"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    assert states == [{"bookmarks": {}}]
    assert command.sandbox.submissions == 3


def test_batch_files_come_before_the_periods_and_the_state_that_covers_them(
    command: SandboxTap, tmp_path: Path
) -> None:
    plain = command.run()
    folder = tmp_path / "batches"
    result = command.run(
        batch_config={
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": folder.as_uri()},
            "batch_size": 10,
        }
    )
    assert result.code == 0, result.log
    rows: list[dict[str, Any]] = []
    held: set[str] = set()
    for message in result.messages:
        if message["type"] == "BATCH":
            for url in message["manifest"]:
                path = Path(url.removeprefix("file://"))
                lines = gzip.decompress(path.read_bytes()).splitlines()
                assert len(lines) <= 10
                rows += [json.loads(line, parse_float=Decimal) for line in lines]
            held = {row["report_date"] for row in rows}
        if message["type"] == "STATE":
            bookmark = message["value"]["bookmarks"]["report_daily"]
            covered = [
                row["report_date"]
                for row in plain.records("report_daily")
                for first, last in bookmark["settled"]
                if first <= row["report_date"] <= last
            ]
            assert set(covered) <= held
    records = Counter(map(emitted, plain.records("report_daily")))
    assert Counter(map(emitted, rows)) == records


def test_no_more_tasks_run_than_allowed_also_when_files_are_submitted_again(tmp_path: Path) -> None:
    config = SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=5, latency=0.6)
    with Sandbox(config) as sandbox:
        for day in (1, 4, 7):
            sandbox.inject("bad-cell", match=Match(day=date(2024, 2, day)))
        result = tap_on(sandbox, tmp_path).run(window_days=1, max_concurrent_exports=2)
        assert result.code == 0, result.log
        assert_is_truth(result, sandbox)
        assert sandbox.max_running == 2
