"""The sandbox in a process of its own, with the files made before anybody is measured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = "2024-01-01", "2024-01-04"


@contextmanager
def api(
    rows_per_day: int, first: str = FIRST, last: str = LAST, *options: str
) -> Iterator[dict[str, Any]]:
    """Serve an API with so many rows a day; yield the config of a tap, a day an export."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command = [
            *(sys.executable, "-m", "advexport_sandbox", "serve", "--port-file", str(port_file)),
            *("--now", "2024-12-01T00:00:00+00:00", "--url-lifetime", "1000000"),
            *("--rows-per-day", str(rows_per_day), "--rows-spread", "0"),
            *("--empty-day-share", "0", "--cache-bytes", str(4 << 30)),
            *("--prerender", f"daily:{first}:{last}", *options),
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sandbox:
            try:
                while not port_file.exists() and sandbox.poll() is None:
                    time.sleep(0.1)
                port = port_file.read_text().strip()
                yield {
                    "api_url": f"http://127.0.0.1:{port}/advertiser/api/v1/reports/exports/",
                    "auth_token": "sandbox-token",
                    "start_date": first,
                    "end_date": last,
                    "window_days": 1,
                }
            finally:
                sandbox.terminate()


def save(folder: Path, config: dict[str, Any]) -> Path:
    """Write the config to a file."""
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path
