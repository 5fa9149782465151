"""Reads a CSV file as a header and blocks of rows; raises what is wrong with it as our errors."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from tap_advexport.errors import CutFileError, FileError, InvalidHeaderError, InvalidRowError
from tap_advexport.records.csv_split import split_columns
from tap_advexport.records.source import (
    BYTE_ORDER_MARK,
    CHUNK_BYTES,
    MAX_ROW_BYTES,
    RowTooLongError,
    TextLines,
    open_feed,
)
from tap_advexport.redaction import quoted
from tap_advexport.reports import COLUMN_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

# What `csv` and the UTF-8 decoder say at an end that comes too early.
_OPEN_QUOTE: Final = "unexpected end of data"
_CUT_CHARACTER: Final = "unexpected end of data"


class OddRowsError(Exception):
    """Rows have not as many cells as the header, or begin with a byte order mark."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of the file.

    Attributes:
        first_line: the file's line on which the first row starts, counted from 1.
        listed: the rows as `csv.reader` gave them, blank lines as rows without cells...
        columns: ...or the columns of them all, none of which is blank or has a line feed in it.
    """

    first_line: int
    listed: Sequence[Sequence[str]] = ()
    columns: Sequence[Sequence[str]] = ()

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """The rows; blank lines are rows without cells."""
        return self.listed or list(zip(*self.columns, strict=True))

    def line(self, index: int) -> int:
        """Give the file's line on which a row starts."""
        before = self.rows[:index]
        return self.first_line + sum(1 + sum(cell.count("\n") for cell in row) for row in before)


class Table:
    """The header and the rows of one CSV file.

    Attributes:
        header: the names of all columns, in the file's order.
        unknown_columns: of those, the columns that the report does not have.
    """

    def __init__(self, source: BinaryIO, *, is_end_proven: bool) -> None:
        # The limit is the process's own; the feed bounds what a row can be.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_ROW_BYTES))
        self._feed = open_feed(source)
        self._is_end_proven = is_end_proven or self._feed.is_packed
        self._lines = TextLines(self._feed)
        self.header = self._read_header()
        self._positions = {name: self.header.index(name) for name in COLUMN_NAMES}
        self.unknown_columns = tuple(
            name or f"column {number} has no name"
            for number, name in enumerate(self.header, start=1)
            if name not in COLUMN_NAMES
        )

    def blocks(self, size: int) -> Iterator[Block]:
        """Give all rows, in blocks of about `size` bytes.

        Raises:
            FileError: the file is cut or damaged.
            InvalidRowError: the bytes are not UTF-8, the quotes are not CSV, or a row has no end.
        """
        while block := self._read_block(size):
            yield block

    def columns(
        self, block: Block, *, sort_key: Callable[[str], str] | None = None
    ) -> Mapping[str, Sequence[str]]:
        """Give a block's columns by their names; none if all rows are blank lines.

        Args:
            block: one of this table's.
            sort_key: of `time`, to sort the rows by; those that are equal keep their order.

        Raises:
            OddRowsError: a row has more cells than the header, or fewer, or it begins with a byte
                order mark.
        """
        columns = block.columns or _transposed(block.listed, len(self.header))
        if self._lines.has_mark and columns and any(map(begins_with_mark, columns[0])):
            raise OddRowsError
        if columns and sort_key:
            times = list(map(sort_key, columns[self._positions["time"]]))
            order = sorted(range(len(times)), key=times.__getitem__)
            columns = [[column[index] for index in order] for column in columns]
        return {name: columns[at] for name, at in self._positions.items() if columns}

    def is_exhausted(self) -> bool:
        """Whether no row is left (blank lines are none); what is left is used up."""
        return not any(map(any, (block.rows for block in self.blocks(CHUNK_BYTES))))

    @property
    def read_bytes(self) -> int:
        """How many bytes of the file were read, some of them ahead."""
        return self._feed.read_bytes

    @property
    def is_line_open(self) -> bool:
        """Whether the file is over and its last line has no line end."""
        return self._feed.is_line_open

    def _read_block(self, size: int) -> Block | None:
        self._feed.start_block()
        first_line = self._lines.line_count + 1
        with self._translated():
            text = self._lines.read(size)
            if not text:
                return None
            columns = split_columns(text, len(self.header))
            rows = () if columns else self._read_rows(text, first_line)
        block = Block(first_line, rows, columns or ())
        self._refuse_cut_end(block)
        return block

    def _read_rows(self, text: str, first_line: int) -> list[list[str]]:
        """Let `csv.reader` read whole lines, and as many more as end its last row."""
        # Lines end with "\n" here, so a "\r" in a cell is no line end, quoted or not.
        more = iter(self._lines.read_line, "")
        reader = csv.reader(chain(io.StringIO(text, newline="\n"), more), strict=True)
        rows = []
        try:
            for row in reader:
                rows.append(row)
                if first_line + reader.line_num > self._lines.line_count:
                    break
        except csv.Error as error:
            # Behind a byte order mark a quote is no quote, so the lines may be torn apart wrongly.
            if not any(begins_with_mark(row[0]) for row in rows if row):
                raise _csv_error(str(error), first_line + reader.line_num - 1) from None
        return rows

    def _read_header(self) -> list[str]:
        header: list[str] = []
        with self._translated():
            while not header and (line := self._lines.read_line()):
                (header,) = self._read_rows(line, self._lines.line_count)
        if not header:
            raise CutFileError("the file is cut: it has nothing but blank lines, not even a header")
        _refuse_other_text(header)
        self._refuse_cut_end(Block(1, [header]))
        if self._feed.is_line_open and not set(COLUMN_NAMES) <= set(header):
            raise CutFileError(
                f"the file is cut in its header, which ends with {quoted(header[-1])}"
            )
        _refuse_invalid_header(header)
        return header

    def _refuse_cut_end(self, block: Block) -> None:
        if self._feed.is_line_open and not self._is_end_proven:
            raise CutFileError(
                f"the file is cut: line {self._lines.line_count}, its last, has no line end, and "
                f"nothing proves that it ends there: {quoted(','.join(block.rows[-1]))}"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise self._decode_error(error) from None
        except RowTooLongError:
            text = f"a row of more than {MAX_ROW_BYTES >> 20} MiB is not a row of a report"
            raise _invalid(self._lines.line_count + 1, text) from None

    def _decode_error(self, error: UnicodeDecodeError) -> FileError | InvalidRowError:
        line = self._lines.line_count + 1 + error.object.count(b"\n", 0, error.start)
        if error.reason == _CUT_CHARACTER and self._feed.is_at_end:
            return CutFileError(f"the file is cut in the middle of a character, line {line}")
        shown = error.object[error.start : error.start + 8]
        return _invalid(line, f"the bytes {shown!r} are not UTF-8")


def _csv_error(text: str, line: int) -> FileError | InvalidRowError:
    if text == _OPEN_QUOTE:
        return CutFileError(f"the file is cut: a quote is still open at its end, line {line}")
    return _invalid(line, f"the quoting is not valid CSV ({quoted(text)})")


def _invalid(line: int, text: str) -> FileError | InvalidRowError:
    """Give the error for a line, the first of which tells whether the file is CSV at all."""
    if line <= 1:
        return FileError(f"the file is not CSV: line 1: {text}")
    return InvalidRowError(f"line {line}: {text}")


def begins_with_mark(cell: str) -> bool:
    """Whether a byte order mark stands before a cell, as where parts of files were joined."""
    return cell.startswith(BYTE_ORDER_MARK)


def _transposed(rows: Sequence[Sequence[str]], width: int) -> Sequence[Sequence[str]]:
    """Turn rows to columns, leaving out blank lines."""
    try:
        columns = tuple(zip(*rows, strict=True))
    except ValueError:
        columns = ()
    if len(columns) == width:
        return columns
    filled = [row for row in rows if row]
    if len(filled) == len(rows):
        raise OddRowsError
    return _transposed(filled, width) if filled else ()


def _refuse_other_text(header: Sequence[str]) -> None:
    """Tell a message or a page from a header that is wrong."""
    if len(header) < len(COLUMN_NAMES) and not any(name in COLUMN_NAMES for name in header):
        shown = quoted(",".join(header))
        raise FileError(f"the file is not the report's CSV: its first line is {shown}")


def _refuse_invalid_header(header: Sequence[str]) -> None:
    missing = [name for name in COLUMN_NAMES if name not in header]
    shown = quoted(",".join(header))
    if len(missing) > len(COLUMN_NAMES) / 2:
        raise InvalidHeaderError(
            f"the header is missing: the first line, {shown}, looks like data, "
            f"it lacks {', '.join(missing)}"
        )
    if missing:
        raise InvalidHeaderError(f"the header lacks {', '.join(missing)}; it is {shown}")
    if twice := [name for name in COLUMN_NAMES if header.count(name) > 1]:
        raise InvalidHeaderError(f"the header has twice: {', '.join(twice)}")
