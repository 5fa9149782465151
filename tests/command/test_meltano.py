"""The first commands of a person who knows Meltano; slow, run by scripts/test-targets."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from scripts.render_hub import DEFINITION
from tests.support.pipelines import Meltano, meltano_program, uv_program
from tests.support.places import Database, Files, read_json_lines
from tests.support.warehouses import run

if TYPE_CHECKING:
    from pathlib import Path

    from advexport_sandbox import Sandbox

pytestmark = pytest.mark.targets
# Meltano itself takes some, more on a busy machine, and its commands wait for one another here.
WITHIN_SECONDS: Final = 90


def config_test(sandbox: Sandbox, folder: Path, **settings: Any) -> tuple[int, str, float]:  # noqa: ANN401
    """`meltano config test tap-advexport`: exit code, all that is shown, seconds."""
    place = Files(folder, {}, read_json_lines)
    meltano = Meltano("target-csv", place, folder, sandbox)
    meltano.install()
    config = {"auth_token": sandbox.token, "api_url": sandbox.url, "start_date": "2024-12-01"}
    began_at = time.monotonic()
    done = meltano.meltano(
        "config", "test", "tap-advexport", settings={**config, **settings}, ok=(0, 1)
    )
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began_at


def test_config_test_says_that_all_is_well_within_seconds(sandbox: Sandbox, tmp_path: Path) -> None:
    code, shown, seconds = config_test(sandbox, tmp_path, end_date="2024-12-20")
    assert (code, "configuration is valid" in shown) == (0, True), shown
    assert seconds < WITHIN_SECONDS


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"auth_token": "not-this-one"}, "auth_token: the API refuses the token"),
        # Meltano's test is a run like any other, with as many tries; `--test` makes do with two.
        (
            {"api_url": "http://127.0.0.1:9/exports/", "request_attempts": "2"},
            "nothing answers there: check api_url",
        ),
        ({"timezone": "Mars/Base"}, "timezone"),
        # Meltano does not make another date of it: the setting is a string to it.
        ({"start_date": "01/09/2024"}, "is not a date (expected YYYY-MM-DD)"),
    ],
    ids=["token", "down", "setting", "date"],
)
def test_config_test_says_what_is_wrong_within_seconds(
    sandbox: Sandbox, tmp_path: Path, settings: dict[str, str], words: str
) -> None:
    code, shown, seconds = config_test(sandbox, tmp_path, end_date="2024-12-20", **settings)
    assert code == 1
    assert words in " ".join(shown.split())
    assert "not-this-one" not in shown
    assert seconds < WITHIN_SECONDS


def test_the_small_commands_are_commands_of_the_plugin(sandbox: Sandbox, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    place = Database("target-duckdb", str(warehouse), {"filepath": str(warehouse)})
    meltano = Meltano("target-duckdb", place, tmp_path, sandbox)
    settings = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": "2024-11-01",
        "end_date": "2024-12-20",
    }
    assert meltano(settings) == 0, (tmp_path / "log").read_text()
    state = meltano.meltano("state", "get", "dev:tap-advexport-to-target-duckdb").stdout
    path = tmp_path / "state.json"
    path.write_text(state)

    def invoke(name: str, *arguments: str, ok: tuple[int, ...] = (0,), **more: str) -> str:
        command = ("invoke", f"tap-advexport:{name}", *arguments)
        return meltano.meltano(*command, settings={**settings, **more}, ok=ok).stdout

    assert "report_daily  2024-11-01 to 2024-12-20" in invoke("coverage", str(path))
    assert "ok: report_daily: 50 days to 2024-12-20" in invoke("coverage", "--check", str(path))
    merged = json.loads(invoke("merge-states", "--meltano", str(path)))
    assert merged["singer_state"]["bookmarks"]["report_daily"]["settled"]
    compared = invoke("audit", str(warehouse), "--schema", "main")
    assert compared == "50 periods compared, 0 differ\n"
    # The settings of the plugin count: here, where days have to be there from.
    told = invoke("audit", str(warehouse), "--schema", "main", ok=(1, 2), start_date="2024-10-30")
    assert "2024-10-30 to 2024-10-31 (missing)" in told


def test_plugin_is_added_to_a_project_from_its_definition(tmp_path: Path) -> None:
    project = {"project_id": "x", "send_anonymous_usage_stats": False, "plugins": {}}
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))
    variables = {
        "PATH": os.pathsep.join([str(meltano_program().parent), os.environ["PATH"]]),
        "UV": uv_program(),
        "XDG_STATE_HOME": str(tmp_path / "home"),
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
    }
    add = ["add", "--no-install", "tap-advexport", "--from-ref", str(DEFINITION)]
    run([str(meltano_program()), *add], env=variables, cwd=tmp_path)
    shown = run(
        [str(meltano_program()), "config", "list", "--all", "tap-advexport"],
        env=variables,
        cwd=tmp_path,
    )
    assert "TAP_ADVEXPORT_LOOKBACK_DAYS" in shown.stdout
