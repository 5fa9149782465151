"""JSON files: taken with a byte order mark, and told in one line when they are something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_advexport.errors import ConfigError
from tap_advexport.json_files import parse_object, read_object

if TYPE_CHECKING:
    from pathlib import Path


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": "\xc3\xa9"}\r\n')
    assert read_object(str(path), ConfigError, "config") == {"a": "é"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "config is empty"),
        (" \n", "config is empty"),
        ('{"a": 1,\n "b": ', "config ends in the middle (line 2)"),
        ('{"a": "se', "config ends in the middle (line 1)"),
        ('{"a": 1,\n b}', "config is not valid JSON (line 2, column 2)"),
        ("{'a': 1}", "config is not valid JSON (line 1, column 2)"),
        ("[" * 100_000, "config is not valid JSON"),
        ('{"a": ' + "1" * 5000 + "}", "config is not valid JSON"),
        ("[1]", "config is not a JSON object"),
        ("null", "config is not a JSON object"),
    ],
)
def test_what_is_not_an_object_is_told_and_not_shown(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_object(text, ConfigError, "config")
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"a":\n "é"}'.encode("latin-1"), "is not text in UTF-8 (line 2)"),
        ('{"a": 1}'.encode("utf-16"), "is not text in UTF-8 (line 1)"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_not_text_or_not_there_is_told(
    tmp_path: Path, data: bytes | None, words: str
) -> None:
    path = tmp_path / "config.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_object(str(path), ConfigError, "config: c.json")
    assert str(caught.value) == f"config: c.json {words}"


def test_a_folder_and_an_impossible_name_are_told(tmp_path: Path) -> None:
    for path in (str(tmp_path), "a\0b"):
        with pytest.raises(ConfigError, match=r"^config cannot be read: "):
            read_object(path, ConfigError, "config")
