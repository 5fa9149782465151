"""Reads a state for the small commands, from a file or standard input."""

from __future__ import annotations

import sys

from tap_advexport.commands.shared import is_closed
from tap_advexport.coverage.state_envelope import bookmarks_of, others_alone, parse_singer_state
from tap_advexport.errors import StateError
from tap_advexport.json_files import decode, read_text

STANDARD_INPUT = "-"


def read_state(path: str, account: str | None = None) -> dict[str, object]:
    """Read a Singer state from a file, or from standard input for `-`.

    Args:
        account: the account to read, if a dlt pipeline loads several.

    Raises:
        StateError: the state cannot be read, or is not a state.
    """
    if path == STANDARD_INPUT and is_closed(sys.stdin):
        raise StateError("state: standard input is closed: name a file")
    if path == STANDARD_INPUT and sys.stdin.isatty():
        raise StateError("state: name a file, or pipe a state in: meltano state get ... | ...")
    if path == STANDARD_INPUT:
        where = "state: standard input"
        text = decode(sys.stdin.buffer.read(), StateError, where)
    else:
        where = f"state: {path}"
        text = read_text(path, StateError, where)
    state = parse_singer_state(text, where, account=account)
    if others := others_alone(bookmarks_of(state, where)):
        raise StateError(
            f"{where} has no bookmark of this tap, but of {others}: name a state of tap-advexport"
        )
    return state
