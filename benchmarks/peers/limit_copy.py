"""A limit: lines that were made before are copied to stdout."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

with Path(os.environ["BENCHMARK_LINES"]).open("rb") as lines:
    shutil.copyfileobj(lines, sys.stdout.buffer, 1 << 18)
