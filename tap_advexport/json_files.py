"""Reads JSON objects out of files: config, state, catalog, and what the small commands take."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_advexport.errors import UserError


def read_object(path: str, error_type: type[UserError], where: str) -> dict[str, object]:
    """The JSON object that a file holds.

    Args:
        error_type: what is raised.
        where: names the file in messages.

    Raises:
        UserError: of `error_type`; the file cannot be read, or holds something else.
    """
    return parse_object(read_text(path, error_type, where), error_type, where)


def read_text(path: str, error_type: type[UserError], where: str) -> str:
    """The text of a file in UTF-8, without its byte order mark.

    Raises:
        UserError: of `error_type`; the file cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise error_type(f"{where} cannot be read: {reason}") from None
    return decode(data, error_type, where)


def decode(data: bytes, error_type: type[UserError], where: str) -> str:
    """A text in UTF-8, without its byte order mark.

    Raises:
        UserError: of `error_type`; it is in another encoding.
    """
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise error_type(f"{where} is not text in UTF-8 (line {line})") from None


def parse_object(text: str, error_type: type[UserError], where: str) -> dict[str, object]:
    """The JSON object that a text holds. Messages say where it is wrong, and never what is there.

    Raises:
        UserError: of `error_type`; it is something else.
    """
    if not text.strip():
        raise error_type(f"{where} is empty")
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        # A state is one long line: without the column nobody finds the slip.
        place = f"line {error.lineno}" + ("" if is_cut else f", column {error.colno}")
        kind = "ends in the middle" if is_cut else "is not valid JSON"
        raise error_type(f"{where} {kind} ({place})") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or thousands of brackets.
        raise error_type(f"{where} is not valid JSON") from None
    if not isinstance(value, dict):
        raise error_type(f"{where} is not a JSON object")
    return value
