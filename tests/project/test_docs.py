"""The documentation: its reference is generated, its commands are run, and none loses a state."""

from __future__ import annotations

import ast
import html
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
from tests.support.pages import FOLLOWED, PAGES, Block, blocks, in_tab
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from advexport_sandbox import Sandbox

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
# Meltano's state store, as far as these pages use it. What Meltano itself does is tested with
# Meltano, in tests/command/test_pages_with_meltano.py.
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
# A container of the tap: what is mounted is found under the folder that it was mounted from.
PODMAN: Final = """\
#!{python}
import os, sys
arguments = sys.argv[1:]
assert arguments[:3] == ["run", "--rm", "--read-only"], arguments
tap = arguments.index("tap-advexport")
volumes = [v.split(":")[:2] for o, v in zip(arguments, arguments[1:tap]) if o == "--volume"]
where = {{inside: outside for outside, inside in volumes}}
os.execvp("tap-advexport", [where.get(word, word) for word in arguments[tap:]])
"""
PROGRAMS: Final = {
    "target-jsonl": TARGET,
    "meltano": MELTANO,
    "podman": PODMAN,
    "uv": "#!/bin/sh\n",
}
SETTLED: Final = [["2024-01-20", "2024-03-05"]]
BOOKMARK: Final = {
    "replication_key_value": SETTLED[-1][1],
    "settled": SETTLED,
    "unsettled": [],
}
STATE: Final = {"bookmarks": {"report_daily": BOOKMARK}}
# Days that the commands of a page export, at least and at most.
EXPORTED: Final = {
    "backfill": (19, 19),
    "change-the-time-zone": (46, 46),
    "migrate": (35, 35),
    "re-export": (29, 29),
    "rotate-the-token": (1, 7),
    "several-accounts": (92, 92),
}


@dataclass(frozen=True)
class Desk:
    """A folder of a person who follows a page: a config, a target, and programs."""

    folder: Path

    def furnish(self, config: dict[str, Any]) -> None:
        programs = self.folder / "bin"
        programs.mkdir(parents=True)
        for name, text in PROGRAMS.items():
            (programs / name).write_text(text.format(python=sys.executable))
            (programs / name).chmod(0o755)
        (self.folder / "target.json").write_text("{}")
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / "examples").symlink_to(ROOT / "examples")
        (self.folder / "scripts").mkdir()
        # It needs podman; tests/project/test_shipping.py is about what it does.
        (self.folder / "scripts/build-container").write_text("#!/bin/sh\n")
        (self.folder / "scripts/build-container").chmod(0o755)

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        places = [self.folder / "bin", ROOT / "examples/pipe", Path(sys.executable).parent]
        path = os.pathsep.join([*map(str, places), os.environ["PATH"]])
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=os.environ | {"PATH": path, "HOME": str(self.folder)} | variables,
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
            "start_date": SETTLED[0][0],
            "end_date": SETTLED[-1][1],
            "window_days": 31,
        }
    )
    first = desk.run("advexport-pipe state.json tap-advexport --config config.json -- target-jsonl")
    assert first.returncode == 0, first.stderr
    for year in (2022, 2023, 2024):
        shutil.copy(tmp_path / "state.json", tmp_path / f"{year}.json")
    return desk


def run_here(page: Path) -> list[str]:
    """Blocks that need neither Meltano, a fresh machine nor a warehouse."""
    return [
        block.text
        for block in in_tab(page, "Pipe")
        if not block.needs_meltano and not block.needs_a_warehouse
    ]


FOLLOWED_HERE: Final = [page for page in PAGES if page not in FOLLOWED and run_here(page)]


@pytest.mark.parametrize("page", FOLLOWED_HERE, ids=lambda page: page.stem)
def test_commands_of_the_page_do_what_it_says(page: Path, desk: Desk, sandbox: Sandbox) -> None:
    submissions = sandbox.submissions
    if page.stem == "migrate":
        (desk.folder / "state.json").unlink()
    names = ["NEW_TOKEN", "NORTH_TOKEN", "SOUTH_TOKEN"]
    if page.stem == "schedule":
        names.append("TAP_ADVEXPORT_AUTH_TOKEN")
    tokens = dict.fromkeys(names, sandbox.token)
    done = desk.run("\n".join(run_here(page)), **tokens)
    assert done.returncode == 0, done.stderr
    assert "no setting of this tap" not in done.stderr
    state = json.loads((desk.folder / "state.json").read_text())["bookmarks"]["report_daily"]
    assert state["settled"][-1][1] == "2024-03-05"
    if page.stem in EXPORTED:
        least, most = EXPORTED[page.stem]
        new = [task.submission for task in sandbox.tasks[submissions:]]
        assert least <= sum((export.last - export.first).days + 1 for export in new) <= most


# What goes wrong, over a state that must stay what it is: programs and what stands in for them.
MISHAPS: Final[dict[str, dict[str, str | None]]] = {
    "failing tap": {"tap-advexport": "exit 1"},
    "tap cut off": {"tap-advexport": "printf '{'; exit 1"},
    "missing target": {"tap-advexport": "exit 0", "target-jsonl": None},
    "failing target": {"tap-advexport": "exit 1", "target-jsonl": "exit 1"},
    "refused settings": {"tap-advexport": 'exec "$REAL" --config=/dev/null "$@"'},
    "failing commands": dict.fromkeys(
        ("tap-advexport", "meltano", "tap-advexport-merge-states", "tap-advexport-coverage"),
        "exit 1",
    ),
}
WITH_STATE: Final = {
    block.text: block
    for page in PAGES
    for block in blocks(page)
    if "state" in block.text or "merged" in block.text
}


def block_id(block: Block) -> str:
    return f"{block.page.stem}-{block.text.count(chr(10))}-{len(block.text)}"


@pytest.mark.parametrize("block", WITH_STATE.values(), ids=block_id)
def test_no_command_loses_the_state(block: Block, tmp_path: Path) -> None:
    real = str(Path(sys.executable).with_name("tap-advexport"))
    for number, (mishap, programs) in enumerate(MISHAPS.items()):
        desk = Desk(tmp_path / str(number))
        desk.furnish({})
        for name, script in programs.items():
            program = desk.folder / "bin" / name
            program.unlink(missing_ok=True)
            if script:
                program.write_text(f"#!/bin/sh\n{script}\n")
                program.chmod(0o755)
        states = [desk.folder / f"{name}.json" for name in ("state", "north", "south")]
        for state in [*states, *(desk.folder / f"{year}.json" for year in (2022, 2023, 2024))]:
            state.write_text(json.dumps(STATE))
        desk.run(block.text, REAL=real, NORTH_TOKEN="x", SOUTH_TOKEN="x", YOUR_TOKEN="x")
        for state in states:
            kept = json.loads(state.read_text("utf-8"))
            assert kept["bookmarks"]["report_daily"]["settled"] == SETTLED, (mishap, state.name)


# Pages beside README and docs that have commands, each with the tests that run them.
RUN_ELSEWHERE: Final = {
    "dbt/README.md": "tests/project/test_dbt.py",
    "sandbox/README.md": "sandbox/tests/test_readme.py",
}


def commands_on(page: Path) -> int:
    text = page.read_text("utf-8")
    return len(re.findall(r"^ *```(?:bash|console|sh|shell)", text, re.MULTILINE))


def test_every_block_of_commands_is_one_that_the_tests_run() -> None:
    """Here, with Meltano, on a fresh machine, or over a warehouse: no other kinds exist."""
    for page in PAGES:
        assert commands_on(page) == len(blocks(page)), page
        in_tabs = {block.text for label in ("Meltano", "Pipe") for block in in_tab(page, label)}
        assert in_tabs == {block.text for block in blocks(page)}, page


def test_other_pages_with_commands_have_tests_of_their_own() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not listed:
        pytest.skip("this is not a checkout")
    others = {name for name in listed if ROOT / name not in PAGES and commands_on(ROOT / name)}
    assert others == RUN_ELSEWHERE.keys()
    assert all((ROOT / test).exists() for test in RUN_ELSEWHERE.values())


def test_every_message_of_the_page_on_troubleshooting_is_one_of_the_code() -> None:
    text = (ROOT / "docs/how-to/troubleshooting.md").read_text("utf-8")
    before_the_figures = text.partition("## With the figures")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", before_the_figures, re.MULTILINE)
    assert len(messages) > 20
    sources = [*(ROOT / "tap_advexport").rglob("*.py"), ROOT / "examples/pipe/advexport-pipe"]
    said = "\n".join(
        node.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    parts = {message: message.replace(" …", "…").strip("…").split("…") for message in messages}
    missing = {m: part for m, fragments in parts.items() for part in fragments if part not in said}
    assert missing == {}


@pytest.mark.parametrize("name", list(pages()))
def test_reference_is_up_to_date(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert text == pages()[name], "PYTHONPATH=. python scripts/render_reference.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, as they are published."""
    folder = tmp_path_factory.mktemp("site")
    build = ["-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, *build],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8")
        assert re.findall(r"<(?:script|img|iframe|source)[^>]* src=.?https?:[^>]*>", text) == []
        assert re.findall(r"<link (?![^>]*canonical)[^>]*href=.?https?:[^>]*>", text) == []
        # The theme would take Mermaid from a CDN.
        assert 'class="mermaid"' not in text
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\(.?https?:", sheet.read_text("utf-8")) == []


# Of code that the site shows beside both of its side bars, in a window of 1,440 px.
COLUMNS: Final = 100


def test_long_lines_of_code_wrap_on_the_site(site: Path) -> None:
    """A block says its language, which the style sheet goes by; commands are short instead."""
    rule = re.search(
        r"^(.*)\{ white-space: pre-wrap", (site / "theme/site.css").read_text(), re.MULTILINE
    )
    assert rule
    wrapping = {f"language-{name}" for name in re.findall(r"\.language-(\w+) pre > code", rule[1])}
    long = []
    for page in site.rglob("*.html"):
        found = re.findall(
            r'<div class="(language-\w+ )?highlight">.*?<code>(.*?)</code>',
            page.read_text(),
            re.DOTALL,
        )
        for language, code in found:
            widest = max(map(len, html.unescape(re.sub("<[^>]+>", "", code)).splitlines()))
            if widest > COLUMNS and language.strip() not in wrapping:
                long.append((page.parent.name, language, widest))
    assert long == []
