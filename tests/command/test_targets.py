"""The tap into real targets, over the life of a warehouse; slow, run by scripts/test-targets."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest

from advexport_sandbox import Interval, Match, Options, Sandbox, SandboxConfig
from tests.support.paths import ROOT
from tests.support.pipelines import Bare, Meltano, loader
from tests.support.places import Place, canonical, place_of
from tests.support.targets import LOADERS, OTHERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.targets

# With an offset that is no whole number of hours, so that it cannot be overlooked.
ZONE: Final = ZoneInfo("Asia/Kolkata")
TARGETS: Final = (
    "target-postgres",
    "target-duckdb",
    "target-jsonl",
    "target-csv",
    "target-s3-jsonl",
    "target-s3-csv",
)
LONG_NUMBER: Final = "12345678901234567.12345678901"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def today() -> date:
    return datetime.now(ZONE).date()  # noqa: TID251 - the command reads the real clock


def new_sandbox(**settings: Any) -> Sandbox:  # noqa: ANN401 - whatever the sandbox takes
    midday = datetime.now(UTC)  # noqa: TID251 - the command reads the real clock
    return Sandbox(SandboxConfig(now=midday, timezone=ZONE.key, rows_per_day=8, **settings))


def settings(sandbox: Sandbox, first: date, last: date, **others: object) -> dict[str, object]:
    return {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "timezone": ZONE.key,
        "lookback_days": 20,
        "window_days": 3,
        "poll_interval_seconds": 0.05,
        **others,
    }


# --- The life of a warehouse ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "way"),
    [
        *(pytest.param(target, Bare, id=f"{target}-pipe") for target in TARGETS),
        *(pytest.param(target, Meltano, id=f"{target}-meltano") for target in LOADERS),
    ],
)
def test_warehouse_holds_the_truth_whatever_happens_to_it(
    target: str, way: type[Bare | Meltano], tmp_path: Path, stack: ExitStack
) -> None:
    sandbox = stack.enter_context(new_sandbox(maturing_days=6, vanish_share=0.4, late_share=0.3))
    place = place_of(target, tmp_path, stack)
    load = way(target, place, tmp_path, sandbox)
    first, last = today() - timedelta(days=9), today() - timedelta(days=1)

    # First load.
    assert load(settings(sandbox, first, last - timedelta(days=3))) == 0
    assert_is_truth(place, sandbox, first, last - timedelta(days=3))
    before = Counter(map(canonical, place.true_rows()))

    # Three new days, and figures of the old ones that have changed meanwhile.
    sandbox.advance(days=3)
    assert load(settings(sandbox, first, last)) == 0
    assert_is_truth(place, sandbox, first, last)
    assert before - Counter(map(canonical, place.true_rows())), "nothing was restated"
    assert len(place.rows("report_daily")) > len(place.true_rows()), "nothing has vanished"

    # A backfill in which one day fails: the others are there, and kept.
    earlier, bad = first - timedelta(days=6), first - timedelta(days=2)
    sandbox.inject("bad-cell", count=None, match=Match(day=bad))
    assert load(settings(sandbox, earlier, last)) == 1
    assert {row["report_date"] for row in place.true_rows()} >= days_with_rows(
        sandbox, earlier, bad - timedelta(days=1)
    )
    assert str(bad) not in {row["period"] for row in place.rows("report_periods")}

    # The next run brings the rest.
    sandbox.clear_faults()
    assert load(settings(sandbox, earlier, last)) == 0
    assert_is_truth(place, sandbox, earlier, last)

    if way is Bare:
        # A target that is killed in the middle, and another run.
        still_earlier = earlier - timedelta(days=9)
        stop_at = sandbox.submissions + 3
        assert load(settings(sandbox, still_earlier, last), kill_after_submissions=stop_at) != 0
        assert load(settings(sandbox, still_earlier, last)) == 0
        assert_is_truth(place, sandbox, still_earlier, last)


def assert_is_truth(place: Place, sandbox: Sandbox, first: date, last: date) -> None:
    truth = sandbox.truth(Interval.DAILY, first, last)
    held = Counter(map(canonical, place.true_rows()))
    wanted = Counter(canonical(row | {"time": with_offset(row["time"])}) for row in truth)
    assert (wanted - held, held - wanted) == (Counter(), Counter())
    periods = {row["period"] for row in place.rows("report_periods")}
    assert periods == {str(first + timedelta(days=n)) for n in range((last - first).days + 1)}


def days_with_rows(sandbox: Sandbox, first: date, last: date) -> set[str]:
    return {row["time"][:10] for row in sandbox.truth(Interval.DAILY, first, last)}


def with_offset(wall_clock: str) -> str:
    return datetime.fromisoformat(wall_clock).replace(tzinfo=ZONE).isoformat()


# --- What each target keeps ----------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_target_keeps_what_the_documentation_says(
    target: str, tmp_path: Path, stack: ExitStack
) -> None:
    sandbox = stack.enter_context(new_sandbox(maturing_days=0))
    place = place_of(target, tmp_path, stack)
    load = Bare(target, place, tmp_path, sandbox)
    last = today() - timedelta(days=2)
    long_day, nul_day = last, last - timedelta(days=1)
    long_number = Options(column="cost_aggr", cell=LONG_NUMBER)
    sandbox.inject("bad-cell", count=None, match=Match(day=long_day), options=long_number)
    sandbox.inject("nul", count=None, match=Match(day=nul_day))
    every_day = settings(
        sandbox, last - timedelta(days=9), last, window_days=1, skip_unchanged=False
    )
    assert load(every_day) == 0
    rows = place.rows("report_daily")
    assert load(every_day) == 0
    measured = {
        "`time`": kept_time(rows),
        "digits": kept_digits(rows),
        "empty text": kept_texts(rows),
        "null": kept_nulls(rows),
        "NUL": kept_nul(rows),
        "a row again": "updated" if len(place.rows("report_daily")) == len(rows) else "appended",
    }
    assert measured == {name: documented()[target][name] for name in measured}


def kept_time(rows: list[dict[str, Any]]) -> str:
    moment = datetime.fromisoformat(rows[0]["time"])
    if moment.tzinfo is not None:
        return "text with its offset" if moment.utcoffset() else "UTC"
    return "wall clock" if moment.time().isoformat() == "00:00:00" else "UTC without offset"


def kept_digits(rows: list[dict[str, Any]]) -> str:
    costs = {str(row["cost_aggr"]) for row in rows}
    return "exact" if LONG_NUMBER in costs else "as double"


def kept_texts(rows: list[dict[str, Any]]) -> str:
    kept = {row["creative_id"] for row in rows} & {"", None}
    return {"": "kept", None: "becomes null"}[kept.pop()]


def kept_nulls(rows: list[dict[str, Any]]) -> str:
    kept = {row["publisher_id"] for row in rows} & {"", None}
    return {None: "kept", "": "becomes empty"}[kept.pop()]


def kept_nul(rows: list[dict[str, Any]]) -> str:
    return "kept" if any("\0" in (row["campaign"] or "") for row in rows) else "taken out"


@pytest.mark.parametrize("target", ["target-csv", "target-s3-jsonl", "target-s3-csv"])
def test_files_of_two_runs_that_begin_together_are_two(
    target: str, tmp_path: Path, stack: ExitStack
) -> None:
    place = place_of(target, tmp_path, stack)
    runs = []
    for name in ("north", "south"):
        folder = tmp_path / name
        folder.mkdir()
        command = loader(target, place, folder)
        run = subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, text=True)
        runs.append((name, stack.enter_context(run)))
    for name, run in runs:
        run.communicate(messages(name))
        assert run.returncode == 0
    assert {row["name"] for row in place.rows("runs")} == {"north", "south"}


def messages(name: str) -> str:
    """A stream of one record."""
    schema = {"properties": {"name": {"type": "string"}}}
    lines = [
        {"type": "SCHEMA", "stream": "runs", "schema": schema, "key_properties": ["name"]},
        {"type": "RECORD", "stream": "runs", "record": {"name": name}},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def documented() -> dict[str, dict[str, str]]:
    """The first table of docs/targets.md, by target and column."""
    text = (ROOT / "docs/targets.md").read_text("utf-8")
    table = [line for line in text.split("\n## ")[1].splitlines() if line.startswith("|")]
    head, _, *lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table]
    return {
        re.sub(r"[`*]", "", cells[0].split()[0]): dict(zip(head, cells, strict=True))
        for cells in lines
    }


def test_documentation_and_meltano_name_the_targets_that_are_tested_here() -> None:
    assert tuple(documented()) == TARGETS
    assert {*LOADERS, *OTHERS} == set(TARGETS)
