"""The benchmarks measure what they say, and refuse a contender whose rows are not the API's."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from benchmarks.chart import OURS, bar_chart
from benchmarks.contenders import CONVENTIONAL, TAP, Contender
from benchmarks.pipe import pipe_chart, pipe_section, ways
from benchmarks.processes import FailedRunError, measure
from benchmarks.throughput import compare
from benchmarks.truth import Sums, WrongOutputError
from benchmarks.windows import measure_windows
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TRUTH = Sums(rows=3, clicks=30, conversions=4, cost=Decimal("12.34"))


def test_the_tap_and_the_conventional_tap_bring_the_same_sums() -> None:
    tap, conventional = compare((TAP, CONVENTIONAL), rows_per_export=20, rounds=1)
    assert tap.rows == conventional.rows > 20
    assert conventional.ratios == [1.0]
    assert tap.rows_per_second > 0


@pytest.mark.parametrize(
    "wrong",
    [
        replace(TRUTH, rows=2),
        replace(TRUTH, clicks=31),
        replace(TRUTH, conversions=3),
        replace(TRUTH, cost=Decimal("12.35")),
    ],
)
def test_a_wrong_output_is_refused(wrong: Sums) -> None:
    with pytest.raises(WrongOutputError, match="who gave"):
        TRUTH.check(wrong, "who", is_exact=False)


def test_the_section_of_the_pipe_tells_ratios_within_rounds_for_each_database() -> None:
    measured = ways()
    for number, way in enumerate(measured, start=1):
        way.seconds = [1.0 * number, 2.0 * number, 3.0 * number]
    section = pipe_section(1000, measured, 0.5)
    first, second, *_ = (line for line in section.splitlines() if "PostgreSQL |" in line)
    assert first == ("| dlt source of tap-advexport | PostgreSQL | 500 | 2.0 | 1.0 (1.0-1.0) |")
    assert second.endswith("| 250 | 4.0 | 2.0 (2.0-2.0) |")
    limit = [line for line in section.splitlines() if line.startswith("|")][-1]
    assert limit.startswith("| limit: COPY of the CSV files | DuckDB |")
    assert "limit" not in pipe_chart(1000, measured)


def test_only_what_is_exact_has_to_keep_the_last_digit() -> None:
    nearly = replace(TRUTH, cost=Decimal("12.34000000000001"))
    TRUTH.check(nearly, "floats", is_exact=False)
    with pytest.raises(WrongOutputError):
        TRUTH.check(nearly, "decimals", is_exact=True)


def test_a_contender_that_omits_rows_fails_the_benchmark() -> None:
    class Idle(Contender):
        def command(self, config: Path, *, is_printed: bool = False) -> list[str]:
            del config, is_printed
            return [sys.executable, "-c", 'print(\'{"type": "STATE"}\')']

    with pytest.raises(WrongOutputError, match="idle gave Sums"):
        compare((Idle("idle", "idle"), CONVENTIONAL), rows_per_export=5, rounds=1)


def test_a_program_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(FailedRunError, match="exit code 3\nwhy"):
        measure(
            [sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"],
            log=tmp_path / "log",
        )


def test_what_is_printed_is_counted(tmp_path: Path) -> None:
    lines = [json.dumps({"n": number}) for number in range(1000)]
    program = f"print({chr(10).join(lines)!r})"
    run = measure([sys.executable, "-c", program], log=tmp_path / "log")
    assert run.lines == 1000
    assert run.byte_count == sum(map(len, lines)) + 1000
    assert run.seconds > 0


def test_windows_are_measured_without_the_start_of_the_tap() -> None:
    [few, more] = measure_windows((20, 60))
    assert (few.windows, more.windows) == (20, 60)
    assert 0 < more.cpu_milliseconds < 50
    assert abs(more.peak_mb - few.peak_mb) < 5


def test_the_longest_bar_of_a_chart_is_the_fastest() -> None:
    chart = bar_chart("Rows & more", [("one", 10.0, "10"), ("two", 5.0, "5")])
    assert "Rows &amp; more" in chart
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([0-9.]+)"', chart)]
    assert widths[0] == 2 * widths[1]


@pytest.mark.parametrize("drawing", ["pipe.svg", "performance.svg"])
def test_no_label_of_a_chart_is_cut_off_and_ours_stand_out(drawing: str) -> None:
    chart = (ROOT / "docs" / drawing).read_text("utf-8")
    labels = re.findall(r'<text x="([0-9.]+)" [^>]*text-anchor="end">(.*?)</text>', chart)
    colors = re.findall(r'<rect [^>]*fill="(.*?)"', chart)
    assert all(float(right) >= 7 * len(label) for right, label in labels)
    ours = {color for color, (_, label) in zip(colors, labels, strict=True) if OURS in label}
    assert len(ours) == 1
    assert not ours & {
        color for color, (_, label) in zip(colors, labels, strict=True) if OURS not in label
    }
