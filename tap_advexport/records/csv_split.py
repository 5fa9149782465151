"""The text of a CSV file in pieces of whole lines, and the quick way to take one apart."""

from __future__ import annotations

import codecs
import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_advexport.records.source import Feed


class Pieces:
    """Decodes what a feed brings, whole lines at a time. Lines end with a line feed only.

    Attributes:
        line_count: so many lines were given.
    """

    def __init__(self, feed: Feed) -> None:
        self.line_count = 0
        self._feed = feed
        self._rest = feed.read(len(codecs.BOM_UTF8)) or b""
        if self._rest == codecs.BOM_UTF8:
            self._rest = b""

    def read(self, size: int) -> str:
        """Give the next lines, of some `size` bytes or one longer line; nothing at the end.

        Raises:
            UnicodeDecodeError: `line_count` is as it was before these lines.
        """
        text = self._whole_lines(size).decode()
        self.line_count += lines_of(text)
        return text

    def _whole_lines(self, size: int) -> bytes:
        pieces = [self._rest]
        while data := self._feed.read(size):
            end = data.rfind(b"\n") + 1
            if end:
                self._rest = data[end:]
                return b"".join((*pieces, data[:end]))
            pieces.append(data)
        self._rest = b""
        return b"".join(pieces)


def lines_of(text: str) -> int:
    """How many lines a text has, the last of which may have no end."""
    return text.count("\n") + (text[-1:] not in {"", "\n"})


def split_columns(text: str, width: int) -> Sequence[Sequence[str]] | None:
    """Take whole lines apart into columns, in a few steps for all of them.

    Gives None where that could differ from what `csv.reader` gives: a carriage return other than
    before every line feed, a line feed within quotes, a blank line, a row of another width. Whoever
    calls reads those lines with `csv.reader`.
    """
    if "\r" in text:
        if not text.count("\r") == text.count("\n") == text.count("\r\n"):
            return None
        text = text.replace("\r\n", "\n")
    lines = text.removesuffix("\n").split("\n")
    quoted: Mapping[int, Sequence[str]] = {}
    if '"' in text:
        found = _quoted_rows(lines, width)
        if found is None:
            return None
        quoted = found
        for index in quoted:
            lines[index] = "," * (width - 1)
    columns = _plain_columns(lines, width)
    for index, row in quoted.items() if columns else ():
        for column, cell in zip(columns, row, strict=True):
            column[index] = cell
    return columns


def _plain_columns(lines: Sequence[str], width: int) -> list[list[str]]:
    """Split lines without quotes; no columns if one is blank or has not `width` cells."""
    # A cell of its own for each line's end, which has to come behind every `width` cells.
    cells = ",\n,".join((*lines, "")).split(",")
    stride = width + 1
    if len(cells) != stride * len(lines) + 1 or cells[width::stride].count("\n") != len(lines):
        return []
    columns = [cells[start:-1:stride] for start in range(width)]
    return columns if width > 1 or "" not in columns[0] else []


def _quoted_rows(lines: Sequence[str], width: int) -> Mapping[int, Sequence[str]] | None:
    """Give the rows of the lines that have quotes; None unless each is a row of its own."""
    indices = [index for index, line in enumerate(lines) if '"' in line]
    try:
        rows = list(csv.reader([lines[index] for index in indices], strict=True))
    except csv.Error:
        return None
    # A quote that is open at a line's end would have made one row of two lines.
    if len(rows) != len(indices) or any(len(row) != width for row in rows):
        return None
    return dict(zip(indices, rows, strict=True))
