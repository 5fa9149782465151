"""The first invalid row, named by line, column and text."""

from __future__ import annotations

import pytest

from tap_advexport.errors import CutFileError
from tests.support.records_reference import (
    COLUMNS,
    conversion,
    csv_bytes,
    records,
    refusal,
    row,
    run,
)

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
