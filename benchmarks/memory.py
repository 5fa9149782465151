"""Peak memory of the tap and of its conversion processes, from little data to much."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import api, save
from benchmarks.contenders import TAP
from benchmarks.processes import Run, measure


@dataclass(frozen=True, slots=True)
class Case:
    """What a run reads."""

    name: str
    rows_per_day: int
    first: str
    last: str
    window_days: int
    state: dict[str, Any] | None = None


def _history() -> dict[str, Any]:
    # Ten years of both reports, but for the last days.
    bookmark = {
        "replication_key": "time",
        "replication_key_value": "2024-01-02",
        "settled": [["2014-01-01", "2024-01-02"]],
        "unsettled": [],
    }
    return {"bookmarks": {"report_daily": bookmark, "report_hourly": bookmark}}


CASES = (
    Case("200,000 rows in one export", 200_000, "2024-01-01", "2024-01-01", 1),
    Case("5 million rows in one export", 200_000, "2024-01-01", "2024-01-25", 25),
    Case("20 windows of 500 rows", 500, "2023-12-01", "2023-12-20", 1),
    Case("400 windows of 500 rows", 500, "2022-12-01", "2024-01-04", 1),
    Case("20 windows after ten years", 500, "2024-01-03", "2024-01-22", 1, _history()),
)


def measure_memory() -> list[tuple[Case, Run]]:
    """Run each case once."""
    return [(case, _run(case)) for case in CASES]


def _run(case: Case) -> Run:
    print(f"  memory: {case.name}", flush=True)
    with (
        api(case.rows_per_day, case.first, case.last) as config,
        tempfile.TemporaryDirectory() as d,
    ):
        folder = Path(d)
        config["window_days"] = case.window_days
        if case.state:
            config["start_date"] = "2014-01-01"
        command = TAP.command(save(folder, config))
        if case.state:
            (folder / "state.json").write_text(json.dumps(case.state))
            command += ["--state", str(folder / "state.json")]
        return measure(command, log=folder / "log")
