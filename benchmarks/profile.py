"""Where the time of a row goes: the conversion of one file, part by part."""

from __future__ import annotations

import cProfile
import pstats
import tempfile
import time
from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from benchmarks.api import FIRST, api
from benchmarks.peers import exports
from tap_advexport.records.convert import Conversion, convert
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

ROWS = 100_000

# Which file, and which functions of it, belong to which part of the work; the first that fits.
PARTS = (
    ("taking lines apart (split, csv.reader)", "csv_split.py", ""),
    ("taking lines apart (split, csv.reader)", "csv_table.py", ""),
    ("unpacking and reading the file", "source.py", ""),
    ("checking cells, looking them up", "caches.py", ""),
    ("checking cells, looking them up", "cells.py", ""),
    ("identity of rows: images and SHA-256", "row_key.py", ""),
    ("identity of periods: the rest of the cells, SHA-256", "period_version.py", ""),
    ("repeated rows", "repetitions.py", ""),
    ("exact numbers", "json_lines.py", "_number_fragments"),
    ("lines of JSON", "json_lines.py", ""),
    ("identity of rows: images and SHA-256", "encoder.py", "_numbered_keys"),
    ("verifying, hashing, adding up", "encoder.py", ""),
    ("totals and spool", "totals.py", ""),
)


def profile_row() -> tuple[float, Mapping[str, float]]:
    """Microseconds of a row without the profiler, and the share of each part of them."""
    with api(ROWS, FIRST, FIRST) as config, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.csv"
        path.write_text(next(exports.files(config)), "utf-8", newline="")
        rows, seconds = min((_convert(path) for _ in range(3)), key=lambda each: each[1])
        profiler = cProfile.Profile()
        profiler.runcall(_convert, path)
        return seconds / rows * 1e6, _shares(pstats.Stats(profiler))


def _convert(path: Path) -> tuple[int, float]:
    conversion = Conversion(
        interval=Interval.DAILY,
        first=date.fromisoformat(FIRST),
        last=date.fromisoformat(FIRST),
        timezone="UTC",
        columns=(*COLUMN_NAMES, *ADDED_COLUMNS),
        is_end_proven=True,
    )
    with path.open("rb") as source, tempfile.TemporaryFile() as lines:
        began = time.process_time()
        converted = convert(source, cast("Any", lines), conversion)
        _flush(lines)
        return converted.row_count, time.process_time() - began


def _flush(lines: IO[bytes]) -> None:
    lines.flush()


def _shares(stats: pstats.Stats) -> dict[str, float]:
    """Return the share of each part; a built-in's time counts for its caller."""
    found: dict[str, float] = defaultdict(float)
    entries: dict[tuple[str, int, str], tuple[int, int, float, float, dict[Any, Any]]]
    entries = cast("Any", stats).stats
    for function, (_, _, own, _, callers) in entries.items():
        if function[0] == "~":
            for caller, (_, _, seconds, _) in callers.items():
                found[_part(caller)] += seconds
        else:
            found[_part(function)] += own
    total = sum(found.values())
    shares = {part: seconds / total for part, seconds in found.items()}
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def _part(function: tuple[str, int, str]) -> str:
    path, _, name = function
    for part, file, wanted in PARTS:
        if path.endswith(f"tap_advexport/records/{file}") and wanted in name:
            return part
    return "everything else"
