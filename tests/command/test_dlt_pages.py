"""docs/dlt.md does what it says: its lines from a wheel, and the move from the tap's tables."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from tap_advexport.dlt import export_state, import_state, load
from tests.support.dlt_pipelines import Place, cells, new_api, typed_row
from tests.support.paths import ROOT
from tests.support.warehouses import CACHE, environment, postgres, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.targets

PAGE = (ROOT / "docs/dlt.md").read_text("utf-8")
START = "2024-02-10"
FOUR, FIVE = 4, 5
# The tables as a Singer target has them: times in UTC, without their offset.
AS_A_TARGET_HAS_THEM = """
    create schema tap_advexport;
    create table tap_advexport.report_daily as
    select r.*, "time" at time zone 'UTC' as naive_time, exported_at at time zone 'UTC' as naive_at
    from old.report_daily r;
    alter table tap_advexport.report_daily drop column "time";
    alter table tap_advexport.report_daily drop column exported_at;
    alter table tap_advexport.report_daily rename column naive_time to "time";
    alter table tap_advexport.report_daily rename column naive_at to exported_at;
    create table tap_advexport.report_periods as select * from old.report_periods;
"""


def block(name: str, language: str) -> str:
    """What stands on the page under a mark."""
    [found] = re.findall(
        rf"^( *)<!-- {name} -->\n\1```{language}\n(.*?)\1```", PAGE, re.DOTALL | re.MULTILINE
    )
    return re.sub(rf"^{found[0]}", "", found[1], flags=re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url.replace("postgres@", "postgres:none@")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A fresh environment with the wheel and the extras."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.iterdir()
    # All workers of pytest name the same wheel: another name would be another environment, in whose
    # favour that of a test which runs meanwhile is removed.
    kept = CACHE / "wheels" / hashlib.sha256(wheel.read_bytes()).hexdigest() / wheel.name
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(wheel, copy := kept.with_suffix(f".{os.getpid()}"))
    copy.replace(kept)
    requirement = f"tap-advexport[dlt,dlt-postgres] @ file://{kept}\n"
    return str(environment("dlt-wheel", requirement) / "python")


@pytest.mark.parametrize(("name", "count"), [("four lines", FOUR), ("five lines", FIVE)])
def test_the_lines_of_the_page_load_what_the_api_says(
    name: str, count: int, python: str, server: str, tmp_path: Path
) -> None:
    lines = block(name, "python")
    assert len([line for line in lines.splitlines() if line]) == count
    now = datetime.now(UTC)  # noqa: TID251 - the page's lines run on the machine's clock
    start, last = (now - timedelta(days=20)).date(), now.date() - timedelta(days=1)
    with Sandbox(SandboxConfig(rows_per_day=20, now=now)) as sandbox:
        variables = {
            "SOURCES__ADVEXPORT__AUTH_TOKEN": sandbox.token,
            "SOURCES__ADVEXPORT__API_URL": sandbox.url,
            "ADS_DATABASE_URL": server,
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DLT_DATA_DIR": str(tmp_path / "dlt"),
        }
        run([python, "-c", lines.replace("2024-01-01", str(start))], env=variables, cwd=tmp_path)
        truth = Counter(cells(typed_row(row)) for row in sandbox.truth("daily", start, last))
    place = Place(tmp_path, server if count == FIVE else "", "ads", file="advexport.duckdb")
    assert place.rows("report_daily") == truth
    assert place.count("report_periods") == (last - start).days + 1


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_rows_and_state_move_over_from_the_tap(
    kind: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    old = Place(tmp_path, server if kind == "postgres" else "", "old")
    new = Place(tmp_path, old.url, "ads")
    with new_api() as api:
        load(old.pipeline("tap"), api.source(START, lookback_days=9))
        state = export_state(old.pipeline("tap"))
        for statement in AS_A_TARGET_HAS_THEM.split(";")[:-1]:
            execute(old, statement)
        api.pass_days(1)
        execute(old, "drop schema if exists ads cascade")
        load(new.pipeline(), api.source("2024-02-27", lookback_days=9))
        for statement in block("copy", "sql").split(";")[:-1]:
            execute(new, statement)
        import_state(new.pipeline(), state)
        before = len(api.submitted())
        load(new.pipeline(), api.source(START, lookback_days=9))
        assert new.rows("report_daily") == api.truth(START)
        assert min(api.submitted()[before:])[0] == "2024-02-21"
        assert new.count("report_periods") == 21


def execute(place: Place, statement: str) -> None:
    with place.pipeline("reader", "reader").sql_client() as client:
        client.execute_sql(statement)
