"""The page on alerting: what it puts into crontabs and Dagster, run on good and bad states."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.paths import ROOT

PAGE: Final = (ROOT / "docs/how-to/alert.md").read_text("utf-8")
CRON: Final = re.findall(
    r"^(?:\S+ ){5}(.*)$", "\n".join(re.findall(r"```cron\n(.*?)```", PAGE, re.DOTALL)), re.MULTILINE
)
GOOD: Final = [["2024-01-01", "2024-03-05"]]
BAD: Final = [["2024-01-01", "2024-02-01"], ["2024-02-03", "2024-03-05"]]


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder in the place of `/srv/ads` and of the home, with a curl that notes its arguments."""
    config = {"start_date": "2024-01-01", "end_date": "2024-03-05"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    curl = tmp_path / "bin/curl"
    curl.parent.mkdir()
    curl.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > curl.txt\n')
    curl.chmod(0o755)
    return tmp_path


def put_state(desk: Path, settled: list[list[str]]) -> None:
    bookmarks = {"bookmarks": {"report_daily": {"settled": settled}}}
    (desk / "state.json").write_text(json.dumps(bookmarks))


def path_of(desk: Path) -> str:
    return os.pathsep.join(
        [str(desk / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
    )


def run(desk: Path, command: str) -> subprocess.CompletedProcess[str]:
    variables = {"PATH": path_of(desk), "HOME": str(desk), "PING_URL": "https://ping.example/id"}
    return subprocess.run(
        ["sh", "-c", command.replace("/srv/ads/", "")],
        cwd=desk,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_cron_mails_nothing_when_all_is_well_and_one_line_when_not(desk: Path) -> None:
    command = CRON[0]
    put_state(desk, GOOD)
    assert (done := run(desk, command)).stdout + done.stderr == ""
    assert done.returncode == 0
    put_state(desk, BAD)
    assert "1 day failed (2024-02-02)" in (done := run(desk, command)).stderr
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_the_state_of_a_dlt_pipeline_is_checked_where_dlt_keeps_it(desk: Path) -> None:
    state = desk / ".dlt/pipelines/advexport/state.json"
    state.parent.mkdir(parents=True)
    bookmarks = {"report_daily": {"settled": GOOD}}
    state.write_text(json.dumps({"sources": {"advexport": {"bookmarks": bookmarks}}}))
    assert (done := run(desk, CRON[2])).returncode == 0
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize(("settled", "code", "words"), [
    (GOOD, 0, "ok: report_daily"), (BAD, 1, "1 day failed (2024-02-02)")
])  # fmt: skip
def test_a_ping_carries_the_exit_code_and_the_line(
    desk: Path, settled: list[list[str]], code: int, words: str
) -> None:
    put_state(desk, settled)
    assert run(desk, CRON[1]).returncode == 0
    sent = (desk / "curl.txt").read_text().splitlines()
    assert sent[-1] == f"https://ping.example/id/{code}"
    assert words in sent[-2]


@pytest.mark.parametrize(("settled", "is_passed"), [(GOOD, True), (BAD, False)])
def test_the_asset_check_of_dagster_passes_and_fails_with_the_line(
    desk: Path, monkeypatch: pytest.MonkeyPatch, settled: list[list[str]], *, is_passed: bool
) -> None:
    dagster: Any = types.ModuleType("dagster")
    dagster.asset_check = lambda **_: lambda function: function
    dagster.AssetCheckResult = dict
    monkeypatch.setitem(sys.modules, "dagster", dagster)
    monkeypatch.setenv("PATH", path_of(desk))
    monkeypatch.setenv("ADVEXPORT_HOME", str(desk))
    put_state(desk, settled)
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    space: dict[str, Any] = {"__annotations__": {}}
    exec(compile(block, "alert.md", "exec", dont_inherit=True), space)  # noqa: S102 - our own page
    result = space["days_are_there_and_fresh"]()
    assert result["passed"] is is_passed
    assert result["description"].count("\n") == 1
