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
from benchmarks.pipe import measure_pipe, pipe_chart, pipe_section
from benchmarks.processes import FailedRunError
from benchmarks.profile import profile_row
from benchmarks.report import Report
from benchmarks.throughput import compare
from benchmarks.truth import WrongOutputError
from benchmarks.waiting import measure_waiting
from benchmarks.windows import measure_windows

DOCS = Path(__file__).resolve().parent.parent / "docs"
LARGE, SMALL = 250_000, 50_000
# The section of benchmarks/pipe.py, which is measured by itself.
PIPE_BEGINS = "<!-- pipe: begin (written by benchmarks/run --pipe) -->"
PIPE_ENDS = "<!-- pipe: end -->"


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
    parser.add_argument(
        "--pipe",
        type=int,
        metavar="ROWS",
        help="only measure the whole pipe into databases with so many rows (1000000 for the page)",
    )
    options = parser.parse_args()
    try:
        if options.pipe:
            _measure_pipe(options.pipe, options.rounds)
        elif options.compare:
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


def _measure_pipe(rows: int, rounds: int) -> None:
    """Put the pipe's section into the page, in place of the one before."""
    load = os.getloadavg()[0]
    row_count, measured = measure_pipe(rows, rounds)
    page = DOCS / "performance.md"
    head, _, rest = page.read_text("utf-8").partition(PIPE_BEGINS)
    section = f"{PIPE_BEGINS}\n{pipe_section(row_count, measured, load)}{PIPE_ENDS}"
    print(section)
    tail = rest.partition(PIPE_ENDS)[2] or "\n"
    page.write_text(f"{head.rstrip()}\n\n{section}{tail}", "utf-8")
    (DOCS / "pipe.svg").write_text(pipe_chart(row_count, measured), "utf-8")


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
    page = DOCS / "performance.md"
    pipe = page.read_text("utf-8").partition(PIPE_BEGINS)[2].partition(PIPE_ENDS)[0]
    kept = f"\n{PIPE_BEGINS}{pipe}{PIPE_ENDS}\n" if pipe else ""
    page.write_text(report.markdown() + kept, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
