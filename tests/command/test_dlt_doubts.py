"""Loads that did not come to their end, and tables that are not those of the local state."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tap_advexport.dlt import export_state, load
from tap_advexport.errors import StateError
from tests.support.dlt_pipelines import Api, Place, RefusingTable, new_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = "2024-02-10"
# Days whose rows are not those that their row of report_periods names.
IN_PIECES = """
    select period from report_periods p where row_count <> (
        select count(*) from report_daily r
        where r.report_date = p.period and r.period_version = p.period_version
    )
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    return Place(tmp_path)


@pytest.fixture
def api() -> Iterator[Api]:
    with new_api() as made:
        yield made


def assert_true(place: Place, api: Api) -> None:
    assert place.rows("report_daily") == api.truth(START)
    assert place.query(IN_PIECES) == []


# --- Packages in doubt ---------------------------------------------------------------------------


def test_settled_days_that_a_load_was_overwriting_when_it_died_come_again(
    place: Place, api: Api
) -> None:
    """The next load knows nothing of the refresh that was asked for."""
    load(place.pipeline(), api.source(START, lookback_days=2))
    api.pass_days(12)
    load(place.pipeline(), api.source(START, lookback_days=2))
    refresh = {"refresh_start_date": START, "refresh_end_date": "2024-02-27"}
    place.killed_load(api, "Merge", 1, api.options(START, lookback_days=2, **refresh))
    assert place.query(IN_PIECES) != []
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert place.query(IN_PIECES) == []
    days = f"report_date <= '{refresh['refresh_end_date']}'"
    last = date.fromisoformat(refresh["refresh_end_date"])
    assert place.rows("report_daily", days) == api.truth(START, last=last)
    asked = len(api.submitted())
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert min(first for first, _ in api.submitted()[asked:]) > str(last)


@pytest.mark.filterwarnings("ignore:The 'warn' method")
def test_what_a_machine_left_is_overwritten_though_dlt_has_loaded_it_over_settled_days(
    place: Place, api: Api
) -> None:
    load(place.pipeline(), api.source(START, lookback_days=11))
    place.pipeline().extract(api.source(START, lookback_days=11), loader_file_format="parquet")
    for _ in range(12):
        api.pass_days(1)
        load(place.pipeline(machine="two"), api.source(START, lookback_days=11))
    assert_true(place, api)
    # A plain run loads what is left, and only that; bookmarks of the other machine count.
    place.pipeline().run(api.source(START, lookback_days=11))
    assert place.rows("report_daily") != api.truth(START)
    load(place.pipeline(), api.source(START, lookback_days=11))
    assert_true(place, api)


def fail_to_refresh(place: Place, api: Api) -> None:
    with RefusingTable(place, "report_daily"), pytest.raises(PipelineStepFailed, match="wanted"):
        place.pipeline().run(api.source(START, lookback_days=2), refresh="drop_data")
    assert place.count("report_daily") == 0


def test_an_abort_that_was_killed_takes_nothing_along_that_comes_after_it(
    place: Place, api: Api
) -> None:
    load(place.pipeline(), api.source(START, lookback_days=2))
    fail_to_refresh(place, api)
    pipeline: Any = place.pipeline()
    [load_id] = pipeline.list_normalized_load_packages()
    # What `abort_packages` does first.
    pipeline._get_load_storage().normalized_packages.set_abort_flag(load_id)
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert_true(place, api)


def test_tables_that_were_emptied_are_filled_again_though_a_later_package_was_given_up_too(
    place: Place, api: Api
) -> None:
    load(place.pipeline(), api.source(START, lookback_days=2))
    fail_to_refresh(place, api)
    place.pipeline().extract(api.source(START, lookback_days=2), loader_file_format="parquet")
    place.pipeline().normalize()
    place.pipeline().abort_packages()
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert_true(place, api)


def test_days_of_an_account_in_doubt_are_its_own(place: Place, api: Api) -> None:
    def sources(**options: str) -> list[Any]:
        return [api.source(START, lookback_days=2, account=name, **options) for name in ("n", "s")]

    load(place.pipeline(), sources())
    api.pass_days(12)
    load(place.pipeline(), sources())
    last = "2024-02-27"
    refresh = {"refresh_start_date": START, "refresh_end_date": last}
    place.killed_load(api, "Merge", 1, api.options(START, lookback_days=2, account="n", **refresh))
    load(place.pipeline(), sources())
    truth = api.truth(START, last=date.fromisoformat(last))
    days = f"report_date <= '{last}'"
    assert place.rows("report_daily", f"account = 'n' and {days}") == truth
    versions = "select period_version from report_periods where account = 'n'"
    assert not place.rows("report_daily", f"account = 'n' and period_version not in ({versions})")
    assert place.rows("report_daily", f"account = 's' and {days}") != truth


# --- Another destination than the local state's --------------------------------------------------


def test_a_destination_that_was_restored_from_a_backup_is_filled_again(
    place: Place, api: Api
) -> None:
    file, backup = place.folder / place.file, place.folder / "backup"
    load(place.pipeline(), api.source(START, lookback_days=2))
    shutil.copy(file, backup)
    for _ in range(6):
        api.pass_days(1)
        load(place.pipeline(), api.source(START, lookback_days=2))
    shutil.copy(backup, file)
    with pytest.raises(PipelineStepFailed, match="covers a load that the destination does not"):
        place.pipeline().run(api.source(START, lookback_days=2))
    with pytest.raises(StateError, match="covers a load that the destination does not"):
        export_state(place.pipeline())
    asked = len(api.submitted())
    load(place.pipeline(), api.source(START, lookback_days=2))
    # The days that the backup holds are settled there.
    assert min(first for first, _ in api.submitted()[asked:]) > START
    settled = "2024-02-27"
    assert place.days()[-1] == str(api.yesterday)
    assert place.query(IN_PIECES) == []
    assert place.rows("report_daily", f"report_date > '{settled}'") == api.truth("2024-02-28")


def test_another_dataset_under_the_same_name_gets_all_days(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=2))
    other = Place(place.folder)
    with closing(duckdb.connect(str(place.folder / place.file))) as warehouse:
        warehouse.execute(f"create schema {other.dataset}")
    load(other.pipeline(), api.source(START, lookback_days=2))
    assert_true(other, api)


def test_a_pipeline_that_only_extracts_needs_no_destination(tmp_path: Path, api: Api) -> None:
    """Its second extraction comes before the load of the first."""
    place = Place(tmp_path)
    load(place.pipeline(), api.source(START, lookback_days=2))
    (tmp_path / place.file).rename(tmp_path / "elsewhere.duckdb")
    (tmp_path / place.file).mkdir()
    place.pipeline().extract(api.source(START, lookback_days=2))
    assert place.pipeline().list_extracted_load_packages()
