"""How a pipeline is run: in which format, how often, and what of its errors is told."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from dlt.load.exceptions import LoadClientJobFailed, LoadClientJobTerminalRetry
from dlt.pipeline.exceptions import PipelineStepFailed

from tap_advexport.dlt.last_package import noted_package
from tap_advexport.dlt.load import JOB_LIMITS, FailedDaysError, current_load, load
from tap_advexport.errors import AuthorizationError
from tap_advexport.sync.totals import FailedDays
from tap_advexport.windows import DateWindow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAILED = FailedDays("daily", DateWindow(date(2024, 1, 1), date(2024, 1, 2)), "HTTP 400")


def nothing() -> None:
    """Load without a hitch."""


class Pipeline:
    """Does what a test says instead of each run, and notes what it was asked for."""

    pipelines_dir = ""
    pipeline_name = dataset_name = "ads"

    def __init__(  # noqa: PLR0913 - all that a pipeline may have been left with
        self,
        *runs: Callable[[], object],
        formats: tuple[str, ...] | None = ("insert_values", "parquet"),
        has_pending_data: bool = False,
        begun: str = "",
        remote_hash: str = "one",
        refresh: str | None = None,
        table: str = "report_daily",
        disposition: str = "merge",
        is_refreshing: bool = False,
    ) -> None:
        self.told: list[Any] = []
        self.refresh = refresh
        self.refreshes: list[str | None] = []
        self.has_pending_data = has_pending_data
        self.state = {"_version_hash": "one"}
        self._begun, self._remote_hash = begun, remote_hash
        self._table, self._disposition, self._is_refreshing = table, disposition, is_refreshing
        self._runs = list(runs)
        capabilities = SimpleNamespace(supported_loader_file_formats=formats)
        self.caps_params = {"max_parallel_load_jobs": 7}
        self.destination = SimpleNamespace(
            capabilities=lambda: capabilities,
            caps_params=self.caps_params,
            destination_name="some",
        )

    def sync_destination(self) -> None:
        self.told.append("sync")
        self.state = {"_version_hash": self._remote_hash}

    def list_normalized_load_packages(self) -> list[str]:
        return ["1", "2"] if self.has_pending_data else []

    def get_load_package_info(self, load_id: str) -> SimpleNamespace:
        job = SimpleNamespace(job_file_info=SimpleNamespace(table_name=self._table))
        tables = {self._table: {"write_disposition": self._disposition}}
        return SimpleNamespace(
            load_id=load_id,
            schema=SimpleNamespace(name="advexport", tables=tables),
            package_path=self._begun if load_id == "2" else "nowhere",
            jobs={"new_jobs": [job]},
        )

    def get_load_package_state(self, load_id: str) -> dict[str, str]:
        return {"refresh": "drop_data"} if self._is_refreshing and load_id == "2" else {}

    def drop(self) -> None:
        self.told.append("drop")
        self.refresh = None

    def run(self, source: object = None, loader_file_format: str | None = None) -> str:
        self.told.append((source, loader_file_format) if source else "leftovers")
        self.refreshes.append(self.refresh)
        self._runs.pop(0)()
        return f"load {len(self.told)}"

    def load(self, **options: bool) -> object:
        return load(cast("Any", self), "source", **options)

    def failing(self, step: str, error: BaseException) -> Callable[[], object]:
        """A run whose step fails as dlt tells it."""

        def fail() -> None:
            failed = PipelineStepFailed(cast("Any", self), cast("Any", step), "1", error)
            raise failed from error

        return fail


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pipeline, "pipelines_dir", str(tmp_path))


@pytest.mark.parametrize(
    ("formats", "used"),
    [(("insert_values", "parquet"), "parquet"), (("insert_values",), None), (None, None)],
)
def test_the_fast_format_is_used_where_the_destination_has_it(
    formats: tuple[str, ...] | None, used: str | None
) -> None:
    pipeline = Pipeline(nothing, formats=formats)
    assert pipeline.load() == "load 2"
    assert pipeline.told == ["sync", ("source", used)]


def test_files_and_jobs_are_bounded_unless_the_destination_was_told_otherwise() -> None:
    pipeline = Pipeline(nothing)
    pipeline.load()
    limits = JOB_LIMITS | {"max_parallel_load_jobs": 7}
    assert pipeline.caps_params == limits


def test_what_an_earlier_run_left_is_loaded_before() -> None:
    pipeline = Pipeline(nothing, nothing, has_pending_data=True)
    pipeline.load()
    assert pipeline.told == ["sync", "leftovers", ("source", "parquet")]


@pytest.mark.parametrize(
    "error",
    [
        LoadClientJobTerminalRetry("1", "job", "the row is there already", ValueError()),
        LoadClientJobFailed("1", "job", "the row is there already", ValueError()),
    ],
    ids=["retry", "failed"],
)
def test_what_cannot_be_loaded_for_ever_is_dropped_and_its_days_come_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = Pipeline(has_pending_data=True)
    pipeline._runs = [pipeline.failing("load", error), nothing]
    pipeline.load()
    assert pipeline.told == ["sync", "leftovers", "drop", "sync", ("source", "parquet")]
    assert "its days are exported again" in caplog.text


@pytest.mark.parametrize("has_begun", [True, False])
def test_what_an_ended_load_or_another_machine_made_unsafe_is_not_loaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, has_begun: bool
) -> None:
    left: dict[str, Any] = {"begun": str(tmp_path)} if has_begun else {"remote_hash": "two"}
    (tmp_path / "applied_schema_updates.json").write_text("{}")
    pipeline = Pipeline(nothing, has_pending_data=True, refresh="drop_data", **left)
    pipeline.load()
    assert pipeline.told == ["sync", "drop", "sync", ("source", "parquet")]
    assert pipeline.refreshes == ["drop_data"]
    assert "its days are exported again" in caplog.text


@pytest.mark.parametrize(
    ("left", "emptied"),
    [
        ({}, ()),
        ({"disposition": "replace"}, ("report_daily",)),
        ({"is_refreshing": True}, ("report_daily",)),
    ],
)
def test_what_is_left_without_a_note_gets_one_before_it_is_dropped(
    tmp_path: Path, left: dict[str, Any], emptied: tuple[str, ...]
) -> None:
    (tmp_path / "applied_schema_updates.json").write_text("{}")
    pipeline = Pipeline(nothing, has_pending_data=True, begun=str(tmp_path), **left)
    pipeline.load()
    assert "drop" in pipeline.told
    noted = noted_package(cast("Any", pipeline), "advexport")
    assert noted
    assert (noted.load_id, noted.emptied) == ("2", emptied)


def test_a_state_alone_is_loaded_though_its_load_has_begun(tmp_path: Path) -> None:
    (tmp_path / "applied_schema_updates.json").write_text("{}")
    table = "_dlt_pipeline_state"
    pipeline = Pipeline(nothing, nothing, has_pending_data=True, begun=str(tmp_path), table=table)
    pipeline.load()
    assert pipeline.told == ["sync", "leftovers", ("source", "parquet")]


def test_leftovers_that_may_be_loaded_later_stay() -> None:
    pipeline = Pipeline(has_pending_data=True)
    pipeline._runs = [pipeline.failing("load", ConnectionError("no warehouse"))]
    with pytest.raises(PipelineStepFailed):
        pipeline.load()
    assert pipeline.told == ["sync", "leftovers"]


def left(*days: int) -> list[Callable[[], object]]:
    """Runs of a source that leaves so many days each."""

    def run(count: int) -> Callable[[], object]:
        def leave() -> None:
            current_load().days_left += count

        return leave

    return [run(count) for count in days]


def test_a_load_is_one_unless_all_that_is_due_is_wanted() -> None:
    pipeline = Pipeline(*left(20, 10, 0))
    pipeline.load()
    assert len(pipeline.told) == 2
    pipeline = Pipeline(*left(20, 10, 0))
    assert pipeline.load(until_complete=True) == "load 4"
    assert len(pipeline.told) == 4


def test_only_the_first_step_refreshes() -> None:
    pipeline = Pipeline(*left(20, 10, 0), refresh="drop_data")
    pipeline.load(until_complete=True)
    assert pipeline.refreshes == ["drop_data", None, None]
    assert pipeline.refresh == "drop_data"


def test_days_that_a_limit_has_left_are_not_told_as_loaded() -> None:
    error = FailedDaysError([FAILED], None, 30)
    assert "; but for 30 days that wait for the next load, the rest was loaded" in str(error)


def test_failed_days_are_told_after_all_loads() -> None:
    pipeline = Pipeline(lambda: current_load().failures.append(FAILED))
    with pytest.raises(FailedDaysError) as caught:
        pipeline.load()
    assert str(caught.value) == (
        "Failed days: report daily, 2024-01-01..2024-01-02: HTTP 400; "
        "the rest was loaded, run again to try them again"
    )
    assert caught.value.failures == [FAILED]
    assert str(caught.value.load_info) == "load 2"


@pytest.mark.parametrize(
    "error", [AuthorizationError("refused", status=401), KeyboardInterrupt()], ids=["ours", "^C"]
)
def test_what_a_person_has_to_know_is_freed_of_what_dlt_puts_around_it(
    error: BaseException,
) -> None:
    between = ValueError("dlt's")
    between.__cause__ = error
    pipeline = Pipeline()
    pipeline._runs = [pipeline.failing("extract", between)]
    with pytest.raises(type(error)) as caught:
        pipeline.load()
    assert caught.value is error


def test_an_error_of_dlt_stays_as_it_is() -> None:
    pipeline = Pipeline()
    pipeline._runs = [pipeline.failing("load", ValueError("no such table"))]
    with pytest.raises(PipelineStepFailed, match="no such table"):
        pipeline.load()


def test_a_load_is_forgotten_when_it_is_over_however_that_was() -> None:
    pipeline = Pipeline()
    pipeline._runs = [pipeline.failing("load", ValueError()), *left(5)]
    with pytest.raises(PipelineStepFailed):
        pipeline.load()
    pipeline.load()
    assert current_load().days_left == 0
