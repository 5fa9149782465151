"""What is wrong with a block of rows that did not convert: the slow way, with line and cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_advexport.errors import CutFileError, InvalidRowError
from tap_advexport.records.cells import InvalidCellError, excerpt, integer_text, number_text
from tap_advexport.reports import COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_advexport.records.cells import Calendar
    from tap_advexport.records.csv_table import Block, Table


def row_error(table: Table, block: Block, calendar: Calendar) -> CutFileError | InvalidRowError:
    """Give the error of the first invalid row of a block that has one."""
    for index, row in enumerate(block.rows):
        if row and len(row) != table.width:
            return _width_error(table, block, index)
        if row and (complaint := _complaint(table, row, calendar)):
            return InvalidRowError(f"line {block.line(index)}, {complaint}")
    raise AssertionError


def _width_error(table: Table, block: Block, index: int) -> CutFileError | InvalidRowError:
    row = block.rows[index]
    text = (
        f"line {block.line(index)}: {len(row)} cells where the header has {table.width}; "
        f"the last is {excerpt(row[-1])}"
    )
    is_last = not any(block.rows[index + 1 :]) and table.is_exhausted()
    if is_last and len(row) < table.width:
        # However well the transport proves the end: the file may be cut before it.
        return CutFileError(f"the file is cut in its last row, {text}")
    return InvalidRowError(text)


def _complaint(table: Table, row: Sequence[str], calendar: Calendar) -> str:
    checks: dict[Kind, Callable[[str], object]] = {
        Kind.TEXT: str,
        Kind.TIME: calendar.period,
        Kind.INTEGER: integer_text,
        Kind.NUMBER: number_text,
    }
    for column in COLUMNS:
        cell = row[table.positions[column.name]]
        try:
            checks[column.kind](cell)
        except InvalidCellError as error:
            return f"column {column.name}: {excerpt(cell)} {error}"
    return ""
