"""The note of the last package, and whether the bookmarks are those of its load."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.dlt.last_package import (
    MOST_LOADS,
    MOST_PACKAGES,
    MOST_PLACES,
    SUFFIX,
    Days,
    Package,
    check_notes,
    forget_notes,
    knows_load,
    note_load,
    note_package,
    noted_package,
    packages_in_doubt,
    restore_note,
    with_days,
)
from tap_advexport.errors import StateError
from tap_advexport.windows import DateWindow
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
    for damage in (b"", b"[]", b'{"duckdb/ads/advexport": {"load_id": "\xff"}}'):
        notes.write_bytes(damage)
        with pytest.raises(StateError, match="cannot be read; delete it, and if the last load"):
            noted_package(pipeline, "advexport")


def test_notes_that_cannot_be_written_are_an_error_before_anything_is_exported(
    tmp_path: Path,
) -> None:
    pipeline = Place(tmp_path).pipeline()
    check_notes(pipeline)
    (tmp_path / "one" / f"advexport{SUFFIX}.new").mkdir()
    with pytest.raises(StateError, match="cannot be written: Is a directory; it tells the next"):
        check_notes(pipeline)
    (tmp_path / "one" / f"advexport{SUFFIX}").unlink()
    (tmp_path / "one" / f"advexport{SUFFIX}").mkdir()
    with pytest.raises(StateError, match="cannot be read: Is a directory"):
        check_notes(pipeline)


def test_packages_are_in_doubt_up_to_the_last_that_counts(tmp_path: Path) -> None:
    pipeline = Place(tmp_path).pipeline()
    for number in range(MOST_PACKAGES + 2):
        note_package(pipeline, "advexport", Package(str(number)))

    def in_doubt(*loads: str) -> list[str]:
        state = {"loads": loads}
        return [each.load_id for each in packages_in_doubt(pipeline, "advexport", state)]

    assert in_doubt() == ["6", "5", "4", "3", "2"]
    assert in_doubt("2", "4") == ["6", "5"]
    assert in_doubt("6") == []
    forget_notes(pipeline, "advexport")
    assert in_doubt() == []
    forget_notes(pipeline, "advexport")


def test_days_of_a_package_are_those_of_each_report_and_account() -> None:
    def window(first: int, last: int) -> DateWindow:
        return DateWindow(date(2024, 1, first), date(2024, 1, last))

    package = with_days(Package("1.5"), "report_daily", None, [window(1, 3), window(9, 9)])
    package = with_days(package, "report_daily", "north", [window(5, 5)])
    package = with_days(package, "report_daily", None, [window(2, 4)])
    assert package.days == (
        Days("report_daily", "north", ((date(2024, 1, 5), date(2024, 1, 5)),)),
        Days(
            "report_daily",
            None,
            ((date(2024, 1, 1), date(2024, 1, 4)), (date(2024, 1, 9), date(2024, 1, 9))),
        ),
    )


def test_bookmarks_know_the_last_loads() -> None:
    state: dict[str, Any] = {}
    assert not knows_load(state, "0")
    for number in range(MOST_LOADS + 1):
        note_load(state, str(number))
        note_load(state, str(number))
    assert not knows_load(state, "0")
    assert all(knows_load(state, str(number)) for number in range(1, MOST_LOADS + 1))
