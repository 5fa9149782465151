"""Draws the calendar of docs/examples/coverage_state.json, for docs/coverage.md and as a picture.

With --check it writes nothing, names the files that are not up to date, and fails if there are any.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from tap_advexport.commands.coverage import main as show_coverage

ROOT = Path(__file__).resolve().parent.parent
STATE = "docs/examples/coverage_state.json"
PAGE = "docs/coverage.md"
PICTURE = "docs/images/coverage.svg"
# Of the daily report alone, for README.md and the first page of the site.
SMALL_PICTURE = "docs/images/coverage-daily.svg"
NOW = "2024-12-31T06:00:00Z"
BEGIN = "<!-- calendar: begin (written by scripts/render_coverage.py) -->\n"
END = "<!-- calendar: end -->\n"


def main(arguments: list[str]) -> int:
    """Render the files; return the exit code."""
    outdated = []
    for name, after in rendered().items():
        path = ROOT / name
        if not path.exists() or path.read_text("utf-8") != after:
            outdated.append(name)
            if "--check" not in arguments:
                path.write_text(after, "utf-8")
    if outdated and "--check" in arguments:
        print("not up to date:", *outdated, "- run scripts/render_coverage.py", file=sys.stderr)
        return 1
    return 0


def rendered() -> dict[str, str]:
    """Return what each file has to hold."""
    state = json.loads((ROOT / STATE).read_text("utf-8"))
    text, picture = _calendar(state)
    bookmarks = {"report_daily": state["bookmarks"]["report_daily"]}
    _, small_picture = _calendar({"bookmarks": bookmarks})
    before, _, rest = (ROOT / PAGE).read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    block = f"```text\n{text}```\n"
    page = before + BEGIN + block + END + after
    return {PAGE: page, PICTURE: picture, SMALL_PICTURE: small_picture}


def _calendar(state: object) -> tuple[str, str]:
    """Return the command's output and its picture."""
    printed = io.StringIO()
    with TemporaryDirectory() as folder, redirect_stdout(printed):
        picture, file = Path(folder) / "coverage.svg", Path(folder) / "state.json"
        file.write_text(json.dumps(state), "utf-8")
        arguments = [str(file), "--now", NOW, "--color", "never", "--svg", str(picture)]
        if show_coverage(arguments):
            raise SystemExit(1)
        return printed.getvalue(), picture.read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
