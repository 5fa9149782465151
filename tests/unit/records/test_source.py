"""The bytes of a download: unpacked, recognised, proven whole, and never too many at once."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zlib

import pytest

from tap_advexport.errors import CutFileError, FileError, InvalidFileError, InvalidRowError
from tap_advexport.records.convert import convert
from tap_advexport.records.source import MAX_ROW_BYTES
from tests.support.records_reference import COLUMNS, conversion, csv_bytes, records, row, run

ROWS = [row(), row(campaign="Zoë", lang="de"), row(time="2017-10-02 00:00")]
WHOLE = csv_bytes(ROWS)
HEADER = csv_bytes([])
EXPECTED = records(ROWS, conversion())


def error_of(data: bytes, *, is_end_proven: bool = True) -> FileError | InvalidFileError:
    try:
        run(data, is_end_proven=is_end_proven)
    except (FileError, InvalidFileError) as caught:
        error = caught
    assert str(error).isprintable()
    assert len(str(error)) < 400
    return error


# --- gzip --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(gzip.compress(WHOLE), id="one member"),
        pytest.param(gzip.compress(gzip.compress(WHOLE)), id="twice"),
        pytest.param(gzip.compress(b"") + gzip.compress(WHOLE) + gzip.compress(b""), id="empty"),
        pytest.param(b"".join(gzip.compress(bytes([byte])) for byte in WHOLE), id="many members"),
        pytest.param(gzip.compress(WHOLE) + bytes(3), id="padded"),
        pytest.param(
            gzip.compress(WHOLE[:99]) + bytes(70_000) + gzip.compress(WHOLE[99:]),
            id="padded within",
        ),
        pytest.param(gzip.compress(WHOLE, compresslevel=0), id="stored"),
    ],
)
def test_gzip_is_unpacked_whatever_its_members(packed: bytes) -> None:
    assert run(packed).records == EXPECTED


def test_a_gzip_end_proves_that_the_last_line_is_whole() -> None:
    assert run(gzip.compress(WHOLE.rstrip())).records == EXPECTED


def test_a_cut_within_packed_bytes_is_noticed_whatever_the_transport_proves() -> None:
    two = gzip.compress(WHOLE[:200]) + gzip.compress(WHOLE[200:])
    first = len(gzip.compress(WHOLE[:200]))
    for stop in {*range(2, first), *range(first + 2, len(two))}:
        assert isinstance(error_of(two[:stop]), CutFileError)


def test_an_inner_gzip_stream_that_is_cut_is_noticed() -> None:
    assert isinstance(error_of(gzip.compress(gzip.compress(WHOLE)[:-1])), CutFileError)


@pytest.mark.parametrize("garbage", [b"x", b"\x00\x00x", b"<html>", b"\x1f\x8b" + b"y" * 30])
def test_garbage_behind_the_last_member_is_refused(garbage: bytes) -> None:
    assert "gzip" in str(error_of(gzip.compress(WHOLE) + garbage))


@pytest.mark.parametrize("at", [12, 60, -6, -2])
def test_a_flipped_byte_in_a_gzip_stream_is_refused(at: int) -> None:
    packed = bytearray(gzip.compress(WHOLE))
    packed[at] ^= 0xFF
    error_of(bytes(packed))


def test_gzip_three_times_over_is_refused() -> None:
    data = gzip.compress(gzip.compress(gzip.compress(WHOLE)))
    assert "more than 2 times" in str(error_of(data))


# --- What it is --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [b"", gzip.compress(b""), gzip.compress(gzip.compress(b""))],
    # A packed file holds the time, which must not get into the name of a test.
    ids=["plain", "packed", "packed twice"],
)
def test_no_bytes_at_all_are_a_cut_file(data: bytes) -> None:
    error = error_of(data)
    assert isinstance(error, CutFileError)
    assert "empty" in str(error)


@pytest.mark.parametrize("data", [b"\n", b"\r\n\r\n", b"\n" * 100_000])
def test_blank_lines_alone_are_a_cut_file(data: bytes) -> None:
    assert isinstance(error_of(data), CutFileError)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\xef\xbb\xbf \r\n\t<HTML>", "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "XML"),
        (b"<Error>", "HTML or XML"),
        (b'{"state": "PENDING"}', "JSON"),
        (b"\n[1]", "JSON"),
        (b"PK\x03\x04rest", "zip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PAR1", "Parquet"),
        (b"%PDF-1.4", "PDF"),
        (WHOLE.decode().encode("utf-16"), "UTF-16"),
        (WHOLE.decode().encode("utf-16-le"), "NUL"),
        (b"\x00\x01\x02", "NUL"),
        (b"Request has expired", "'Request has expired'"),
        (b"Sorry, the file\nis gone", "'Sorry, the file'"),
        (WHOLE.replace(b",", b";"), "'aff_sub_id;time;"),
        (WHOLE.replace(b",", b"\t"), r"'aff_sub_id\ttime\t"),
    ],
)
def test_what_is_no_csv_is_called_by_its_name(start: bytes, name: str) -> None:
    for data in (start, gzip.compress(start)):
        error = error_of(data)
        assert type(error) is FileError
        assert name in str(error)


# --- Text --------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert run(b"\xef\xbb\xbf" + WHOLE).records == EXPECTED
    quoted = b"\xef\xbb\xbf" + csv_bytes(ROWS, is_all_quoted=True)
    assert run(quoted).records == EXPECTED


@pytest.mark.parametrize("count", [2, 700])
def test_bytes_that_are_no_utf8_are_refused_by_line(count: int) -> None:
    data = csv_bytes([row(campaign="a\nb")] * count) + csv_bytes([row()])[len(HEADER) :].replace(
        b"Spring", b"Fr\xfchling"
    )
    error = error_of(data)
    assert isinstance(error, InvalidRowError)
    assert str(error).startswith(f"line {2 + 2 * count}: ")


def test_a_surrogate_in_utf8_is_refused() -> None:
    assert isinstance(error_of(WHOLE.replace(b"Spring", b"\xed\xa0\x80", 1)), InvalidRowError)


def test_a_file_that_ends_within_a_character_is_cut() -> None:
    at = WHOLE.index("ë".encode()) + 1
    assert isinstance(error_of(WHOLE[:at]), CutFileError)


@pytest.mark.parametrize("quote", [b'"', b'"x', b'"x\n', b'"' + b"x,y\n" * 50_000])
def test_a_quote_that_is_open_at_the_end_is_a_cut(quote: bytes) -> None:
    error = error_of(WHOLE + quote)
    assert isinstance(error, CutFileError)
    assert "quote" in str(error)


@pytest.mark.parametrize("cell", [b'"a"b', b'"a" ', b"a\rb"])
def test_quoting_that_is_no_csv_is_refused_by_line(cell: bytes) -> None:
    error = error_of(WHOLE.replace(b"Spring", cell, 1))
    assert isinstance(error, InvalidRowError)
    assert str(error).startswith("line 2: ")


def test_quotes_within_a_cell_without_quotes_are_text() -> None:
    (record, *_) = run(WHOLE.replace(b"Spring", b'12" wide', 1)).records
    assert record["campaign"] == '12" wide'


def test_a_header_without_its_line_end_is_cut_unless_it_is_whole_and_proven() -> None:
    header = HEADER.rstrip()
    assert isinstance(error_of(header, is_end_proven=False), CutFileError)
    assert run(header, is_end_proven=True).records == []
    for stop in range(len("aff_sub_id"), len(header)):
        assert isinstance(error_of(header[:stop]), CutFileError)


# --- Bounds ------------------------------------------------------------------------------------


def endless(start: bytes, piece: bytes) -> bytes:
    """Pack far more than a row may have, in a few kilobytes."""
    packer = zlib.compressobj(wbits=31)
    packed = [packer.compress(start)]
    pieces = piece * ((1 << 20) // len(piece))
    packed += [packer.compress(pieces) for _ in range(4 * MAX_ROW_BYTES >> 20)]
    return b"".join([*packed, packer.flush()])


@pytest.mark.parametrize("start", [b"", HEADER])
@pytest.mark.parametrize("piece", [b"a", b'"\n","b', b",", b'"a\n', "é".encode()])
def test_a_row_without_an_end_is_refused_before_it_fills_the_memory(
    start: bytes, piece: bytes
) -> None:
    data = endless(start + (b'"' if piece == "é".encode() else b""), piece)
    tracemalloc.start()
    error = error_of(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "16 MiB" in str(error) or "cells" in str(error) or "CSV" in str(error)
    assert peak < 32 * MAX_ROW_BYTES


def test_rows_of_some_megabytes_pass_and_are_not_collected() -> None:
    rows = [row(campaign=str(number) * 3_000_000) for number in range(8)]
    assert run(gzip.compress(csv_bytes(rows))).records == records(rows, conversion())


class Dripping(io.BytesIO):
    """Gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(7, size or 7))


@pytest.mark.parametrize(
    "data", [WHOLE, gzip.compress(gzip.compress(WHOLE)), b"\xef\xbb\xbf" + WHOLE]
)
def test_a_source_that_gives_little_at_a_time_gives_the_same(data: bytes) -> None:

    out = io.BytesIO()
    converted = convert(Dripping(data), out, conversion())
    assert converted.row_count == len(ROWS)
    assert out.getvalue() == run(WHOLE).spool


def test_the_header_of_these_tests_is_the_documented_one() -> None:
    assert HEADER.decode().strip().split(",") == COLUMNS
