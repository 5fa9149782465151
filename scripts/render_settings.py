"""Writes the settings of the tap into meltano.yml and .secrets.example.

With --check it writes nothing, names the files that are not up to date, and fails if there are any.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tap_advexport.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_advexport.settings import Setting

ROOT = Path(__file__).resolve().parent.parent
# Meltano 4.4 ends with a traceback when a setting of kind `decimal` comes from the environment or
# from `meltano config set`; as a string the same number gets through.
KINDS = {"string": "string", "boolean": "boolean", "integer": "integer", "number": "string"}


def main(arguments: list[str]) -> int:
    """Render each file; return the exit code."""
    outdated = []
    for name, lines in rendered().items():
        path = ROOT / name
        before = path.read_text("utf-8")
        after = replaced_block(before, lines)
        if before != after:
            outdated.append(name)
            if "--check" not in arguments:
                path.write_text(after, "utf-8")
    if outdated and "--check" in arguments:
        print("not up to date:", *outdated, "- run scripts/render_settings.py", file=sys.stderr)
        return 1
    return 0


def rendered() -> dict[str, list[str]]:
    """Return the lines of each file's block."""
    return {
        "meltano.yml": [
            f"    {line}".rstrip() for setting in SETTINGS for line in _plugin(setting)
        ],
        ".secrets.example": [line for setting in SETTINGS for line in _variable(setting)],
    }


def replaced_block(text: str, lines: list[str], name: str = "settings") -> str:
    """Put the lines between the text's lines `settings: begin` and `settings: end`."""
    old = text.splitlines()
    begin = next(number for number, line in enumerate(old) if f"{name}: begin" in line)
    end = next(number for number, line in enumerate(old) if f"{name}: end" in line)
    return "\n".join([*old[: begin + 1], *lines, *old[end:], ""])


def table() -> Iterator[str]:
    """Render the settings as a table of Markdown, for docs/reference/settings.md."""
    yield "| setting | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for setting in SETTINGS:
        default = "required" if setting.is_required else _default(setting)
        kind = "date" if _is_date(setting) else setting.type.json_type
        meaning = setting.description.replace("|", "\\|")
        yield f"| `{setting.name}` | {kind} | {default} | {meaning} |"


def _default(setting: Setting) -> str:
    return "" if setting.default is None else f"`{_text(setting.default)}`"


def _plugin(setting: Setting) -> Iterator[str]:
    yield f"- name: {setting.name}"
    yield f"  kind: {_kind(setting)}"
    if setting.is_secret:
        yield "  sensitive: true"
    if setting.default is not None:
        yield f"  value: {json.dumps(setting.default)}"
    yield f"  description: {json.dumps(setting.description)}"
    if options := _options(setting):
        yield "  options:"
        for option in options:
            yield f"  - {{label: {option}, value: {option}}}"


def _kind(setting: Setting) -> str:
    # Not `date_iso8601`: of what is no such date, Meltano makes another (01/09/2026: 9 January).
    return "options" if _options(setting) else KINDS[setting.type.json_type]


def _is_date(setting: Setting) -> bool:
    return setting.type.json_extras.get("format") == "date"


def _options(setting: Setting) -> list[str]:
    return [option for option in setting.type.json_extras.get("enum", ()) if option is not None]


def _variable(setting: Setting) -> Iterator[str]:
    """Those with a default as comments, the required ones to fill in."""
    value = "" if setting.default is None else _text(setting.default)
    yield ""
    yield f"# {setting.description}"
    yield f"{'' if setting.is_required else '# '}TAP_ADVEXPORT_{setting.name.upper()}={value}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
