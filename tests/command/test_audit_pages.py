"""The commands of the pages that read a warehouse, as they stand, over DuckDB and PostgreSQL."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.support.pages import FOLLOWED, PAGES, Block, blocks
from tests.support.paths import ROOT
from tests.support.warehouses import Export, Row, Warehouse, dbt_environment, postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCKS: Final = [
    block
    for page in PAGES
    if page not in FOLLOWED
    for block in blocks(page)
    if block.needs_a_warehouse
]
DAY: Final = "2024-01-01"
ROWS: Final = (Row(DAY, "k", 1, 1, "0.5"), Row(DAY, "l", 2, 0, "0.25"))
# `true-rows` reads tables in the schema main, as one who loads without a schema has them.
IN_MAIN: Final = [
    "create table main.report_daily as from tap_advexport.report_daily",
    "create table main.report_periods as from tap_advexport.report_periods",
]
EXTRAS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
# The audit, where the drivers are installed; and an installation of what exists.
PROGRAMS: Final = {
    "tap-advexport-audit": (
        '#!/bin/sh\nPYTHONPATH={root} exec {python} -m tap_advexport.commands.audit "$@"\n'
    ),
    "uv": '#!/bin/sh\necho "$@" >> installed\n',
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where somebody follows the pages: both warehouses hold a day as the API reported it."""
    (tmp_path / "bin").mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(text.format(root=ROOT, python=dbt_environment() / "python"))
        program.chmod(0o755)
    config = {"auth_token": "not-a-real-token", "start_date": DAY, "end_date": DAY}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with postgres() as url:
        for kind, place in (("duckdb", str(tmp_path / "warehouse.duckdb")), ("postgres", url)):
            warehouse = Warehouse(kind, place, append_only=False, reports=("daily",))
            warehouse.create()
            warehouse.load(Export("e", "2024-01-02 03:00:00", "daily", (DAY,), ROWS))
            for statement in IN_MAIN if kind == "duckdb" else []:
                warehouse.run(statement)
            warehouse.flush()
        (tmp_path / "url").write_text(url)
        yield tmp_path


def run_block(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    server = urlsplit((folder / "url").read_text())
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PGUSER": str(server.username),
            "PGHOST": str(server.hostname),
            "PGPORT": str(server.port),
            "PGDATABASE": server.path.strip("/"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_commands_find_nothing_where_nothing_is_lost_and_the_day_where_a_row_is(
    folder: Path,
) -> None:
    for block in BLOCKS:
        done = run_block(block, folder)
        assert done.returncode == 0, (block, done.stderr)
    [installed] = (folder / "installed").read_text().splitlines()
    _, _, extras = installed.strip('"]').partition("[")
    assert set(extras.split(",")) <= EXTRAS.keys()
    assert json.loads((folder / "repair.json").read_text()) == {}

    damaged = Warehouse("duckdb", str(folder / "warehouse.duckdb"), append_only=False, reports=())
    for schema in ("tap_advexport", "main"):
        damaged.run(f"delete from {schema}.report_daily where row_key = 'l'")  # noqa: S608 - ours
    damaged.flush()
    audits = [block for block in BLOCKS if "tap-advexport-audit" in block.text]
    assert [run_block(block, folder).returncode for block in audits] == [1] * len(audits)
    mending = {"refresh_start_date": DAY, "refresh_end_date": DAY}
    assert json.loads((folder / "repair.json").read_text()) == mending
