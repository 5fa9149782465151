"""Loads that did not come to their end, and tables that are not those of the local state."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
import duckdb
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tap_advexport.dlt import FailedDaysError, advexport, export_state, import_state, load
from tap_advexport.dlt.last_package import MOST_LOADS, MOST_PACKAGES
from tap_advexport.errors import StateError
from tests.support.dlt_pipelines import Api, Place, RefusingTable, new_api

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    before = place.rows("report_daily")
    place.killed_load(api, "Merge", 1, api.options(START, lookback_days=2, **refresh))
    # The periods too may have been replaced by then; the bookmarks were not.
    assert place.rows("report_daily") != before
    asked = len(api.submitted())
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert [first for first, _ in api.submitted()[asked:]].count(START) == 1
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


def flag_to_be_aborted(place: Place) -> None:
    """Do what `abort_packages` does first."""
    pipeline: Any = place.pipeline()
    [load_id] = pipeline.list_normalized_load_packages()
    pipeline._get_load_storage().normalized_packages.set_abort_flag(load_id)


def test_an_abort_that_was_killed_takes_nothing_along_that_comes_after_it(
    place: Place, api: Api
) -> None:
    load(place.pipeline(), api.source(START, lookback_days=2))
    fail_to_refresh(place, api)
    flag_to_be_aborted(place)
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert_true(place, api)


@pytest.mark.parametrize("is_half_gone", [False, True])
def test_a_package_that_a_kill_left_in_two_places_is_exported_again(
    place: Place, api: Api, *, is_half_gone: bool
) -> None:
    """Where normalize has made the package, and not yet, or half, removed the extracted one."""
    load(place.pipeline(), api.source(START, lookback_days=30))
    api.pass_days(1)
    pipeline = place.pipeline()
    pipeline.extract(api.source(START, lookback_days=30), loader_file_format="parquet")
    [load_id] = pipeline.list_extracted_load_packages()
    extracted = Path(pipeline.working_dir) / "normalize/extracted" / load_id
    shutil.copytree(extracted, place.folder / "kept")
    pipeline.normalize()
    shutil.copytree(place.folder / "kept", extracted)
    if is_half_gone:
        shutil.rmtree(extracted / "new_jobs")
    load(place.pipeline(), api.source(START, lookback_days=30))
    assert_true(place, api)


def test_a_folder_that_was_deleted_in_part_is_no_obstacle(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=30))
    api.pass_days(1)
    shutil.rmtree(Path(place.pipeline().working_dir) / "load/normalized")
    load(place.pipeline(), api.source(START, lookback_days=30))
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
    asked = len(api.submitted())
    load(place.pipeline(), sources())
    assert [first for first, _ in api.submitted()[asked:]].count(START) == 1
    truth = api.truth(START, last=date.fromisoformat(last))
    days = f"report_date <= '{last}'"
    assert place.rows("report_daily", f"account = 'n' and {days}") == truth
    versions = "select period_version from report_periods where account = 'n'"
    assert not place.rows("report_daily", f"account = 'n' and period_version not in ({versions})")
    assert place.rows("report_daily", f"account = 's' and {days}") != truth


def test_days_in_doubt_are_known_after_however_many_loads_that_fail(place: Place, api: Api) -> None:
    def reload(report: str, **options: str) -> None:
        load(place.pipeline(), api.source(START, lookback_days=2, reports=[report], **options))

    for report in ("daily", "hourly"):
        reload(report)
    api.pass_days(12)
    for report in ("daily", "hourly"):
        reload(report)
    refresh = {"refresh_start_date": START, "refresh_end_date": "2024-02-27"}
    with RefusingTable(place, "report_hourly"), pytest.raises(PipelineStepFailed, match="wanted"):
        reload("hourly", **refresh)
    with RefusingTable(place, "report_daily"):
        for _ in range(MOST_PACKAGES + 1):
            with pytest.raises(PipelineStepFailed, match="wanted"):
                reload("daily")
    asked = len(api.submitted())
    for report in ("daily", "hourly"):
        reload(report)
    assert [first for first, _ in api.submitted()[asked:]].count(START) == 1


@dlt.source(name="adjust")
def other_source() -> Iterator[Any]:
    yield dlt.resource([{"a": 1}], name="costs")


def test_a_package_that_dlt_throws_away_is_not_missed(place: Place, api: Api) -> None:
    """Where the state lies with another source's rows, an empty package of this one never loads."""
    place.pipeline().run(other_source())
    load(place.pipeline(), api.source(START, lookback_days=2))
    api.pass_days(1)
    api.sandbox.inject("task-failure", count=None)
    for _ in range(2):
        with pytest.raises(FailedDaysError):
            load(place.pipeline(), api.source(START, lookback_days=2, export_attempts=1))
    api.sandbox.clear_faults()
    asked = len(api.submitted())
    load(place.pipeline(), api.source(START, lookback_days=2))
    place.pipeline().run(api.source(START, lookback_days=2))
    assert min(first for first, _ in api.submitted()[asked:]) > START
    assert place.days()[-1] == str(api.yesterday)


def test_a_state_is_imported_beside_another_source(place: Place, api: Api) -> None:
    place.pipeline().run(other_source())
    bookmark = {"replication_key_value": "2024-02-20", "settled": [[START, "2024-02-20"]]}
    import_state(place.pipeline(), {"bookmarks": {"report_daily": bookmark}})
    for _ in range(2):
        load(place.pipeline(), api.source(START, lookback_days=2))
    assert min(first for first, _ in api.submitted()) == "2024-02-21"


def test_an_abort_that_was_killed_lets_no_state_out_or_in(place: Place, api: Api) -> None:
    load(place.pipeline(), api.source(START, lookback_days=2))
    fail_to_refresh(place, api)
    flag_to_be_aborted(place)
    with pytest.raises(StateError, match="has not ended"):
        export_state(place.pipeline())
    with pytest.raises(StateError, match="has not ended"):
        import_state(place.pipeline(), {"bookmarks": {"report_daily": {"settled": []}}})


def test_a_load_that_ended_before_all_that_the_bookmarks_know_of_is_not_in_doubt(
    place: Place, api: Api
) -> None:
    """A machine comes back that has refreshed the tables long ago."""

    def reload(machine: str) -> list[str]:
        asked = len(api.submitted())
        load(place.pipeline(machine=machine), api.source(START, lookback_days=2))
        return [first for first, _ in api.submitted()[asked:]]

    reload("one")
    place.pipeline().run(api.source(START, lookback_days=2), refresh="drop_data")
    for _ in range(2):
        api.pass_days(1)
        reload("two")
    # As if there had been many more: the refresh is older than the oldest that is known.
    known = place.query("select load_id from _dlt_loads order by load_id")[-1]["load_id"]
    loads = [known] * MOST_LOADS

    @dlt.source(name="advexport")
    def forgetful() -> Iterator[Any]:
        def note() -> Iterator[None]:
            dlt.current.source_state()["loads"] = loads
            yield None

        yield dlt.resource(note, name="note")

    place.pipeline(machine="two").run(forgetful())
    assert min(reload("one")) > START


# --- Another destination than the local state's --------------------------------------------------


def load_and_restore(place: Place, api: Api, *, is_one_waiting: bool = False) -> None:
    """Load for some days more than what the database then holds; a last load may wait."""
    file, backup = place.folder / place.file, place.folder / "backup"
    load(place.pipeline(), api.source(START, lookback_days=2))
    shutil.copy(file, backup)
    for _ in range(4):
        api.pass_days(1)
        load(place.pipeline(), api.source(START, lookback_days=2))
    if is_one_waiting:
        api.pass_days(1)
        place.pipeline().extract(api.source(START, lookback_days=2), loader_file_format="parquet")
    shutil.copy(backup, file)


def test_a_destination_that_was_restored_from_a_backup_is_filled_again(
    place: Place, api: Api
) -> None:
    load_and_restore(place, api)
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


def test_what_waits_to_be_loaded_does_not_hide_that_the_destination_was_restored(
    place: Place, api: Api
) -> None:
    load_and_restore(place, api, is_one_waiting=True)
    load(place.pipeline(), api.source(START, lookback_days=2))
    assert place.rows("report_daily", "report_date > '2024-02-27'") == api.truth("2024-02-28")


def test_a_state_that_was_written_into_a_restored_destination_is_not_believed(
    place: Place, api: Api
) -> None:
    """By a run of another source, which knows of nothing."""

    @dlt.source(name="adjust")
    def counting() -> Iterator[Any]:
        def rows() -> Iterator[Any]:
            state = dlt.current.source_state()
            state["n"] = state.get("n", 0) + 1
            yield [{"n": state["n"]}]

        yield dlt.resource(rows, name="costs")

    place.pipeline().run(counting())
    load_and_restore(place, api)
    with pytest.raises(StateError, match="covers a load that the destination does not"):
        import_state(place.pipeline(), {"bookmarks": {"report_daily": {"settled": []}}})
    place.pipeline().abort_packages()
    place.pipeline().run(counting())
    for _ in range(2):
        asked = len(api.submitted())
        load(place.pipeline(), api.source(START, lookback_days=2))
        assert_true(place, api)
    assert min(first for first, _ in api.submitted()[asked:]) > START


def test_steps_of_a_backfill_are_compared_with_the_destination(place: Place, api: Api) -> None:
    """As where it fails over to a copy that lacks the last step."""
    file, backup = place.folder / place.file, place.folder / "backup"
    source = api.source(START, lookback_days=2, max_days_per_load=5)
    load(place.pipeline(), source)
    shutil.copy(file, backup)
    pipeline = place.pipeline()
    run = pipeline.run

    def run_and_fail_over(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - dlt's
        info = run(*args, **options)
        if backup.exists():
            backup.replace(file)
        return info

    pipeline.run = run_and_fail_over  # type: ignore[method-assign]
    load(pipeline, source, until_complete=True)
    assert place.rows("report_daily") == api.truth(START)


def test_a_source_by_another_name_is_compared_too(place: Place, api: Api) -> None:
    def north() -> Any:  # noqa: ANN401 - a source of dlt's
        options = api.options(START, lookback_days=2, end_date="2024-02-20")
        return advexport.with_args(name="ads_north")(**options)

    file, backup = place.folder / place.file, place.folder / "backup"
    load(place.pipeline(), api.source(START, lookback_days=2, end_date=START))
    shutil.copy(file, backup)
    load(place.pipeline(), north())
    asked = len(api.submitted())
    shutil.copy(backup, file)
    load(place.pipeline(), north())
    assert (START, "2024-02-16") in api.submitted()[asked:]


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
