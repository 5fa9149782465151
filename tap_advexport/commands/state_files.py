"""What the small commands read: states and a config from files or standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tap_advexport.coverage.singer_state import parse_state
from tap_advexport.errors import ConfigError, StateError
from tap_advexport.json_files import decode, read_object, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD_INPUT = "-"


def read_state(path: str) -> dict[str, object]:
    """The Singer state in a file, or in standard input for `-`.

    Raises:
        StateError: it cannot be read, or is not a state.
    """
    if path != STANDARD_INPUT:
        where = f"state: {path}"
        return parse_state(read_text(path, StateError, where), where)
    if sys.stdin.isatty():
        raise StateError("state: name a file, or pipe a state in: meltano state get ... | ...")
    where = "state: standard input"
    return parse_state(decode(sys.stdin.buffer.read(), StateError, where), where)


def read_config(path: str) -> Mapping[str, object]:
    """The tap's config file.

    Raises:
        ConfigError: it cannot be read, or is not a JSON object.
    """
    return read_object(path, ConfigError, f"config: {path}")
