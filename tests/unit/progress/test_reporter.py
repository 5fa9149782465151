"""What a person sees of a run: the live display, the line after a silence, the log as JSON."""

from __future__ import annotations

import json
import logging
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from advexport_sandbox import Match, Sandbox, SandboxConfig
from tap_advexport.exports.job import ExportJob, Phase
from tap_advexport.progress.reporter import SILENCE_SECONDS, Heartbeat, ProgressReporter
from tap_advexport.progress.words import Progress
from tap_advexport.windows import DateWindow
from tests.support.progresses import CSI, WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# --- Counting ------------------------------------------------------------------------------------


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_reporter_counts_what_goes_out_and_sees_the_exports_in_flight() -> None:
    time = Time()
    phases = [Phase.SUBMIT, Phase.POLL, Phase.POLL, Phase.DOWNLOAD, Phase.CONVERT, Phase.READY]
    export = cast("Any", None)
    jobs = tuple(
        ExportJob(export, phase, due_at=0, began_at=90.0 + number)
        for number, phase in enumerate(phases)
    )
    released = ExportJob(export, Phase.READY, due_at=0, is_released=True)
    runner = SimpleNamespace(jobs=(*jobs, released), queued=8)
    reporter = ProgressReporter(time, is_virtual=True)
    reporter.begin("daily", cast("Any", runner), days_total=20)
    time.now = 110.0
    reporter.sent(5)
    reporter.sent(6)
    reporter.emitted(WINDOW)
    reporter.failed(DateWindow(date(2024, 1, 8), date(2024, 1, 8)))
    assert reporter.progress() == Progress(
        report="daily",
        queued=8,
        running=3,
        downloading=1,
        checking=1,
        emitting=1,
        emitted=1,
        days_done=8,
        days_failed=1,
        days_total=20,
        rows=11,
        seconds=10.0,
        oldest_task_seconds=19.0,
    )


@pytest.fixture
def silent_log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("tests.progress")
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(logging.NOTSET)


def test_a_line_comes_after_a_minute_without_one_and_not_before(silent_log: logging.Logger) -> None:
    time, beats_at = Time(), list[float]()
    beats = Heartbeat(time, lambda: beats_at.append(time.now))
    beats.start()
    try:
        for second in range(200):
            time.now = 100.0 + second
            if second == 50:
                silent_log.info("Something else is said")
            beats.look()
    finally:
        beats.stop()
    assert beats_at == [100.0 + 50 + SILENCE_SECONDS, 100.0 + 50 + 2 * SILENCE_SECONDS]


# --- The command ---------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    settings = SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=20, latency=0.4)
    with Sandbox(settings) as sandbox:
        sandbox.inject("bad-cell", count=None, match=Match(day=date(2024, 1, 3)))
        path = tmp_path / "config.json"
        path.write_text(
            json.dumps(
                {
                    "auth_token": sandbox.token,
                    "api_url": sandbox.url,
                    "start_date": "2024-01-01",
                    "end_date": "2024-01-12",
                    "window_days": 2,
                    "export_attempts": 1,
                }
            )
        )
        yield path


def run_on_terminal(config: Path, **variables: str) -> tuple[bytes, str]:
    """Run the tap with stderr on a terminal; gives stdout and what the terminal was sent."""
    terminal, end = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tap_advexport", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=end,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "300"} | variables,
    ) as tap:
        os.close(end)
        assert tap.stdout
        out, shown = list[bytes](), b""
        os.set_blocking(tap.stdout.fileno(), False)
        while chunk := _read(terminal):
            shown += chunk
            out.append(tap.stdout.read() or b"")
        os.set_blocking(tap.stdout.fileno(), True)
        out.append(tap.stdout.read())
    os.close(terminal)
    return b"".join(out), shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        # How Linux tells the end of a terminal.
        return b""


def test_terminal_shows_a_display_that_tears_no_line_and_leaves_the_summary_last(
    config: Path,
) -> None:
    out, shown = run_on_terminal(config)
    assert all(json.loads(line)["type"] for line in out.splitlines())
    assert re.search(r"report daily.*of 12 days", CSI.sub("", shown))
    # Each log line begins where a line begins, and is whole.
    plain = [CSI.sub("", line).lstrip("\r") for line in shown.replace("\r\n", "\n").split("\n")]
    lines = [line.split("\r")[-1] for line in plain]
    assert any("report_daily: 6 exports of 12 days" in line for line in lines)
    failing = [line for line in lines if "2024-01-03: task " in line]
    assert failing
    assert all(re.match(r"Warning: |\d{4}-\d\d-\d\d .* \| ERROR ", line) for line in failing)
    assert re.search(r"  11-12 Jan 2024 +\d+ rows", "\n".join(plain))
    assert "METRIC" not in shown
    assert "Summary: " in [line for line in plain if line.strip()][-1]
    # The cursor is there again.
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") > 0


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TTY_INTERACTIVE": "0"}], ids=str)
def test_terminal_that_can_only_print_gets_lines(config: Path, variables: dict[str, str]) -> None:
    out, shown = run_on_terminal(config, **variables)
    assert out
    assert "\x1b" not in shown


def test_log_as_json_has_the_summary_last_and_the_metrics_of_the_sdk(
    config: Path, tmp_path: Path
) -> None:
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    logging_config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {"stderr": handler},
        "root": {"level": "INFO", "handlers": ["stderr"]},
    }
    path = tmp_path / "logging.yml"
    path.write_text(yaml.safe_dump(logging_config))
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config", str(config)],
        capture_output=True,
        check=False,
        env=os.environ | {"SINGER_SDK_LOG_CONFIG": str(path)},
        timeout=60,
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[-1]["message"].startswith("Summary: ")
    assert {line["level"] for line in lines} == {"info", "warning", "error"}
    metrics = {line["metric_info"]["metric"] for line in lines if line.get("metric_info")}
    assert {"record_count", "sync_duration"} <= metrics
