"""Finds the fault in a block of rows that failed to convert: slow, but names line and cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_advexport.errors import CutFileError, FileError, InvalidRowError
from tap_advexport.records.cells import InvalidCellError, integer_text, number_text
from tap_advexport.records.csv_table import begins_with_mark
from tap_advexport.redaction import quoted
from tap_advexport.reports import COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_advexport.records.cells import TimeGrid
    from tap_advexport.records.csv_table import Block, Table


def row_error(table: Table, block: Block, grid: TimeGrid) -> FileError | InvalidRowError:
    """Return the error for the first invalid row of a block, which must have one."""
    rows, line = block.rows, block.first_line
    for index, row in enumerate(rows):
        if row and begins_with_mark(row[0]):
            return InvalidRowError(
                f"line {line}: a byte order mark within the file, as if files had been joined, "
                f"before {quoted(row[0][1:])}"
            )
        if row and len(row) != len(table.header):
            is_last = not any(rows[index + 1 :]) and table.is_exhausted()
            return _width_error(table, row, line, is_last=is_last)
        if row and (complaint := _complaint(table, row, grid)):
            return InvalidRowError(f"line {line}, {complaint}")
        line += 1 + sum(cell.count("\n") for cell in row)
    raise AssertionError


def _width_error(
    table: Table, row: Sequence[str], line: int, *, is_last: bool
) -> FileError | InvalidRowError:
    last, width = row[-1], len(table.header)
    if is_last and len(row) == 1 and (" " in last.strip() or not table.is_line_open):
        return FileError(f"the file says {quoted(last)} in line {line}, where a row should be")
    text = f"line {line}: {len(row)} cells where the header has {width}; the last is {quoted(last)}"
    if not table.header[-1] or (not last and len(row) > width):
        text += f" (column {max(len(row), width)} has no name)"
    if is_last and len(row) < width:
        # Even if the transport proved the end: the file may have been cut before it was sent.
        return CutFileError(f"the file is cut in its last row, {text}")
    return InvalidRowError(text)


def _complaint(table: Table, row: Sequence[str], grid: TimeGrid) -> str:
    checks: dict[Kind, Callable[[str], object]] = {
        Kind.TEXT: str,
        Kind.TIME: grid.period,
        Kind.INTEGER: integer_text,
        Kind.NUMBER: number_text,
    }
    for column in COLUMNS:
        cell = row[table.header.index(column.name)]
        try:
            checks[column.kind](cell)
        except InvalidCellError as error:
            return f"column {column.name}: {quoted(cell)} {error}"
    return ""
