"""A CSV file as a header and blocks of rows; what is wrong with it leaves as one of our errors."""

from __future__ import annotations

import csv
import io
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

from tap_advexport.errors import CutFileError, FileError, InvalidHeaderError, InvalidRowError
from tap_advexport.records.cells import excerpt
from tap_advexport.records.csv_split import Pieces, lines_of, split_columns
from tap_advexport.records.source import (
    BLOCK_BYTES,
    CHUNK_BYTES,
    ROW_BYTES,
    RowTooLongError,
    open_feed,
)
from tap_advexport.reports import COLUMN_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

# What `csv` and the UTF-8 decoder say at an end that comes too early.
_OPEN_QUOTE: Final = "unexpected end of data"
_CUT_CHARACTER: Final = "unexpected end of data"


class RaggedRowsError(Exception):
    """Rows have not as many cells as the header."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of the file.

    Attributes:
        first_line: the file's line on which the first row starts, counted from 1.
        read: the rows as `csv.reader` gave them, blank lines as rows without cells...
        columns: ...or the columns of them all, none of which is blank or has a line feed in it.
    """

    first_line: int
    read: Sequence[Sequence[str]] = ()
    columns: Sequence[Sequence[str]] = ()

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """The rows; blank lines are rows without cells."""
        return self.read or list(zip(*self.columns, strict=True))

    def line(self, index: int) -> int:
        """Give the file's line on which a row starts."""
        before = self.rows[:index]
        return self.first_line + sum(1 + sum(cell.count("\n") for cell in row) for row in before)


class Table:
    """The header and the rows of one CSV file.

    Lines without quotes are split by hand, a piece at a time, and all others by `csv.reader`.

    Attributes:
        width: how many cells a row has.
        positions: where each column of the report stands.
        unknown_columns: the names in the header that the report does not have.
    """

    def __init__(self, source: BinaryIO, *, is_end_proven: bool) -> None:
        # The limit is the process's own; the feed bounds what a row can be.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * (BLOCK_BYTES + ROW_BYTES)))
        self._feed = open_feed(source)
        self._is_end_proven = is_end_proven or self._feed.is_packed
        self._pieces = Pieces(self._feed)
        # What the reader is to read, how many lines it was given, and how many it never saw.
        self._unread = ""
        self._given_lines = 0
        self._split_lines = 0
        self._reader = csv.reader(chain.from_iterable(self._texts()), strict=True)
        header = self._read_header()
        self.width = len(header)
        self.positions = {name: header.index(name) for name in COLUMN_NAMES}
        self.unknown_columns = tuple(name for name in header if name not in COLUMN_NAMES)

    def blocks(self, size: int) -> Iterator[Block]:
        """Give all rows, in blocks of about `size` bytes.

        Raises:
            FileError: the file is cut or damaged.
            InvalidRowError: the bytes are no UTF-8, the quotes no CSV, or a row has no end.
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
            RaggedRowsError: a row has more cells than the header, or fewer.
        """
        columns = block.columns or _transposed(block.read, self.width)
        if columns and sort_key:
            times = list(map(sort_key, columns[self.positions["time"]]))
            order = sorted(range(len(times)), key=times.__getitem__)
            columns = [[column[index] for index in order] for column in columns]
        return {name: columns[at] for name, at in self.positions.items() if columns}

    def is_exhausted(self) -> bool:
        """Whether no row is left (blank lines are none); what is left is used up."""
        with self._translated():
            return not any(self._reader)

    @property
    def _line(self) -> int:
        """The line of the file that was read last."""
        return self._reader.line_num + self._split_lines

    def _texts(self) -> Iterator[Iterable[str]]:
        """What the reader reads. It takes a text with each row that goes beyond the one before."""
        while text := self._unread or self._pieces.read(CHUNK_BYTES):
            self._unread = ""
            self._given_lines += lines_of(text)
            # Lines end with "\n" here, so a "\r" in a cell is no line end, quoted or not.
            yield io.StringIO(text, newline="\n")

    def _has_unread_lines(self) -> bool:
        """Whether the reader has begun a text; else it is at the end of a row."""
        return self._reader.line_num < self._given_lines

    def _read_block(self, size: int) -> Block | None:
        self._feed.start_block()
        with self._translated():
            if not self._has_unread_lines():
                text = self._pieces.read(size)
                self._refuse_cut_end()
                first_line = self._line + 1
                if columns := split_columns(text, self.width):
                    self._split_lines += len(columns[0])
                    return Block(first_line, columns=columns)
                self._unread = text
            return self._read_rows()

    def _read_rows(self) -> Block | None:
        """Let the reader read what it was given, and as much more as ends its last row."""
        first_line = self._line + 1
        rows: list[list[str]] = []
        for row in self._reader:
            rows.append(row)
            if self._feed.is_full or not self._has_unread_lines():
                break
        self._refuse_cut_end()
        return Block(first_line, rows) if rows else None

    def _refuse_cut_end(self) -> None:
        if self._feed.is_line_open and not self._is_end_proven:
            raise CutFileError(
                f"the file is cut: line {self._pieces.line_count}, its last, has no line end, "
                "and nothing proves that it ends there"
            )

    def _read_header(self) -> list[str]:
        with self._translated():
            header = next(filter(None, self._reader), None)
        if header is None:
            raise CutFileError("the file is cut: it has nothing but blank lines, not even a header")
        _refuse_other_text(header)
        self._refuse_cut_end()
        if self._feed.is_line_open and not set(COLUMN_NAMES) <= set(header):
            raise CutFileError(
                f"the file is cut in its header, which ends with {excerpt(header[-1])}"
            )
        _refuse_invalid_header(header)
        return header

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            raise self._csv_error(str(error)) from None
        except UnicodeDecodeError as error:
            raise self._decode_error(error) from None
        except RowTooLongError:
            text = f"a row of more than {ROW_BYTES >> 20} MiB is no row of a report"
            raise _invalid(self._line + 1, text) from None

    def _csv_error(self, text: str) -> FileError | InvalidRowError:
        line = self._line
        if text == _OPEN_QUOTE:
            return CutFileError(f"the file is cut: a quote is still open at its end, line {line}")
        return _invalid(line, f"the quoting is no valid CSV ({excerpt(text)})")

    def _decode_error(self, error: UnicodeDecodeError) -> FileError | InvalidRowError:
        line = self._pieces.line_count + 1 + error.object.count(b"\n", 0, error.start)
        if error.reason == _CUT_CHARACTER and self._feed.is_at_end:
            return CutFileError(f"the file is cut in the middle of a character, line {line}")
        shown = error.object[error.start : error.start + 8]
        return _invalid(line, f"the bytes {shown!r} are no UTF-8")


def _invalid(line: int, text: str) -> FileError | InvalidRowError:
    """Give the error for a line, the first of which tells whether the file is CSV at all."""
    if line <= 1:
        return FileError(f"the file is not CSV: line 1: {text}")
    return InvalidRowError(f"line {line}: {text}")


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
        raise RaggedRowsError
    return _transposed(filled, width) if filled else ()


def _refuse_other_text(header: Sequence[str]) -> None:
    """Tell a message or a page from a header that is wrong."""
    if len(header) < len(COLUMN_NAMES) and not any(name in COLUMN_NAMES for name in header):
        shown = excerpt(",".join(header))
        raise FileError(f"the file is not the report's CSV: its first line is {shown}")


def _refuse_invalid_header(header: Sequence[str]) -> None:
    missing = [name for name in COLUMN_NAMES if name not in header]
    shown = excerpt(",".join(header))
    if len(missing) > len(COLUMN_NAMES) / 2:
        raise InvalidHeaderError(
            f"the header is missing: the first line, {shown}, looks like data, "
            f"it lacks {', '.join(missing)}"
        )
    if missing:
        raise InvalidHeaderError(f"the header lacks {', '.join(missing)}; it is {shown}")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise InvalidHeaderError(f"the header has twice: {', '.join(map(excerpt, twice[:5]))}")
