"""How far a run is, and a window that is done."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from tap_advexport.progress.words import Progress, WindowDone
from tap_advexport.windows import DateWindow

MIDWAY: Final = Progress(
    report="daily",
    queued=3,
    running=2,
    downloading=1,
    checking=0,
    emitting=1,
    emitted=4,
    days_done=30,
    days_failed=0,
    days_total=90,
    rows=12345,
    seconds=60.0,
    oldest_task_seconds=75.2,
)
WINDOW: Final = WindowDone(
    stream="report_daily",
    window=DateWindow(date(2024, 9, 12), date(2024, 9, 18)),
    rows=17281,
    row_count=17281,
    unchanged=0,
    periods=7,
)
CSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
