"""The note of the last package, and whether the bookmarks are those of its load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.dlt.last_package import (
    MOST_LOADS,
    MOST_PLACES,
    SUFFIX,
    Package,
    counts,
    note_load,
    note_package,
    noted_package,
    restore_note,
)
from tap_advexport.errors import StateError
from tests.support.dlt_pipelines import Place

if TYPE_CHECKING:
    from pathlib import Path


def test_each_dataset_has_a_note_of_its_own(tmp_path: Path) -> None:
    package = Package("1.5", ("report_daily",))
    first, second = (Place(tmp_path, dataset=name).pipeline() for name in ("first", "second"))
    note_package(first, "advexport", package)
    assert noted_package(second, "advexport") is None
    note_package(second, "advexport", Package("2.5"))
    assert noted_package(Place(tmp_path, dataset="first").pipeline(), "advexport") == package


def test_a_note_is_put_back_when_its_successor_is_thrown_away(tmp_path: Path) -> None:
    pipeline = Place(tmp_path).pipeline()
    for load_id in ("1.5", "2.5", "2.5"):
        note_package(pipeline, "advexport", Package(load_id))
    restore_note(pipeline, "advexport", "1.5")
    assert noted_package(pipeline, "advexport") == Package("2.5", before=Package("1.5"))
    restore_note(pipeline, "advexport", "2.5")
    assert noted_package(pipeline, "advexport") == Package("1.5")
    restore_note(pipeline, "advexport", "1.5")
    assert noted_package(pipeline, "advexport") is None
    restore_note(pipeline, "advexport", "1.5")


def test_notes_are_as_many_as_one_pipeline_has_datasets(tmp_path: Path) -> None:
    pipeline = Place(tmp_path).pipeline()
    for number in range(MOST_PLACES + 1):
        note_package(pipeline, f"schema{number}", Package("1.5"))
    assert noted_package(pipeline, "schema0") is None
    assert noted_package(pipeline, "schema1") == Package("1.5")


def test_notes_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    pipeline = Place(tmp_path).pipeline()
    note_package(pipeline, "advexport", Package("1.5"))
    [notes] = (tmp_path / "one").glob(f"*{SUFFIX}")
    notes.write_bytes(b"")
    with pytest.raises(StateError, match="cannot be read; delete it, and if the last load"):
        noted_package(pipeline, "advexport")


def test_bookmarks_know_the_last_loads() -> None:
    state: dict[str, Any] = {}
    assert not counts(state, "0")
    for number in range(MOST_LOADS + 1):
        note_load(state, str(number))
        note_load(state, str(number))
    assert not counts(state, "0")
    assert all(counts(state, str(number)) for number in range(1, MOST_LOADS + 1))
