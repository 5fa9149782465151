"""docs/period-version.md states the rule of `period_version`; the tap keeps it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.reports import Interval
from tests.support.paths import ROOT
from tests.support.records_reference import (
    ADDED,
    COLUMNS,
    csv_bytes,
    period_version,
    row,
    run,
    run_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.records_reference import Row

PAGE = (ROOT / "docs" / "period-version.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


VECTORS: list[dict[str, Any]] = json.loads(block("json"))
TWO = [row(), row(lang="de")]


def rows_of(vector: dict[str, Any]) -> list[Row]:
    return [dict(zip(COLUMNS, cells, strict=True)) for cells in vector["rows"]]


def versions(rows: Iterable[Row], **changes: Any) -> list[str]:  # noqa: ANN401 - of any type
    return [period.version for period in run_rows(rows, **changes).converted.periods]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_the_vectors_of_the_page_hold(vector: dict[str, Any]) -> None:
    rows, interval = rows_of(vector), Interval(vector["interval"])
    day = date(2017, 10, 1)
    assert versions(rows, interval=interval, first=day, last=day) == [vector["period_version"]]
    assert period_version(rows, interval) == vector["period_version"]


def test_the_image_of_the_page_is_that_of_its_row() -> None:
    image, digest = block("text").splitlines()
    assert hashlib.sha256(image.encode()).hexdigest() == digest
    parts = ("1", "1", digest)
    whole = "".join(f"{len(part)}:{part}," for part in parts)
    assert hashlib.sha256(whole.encode()).hexdigest()[:32] == VECTORS[1]["period_version"]


@pytest.mark.parametrize("interval", Interval)
def test_the_program_of_the_page_recomputes_it(interval: Interval, tmp_path: Path) -> None:
    file, program = tmp_path / "file.csv", tmp_path / "program.py"
    program.write_text(block("python"), "utf-8")
    rows = [*TWO, row(campaign='a\n"b"', publisher_id="0.0"), row(time="2017-11-01 00:00")]
    file.write_bytes(b"\xef\xbb\xbf" + csv_bytes(rows, line_end="\r\n"))
    printed = subprocess.run(
        [sys.executable, program, interval, file], check=True, capture_output=True, text=True
    ).stdout
    last = date(2017, 11, 30)
    periods = run_rows(rows, interval=interval, last=last).converted.periods
    length = 7 if interval is Interval.MONTHLY else 10
    assert printed.splitlines() == [
        f"{str(period.first)[:length]} {period.version}" for period in periods if period.row_count
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"timezone": "Europe/Rome"},
        {"columns": (*COLUMNS, "row_key")},
        {"columns": ("row_key",)},
    ],
)
def test_neither_columns_nor_zone_nor_export_change_it(changes: dict[str, Any]) -> None:
    assert versions(TWO, **changes) == versions(TWO)


def test_neither_the_form_of_the_file_nor_its_window_changes_it() -> None:
    header = [*COLUMNS[::-1], "new"]
    other = run(csv_bytes(TWO[::-1], header=header, line_end="\r\n", is_all_quoted=True))
    assert [period.version for period in other.converted.periods] == versions(TWO)
    one_day = date(2017, 10, 1)
    assert versions(TWO, last=one_day) == versions(TWO)[:1]
    assert versions(TWO, columns=(*COLUMNS, *ADDED))[1] == versions([])[0]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("clicks_aggr", "0120"),
        ("clicks_aggr", "120.0"),
        ("campaign_id", "04711"),
        ("publisher_id", "42.0"),
        ("cost_aggr", "12.5"),
        ("cr", "2.5e-2"),
        ("conversions_aggr", ""),
        ("campaign", "spring"),
        ("lang", ""),
    ],
)
def test_one_letter_makes_another(name: str, cell: str) -> None:
    assert versions([row(**{name: cell})])[0] != versions([row()])[0]


def test_a_cell_is_not_taken_for_its_neighbours() -> None:
    one = [row(publisher_id="1", campaign="2,3")]
    other = [row(publisher_id="2", campaign="1,3")]
    assert versions(one)[0] != versions(other)[0]
