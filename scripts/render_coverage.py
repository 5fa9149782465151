"""Draws the calendar of docs/examples/coverage_state.json, for docs/coverage.md and as a picture.

With --check it writes nothing, names the files that are not up to date, and fails if there are any.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from tap_advexport.commands.coverage import main as show_coverage

ROOT = Path(__file__).resolve().parent.parent
STATE = "docs/examples/coverage_state.json"
PAGE = "docs/coverage.md"
PICTURE = "docs/images/coverage.svg"
NOW = "2024-12-31T06:00:00Z"
BEGIN = "<!-- calendar: begin (written by scripts/render_coverage.py) -->\n"
END = "<!-- calendar: end -->\n"


def main(arguments: list[str]) -> int:
    """Render both files; return the exit code."""
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
    """What each file has to hold."""
    text, picture = _calendar()
    before, _, rest = (ROOT / PAGE).read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    block = f"```text\n{text}```\n"
    return {PAGE: before + BEGIN + block + END + after, PICTURE: picture}


def _calendar() -> tuple[str, str]:
    """The command's output and its picture."""
    printed = io.StringIO()
    with TemporaryDirectory() as folder, redirect_stdout(printed):
        picture = Path(folder) / "coverage.svg"
        arguments = [str(ROOT / STATE), "--now", NOW, "--color", "never", "--svg", str(picture)]
        if show_coverage(arguments):
            raise SystemExit(1)
        return printed.getvalue(), picture.read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
