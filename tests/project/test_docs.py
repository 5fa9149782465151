"""The documentation: its reference is generated, and its commands are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from scripts.render_reference import pages
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = re.compile(r"^```bash( title=\"\w+\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES: Final = {
    path: [text for title, text in BLOCK.findall(path.read_text("utf-8")) if not title]
    for path in sorted((ROOT / "docs").rglob("*.md"))
}
# A target that keeps what it is sent, and answers like any other; the real ones have their own
# tests.
TARGET: Final = """\
#!{python}
import json, sys
with open("loaded.jsonl", "a") as loaded:
    for line in sys.stdin:
        loaded.write(line)
        message = json.loads(line)
        if message["type"] == "STATE":
            print(json.dumps(message["value"]))
"""
# Meltano's state store, as far as pages use it; what Meltano itself prints and takes is tested
# with Meltano in tests/command/test_meltano.py and in scripts/demo.
MELTANO: Final = """\
#!{python}
import json, pathlib, sys
match sys.argv[1:]:
    case ["state", "get", _]:
        state = json.loads(pathlib.Path("state.json").read_text())
        print(json.dumps({{"singer_state": state}}))
    case ["state", "set", _, "--input-file", name]:
        state = json.loads(pathlib.Path(name).read_text())["singer_state"]
        pathlib.Path("state.json").write_text(json.dumps(state))
    case _:
        sys.exit("no such command")
"""


@pytest.mark.parametrize("name", list(pages()))
def test_reference_is_up_to_date(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text == pages()[name], "PYTHONPATH=. python scripts/render_reference.py"


@dataclass(frozen=True)
class Desk:
    """A folder with a config, a target, and the state of a first load."""

    folder: Path
    sandbox: Sandbox

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=os.environ
            | {"PATH": f"{self.folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    target = tmp_path / "bin/target-jsonl"
    target.parent.mkdir()
    target.write_text(TARGET.format(python=sys.executable))
    target.chmod(0o755)
    meltano = target.with_name("meltano")
    meltano.write_text(MELTANO.format(python=sys.executable))
    meltano.chmod(0o755)
    (tmp_path / "target.json").write_text("{}")
    now = datetime(2025, 1, 1, tzinfo=UTC)
    with Sandbox(SandboxConfig(now=now, rows_per_day=5)) as sandbox:
        config = {
            "auth_token": sandbox.token,
            "api_url": sandbox.url,
            "start_date": "2024-01-20",
            "end_date": "2024-03-05",
            "window_days": 31,
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        desk = Desk(tmp_path, sandbox)
        first = desk.run(
            "tap-advexport --config config.json | target-jsonl > states.jsonl;"
            "tail -n 1 states.jsonl > state.json"
        )
        assert first.returncode == 0, first.stderr
        for year in (2022, 2023, 2024):
            shutil.copy(tmp_path / "state.json", tmp_path / f"{year}.json")
        yield desk


RUN = [path for path, blocks in PAGES.items() if blocks]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_of_the_page_do_what_it_says(page: Path, desk: Desk) -> None:
    submissions = desk.sandbox.submissions
    done = desk.run("\n".join(PAGES[page]))
    assert done.returncode == 0, done.stderr
    assert "no setting of this tap" not in done.stderr
    state = json.loads((desk.folder / "state.json").read_text())["bookmarks"]["report_daily"]
    assert state["settled"][-1][1] == "2024-03-05"
    exported = {
        "backfill": (19, 19),
        "read-again": (29, 29),
        "change-the-zone": (46, 46),
        "move-here": (35, 35),
        "rotate-the-token": (1, 7),
    }
    if page.stem in exported:
        least, most = exported[page.stem]
        new = [task.submission for task in desk.sandbox.tasks[submissions:]]
        days = [(export.last - export.first).days + 1 for export in new]
        assert least <= sum(days) <= most


def test_every_command_of_the_site_is_run_by_a_test() -> None:
    titles = {title for path in PAGES for title, _ in BLOCK.findall(path.read_text("utf-8"))}
    # Those with a title belong to the start page, which tests/command/test_meltano.py follows.
    assert titles <= {"", ' title="Meltano"', ' title="Install"'}
    titled = [path.stem for path in PAGES if "```bash title=" in path.read_text("utf-8")]
    assert titled == ["start"]
