"""What each window costs, however many a run has: memory and time have to stay flat."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.api import api, save
from benchmarks.contenders import TAP
from benchmarks.processes import Run, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTS = (100, 1_000, 4_000)
ROWS_PER_DAY = 2
LAST = date(2024, 1, 4)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run of so many windows took, without what a run of one takes."""

    windows: int
    cpu_milliseconds: float
    milliseconds: float
    peak_mb: float


def measure_windows(counts: Sequence[int] = COUNTS) -> list[Cost]:
    """Run each number of one-day windows once."""
    start = _run(1)
    found = []
    for count in counts:
        print(f"  windows: {count}", flush=True)
        run = _run(count)
        found.append(
            Cost(
                count,
                (run.cpu_seconds - start.cpu_seconds) / count * 1000,
                (run.seconds - start.seconds) / count * 1000,
                run.peak_mb,
            )
        )
    return found


def _run(windows: int) -> Run:
    first = LAST - timedelta(days=windows - 1)
    with (
        api(ROWS_PER_DAY, first.isoformat(), LAST.isoformat()) as config,
        tempfile.TemporaryDirectory() as folder,
    ):
        return measure(TAP.command(save(Path(folder), config)), log=Path(folder) / "log")


if __name__ == "__main__":
    for cost in measure_windows():
        print(cost)
