"""The conversion of a CSV file, case by case."""

# ruff: noqa: ANN401 - changes to a conversion are of any of its types

from __future__ import annotations

import gc
import io
from typing import Any

import pytest

from tap_advexport.errors import CutFileError, FileError, InvalidHeaderError
from tap_advexport.records.convert import convert
from tests.support.records_reference import COLUMNS, conversion, csv_bytes, records, row, run

# --- Header ------------------------------------------------------------------------------------


def test_columns_are_found_by_name_and_unknown_ones_are_named() -> None:
    header = ["new", *reversed(COLUMNS), "x\ny"]
    result = run(csv_bytes([row()], header=header))
    assert result.records == records([row()], conversion())
    assert result.converted.unknown_columns == ("new", "x\ny")


def test_missing_columns_are_all_named() -> None:
    header = [name for name in COLUMNS if name not in {"cr", "lang"}]
    with pytest.raises(InvalidHeaderError, match="lacks cr, lang;"):
        run(csv_bytes([row()], header=header))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_twice_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeaderError, match=f"twice: {name}$"):
        run(csv_bytes([row()], header=[*COLUMNS, "new", name]))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        *((name, "has capitals or blanks in") for name in ("Time", " time", "time ", "TIME")),
        ("\ufeff\ufefftime", "lacks time"),
    ],
)
def test_names_are_matched_exactly(changed: str, said: str) -> None:
    with pytest.raises(InvalidHeaderError, match=said):
        run(csv_bytes([row()], header=[changed if name == "time" else name for name in COLUMNS]))


def test_a_header_all_in_capitals_is_no_row() -> None:
    with pytest.raises(InvalidHeaderError, match="has capitals or blanks in"):
        run(csv_bytes([row()], header=[name.upper() for name in COLUMNS]))


def test_a_file_without_a_header_is_told_from_one_with_a_wrong_header() -> None:
    with pytest.raises(InvalidHeaderError, match="looks like data"):
        run(csv_bytes([], header=list(row().values())))


# --- Rows --------------------------------------------------------------------------------------


def test_a_last_line_without_its_end_is_whole_only_if_the_end_is_proven() -> None:
    data = csv_bytes([row()]).strip()
    assert run(data, is_end_proven=True).records == records([row()], conversion())
    with pytest.raises(CutFileError, match="line 2, its last, has no line end"):
        run(data)


# --- The call ----------------------------------------------------------------------------------


def test_a_full_disk_is_no_error_of_the_file() -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        convert(io.BytesIO(csv_bytes([row()])), Full(), conversion())


def test_too_little_memory_is_an_error_of_the_file() -> None:
    class Huge(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise MemoryError

    with pytest.raises(FileError, match="memory"):
        convert(Huge(), io.BytesIO(), conversion())


def test_a_file_that_was_read_before_is_read_from_its_start() -> None:
    source = io.BytesIO(csv_bytes([row()]))
    source.seek(50)
    assert convert(source, io.BytesIO(), conversion()).row_count == 1


def test_rows_make_no_cycles_so_that_a_conversion_process_need_not_look_for_any() -> None:
    left = []
    gc.disable()
    try:
        for count in (10, 20_000):
            gc.collect()
            run(csv_bytes([row(aff_sub_id=str(number)) for number in range(count)]))
            left.append(gc.collect())
    finally:
        gc.enable()
    assert left[1] <= left[0]
