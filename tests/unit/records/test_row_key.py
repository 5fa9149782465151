"""docs/row-key.md states the rule of `row_key`; the tap keeps it."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from typing import Any

import pytest

from tap_advexport.records.row_key import (
    KEY_DIMENSIONS,
    ROW_KEY_VERSION,
    KeyImages,
    repeated_row_key,
)
from tap_advexport.reports import Interval
from tests.support.paths import ROOT
from tests.support.records_reference import KEY, ROW, run_rows

PAGE = (ROOT / "docs" / "row-key.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


VECTORS: list[dict[str, Any]] = json.loads(blocks("json")[0])


def cells_of(vector: dict[str, Any]) -> dict[str, str]:
    return {**ROW, **{name: vector[name] for name in KEY_DIMENSIONS}}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_the_vectors_of_the_page_hold(vector: dict[str, Any]) -> None:
    image = vector["image"].encode()
    assert hashlib.sha256(image).hexdigest()[:32] == vector["row_key"]
    day = date.fromisoformat(vector["time"][:10])
    rows = [cells_of(vector)] * (vector["repetition"] + 1)
    result = run_rows(rows, interval=Interval(vector["interval"]), first=day, last=day)
    assert result.records[-1]["row_key"] == vector["row_key"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_the_images_of_the_page_are_what_is_hashed(vector: dict[str, Any]) -> None:
    columns = {name: [cell] for name, cell in cells_of(vector).items()}
    (image,) = KeyImages(Interval(vector["interval"])).read(columns)
    if number := vector["repetition"]:
        assert vector["image"].encode() == image + f"1:{number},".encode()
        assert repeated_row_key(image, number).decode() == vector["row_key"]
    else:
        assert vector["image"].encode() == image


def test_the_page_covers_repetitions_nulls_and_all_intervals() -> None:
    assert {vector["interval"] for vector in VECTORS} == set(Interval)
    assert {vector["repetition"] for vector in VECTORS} >= {0, 1, 2}
    assert any(vector["publisher_id"] == "" for vector in VECTORS)
    assert any(not vector["image"].isascii() for vector in VECTORS)


def test_the_page_and_the_code_name_the_same_dimensions_in_the_same_order() -> None:
    assert list(KEY_DIMENSIONS) == KEY
    assert f"the version of the rule, `{ROW_KEY_VERSION}`" in PAGE
    dimensions = PAGE[PAGE.index("the ten dimensions, in this order") : PAGE.index("4. for a")]
    assert re.findall(r"`(\w+)`", dimensions) == KEY
    for sql in blocks("sql"):
        image = sql[sql.index("select row_key") : sql.index("from report_daily")]
        assert re.findall("|".join(f'(?<!")"?({name})"?' for name in KEY), image)
        assert sorted(KEY, key=lambda name: re.search(rf"\b{name}\b", image).start()) == KEY  # type: ignore[union-attr]  # all are there
