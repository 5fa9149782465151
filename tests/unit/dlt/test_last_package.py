"""The note of the last package, and what of it the destination has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_advexport.dlt import load
from tap_advexport.dlt.last_package import (
    MOST_PLACES,
    SUFFIX,
    Package,
    drop_note,
    note_package,
    unloaded_package,
)
from tap_advexport.errors import StateError
from tests.support.dlt_pipelines import Place, new_api

if TYPE_CHECKING:
    from pathlib import Path


def test_a_package_is_in_doubt_until_the_destination_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path)
    pipeline = place.pipeline()
    assert unloaded_package(pipeline, "advexport") is None
    package = Package("1.5", empties_tables=True)
    note_package(pipeline, "advexport", package)
    assert unloaded_package(pipeline, "advexport") == package
    with new_api() as api:
        load(pipeline, api.source("2024-02-20"))
    assert unloaded_package(pipeline, "advexport") is None
    note_package(pipeline, "advexport", package)
    assert unloaded_package(pipeline, "advexport") == package
    # The schema may be known where the dataset is gone.
    with place.connection() as warehouse:
        warehouse.execute(f"drop schema {place.dataset} cascade")
    assert unloaded_package(pipeline, "advexport") == package


def test_each_dataset_has_a_note_of_its_own(tmp_path: Path) -> None:
    package = Package("1.5", empties_tables=True)
    first, second = (Place(tmp_path, dataset=name).pipeline() for name in ("first", "second"))
    note_package(first, "advexport", package)
    assert unloaded_package(second, "advexport") is None
    note_package(second, "advexport", Package("2.5", empties_tables=False))
    elsewhere = Place(tmp_path, dataset="first", file="other.duckdb").pipeline()
    assert unloaded_package(elsewhere, "advexport") is None
    assert unloaded_package(Place(tmp_path, dataset="first").pipeline(), "advexport") == package
    drop_note(first, "advexport")
    assert unloaded_package(first, "advexport") is None


def test_notes_are_as_many_as_one_pipeline_has_datasets(tmp_path: Path) -> None:
    package = Package("1.5", empties_tables=False)
    pipeline = Place(tmp_path).pipeline()
    for number in range(MOST_PLACES + 1):
        note_package(pipeline, f"schema{number}", package)
    assert unloaded_package(pipeline, "schema0") is None
    assert unloaded_package(pipeline, "schema1") == package


def test_notes_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    pipeline = Place(tmp_path).pipeline()
    note_package(pipeline, "advexport", Package("1.5", empties_tables=False))
    [notes] = (tmp_path / "one").glob(f"*{SUFFIX}")
    notes.write_bytes(b"")
    with pytest.raises(StateError, match="cannot be read; delete it if the last load"):
        unloaded_package(pipeline, "advexport")
