"""Which files are converted in a process of their own, and what happens where there is none."""

from __future__ import annotations

import io
import sys
from contextlib import closing, nullcontext
from datetime import date
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.api.bodies import Downloaded
from tap_advexport.errors import CutFileError, FileError, InvalidFileError
from tap_advexport.exports.conversion import PACKED_FACTOR, Conversions, converter
from tap_advexport.exports.job import ExportJob, Phase, task_of
from tap_advexport.records.convert import Conversion, Converted, SpoolFormat
from tap_advexport.records.pool import ConversionProcesses
from tap_advexport.reports import Interval
from tests.support.conversion_processes import spool, started_by_shell
from tests.support.records_reference import COLUMNS, conversion, csv_bytes, row, run
from tests.support.runner_fakes import adopted

if TYPE_CHECKING:
    from pathlib import Path


# Reads and writes as a process may have done in the middle of a file, and ends in some way.
HALF_WAY = """
import os, sys
length, way, mark = sys.argv[1:4]
source = open(0, "rb", buffering=0)
source.seek(0)
source.read(int(length))
open(1, "wb", buffering=0).write(b'{"aff_sub_id":"from a process that died"}\\n{"aff_sub')
match way:
    case "is killed and has no successor":
        if os.path.exists(mark):
            sys.exit("no second process")
        open(mark, "x").close()
        os.kill(os.getpid(), 9)
    case "exits":
        sys.exit(1)
    case "says nonsense":
        sys.exit(0)
"""


@pytest.mark.parametrize(
    "way",
    [
        "cannot be started",
        "cannot be imported",
        "is killed and has no successor",
        "exits",
        "says nonsense",
    ],
)
@pytest.mark.parametrize("row_count", [0, 100, 4000])
def test_after_a_process_that_failed_a_file_is_converted_from_its_first_byte(
    way: str, row_count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Rows of 128 bytes behind a header of 256, so that every buffer ends where a row ends: what a
    # buffer holds and what comes behind the process's last read join to a file that looks whole.
    header = [*COLUMNS, "x" * (256 - len(csv_bytes([])) - 1)]
    padding = "-" * (128 - len(csv_bytes([row(aff_sub_id="0000")])) + len(csv_bytes([])) - 2)
    rows = [row(aff_sub_id=f"{number:04}{padding}") for number in range(5000)]
    data = csv_bytes(rows, header=header)
    length = 256 + 128 * row_count
    assert len(data) == 256 + 128 * len(rows)
    command = {
        "cannot be started": ("/no/such/program",),
        "cannot be imported": (sys.executable, "-c", "import no_such_module"),
    }.get(way, (sys.executable, "-c", HALF_WAY, str(length), way, str(tmp_path / "mark")))
    conversions = Conversions(1, ConversionProcesses(command))
    expected = run(data)
    with closing(conversions), spool(data) as source, spool() as lines:
        # As the tap may have read it already, so that a buffer holds its beginning.
        source.seek(0)
        source.read(2)
        for _ in range(2):
            converted = conversions.convert(source, lines, conversion(), len(data))
            lines.seek(0)
            assert (converted, lines.read()) == (expected.converted, expected.spool)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("head", "byte_count", "is_large"),
    [
        (b"aff", 999, False),
        (b"aff", 1000, True),
        (b"\x1f\x8b\x08", 1000 // PACKED_FACTOR, True),
        (b"\x1f\x8b\x08", 1000 // PACKED_FACTOR - 1, False),
    ],
)
def test_only_large_files_start_a_process(
    head: bytes, byte_count: int, *, is_large: bool, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    conversions = Conversions(1000, ConversionProcesses(started_by_shell(f"touch {mark}")))
    with (
        closing(conversions),
        spool(head) as source,
        spool() as lines,
        pytest.raises((FileError, InvalidFileError)),
    ):
        conversions.convert(source, lines, conversion(), byte_count)
    assert mark.exists() == is_large


@pytest.mark.parametrize("error", [None, CutFileError("cut"), OSError(28, "full")])
def test_a_converter_gives_lines_or_leaves_none_open(error: Exception | None) -> None:
    asked: list[tuple[BinaryIO, Conversion, int]] = []
    done = Converted((), 0, (), is_time_ordered=True)

    class Always:
        def convert(self, _: BinaryIO, lines: BinaryIO, wanted: Conversion, size: int) -> Converted:
            asked.append((lines, wanted, size))
            if error:
                raise error
            return done

    convert_file = converter(
        cast("Any", Always()),
        interval=Interval.MONTHLY,
        zone=ZoneInfo("Europe/Rome"),
        columns=("row_key",),
        spool_format=SpoolFormat.ARROW,
    )
    task = task_of(ExportJob(adopted(1, 7), Phase.CONVERT, 0.0))
    with pytest.raises(type(error)) if error else nullcontext():
        lines, converted = convert_file(io.BytesIO(), task, Downloaded(9, is_end_proven=True))
        assert (lines, converted) == (asked[0][0], done)
        lines.close()
    [(lines, wanted, size)] = asked
    assert lines.closed
    assert size == 9
    assert wanted == Conversion(
        Interval.MONTHLY,
        date(2024, 3, 1),
        date(2024, 3, 7),
        "Europe/Rome",
        ("row_key",),
        is_end_proven=True,
        spool_format=SpoolFormat.ARROW,
    )
