"""From what size on a file is converted faster in a process that has yet to be started."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from typing import Any, cast

from benchmarks.api import FIRST, api
from benchmarks.peers import exports
from tap_advexport.conversion import Conversions
from tap_advexport.records import Conversion
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES, Interval

SIZES_MB = (0.5, 1, 2, 3, 5, 10, 20)
NEVER = 1 << 60


def measure_break_even() -> list[tuple[float, float, float]]:
    """Megabytes, and seconds that two such files take in threads and in new processes."""
    with api(250_000, FIRST, FIRST) as config:
        text = next(exports.files(config)).encode()
    return [(size, _seconds(text, size, NEVER), _seconds(text, size, 0)) for size in SIZES_MB]


def _seconds(text: bytes, size: float, process_bytes: int) -> float:
    data = text[: text.rindex(b"\n", 0, int(size * 1e6)) + 1]
    return min(_both(data, process_bytes) for _ in range(3))


def _both(data: bytes, process_bytes: int) -> float:
    with closing(Conversions(process_bytes)) as conversions, ThreadPoolExecutor(2) as threads:
        began = time.perf_counter()
        for done in [threads.submit(_convert, conversions, data) for _ in range(2)]:
            done.result()
        return time.perf_counter() - began


def _convert(conversions: Conversions, data: bytes) -> None:
    day = date.fromisoformat(FIRST)
    columns = (*COLUMN_NAMES, *ADDED_COLUMNS)
    conversion = Conversion(
        Interval.DAILY, day, day, "UTC", "0", "0", columns, is_end_proven=True, is_digested=False
    )
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as lines:
        source.write(data)
        source.flush()
        conversions.convert(cast("Any", source), cast("Any", lines), conversion, len(data))
