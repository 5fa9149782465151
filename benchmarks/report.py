"""What was measured as docs/performance.md."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contenders import TAP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.batches import Way
    from benchmarks.memory import Case
    from benchmarks.processes import Run
    from benchmarks.throughput import Result
    from benchmarks.windows import Cost

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured; what is empty was not."""

    large: Sequence[Result]
    small: Sequence[Result]
    row_microseconds: float
    shares: Mapping[str, float]
    memory: Sequence[tuple[Case, Run]]
    batches: Sequence[Way]
    break_even: tuple[float, float]
    waiting: Sequence[tuple[float, float, float]]
    windows: Sequence[Cost]
    load: float

    def markdown(self) -> str:
        """Render the whole page."""
        return "\n".join(
            [
                _HEAD,
                *_machine(self.load),
                *_table("Four exports of 250,000 rows", self.large),
                *_table("Four exports of 50,000 rows", self.small),
                _PEERS,
                *_omissions(self.small or self.large),
                *self._profile(),
                *self._break_even(),
                *self._waiting(),
                *self._windows(),
                *self._memory(),
                *self._batches(),
            ]
        )

    def _profile(self) -> list[str]:
        lines = [
            "## Where the time of a row goes",
            "",
            (
                f"{self.row_microseconds:.2f} µs of one processor turn a row of CSV into a verified "
                "line with its key:"
            ),
            "",
            "| part | µs | share |",
            "| --- | --- | --- |",
        ]
        lines += [
            f"| {part} | {share * self.row_microseconds:.2f} | {share:.0%} |"
            for part, share in self.shares.items()
        ]
        return [*lines, "", _HOT_PATH]

    def _break_even(self) -> list[str]:
        start, megabyte = self.break_even
        return [
            _BREAK_EVEN,
            (
                f"It takes {start:.2f} s of a processor to start, as long as {start / megabyte:.1f} MB "
                "take to be converted: two files of that size take equally long in threads and in "
                "processes that have yet to start."
            ),
            "",
        ]

    def _waiting(self) -> list[str]:
        lines = [_WAITING, "", "| a task takes | times the ideal | looks at a task |"]
        lines += ["| --- | --- | --- |"]
        return lines + [f"| {s:g} s | {r:.2f} | {n:.1f} |" for s, r, n in self.waiting] + [""]

    def _windows(self) -> list[str]:
        lines = [_WINDOWS, "", "| windows | processor ms | ms | peak, MB |"]
        lines += ["| --- | --- | --- | --- |"]
        return [
            *lines,
            *(
                f"| {cost.windows:,} | {cost.cpu_milliseconds:.1f} | {cost.milliseconds:.0f} | "
                f"{cost.peak_mb:.0f} |"
                for cost in self.windows
            ),
            "",
        ]

    def _memory(self) -> list[str]:
        lines = [_MEMORY, "", "| run | the tap, MB | a conversion process, MB |"]
        lines += ["| --- | --- | --- |"]
        lines += [
            f"| {case.name} | {run.peak_mb:.0f} | "
            f"{f'{run.children_mb:.0f}' if run.children_mb else 'none'} |"
            for case, run in self.memory
        ]
        return [*lines, "", _DISK]

    def _batches(self) -> list[str]:
        lines = [_BATCHES, "", "| way | rows | rows/s |", "| --- | --- | --- |"]
        lines += [
            f"| {way.name} | {way.rows:,} | {way.rows / way.seconds:,.0f} |" for way in self.batches
        ]
        return [*lines, ""]


def _machine(load: float) -> list[str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in (CPUINFO.read_text().splitlines() if CPUINFO.exists() else ())
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    return [
        (
            f"Measured on {cores} cores of {model}, {platform.system()} {platform.release()}, Python "
            f"{platform.python_version()}. Load of the machine at the start, without the benchmark: "
            f"{load:.1f}. What runs beside it takes cores from whoever uses both, which is the tap, "
            "so that the ratios of wall time are those of an idle machine only when that is near 0; "
            "processor time does not depend on it."
        ),
        "",
    ]


def _table(title: str, results: Sequence[Result]) -> list[str]:
    if not results:
        return []
    lines = [
        f"## {title}",
        "",
        (
            f"{results[0].rows:,} rows, whole processes, output to a pipe, "
            f"{len(results[0].runs)} interleaved rounds: medians, and the ratio to the conventional "
            "tap pair by pair with its spread."
        ),
        "",
        (
            "| contender | version | rows/s | ratio | least-most | processor s per million rows | "
            "peak MB |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        bold = "**" if result.contender is TAP else ""
        lines.append(
            f"| {bold}{result.contender.name}{bold} | {_version(result)} | "
            f"{result.rows_per_second:,.0f} | {bold}{result.ratio:.1f}{bold} | "
            f"{min(result.ratios):.1f}-{max(result.ratios):.1f} | "
            f"{result.cpu_seconds_per_million:.1f} | {result.peak_mb:.0f} |"
        )
    return [*lines, ""]


def _version(result: Result) -> str:
    contender = result.contender
    if contender.is_limit or contender is TAP:
        return ""
    program = f"import importlib.metadata as m; print(m.version({contender.distribution!r}))"
    found = subprocess.run(
        [contender.python, "-c", program], capture_output=True, text=True, check=True
    )
    return f"{contender.distribution} {found.stdout.strip()}"


def _omissions(results: Sequence[Result]) -> list[str]:
    lines = ["| contender | what it does not do |", "| --- | --- |"]
    lines += [
        f"| {each.contender.name} | {each.contender.omits} |"
        for each in results
        if each.contender.omits
    ]
    return [*lines, ""]


_HEAD = """# Performance

Written by `benchmarks/run`, which measures all of it and fails when a contender's rows are not those of the API:
their number and the exact sums of clicks, conversions and costs are compared with the files.

![Rows a second](performance.svg)
"""
_PEERS = """## What the others do not do

All read the same API. The tap verifies every row and the end of every file, gives each row a key, keeps every digit, and has four
exports under way at once. Its peak is that of the main process; the conversion processes are listed below.
"""
_HOT_PATH = """Parts are measured with cProfile, whose own time is spread over them. Cells are checked when they enter a cache; lines without
line breaks in quotes are split by hand, with the very result of `csv.reader` (a property test compares them), and all others
read by it. Each row is hashed twice, for its `row_key` and for the `period_version` of its period; the second hash goes on from the first, and costs about a tenth of a
row. What is left runs in C already: the two hashes, taking lines apart (`csv.reader` alone would take a third more), one look-up of a
remembered value for each cell and use, and the join of a line. Fifteen times the conventional tap would take a faster machine language for
these, and the native engines that were tried (polars, DuckDB, pyarrow) gain a third and accept files that are cut or ragged.
"""
_BREAK_EVEN = """## From what size on a process pays

Threads of Python convert one file at a time. Files of 3 MB and more (unpacked) are converted in processes of their own, as many at
once as there are cores; smaller runs start none. Each file has a process of its own, which has the spools as its stdin and stdout."""
_WAITING = """## Waiting

With tasks that take equally long, 120 of them and four at once, a run should take 30 times as long as a task (found with a clock that
moves by itself, as `tests/laws/test_waiting.py` does, which also holds tasks that differ and heavy tails to 1.1 times):"""
_WINDOWS = """## Many windows

Windows of one day with two rows, submitted, polled, downloaded, verified and emitted with their STATEs; for each window, without
the start of the tap. A window late in a run costs as much as the first:"""
_MEMORY = """## Memory

Peak resident memory of the tap and of its largest conversion process:"""
_DISK = """On disk lie the files in flight and nothing else: at most twice `max_concurrent_exports` downloads as they came, or their lines,
which take about four times as many bytes as plain CSV. They have no names: whatever ends the tap frees them.
"""
_BATCHES = """## Files and targets

The tap's start is in all of it. A target that loads row by row is slower than the tap by an order of magnitude:"""
