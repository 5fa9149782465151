"""The first thing a person does: a dry run that says within seconds what is wrong, in one line."""

from __future__ import annotations

import http.server
import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from advexport_sandbox import Sandbox


@dataclass(frozen=True)
class Answer:
    code: int
    errors: list[str]
    log: str
    seconds: float


def dry_run(folder: Path, api_url: str, **settings: Any) -> Answer:  # noqa: ANN401 - as JSON
    config = {"auth_token": "sandbox-token", "start_date": "2024-01-01", "end_date": "2024-02-01"}
    path = folder / "config.json"
    path.write_text(json.dumps({**config, "api_url": api_url, **settings}))
    began_at = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config", str(path), "--test"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    errors = [line for line in done.stderr.splitlines() if "| ERROR" in line]
    return Answer(done.returncode, errors, done.stderr, time.monotonic() - began_at)


def assert_says(answer: Answer, *words: str) -> None:
    assert answer.code == 1
    [error] = answer.errors
    assert [word for word in words if word not in error] == []
    assert "Traceback" not in answer.log
    # Two seconds on an idle machine; eight tries of each request take minutes.
    assert answer.seconds < 45


def test_good_settings_bring_records(tmp_path: Path, sandbox: Sandbox) -> None:
    answer = dry_run(tmp_path, sandbox.url)
    assert (answer.code, answer.errors) == (0, [])


def test_wrong_token_is_told_from_all_else(tmp_path: Path, sandbox: Sandbox) -> None:
    answer = dry_run(tmp_path, sandbox.url, auth_token="not-this-one")
    assert_says(answer, "auth_token: the API refuses the token", "401", "user profile")
    assert "not-this-one" not in answer.log
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("fault", ["status-404", "status-410", "html-body", "not-json"])
def test_url_of_something_else_is_told_as_such(
    tmp_path: Path, sandbox: Sandbox, fault: str
) -> None:
    sandbox.inject(fault, count=None)
    assert_says(dry_run(tmp_path, sandbox.url), "not the API", "check api_url")


def test_url_that_leads_nowhere_on_the_right_host_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    assert_says(dry_run(tmp_path, f"{sandbox.origin}/advertiser/"), "404", "check api_url")


@contextmanager
def website() -> Iterator[str]:
    """A website that knows no POST, as most do."""

    class Handler(http.server.BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/exports/"
        server.shutdown()


def test_website_without_an_api_is_told(tmp_path: Path) -> None:
    with website() as url:
        assert_says(dry_run(tmp_path, url), "501", "check api_url")


def test_api_that_is_out_of_order_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.inject("status-503", count=None)
    answer = dry_run(tmp_path, sandbox.url)
    assert_says(answer, "503", "out of order or overloaded", "try again later")
    assert len(sandbox.requests) == 2


def test_host_where_nothing_listens_is_told(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    answer = dry_run(tmp_path, f"http://127.0.0.1:{port}/exports/")
    assert_says(answer, "refused", "nothing answers there", "check api_url")


def test_host_that_accepts_and_never_answers_is_told_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        answer = dry_run(tmp_path, f"http://127.0.0.1:{port}/exports/", request_timeout_seconds=2)
    assert_says(answer, "no answer within the time-out", "check api_url")


def test_name_that_does_not_exist_is_told(tmp_path: Path) -> None:
    answer = dry_run(tmp_path, "https://no-such-host.invalid/exports/")
    assert_says(answer, "check api_url")


def test_about_is_markdown_that_reads_well() -> None:
    about = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--about", "--format=markdown"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    lines = about.splitlines()
    assert lines[0] == "# `tap-advexport`"
    # Four spaces would make code of it, and a tag outside of code is swallowed.
    assert [line for line in lines if line.startswith("    ")] == []
    assert re.findall(r"<\w+>", re.sub(r"`[^`]*`", "", about)) == []


def test_last_line_of_a_run_that_failed_says_why(tmp_path: Path, sandbox: Sandbox) -> None:
    config = {"auth_token": "wrong", "start_date": "2024-01-01", "api_url": sandbox.url}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config", str(path)],
        capture_output=True,
        check=False,
        text=True,
    )
    last = done.stderr.splitlines()[-1]
    assert "Summary: 0 exports" in last
    assert "; failed: auth_token: the API refuses the token" in last
