"""Writes docs/reference from the settings and the catalog. With --check, only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.render_settings import table as settings_table
from tap_advexport.tap import TapAdvexport

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
HEAD = "<!-- Written by scripts/render_reference.py. -->"
CONFIG = {"auth_token": "x", "start_date": "2024-01-01"}


def main(arguments: list[str]) -> int:
    """Write each page; return the exit code."""
    outdated = [name for name, text in pages().items() if _current(name) != text]
    if "--check" in arguments:
        print(*outdated, file=sys.stderr)
        return 1 if outdated else 0
    for name in outdated:
        (ROOT / name).write_text(pages()[name], "utf-8")
    return 0


def pages() -> dict[str, str]:
    """Return the text of each page by its path."""
    return {
        "docs/reference/settings.md": "\n".join([*_settings(), ""]),
        "docs/reference/streams.md": "\n".join([*_streams(), ""]),
    }


def _current(name: str) -> str | None:
    path = ROOT / name
    return path.read_text("utf-8") if path.exists() else None


def _settings() -> Iterator[str]:
    yield HEAD
    yield "# Settings"
    yield ""
    yield "In the config file under these names, or in the environment as `TAP_ADVEXPORT_` and the"
    yield "name in capitals, with `--config=ENV`. Dates are days in `timezone`, ends included."
    yield ""
    yield from settings_table()
    yield ""
    yield "## The SDK's own"
    yield ""
    yield "How to hide ids, what a map may do and what is refused: [stream maps](stream-maps.md)."
    yield ""
    yield "| setting | type | meaning |"
    yield "| --- | --- | --- |"
    own = {line.split("`")[1] for line in list(settings_table())[2:]}
    for name, kind in TapAdvexport.complete_schema()["properties"].items():
        if name not in own:
            yield f"| `{name}` | {_type(kind)} | {_text(kind)} |"


def _streams() -> Iterator[str]:
    yield HEAD
    yield "# Streams and columns"
    for stream in TapAdvexport(config=CONFIG).catalog_dict["streams"]:
        root = next(e["metadata"] for e in stream["metadata"] if not e["breadcrumb"])
        selected = "yes" if root.get("selected-by-default") else "no"
        keys = ", ".join(f"`{key}`" for key in stream["key_properties"])
        yield ""
        yield f"## {stream['tap_stream_id']}"
        yield ""
        yield f"Key: {keys}. Selected by default: {selected}."
        yield ""
        yield "| column | type | meaning |"
        yield "| --- | --- | --- |"
        for name, kind in stream["schema"]["properties"].items():
            yield f"| `{name}` | {_type(kind)} | {_text(kind)} |"


def _type(kind: dict[str, Any]) -> str:
    types = kind.get("type", "")
    names = [types] if isinstance(types, str) else list(types)
    shown = " or ".join(name for name in names if name != "null")
    can_be_null = " or null" if "null" in names and "description" in kind else ""
    return f"{kind.get('format', shown)}{can_be_null}"


def _text(kind: dict[str, Any]) -> str:
    return " ".join(kind.get("description", "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
