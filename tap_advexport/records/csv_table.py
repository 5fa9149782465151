"""Reads a CSV file as a header and blocks of rows, and raises its faults as the tap's errors."""

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

# Messages of `csv` and of the UTF-8 decoder when the data end too early.
_OPEN_QUOTE: Final = "unexpected end of data"
_CUT_CHARACTER: Final = "unexpected end of data"


class OddRowsError(Exception):
    """A row has more or fewer cells than the header, or begins with a byte order mark."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of the file.

    Attributes:
        first_line: the line of the file on which the first row starts, counted from 1.
        listed: the rows from `csv.reader`, blank lines as rows without cells; or empty.
        columns: the columns of all rows, only if no row is blank or contains a line feed.
    """

    first_line: int
    listed: Sequence[Sequence[str]] = ()
    columns: Sequence[Sequence[str]] = ()

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """The rows; a blank line is a row without cells."""
        return self.listed or list(zip(*self.columns, strict=True))


class Table:
    """The header and the rows of one CSV file.

    Attributes:
        header: the names of all columns, in the file's order.
        unknown_columns: the columns in `header` that the report does not have.
    """

    def __init__(self, source: BinaryIO, *, is_end_proven: bool) -> None:
        # This limit is global to the process; the feed limits the length of a row.
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
        """Yield all rows in blocks of about `size` bytes.

        Raises:
            FileError: the file is cut or damaged.
            InvalidRowError: the bytes are not UTF-8, the quoting is not CSV, or a row is too long.
        """
        while block := self._read_block(size):
            yield block

    def columns(
        self, block: Block, *, sort_key: Callable[[str], str] | None = None
    ) -> Mapping[str, Sequence[str]]:
        """Return the columns of a block by name; empty if all rows are blank lines.

        Args:
            block: a block of this table.
            sort_key: a function of `time` to sort the rows by; rows with equal keys keep their
                order.

        Raises:
            OddRowsError: a row has more or fewer cells than the header, or begins with a byte
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
        """Return whether no row is left, not counting blank lines; this uses the table up."""
        return not any(map(any, (block.rows for block in self.blocks(CHUNK_BYTES))))

    @property
    def read_bytes(self) -> int:
        """The number of bytes read from the file, including those read ahead."""
        return self._feed.read_bytes

    @property
    def is_line_open(self) -> bool:
        """Whether the end of the file was reached and its last line has no line end."""
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
        """Read whole lines with `csv.reader`, and as many more lines as complete the last row."""
        # Lines end with "\n" here, so a "\r" in a cell is not a line end, quoted or not.
        more = iter(self._lines.read_line, "")
        reader = csv.reader(chain(io.StringIO(text, newline="\n"), more), strict=True)
        rows = []
        try:
            for row in reader:
                rows.append(row)
                if first_line + reader.line_num > self._lines.line_count:
                    break
        except csv.Error as error:
            # After a byte order mark a quote opens nothing, so lines may be split wrongly.
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
    """Return the error for a line; a fault in line 1 means that the file is not CSV."""
    if line <= 1:
        return FileError(f"the file is not CSV: line 1: {text}")
    return InvalidRowError(f"line {line}: {text}")


def begins_with_mark(cell: str) -> bool:
    """Return whether a cell begins with a byte order mark, as where files were joined."""
    return cell.startswith(BYTE_ORDER_MARK)


def _transposed(rows: Sequence[Sequence[str]], width: int) -> Sequence[Sequence[str]]:
    """Turn rows into columns, leaving out blank lines."""
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
    """Raise FileError if the first line looks like a message or a page, not like a wrong header."""
    if len(header) < len(COLUMN_NAMES) and not any(name in COLUMN_NAMES for name in header):
        shown = quoted(",".join(header))
        raise FileError(f"the file is not the report's CSV: its first line is {shown}")


def _refuse_invalid_header(header: Sequence[str]) -> None:
    missing = [name for name in COLUMN_NAMES if name not in header]
    shown = quoted(",".join(header))
    if missing and {*missing} <= {name.strip().lower() for name in header}:
        raise InvalidHeaderError(
            f"the header has capitals or blanks in the names of columns; it is {shown}"
        )
    if len(missing) > len(COLUMN_NAMES) / 2:
        raise InvalidHeaderError(
            f"the header is missing: the first line, {shown}, looks like data, "
            f"it lacks {', '.join(missing)}"
        )
    if missing:
        raise InvalidHeaderError(f"the header lacks {', '.join(missing)}; it is {shown}")
    if twice := [name for name in COLUMN_NAMES if header.count(name) > 1]:
        raise InvalidHeaderError(f"the header has twice: {', '.join(twice)}")
