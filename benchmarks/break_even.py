"""From what size on a process pays: what its start takes, and what a megabyte takes."""

from __future__ import annotations

import resource
import tempfile
import time
from contextlib import closing
from datetime import date
from typing import Any, cast

from benchmarks.api import FIRST, api
from benchmarks.peers import exports
from tap_advexport.records.convert import Conversion, convert
from tap_advexport.records.pool import ConversionProcesses
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES, Interval

ROWS = 50_000


def measure_break_even() -> tuple[float, float]:
    """Seconds of a processor that the start of a process takes, and that a megabyte takes."""
    with api(ROWS, FIRST, FIRST) as config:
        data = next(exports.files(config)).encode()
    header = data[: data.index(b"\n") + 1]
    start = min(_seconds_of_process(header) for _ in range(5))
    return start, min(_seconds_here(data) for _ in range(5)) / len(data) * 1e6


def _conversion() -> Conversion:
    day = date.fromisoformat(FIRST)
    columns = (*COLUMN_NAMES, *ADDED_COLUMNS)
    return Conversion(Interval.DAILY, day, day, "UTC", columns, is_end_proven=True)


def _seconds_of_process(data: bytes) -> float:
    with (
        closing(ConversionProcesses()) as processes,
        tempfile.TemporaryFile() as source,
        tempfile.TemporaryFile() as lines,
    ):
        source.write(data)
        source.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        processes.convert(cast("Any", source), cast("Any", lines), _conversion())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _seconds_here(data: bytes) -> float:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as lines:
        source.write(data)
        began = time.process_time()
        convert(cast("Any", source), cast("Any", lines), _conversion())
        return time.process_time() - began
