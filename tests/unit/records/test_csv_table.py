"""What a file is besides its cells: byte order marks, unknown columns, messages for rows."""

from __future__ import annotations

import gzip

import pytest

from tap_advexport.errors import CutFileError, FileError, InvalidRowError
from tests.support.records_reference import COLUMNS, conversion, csv_bytes, records, row, run

MARK = "\ufeff"
HEADER = csv_bytes([])
ROWS = csv_bytes([row(), row(lang="de")])[len(HEADER) :]
QUOTED = csv_bytes([row()], is_all_quoted=True)[len(csv_bytes([], is_all_quoted=True)) :]

# --- Byte order marks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [ROWS, QUOTED, HEADER + ROWS, b"\n", ROWS.replace(b"\n", b"\r\n"), b'"a\n"' + ROWS],
    ids=["rows", "quoted", "header", "blank", "CR LF", "line feed"],
)
@pytest.mark.parametrize("rest", [b"", ROWS])
def test_a_byte_order_mark_before_a_row_within_the_file_is_an_invalid_row(
    part: bytes, rest: bytes
) -> None:
    data = MARK.encode() + HEADER + ROWS + MARK.encode() + part + rest
    for file in (data, gzip.compress(data)):
        with pytest.raises(InvalidRowError, match="line 4: a byte order mark within the file"):
            run(file)


def test_it_is_one_where_the_first_column_goes_nowhere() -> None:
    data = csv_bytes([row(), row(new=MARK)], header=["new", *COLUMNS])
    with pytest.raises(InvalidRowError, match="line 3: a byte order mark"):
        run(data)


def test_it_is_found_in_a_file_in_no_order_and_behind_many_blocks() -> None:
    rows = [row(time=f"2017-10-0{1 + number % 3} 00:00") for number in range(3000)]
    for given in (rows, sorted(rows, key=lambda cells: cells["time"])):
        with pytest.raises(InvalidRowError, match="line 3002: a byte order mark"):
            run(csv_bytes([*given, row(aff_sub_id=MARK + "a"), row()]))


def test_elsewhere_in_a_row_it_is_text() -> None:
    rows = [row(campaign=MARK, aff_sub_id=f"a{MARK}\n{MARK}b")]
    assert run(csv_bytes(rows)).records == records(rows, conversion())


# --- Unknown columns ---------------------------------------------------------------------------


def test_unknown_columns_are_told_and_none_of_them_is_a_reason_to_fail() -> None:
    header = ["new", *COLUMNS[:3], "", "new", *COLUMNS[3:], *(f"n{n}" for n in range(50)), ""]
    result = run(csv_bytes([row()], header=header))
    assert result.records == records([row()], conversion())
    assert result.converted.unknown_columns == (
        "new",
        "column 5 has no name",
        "new",
        *(f"n{number}" for number in range(50)),
        "column 69 has no name",
    )


def test_a_comma_at_the_end_of_some_lines_is_named_by_its_column() -> None:
    for data, cells in (
        (HEADER + ROWS.replace(b"\n", b",\n"), "16 cells where the header has 15"),
        (HEADER.replace(b"\n", b",\n") + ROWS, "15 cells where the header has 16"),
    ):
        with pytest.raises(InvalidRowError, match=rf"line 2: {cells}.*\(column 16 has no name\)"):
            run(data)


def test_a_row_that_is_too_short_is_not_told_of_a_column_without_a_name() -> None:
    data = HEADER + b",".join(ROWS.split(b",")[:3]) + b",\n" + ROWS
    with pytest.raises(InvalidRowError) as caught:
        run(data)
    assert "4 cells where the header has 15" in str(caught.value)
    assert "no name" not in str(caught.value)


# --- Messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["No data", "No results found.", "no data\r\n", "EMPTY\n", "n/a"])
@pytest.mark.parametrize("is_end_proven", [True, False])
def test_a_message_in_place_of_a_file_is_told_as_what_it_says(
    text: str, *, is_end_proven: bool
) -> None:
    with pytest.raises(FileError, match=text.strip()) as caught:
        run(text.encode(), is_end_proven=is_end_proven)
    assert "cut" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_a_message_below_the_header_is_told_as_what_it_says(end: str) -> None:
    with pytest.raises(FileError, match="the file says 'No data' in line 2") as caught:
        run(HEADER + f"No data{end}".encode(), is_end_proven=True)
    assert not isinstance(caught.value, CutFileError)


def test_an_end_that_nothing_proves_is_cut_and_shown() -> None:
    with pytest.raises(CutFileError, match=r"line 2, its last, has no line end.*: 'No data'$"):
        run(HEADER + b"No data")


def test_one_word_without_a_line_end_may_be_a_cut_row() -> None:
    with pytest.raises(CutFileError, match="cut in its last row, line 2: 1 cells"):
        run(HEADER + b"aff0", is_end_proven=True)
