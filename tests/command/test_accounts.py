"""Several accounts in the same tables of real targets; slow, run by scripts/test-targets."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest
import yaml

from advexport_sandbox import Interval, Match, Sandbox, SandboxConfig
from tests.support.paths import ROOT
from tests.support.pipelines import Bare, meltano_program, uv_program
from tests.support.places import Database, canonical, place_of
from tests.support.warehouses import CACHE, locked, run, run_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.targets

ZONES: Final = {"north": "Europe/Oslo", "south": "Europe/Rome"}
FIGURES: Final[dict[str, Any]] = {"rows_per_day": 6, "vanish_share": 0.4, "late_share": 0.3}


@dataclass
class Account:
    """An account of the API, whose rows lie in the tables of a place under its label."""

    label: str
    place: Database
    sandbox: Sandbox
    first: date

    @property
    def yesterday(self) -> date:
        return self.sandbox.now.date() - timedelta(days=1)

    def settings(self) -> dict[str, object]:
        return {
            "account": self.label,
            "timezone": ZONES[self.label],
            "auth_token": self.sandbox.token,
            "api_url": self.sandbox.url,
            "start_date": str(self.first),
            "end_date": str(self.yesterday),
            "window_days": 4,
            "poll_interval_seconds": 0.05,
        }

    def held(self) -> Counter[tuple[str, ...]]:
        return Counter(map(canonical, self.place.true_rows(account=self.label)))

    def assert_equals_api(self) -> None:
        truth = self.sandbox.truth(Interval.DAILY, self.first, self.yesterday)
        zone = ZoneInfo(ZONES[self.label])
        wanted = Counter(
            canonical(
                row | {"time": datetime.fromisoformat(row["time"]).replace(tzinfo=zone).isoformat()}
            )
            for row in truth
        )
        held = self.held()
        assert (wanted - held, held - wanted) == (Counter(), Counter())

    def everything(self) -> list[dict[str, Any]]:
        """All that lies under the label, true or not."""
        streams = ("report_daily", "report_periods")
        rows = [row for stream in streams for row in self.place.rows(stream)]
        return sorted((row for row in rows if row["account"] == self.label), key=str)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def new_account(label: str, place: Database, stack: ExitStack) -> Account:
    midday = datetime.now(UTC).replace(hour=12)  # noqa: TID251 - the command reads the real clock
    now = midday - timedelta(days=3)
    config = SandboxConfig(now=now, timezone=ZONES[label], maturing_days=9, **FIGURES)
    sandbox = stack.enter_context(Sandbox(config))
    return Account(label, place, sandbox, (midday - timedelta(days=12)).date())


@pytest.mark.parametrize("target", ["target-postgres", "target-duckdb"])
def test_accounts_in_the_same_tables_never_touch_the_rows_of_one_another(
    target: str, tmp_path: Path, stack: ExitStack
) -> None:
    place = place_of(target, tmp_path, stack)
    assert isinstance(place, Database)
    north, south = (new_account(label, place, stack) for label in ZONES)

    def load(account: Account, *, ok: int = 0) -> None:
        folder = tmp_path / account.label
        folder.mkdir(exist_ok=True)
        assert Bare(target, place, folder, account.sandbox)(account.settings()) == ok
        account.assert_equals_api()

    load(north)
    load(south)
    before = south.everything()
    for _ in range(2):
        old = north.held()
        north.sandbox.advance(days=1)
        load(north)
        assert old - north.held(), "nothing was restated"
        assert south.everything() == before
    # Keys and days are the same, figures are not: the accounts are of different ages.
    keys = [
        {row["row_key"] for row in each.everything() if "row_key" in row} for each in (north, south)
    ]
    assert len(keys[0] & keys[1]) > len(keys[1]) / 2
    before = north.everything()
    bad = south.first + timedelta(days=2)
    south.sandbox.advance(days=3)
    south.sandbox.inject("bad-cell", count=None, match=Match(day=bad))
    folder = tmp_path / "south"
    assert Bare(target, place, folder, south.sandbox)(south.settings()) == 1
    south.sandbox.clear_faults()
    load(south)
    assert north.everything() == before
    code, out, err = run_audit(place.url, "--schema", place.schema)
    assert code == 0, out + err


def test_plugins_of_meltano_load_accounts_with_a_state_each(
    tmp_path: Path, stack: ExitStack
) -> None:
    place = place_of("target-duckdb", tmp_path, stack)
    assert isinstance(place, Database)
    accounts = [new_account(label, place, stack) for label in ZONES]
    write_project(tmp_path)
    variables = {
        "MELTANO_SYS_DIR_ROOT": str(CACHE / "meltano-accounts"),
        "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path}/meltano.db",
        "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
        "PATH": os.pathsep.join([str(Path(uv_program()).parent), os.environ["PATH"]]),
        "TARGET_DUCKDB_FILEPATH": place.url,
        "TARGET_DUCKDB_DEFAULT_TARGET_SCHEMA": place.schema,
    }

    def meltano(*arguments: str) -> str:
        command = [str(meltano_program()), "--log-level=warning", *arguments]
        with locked(CACHE / "meltano-accounts.lock"):
            return run(command, env=variables, cwd=tmp_path).stdout

    plugins = [f"tap-advexport-{account.label}" for account in accounts]
    meltano("install", *plugins, "target-duckdb")
    for day in range(2):
        for account, plugin in zip(accounts, plugins, strict=True):
            account.sandbox.advance(days=day)
            fixed = ("account", "timezone")
            variables |= {
                f"{plugin.upper().replace('-', '_')}_{name.upper()}": str(value)
                for name, value in account.settings().items()
                if name not in fixed
            }
            meltano("run", plugin, "target-duckdb")
        for account in accounts:
            account.assert_equals_api()
    states = meltano("state", "list").split()
    assert states == [f"dev:{plugin}-to-target-duckdb" for plugin in plugins]


def write_project(folder: Path) -> None:
    """The project of this checkout with the plugins of the example."""
    project = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
    example = yaml.safe_load((ROOT / "examples/accounts/meltano.yml").read_text("utf-8"))
    [tap] = project["plugins"]["extractors"]
    tap["pip_url"] = f"-e {ROOT}"
    project["plugins"]["extractors"] += example["plugins"]["extractors"]
    (folder / "meltano.yml").write_text(yaml.safe_dump(project), "utf-8")
