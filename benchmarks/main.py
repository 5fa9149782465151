"""Measures everything, and writes docs/performance.md and its chart."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from pathlib import Path

from benchmarks.batches import measure_batches
from benchmarks.break_even import measure_break_even
from benchmarks.chart import bar_chart
from benchmarks.contenders import CONTENDERS, CONVENTIONAL, TAP
from benchmarks.memory import measure_memory
from benchmarks.processes import FailedRunError
from benchmarks.profile import profile_row
from benchmarks.report import Report
from benchmarks.throughput import compare
from benchmarks.truth import WrongOutputError
from benchmarks.waiting import measure_waiting
from benchmarks.windows import measure_windows

DOCS = Path(__file__).resolve().parent.parent / "docs"
LARGE, SMALL = 250_000, 50_000


def main() -> int:
    """Measure; the exit code is 1 when an output was wrong."""
    parser = ArgumentParser("benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each comparison")
    parser.add_argument(
        "--compare",
        type=int,
        metavar="ROWS",
        help="only compare the tap with the conventional one on four exports of so many rows",
    )
    options = parser.parse_args()
    try:
        if options.compare:
            _compare_pair(options.compare, options.rounds)
        else:
            _measure_all(options.rounds)
    except (WrongOutputError, FailedRunError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    return 0


def _compare_pair(rows: int, rounds: int) -> None:
    for result in compare((TAP, CONVENTIONAL), rows_per_export=rows, rounds=rounds):
        print(
            f"{result.contender.name}: {result.rows_per_second:,.0f} rows/s, ratio "
            f"{result.ratio:.1f} ({min(result.ratios):.1f}-{max(result.ratios):.1f}), "
            f"{result.cpu_seconds_per_million:.1f} processor seconds per million rows"
        )


def _measure_all(rounds: int) -> None:
    load = os.getloadavg()[0]
    fast = [each for each in CONTENDERS if each in {TAP, CONVENTIONAL} or each.is_limit]
    large = compare(fast, rows_per_export=LARGE, rounds=rounds)
    small = compare(CONTENDERS, rows_per_export=SMALL, rounds=rounds)
    row_microseconds, shares = profile_row()
    report = Report(
        large=large,
        small=small,
        row_microseconds=row_microseconds,
        shares=shares,
        memory=measure_memory(),
        batches=measure_batches(),
        break_even=measure_break_even(),
        waiting=measure_waiting(),
        windows=measure_windows(),
        load=load,
    )
    bars = [
        (each.contender.name, each.rows_per_second, f"{each.rows_per_second:,.0f}")
        for each in small
        if not each.contender.is_limit
    ]
    chart = bar_chart(f"Rows a second, four exports of {SMALL:,} rows", bars)
    (DOCS / "performance.svg").write_text(chart, "utf-8")
    (DOCS / "performance.md").write_text(report.markdown(), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
