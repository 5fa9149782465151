"""Whole programs against one another, round by round on the same files; ratios pair by pair."""

from __future__ import annotations

import os
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.api import api, save
from benchmarks.contenders import CONVENTIONAL
from benchmarks.processes import Run, measure
from benchmarks.truth import Sums, WrongOutputError, sums_of_api, sums_of_messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contenders import Contender


@dataclass(slots=True)
class Result:
    """A contender's runs, one a round."""

    contender: Contender
    rows: int
    runs: list[Run] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    @property
    def rows_per_second(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rows / run.seconds for run in self.runs)

    @property
    def ratio(self) -> float:
        """How many times as fast as the conventional tap: the median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def cpu_seconds_per_million(self) -> float:
        """Seconds of processors for a million rows."""
        return statistics.median(run.cpu_seconds for run in self.runs) * 1e6 / self.rows

    @property
    def peak_mb(self) -> float:
        """The most memory that its main process had."""
        return max(run.peak_mb for run in self.runs)


def compare(contenders: Sequence[Contender], *, rows_per_export: int, rounds: int) -> list[Result]:
    """Measure on four exports of so many rows each; the conventional tap is among them.

    Raises:
        WrongOutputError: a contender's rows are not those of the API.
    """
    with api(rows_per_export) as config, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = save(folder, config)
        truth = sums_of_api(config)
        os.environ["BENCHMARK_LINES"] = str(folder / "lines")
        lines = {c.name: _check(c, path, truth) for c in contenders}
        results = [Result(contender, truth.rows) for contender in contenders]
        for number in range(rounds):
            for result in results:
                print(f"  round {number + 1}: {result.contender.name}", flush=True)
                run = measure(result.contender.command(path), log=folder / "log")
                _check_lines(result.contender, run, lines[result.contender.name])
                result.runs.append(run)
            base = next(r for r in results if r.contender is CONVENTIONAL).runs[-1]
            for result in results:
                result.ratios.append(base.seconds / result.runs[-1].seconds)
        return results


def _check(contender: Contender, config: Path, truth: Sums) -> int:
    """Run once and compare all that it prints with what the API said; gives the number of lines."""
    print(f"  checking {contender.name}", flush=True)
    folder = config.parent
    command = contender.command(config, is_printed=True)
    output = folder / ("lines" if contender.script is None else "output")
    with output.open("w+b") as copy:
        run = measure(command, log=folder / "log", copy=copy)
        if not contender.is_limit:
            copy.seek(0)
            found = sums_of_messages(copy)
            truth.check(found, contender.name, is_exact=contender.is_exact)
    return 0 if contender.print_option else run.lines


def _check_lines(contender: Contender, run: Run, lines: int) -> None:
    # Messages between the records, such as STATE, depend on what happens at the same time.
    if abs(run.lines - lines) > max(100, lines // 50):
        raise WrongOutputError(f"{contender.name} printed {run.lines} lines, after {lines} before")
