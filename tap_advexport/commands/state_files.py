"""What the small commands read: states and a config from files or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tap_advexport.coverage.singer_state import parse_state
from tap_advexport.errors import ConfigError, StateError, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD_INPUT = "-"


def read_state(path: str) -> dict[str, object]:
    """The Singer state in a file, or in standard input for `-`.

    Raises:
        StateError: it cannot be read, or is no state.
    """
    if path != STANDARD_INPUT:
        return parse_state(_text(path, StateError, "state"), f"state: {path}")
    if sys.stdin.isatty():
        raise StateError("state: name a file, or pipe a state in: meltano state get ... | ...")
    try:
        text = sys.stdin.buffer.read().decode()
    except (OSError, UnicodeDecodeError):
        raise StateError("state: standard input is no text in UTF-8") from None
    return parse_state(text, "state: standard input")


def read_config(path: str) -> Mapping[str, object]:
    """The tap's config file.

    Raises:
        ConfigError: it cannot be read, or is no JSON object.
    """
    try:
        value: object = json.loads(_text(path, ConfigError, "config"))
    except (ValueError, RecursionError):
        raise ConfigError(f"config: {path} is no valid JSON") from None
    if not isinstance(value, dict):
        raise ConfigError(f"config: {path} holds no JSON object")
    return value


def _text(path: str, error_type: type[UserError], what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise error_type(f"{what}: {path} cannot be read: {reason}") from None
