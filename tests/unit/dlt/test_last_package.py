"""The note of the last package, and what of it the destination has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_advexport.dlt import load
from tap_advexport.dlt.last_package import SUFFIX, Package, note_package, unloaded_package
from tests.support.dlt_pipelines import Place, new_api

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_package_is_in_doubt_until_the_destination_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path)
    pipeline = place.pipeline()
    assert unloaded_package(pipeline, "advexport") is None
    package = Package("1.5", empties_tables=True)
    note_package(pipeline, package)
    assert unloaded_package(pipeline, "advexport") == package
    with new_api() as api:
        load(pipeline, api.source("2024-02-20"))
    assert unloaded_package(pipeline, "advexport") is None
    note_package(pipeline, package)
    assert unloaded_package(pipeline, "advexport") == package
    # The schema may be known where the dataset is gone.
    with place.connection() as warehouse:
        warehouse.execute(f"drop schema {place.dataset} cascade")
    assert unloaded_package(pipeline, "advexport") == package


def test_a_note_that_was_cut_is_one_of_emptied_tables(tmp_path: Path) -> None:
    pipeline = Place(tmp_path).pipeline()
    note_package(pipeline, Package("1.5", empties_tables=False))
    [note] = (tmp_path / "one").glob(f"*{SUFFIX}")
    note.write_bytes(b"")
    assert unloaded_package(pipeline, "advexport") == Package("", empties_tables=True)
