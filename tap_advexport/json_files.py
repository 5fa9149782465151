"""Reads JSON objects from files: config, state, catalog, and input of the small commands."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_advexport.errors import UserError


def read_object(path: str, error_type: type[UserError], where: str) -> dict[str, object]:
    """Read the JSON object in a file.

    Args:
        error_type: the type of error to raise.
        where: the name of the file in messages.

    Raises:
        UserError: of `error_type`; the file cannot be read, or is not a JSON object.
    """
    return parse_object(read_text(path, error_type, where), error_type, where)


def read_text(path: str, error_type: type[UserError], where: str) -> str:
    """Read a UTF-8 text file, without its byte order mark.

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
    """Decode UTF-8 text, without its byte order mark.

    Raises:
        UserError: of `error_type`; the text is in another encoding.
    """
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise error_type(f"{where} is not text in UTF-8 (line {line})") from None


def parse_object(text: str, error_type: type[UserError], where: str) -> dict[str, object]:
    """Parse a JSON object. Messages say where the text is wrong, but never quote it.

    Raises:
        UserError: of `error_type`; the text is not a JSON object.
    """
    if not text.strip():
        raise error_type(f"{where} is empty")
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        # A state is one long line: only the column helps to find the mistake.
        place = f"line {error.lineno}" + ("" if is_cut else f", column {error.colno}")
        kind = "ends in the middle" if is_cut else "is not valid JSON"
        raise error_type(f"{where} {kind} ({place})") from None
    except (ValueError, RecursionError):
        # A number with thousands of digits, or brackets nested thousands deep.
        raise error_type(f"{where} is not valid JSON") from None
    if not isinstance(value, dict):
        raise error_type(f"{where} is not a JSON object")
    if not _is_writable(value):
        raise error_type(
            f"{where} has half of a character (such as \\ud800), or is nested too deeply"
        )
    return value


def _is_writable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    return True
