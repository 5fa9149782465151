"""The documentation: its reference is generated, and its commands are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from scripts.render_reference import pages
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from advexport_sandbox import Sandbox

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


SETTLED: Final = [["2024-01-20", "2024-03-05"]]
STATE: Final = {
    "bookmarks": {
        "report_daily": {
            "replication_key_value": SETTLED[-1][1],
            "settled": SETTLED,
            "unsettled": [],
        }
    }
}


@pytest.mark.parametrize("name", list(pages()))
def test_reference_is_up_to_date(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text == pages()[name], "PYTHONPATH=. python scripts/render_reference.py"


@dataclass(frozen=True)
class Desk:
    """A folder with a config, a target, and the state of a first load."""

    folder: Path

    def furnish(self, config: dict[str, Any]) -> None:
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        for name, text in {"target-jsonl": TARGET, "meltano": MELTANO}.items():
            (programs / name).write_text(text.format(python=sys.executable))
            (programs / name).chmod(0o755)
        (self.folder / "target.json").write_text("{}")
        (self.folder / "config.json").write_text(json.dumps(config))

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=os.environ
            | {
                "PATH": ":".join(
                    [
                        f"{self.folder}/bin",
                        str(ROOT / "examples/pipe"),
                        str(Path(sys.executable).parent),
                        os.environ["PATH"],
                    ]
                )
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path) -> Desk:
    """After a first load."""
    desk = Desk(tmp_path)
    desk.furnish(
        {
            "auth_token": sandbox.token,
            "api_url": sandbox.url,
            "start_date": "2024-01-20",
            "end_date": "2024-03-05",
            "window_days": 31,
        }
    )
    first = desk.run("advexport-pipe state.json tap-advexport --config config.json -- target-jsonl")
    assert first.returncode == 0, first.stderr
    for year in (2022, 2023, 2024):
        shutil.copy(tmp_path / "state.json", tmp_path / f"{year}.json")
    return desk


RUN = [path for path, blocks in PAGES.items() if blocks]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_commands_of_the_page_do_what_it_says(page: Path, desk: Desk, sandbox: Sandbox) -> None:
    submissions = sandbox.submissions
    if page.stem == "move-here":
        (desk.folder / "state.json").unlink()
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
        new = [task.submission for task in sandbox.tasks[submissions:]]
        days = [(export.last - export.first).days + 1 for export in new]
        assert least <= sum(days) <= most


MISHAPS: Final = {
    "failing tap": "echo 'exit 1' > bin/tap-advexport",
    "tap cut off": "echo 'printf {; exit 1' > bin/tap-advexport",
    "missing target": "rm bin/target-jsonl",
    "failing target": "echo 'exit 1' > bin/target-jsonl",
    "wrong settings": "echo '{}' > config.json",
    "all that reads or writes states fails": "tee bin/tap-advexport bin/meltano"
    " bin/tap-advexport-merge-states bin/tap-advexport-coverage <<< 'exit 1'",
}


@pytest.mark.parametrize("page", [*RUN, ROOT / "README.md"], ids=lambda page: page.stem)
def test_no_command_of_the_page_loses_the_state(page: Path, tmp_path: Path) -> None:
    blocks = [text for _, text in BLOCK.findall(page.read_text("utf-8")) if "state" in text]
    for number, (mishap, script) in enumerate(MISHAPS.items()):
        desk = Desk(tmp_path / str(number))
        desk.furnish({"auth_token": "x", "api_url": "http://127.0.0.1:9/", "request_attempts": 1})
        for name in ("state", "2022", "2023", "2024"):
            (desk.folder / f"{name}.json").write_text(json.dumps(STATE))
        assert desk.run(f"{script}; chmod +x bin/*").returncode == 0
        for block in blocks:
            desk.run(block)
            kept = json.loads((desk.folder / "state.json").read_text("utf-8"))
            assert kept["bookmarks"]["report_daily"]["settled"] == SETTLED, (mishap, block)


def test_every_command_of_the_site_is_run_by_a_test() -> None:
    titles = {title for path in PAGES for title, _ in BLOCK.findall(path.read_text("utf-8"))}
    # Those with a title belong to the start page, which tests/command/test_meltano.py follows.
    assert titles <= {"", ' title="Meltano"', ' title="Install"'}
    titled = [path.stem for path in PAGES if "```bash title=" in path.read_text("utf-8")]
    assert titled == ["start"]
