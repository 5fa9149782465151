"""Lines come back from a spool with what their period has in common."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime

import pytest

from tap_advexport.records.convert import Period
from tap_advexport.records.lines import ExportConstants, LineFrame, copy_spans, record_lines

CONSTANTS = ExportConstants(
    ("row_key", "export_id", "period_version", "exported_at", "account"),
    'a"b\\c\né',
    datetime(2024, 4, 1, 3, tzinfo=UTC),
    "north",
)
# Lines of 15 bytes.
SPOOL = b'{"row_key":"1"\n{"row_key":"2"\n{"row_key":"3"\n'


def period(version: str, *spans: tuple[int, int]) -> Period:
    return Period(date(2024, 3, 31), len(spans), 0, 0, "0", version, spans)


def test_each_line_gets_the_constants_of_its_period_in_canonical_order() -> None:
    periods = [period("v1", (0, 15)), period("v0"), period("v2", (15, 30), (30, 45))]
    lines = b"".join(record_lines(io.BytesIO(SPOOL), periods, CONSTANTS))
    records = [json.loads(line) for line in lines.splitlines()]
    assert records == [
        {
            "row_key": key,
            "export_id": 'a"b\\c\né',
            "period_version": version,
            "exported_at": "2024-04-01T03:00:00Z",
            "account": "north",
        }
        for key, version in (("1", "v1"), ("2", "v2"), ("3", "v2"))
    ]
    assert list(records[0]) == list(CONSTANTS.columns)


def test_columns_that_are_not_written_and_no_account_are_left_out() -> None:
    constants = ExportConstants(("row_key",), "task", datetime(2024, 4, 1, 3, tzinfo=UTC))
    around = LineFrame(b"<", b">")
    [lines] = record_lines(io.BytesIO(SPOOL), [period("v", (30, 45))], constants, around)
    assert lines == b'<{"row_key":"3"}>\n'


def test_many_small_periods_are_one_piece() -> None:
    periods = [period(f"v{number}", (0, 15)) for number in range(500)]
    pieces = list(record_lines(io.BytesIO(SPOOL), periods, CONSTANTS))
    assert len(pieces) == 1
    assert pieces[0].count(b"\n") == 500


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 5, 100])
def test_spans_are_copied_in_pieces_that_end_with_a_line(chunk_bytes: int) -> None:
    text = b"a\nbb\nccc\ndddd\neeeee\n"
    pieces = list(copy_spans(io.BytesIO(text), [(2, 9), (14, 20)], chunk_bytes))
    assert b"".join(pieces) == b"bb\nccc\neeeee\n"
    assert all(piece.endswith(b"\n") for piece in pieces)
    with pytest.raises(AssertionError):
        list(copy_spans(io.BytesIO(text), [(14, 21)], chunk_bytes))
