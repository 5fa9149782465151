"""Writes the sample rows of README.md: one day as the tap brings it, and the day restated.

Runs the tap against the sandbox, twice. With --check it writes nothing, and fails if README.md is
not up to date.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advexport_sandbox import Sandbox, SandboxConfig
from scripts.render_settings import replaced_block

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
DAY = "2024-03-04"
THEN = datetime(2024, 3, 5, 12, tzinfo=UTC)
DAYS_LATER = 14
RESTATED = "City Builder 2"
OTHERS = ("Summer Sale", 'The "Big" One', "Зимняя акция")
COLUMNS: dict[str, Callable[[str], str]] = {
    "report_date": str,
    "campaign": str,
    "country": str,
    "name_os": str,
    "clicks_aggr": str,
    "conversions_aggr": str,
    "cost_aggr": str,
    "row_key": lambda text: f"`{text[:6]}…`",
    "period_version": lambda text: f"`{text[:6]}…`",
}


def main(arguments: list[str]) -> int:
    """Write the sample; return the exit code."""
    path = ROOT / "README.md"
    before = path.read_text("utf-8")
    after = replaced_block(before, list(sample()), "sample")
    if before != after and "--check" in arguments:
        print("README.md is not up to date - run scripts/render_sample.py", file=sys.stderr)
        return 1
    path.write_text(after, "utf-8")
    return 0


def sample() -> Iterator[str]:
    """Return the lines of the table."""
    config = SandboxConfig(now=THEN, rows_per_day=6, maturing_days=DAYS_LATER)
    with Sandbox(config) as sandbox, tempfile.TemporaryDirectory() as folder:
        first = rows_of(sandbox, Path(folder))
        sandbox.advance(days=DAYS_LATER)
        second = rows_of(sandbox, Path(folder))
    yield "| exported | " + " | ".join(f"`{name}`" for name in COLUMNS) + " |"
    yield "| --- |" + "".join(" ---: |" if "_aggr" in name else " --- |" for name in COLUMNS)
    yield line("next day", first[RESTATED])
    yield line("two weeks later", second[RESTATED])
    yield from (line("two weeks later", second[campaign]) for campaign in OTHERS)


def rows_of(sandbox: Sandbox, folder: Path) -> dict[str, dict[str, Any]]:
    """Run the tap once more; gives the rows of the day by their campaigns."""
    state = folder / "state.json"
    variables = {
        "TAP_ADVEXPORT_API_URL": sandbox.url,
        "TAP_ADVEXPORT_AUTH_TOKEN": sandbox.token,
        "TAP_ADVEXPORT_START_DATE": DAY,
        "TAP_ADVEXPORT_END_DATE": DAY,
        # The day never settles, whatever the real date.
        "TAP_ADVEXPORT_LOOKBACK_DAYS": "100000",
    }
    options = ["--state", str(state)] if state.exists() else []
    tap = subprocess.run(
        [sys.executable, "-m", "tap_advexport", "--config=ENV", *options],
        env=os.environ | variables,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    messages = [json.loads(text, parse_float=str) for text in tap.stdout.splitlines()]
    state.write_text(json.dumps([m["value"] for m in messages if m["type"] == "STATE"][-1]))
    records = [m["record"] for m in messages if m.get("stream") == "report_daily" and "record" in m]
    return {record["campaign"]: record for record in records}


def line(exported: str, row: dict[str, Any]) -> str:
    """Show a row."""
    cells = [shown(str(row[name])) for name, shown in COLUMNS.items() if name in row]
    return f"| {exported} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
