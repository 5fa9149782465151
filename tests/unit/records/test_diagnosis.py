"""The first invalid row, named by line, column and text."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.errors import CutFileError
from tap_advexport.records.cells import TimeGrid
from tap_advexport.records.csv_table import Block, Table
from tap_advexport.records.diagnosis import row_error
from tap_advexport.reports import Interval
from tests.support.records_reference import (
    COLUMNS,
    conversion,
    csv_bytes,
    records,
    refusal,
    row,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = ",".join(COLUMNS)


def test_a_header_that_comes_again_is_an_invalid_row() -> None:
    assert "line 3, column time: 'time'" in refusal(
        csv_bytes([row(), {name: name for name in COLUMNS}])
    )


def test_the_first_invalid_row_is_named_by_its_line_in_the_file() -> None:
    rows = [row(campaign="a\nb\r\nc")] * 200 + [row(cr="x"), row(clicks_aggr="y")]
    assert "line 602, column cr: 'x'" in refusal(csv_bytes(rows))


def test_an_invalid_row_of_a_file_in_no_order_is_named_by_its_line() -> None:
    rows = (
        [row(time=f"2017-10-0{1 + n % 3} 00:00") for n in range(300)] + [row(cr="x")] + [row()] * 9
    )
    assert "line 302, column cr: 'x'" in refusal(csv_bytes(rows))


def test_cells_in_messages_are_cut_and_have_no_control_characters() -> None:
    message = refusal(csv_bytes([row(clicks_aggr="\n\x00\u2028" * 100_000)]))
    assert message.isprintable()
    assert len(message) < 300


def test_a_row_with_too_many_cells_is_refused() -> None:
    data = csv_bytes([row()] * 3).replace(b",42\n", b",42,x\n", 2)
    assert "line 2: 16 cells where the header has 15" in refusal(data)


def test_a_row_with_too_few_cells_is_refused_and_cut_when_it_is_the_last() -> None:
    short = b"a,2017-10-01 00:00,3\n"
    assert "line 2: 3 cells" in refusal(
        csv_bytes([]) + short + csv_bytes([row()])[len(HEADER) + 1 :]
    )
    for end in (b"", b"\n", b"\n\n\r\n"):
        with pytest.raises(CutFileError, match="line 3: 3 cells"):
            run(csv_bytes([row()]) + short.strip() + end, is_end_proven=True)


def test_a_short_row_is_found_where_all_rows_of_a_block_are_short() -> None:
    assert "line 2: 3 cells" in refusal((HEADER + "\n" + "a,b,c\n" * 500).encode())


def test_blank_lines_hold_nothing_and_are_passed_over() -> None:
    whole = csv_bytes([row(), row(lang="de")]).decode().splitlines(keepends=True)
    data = "\n\r\n".join(["", *whole, "", ""]).encode()
    assert run(data).records == records([row(), row(lang="de")], conversion())
    assert "line 14, column cr" in refusal(data + csv_bytes([row(cr="x")])[len(HEADER) + 1 :])
    assert run(csv_bytes([]) + b"\n" * 1000).converted.row_count == 0


def test_a_line_of_blanks_is_a_short_row() -> None:
    assert "line 2: 1 cells" in refusal(csv_bytes([row()]).replace(b"\n", b"\n  \n", 1))


def test_a_block_is_looked_through_once_however_many_rows_it_has() -> None:
    """Rows are made of columns each time they are asked for."""
    asked: list[int] = []

    class Counted(Block):
        @property
        def rows(self) -> Sequence[Sequence[str]]:
            asked.append(1)
            return super().rows

    data = csv_bytes([*[row()] * 50, row(cr="x")])
    table = Table(io.BytesIO(data), is_end_proven=True)
    [block] = table.blocks(1 << 20)
    counted = Counted(block.first_line, block.listed, block.columns)
    grid = TimeGrid(Interval.DAILY, date(2017, 10, 1), date(2017, 10, 3), ZoneInfo("UTC"))
    assert "line 52, column cr" in str(row_error(table, counted, grid))
    assert len(asked) == 1
