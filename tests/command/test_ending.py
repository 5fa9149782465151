"""How a run ends, as the log tells it: for a person in one line, for a machine in fields."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from advexport_sandbox import Match, Sandbox, SandboxConfig
from tests.support.tap_process import Tap, Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JSON_LOGS = """\
version: 1
disable_existing_loggers: false
formatters: {json: {(): singer_sdk.logging.StructuredFormatter}}
handlers: {err: {class: logging.StreamHandler, formatter: json, stream: ext://sys.stderr}}
root: {level: INFO, handlers: [err]}
"""


def tap_of(sandbox: Sandbox, folder: Path, **environment: str) -> Tap:
    settings = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": "2024-01-30",
        "end_date": "2024-02-08",
        "window_days": 2,
        "max_concurrent_exports": 2,
        "poll_interval_seconds": 0.05,
        "request_timeout_seconds": 5,
        "export_attempts": 1,
    }
    return Tap(folder, settings, environment)


def last_line(told: Told) -> str:
    return told.log.rstrip().splitlines()[-1]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_run_that_did_all_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    told = tap_of(sandbox, tmp_path).run_forked()
    assert told.code == 0
    assert "Summary: 5 exports, " in last_line(told)
    assert last_line(told).endswith("; complete")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_how_far_it_got(
    sandbox: Sandbox, tmp_path: Path, signum: signal.Signals, code: int
) -> None:
    for day in (30, 31):
        sandbox.inject("stuck", count=None, match=Match(day=date(2024, 1, day)))
    with tap_of(sandbox, tmp_path).start() as process:
        assert process.stdout
        out = b""
        while b"2024-02-01" not in out.rpartition(b'"settled":')[2][:40]:
            out += process.stdout.readline()
        process.send_signal(signum)
        rest, log = process.communicate(timeout=30)
    told = Told(process.returncode, out + rest, log.decode())
    assert told.code == code
    assert told.errors == []
    found = re.search(
        r" (\d+) days covered, 0 of them unsettled, 0 days failed, .*; interrupted by (\w+): "
        r"(\d+) days still to be exported; running again goes on$",
        last_line(told),
    )
    assert found, last_line(told)
    # How far it gets by then depends on the machine; the two days that are stuck are never there.
    covered, name, missing = int(found[1]), found[2], int(found[3])
    assert (name, covered + missing) == (signum.name, 10)
    assert missing >= 2


def _seconds(line: str) -> str:
    return line.partition("days failed, ")[2].partition(";")[0]


def test_a_signal_that_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    config = SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), latency=1)
    with (
        Sandbox(config) as sandbox,
        subprocess.Popen(
            ["bash", "-c", 'trap "" INT; exec "$@"', "-", *tap_of(sandbox, tmp_path).arguments()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        wait_until(lambda: sandbox.polls > 2)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log.decode()


def test_a_target_that_goes_away_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    with tap_of(sandbox, tmp_path).start() as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        log = process.stderr.read().decode()
    assert process.returncode == 1
    told = Told(process.returncode, b"", log)
    [error] = told.errors
    assert "The target has closed the pipe: its own log says why" in error
    assert last_line(told).endswith("; failed: the target has closed the pipe")


def test_neighbouring_days_that_fail_for_one_cause_are_one_line(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    for day in range(1, 6):
        sandbox.inject("task-failure", count=None, match=Match(day=date(2024, 2, day)))
    told = tap_of(sandbox, tmp_path).run_forked()
    assert told.code == 1
    [error] = told.errors
    assert "Failed days: report daily, 2024-02-01..2024-02-05: " in error
    assert "run again to export just these" not in told.log
    assert error.endswith("; the next run tries them again")
    assert last_line(told).endswith("; failed: report daily, 2024-02-01..2024-02-05")


def fields(told: Told) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.log.splitlines()]


def test_json_logs_have_the_summary_and_failed_days_as_fields(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "logs.yml").write_text(JSON_LOGS)
    sandbox.inject("task-failure", count=None, match=Match(day=date(2024, 2, 8)))
    told = tap_of(sandbox, tmp_path, SINGER_SDK_LOG_CONFIG=str(tmp_path / "logs.yml")).run()
    assert told.code == 1
    lines = fields(told)
    found = [line for line in lines if "failed" in line.get("extra", {})]
    assert [line["extra"]["failed"] for line in found] == [
        {
            "report": "daily",
            "first": "2024-02-08",
            "last": "2024-02-08",
            "days": 1,
            "reason": found[0]["message"].partition("2024-02-08: ")[2].rpartition("; ")[0],
            "advice": "",
        }
    ]
    summary = lines[-1]["extra"]["summary"]
    assert (summary["exit_code"], summary["exports"], summary["days_covered"]) == (1, 5, 9)
    assert (summary["days_failed"], summary["days_missing"], summary["days_unsettled"]) == (1, 1, 0)
    assert summary["rows_sent"] == len(told.records("report_daily"))
    assert summary["ended"] == "failed: report daily, 2024-02-08"
    assert summary["failed"] == [found[0]["extra"]["failed"]]


def test_json_logs_of_an_api_that_does_not_work_have_the_failed_days_in_the_summary(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "logs.yml").write_text(JSON_LOGS)
    sandbox.inject("bad-cell", count=None)
    told = tap_of(sandbox, tmp_path, SINGER_SDK_LOG_CONFIG=str(tmp_path / "logs.yml")).run()
    assert told.code == 1
    *_, error, last = fields(told)
    assert error["message"].startswith("the API does not work: ")
    assert re.search(
        r"daily 2024-02-\d\d: task \S+: line \d+, column clicks_aggr", error["message"]
    )
    failed = last["extra"]["summary"]["failed"]
    assert failed
    assert all("column clicks_aggr" in each["reason"] for each in failed)
    assert all("the API's support" in each["advice"] for each in failed)


def test_a_header_that_is_wrong_is_told_with_its_report_days_and_task(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.inject("missing-column", count=None)
    told = tap_of(sandbox, tmp_path).run_forked(max_concurrent_exports=1)
    assert told.code == 1
    [error] = told.errors
    assert re.search(r"daily 2024-02-07\.\.2024-02-08: task \S+: the header lacks ", error)
    assert error.endswith("if it stays, give this line to the API's support")


def test_a_dry_run_that_fails_ends_with_its_one_line(sandbox: Sandbox, tmp_path: Path) -> None:
    # With the catalog that Meltano gives, and the warnings that it has Python show.
    tap = tap_of(sandbox, tmp_path)
    arguments = tap.arguments(auth_token="none-of-theirs", streams=["report_daily"])
    done = subprocess.run(
        [*arguments, "--test"],
        capture_output=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONWARNINGS": "default"},
    )
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert "the API refuses the token" in line


def test_a_dry_run_that_went_well_ends_by_saying_so(sandbox: Sandbox, tmp_path: Path) -> None:
    tap = tap_of(sandbox, tmp_path)
    arguments = [*tap.arguments(), "--test"]
    done = subprocess.run(arguments, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert (
        done.stderr.decode()
        .rstrip()
        .endswith("The test succeeded: the API brought the reports daily, hourly, monthly")
    )
    ahead = [*tap.arguments(start_date="2999-01-01", end_date=None), "--test"]
    done = subprocess.run(ahead, capture_output=True, check=False, timeout=60, env=os.environ)
    assert done.stderr.decode().rstrip().endswith("there is no day to export yet")
