"""A verified row as a line: which columns, in which order, each cell as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.records_reference import (
    ADDED,
    COLUMNS,
    INTEGERS,
    KEY,
    NUMBERS,
    conversion,
    csv_bytes,
    one,
    period_version,
    records,
    row,
    run,
    run_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_a_row_becomes_one_line_with_the_columns_in_canonical_order() -> None:
    lines = run_rows([row()]).lines
    assert lines.decode() == (
        '{"aff_sub_id":"a1b2c3","time":"2017-10-01T00:00:00+00:00","clicks_aggr":120,'
        '"campaign":"Spring","country":"IT","creative_id":"banner_320x50.png",'
        '"app_id":"com.example.app","campaign_id":4711,"cost_aggr":12.50,"cr":0.025,'
        '"conversions_aggr":3,"name_os":"Android","version_os":"10.10","lang":"it",'
        '"publisher_id":42,"report_date":"2017-10-01",'
        '"row_key":"42393374e4a05e6d90ccb0e80952c03d","export_id":"task-1",'
        f'"period_version":"{period_version([row()], "daily")}",'
        '"exported_at":"2017-10-05T03:00:00Z"}\n'
    )


@pytest.mark.parametrize(
    "columns",
    [
        ("row_key",),
        ("row_key", "exported_at"),
        ("row_key", "aff_sub_id"),
        ("lang", "row_key", "time"),
        ("report_date", "row_key"),
        ("cr", "row_key", "export_id"),
        tuple(name for name in (*COLUMNS, *ADDED) if name not in KEY),
        tuple(reversed((*COLUMNS, *ADDED))),
    ],
)
def test_only_selected_columns_go_out_and_the_key_stays_the_same(columns: Sequence[str]) -> None:
    rows = [row(), row(), row(lang="de")]
    result = run_rows(rows, columns=tuple(columns))
    expected = records(rows, conversion(columns=tuple(columns)))
    assert result.records == expected
    assert [list(record) for record in result.records] == [list(record) for record in expected]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_only_line_feed_of_a_line_is_its_end(line_end: str) -> None:
    lines = run(csv_bytes([row(campaign="a\nb\r\nc\rd")], line_end=line_end)).spool
    assert lines.count(b"\n") == 1
    assert b'"campaign":"a\\nb\\r\\nc\\rd"' in lines


@pytest.mark.parametrize(
    "text",
    ["", "NA", "null", "0012", " x ", "1e5", "nan", "\t", "\x00", "\x7f", "\u2028", "😀", "é"],
)
@pytest.mark.parametrize("name", ["aff_sub_id", "campaign", "country", "version_os"])
def test_text_stays_as_it_is(name: str, text: str) -> None:
    assert one(**{name: text})[name] == text


def test_large_texts_pass() -> None:
    text = "é" * 300_000
    assert one(aff_sub_id=text, campaign=text, country=text)["campaign"] == text


@pytest.mark.parametrize("name", [*INTEGERS, *NUMBERS])
def test_empty_cells_are_null(name: str) -> None:
    assert one(**{name: ""})[name] is None
