"""What the pages do with Meltano, done with Meltano; slow, run by scripts/test-targets."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest

from advexport_sandbox import Interval, Sandbox
from tests.support.pages import FOLLOWED, PAGES, README, blocks, in_tab
from tests.support.paths import ROOT
from tests.support.pipelines import meltano_program, uv_program
from tests.support.warehouses import CACHE, locked, postgres

pytestmark = pytest.mark.targets
FIRST, LAST = date(2024, 1, 20), date(2024, 3, 5)
STATE: Final = "dev:tap-advexport-to-target-jsonl"
# Days that the commands of a page export, at least and at most.
EXPORTED: Final = {
    "backfill": (19, 19),
    "change-the-time-zone": (46, 46),
    "migrate": (35, 35),
    "re-export": (29, 29),
    "rotate-the-token": (1, 7),
    "several-accounts": (92, 92),
}
# One shares a backfill into PostgreSQL: tests/laws/test_sharing_a_backfill.py is about that.
PAGES_WITH_MELTANO: Final = [
    page
    for page in PAGES
    if page not in FOLLOWED
    and page.stem != "scaling"
    and any(block.needs_meltano for block in in_tab(page, "Meltano"))
]


@dataclass(frozen=True)
class Shell:
    """A shell in some folder; what its programs keep stays in folders of the test."""

    folder: Path
    variables: dict[str, str]
    programs: tuple[Path, ...]

    def run(self, script: str, *, ok: bool = True) -> str:
        path = os.pathsep.join([*map(str, self.programs), "/usr/bin", "/bin"])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=os.environ | self.variables | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout


def days_of(sandbox: Sandbox, since: int) -> int:
    exports = [task.submission for task in sandbox.tasks[since:]]
    return sum((export.last - export.first).days + 1 for export in exports)


def projects_shell(sandbox: Sandbox, folder: Path) -> Shell:
    """In a copy of this project, whose plugins are those of all such copies."""
    plugin = (ROOT / "meltano.yml").read_text("utf-8")
    assert "pip_url: -e ." in plugin
    (folder / "meltano.yml").write_text(plugin.replace("pip_url: -e .", f"pip_url: -e {ROOT}"))
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "output").mkdir()
    settings = {"start_date": str(FIRST), "end_date": str(LAST), "timezone": "UTC"}
    (folder / "config.json").write_text(json.dumps(settings))
    variables = {
        "TAP_ADVEXPORT_API_URL": sandbox.url,
        "TAP_ADVEXPORT_AUTH_TOKEN": sandbox.token,
        "TAP_ADVEXPORT_START_DATE": str(FIRST),
        "TAP_ADVEXPORT_END_DATE": str(LAST),
        "NEW_TOKEN": sandbox.token,
        "NORTH_TOKEN": sandbox.token,
        "SOUTH_TOKEN": sandbox.token,
        "MELTANO_SYS_DIR_ROOT": str(CACHE / "meltano-pages"),
        "MELTANO_DATABASE_URI": f"sqlite:///{folder}/meltano.db",
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        "XDG_STATE_HOME": str(folder / "home"),
    }
    programs = meltano_program().parent, Path(uv_program()).parent, Path(sys.executable).parent
    return Shell(folder, variables, programs)


@pytest.mark.parametrize("page", PAGES_WITH_MELTANO, ids=lambda page: page.stem)
def test_commands_of_the_page_do_what_it_says(page: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    shell = projects_shell(sandbox, tmp_path)
    commands = [b.text for b in in_tab(page, "Meltano") if "meltano" in b.text]
    # Meltano's folder is one for all, and so is each command in it.
    with locked(CACHE / "meltano-pages.lock"):
        shell.run("meltano --log-level=warning install tap-advexport target-jsonl")
        if page.stem != "migrate":
            shell.run("meltano run tap-advexport target-jsonl")
        before = len(sandbox.tasks)
        shell.run("\n".join(commands))
        state = json.loads(shell.run(f"meltano state get {STATE}"))["singer_state"]
    assert state["bookmarks"]["report_daily"]["settled"][-1][1] == str(LAST)
    # No other report is exported than those that are selected.
    assert set(state["bookmarks"]) == {"report_daily"}
    if page.stem in EXPORTED:
        least, most = EXPORTED[page.stem]
        assert least <= days_of(sandbox, before) <= most
    if page.stem == "several-accounts":
        rows = read(tmp_path / "output/report_daily.jsonl")
        truth = sandbox.truth(Interval.DAILY, FIRST, LAST)
        labels = Counter(row.get("account") for row in rows)
        assert {labels["north"], labels["south"]} == {len(truth)}


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def fresh_shell(sandbox: Sandbox, folder: Path) -> Shell:
    """On a machine with nothing but git, Python and uv."""
    variables = {
        "REPOSITORY": str(ROOT),
        "YOUR_TOKEN": sandbox.token,
        "TAP_ADVEXPORT_API_URL": sandbox.url,
        "TAP_ADVEXPORT_END_DATE": "2024-01-20",
        "UV_TOOL_DIR": str(folder / "tools"),
        "UV_TOOL_BIN_DIR": str(folder / "bin"),
        "UV_PYTHON": sys.executable,
        "XDG_STATE_HOME": str(folder / "home"),
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
    }
    return Shell(folder, variables, (folder / "bin", Path(uv_program()).parent))


def assert_is_january(sandbox: Sandbox, output: Path) -> None:
    truth = sandbox.truth(Interval.DAILY, date(2024, 1, 1), date(2024, 1, 20))
    # By default, the target puts the time of the run into the names.
    [daily] = output.glob("report_daily*.jsonl")
    clicks = [row["clicks_aggr"] or 0 for row in read(daily)]
    assert len(clicks) == len(truth)
    assert sum(clicks) == sum(int(row["clicks_aggr"] or 0) for row in truth)
    assert not list(output.glob("report_hourly*"))


def test_start_page_leads_from_a_fresh_machine_to_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    shell = fresh_shell(sandbox, tmp_path)
    commands = [block.text for block in blocks(ROOT / "docs/start.md")]
    with postgres() as url:
        port = url.rpartition(":")[2].partition("/")[0]
        account = {"PGHOST": "127.0.0.1", "PGUSER": "postgres", "PGDATABASE": "postgres"}
        shell.variables.update(account | {"PGPORT": port})
        # In the project of one's own, see which streams a run would export.
        shown = shell.run("\n".join([*commands, "meltano select --list --all tap-advexport"]))
    truth = sandbox.truth(Interval.DAILY, date(2024, 1, 1), date(2024, 1, 20))
    [month] = [line for line in shown.splitlines() if line.startswith(" 2024-01-01 |")]
    assert int(month.split("|")[1]) == sum(int(row["clicks_aggr"] or 0) for row in truth)
    assert_is_january(sandbox, tmp_path / "tap-advexport/output")
    selected = [line for line in shown.splitlines() if "[selected" in line or "[automatic" in line]
    assert {line.split()[-1].partition(".")[0] for line in selected} == {
        "report_daily",
        "report_periods",
    }


def test_readme_leads_to_rows_in_four_ways(sandbox: Sandbox, tmp_path: Path) -> None:
    shell = fresh_shell(sandbox, tmp_path)
    demo, meltano, dlt, pipe, test = (block.text for block in blocks(README))
    # CI runs these two.
    assert (demo, test) == ("scripts/demo\n", "scripts/test\n")
    shell.variables.update(
        {
            "SOURCES__ADVEXPORT__API_URL": sandbox.url,
            "SOURCES__ADVEXPORT__END_DATE": "2024-01-20",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DLT_DATA_DIR": str(tmp_path / "dlt"),
        }
    )
    checkout = tmp_path / ".checkout"
    shell.run(f'git clone --quiet "$REPOSITORY" .checkout; cd .checkout; {meltano}\n{dlt}\n{pipe}')
    assert (checkout / "output/warehouse.duckdb").exists()
    assert_is_january(sandbox, checkout / "output")
    [lines] = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    count = """
with pipeline.sql_client() as client:
    print(client.execute_sql("select count(*) from report_daily")[0][0])
"""
    (checkout / "load.py").write_text(f"{lines}\n{count}\n")
    token = f'SOURCES__ADVEXPORT__AUTH_TOKEN="{sandbox.token}"'
    loaded = shell.run(f"cd .checkout; {token} my-env/bin/python load.py").split()[-1]
    truth = sandbox.truth(Interval.DAILY, date(2024, 1, 1), date(2024, 1, 20))
    assert int(loaded) == len(truth)
