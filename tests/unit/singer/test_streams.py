"""What is selected of a report, how its rows are written, and how a run of it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.errors import ConfigError, StateError
from tap_advexport.records.convert import SpoolFormat
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES
from tap_advexport.singer.sdk import BatchConfig, Halt
from tap_advexport.singer.streams import ReportStream
from tap_advexport.tap import TapAdvexport
from tests.support.taps import tap_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tap_advexport.sync.shape import Shape


def stream_with(
    config: Mapping[str, Any] | None = None, without: tuple[str, ...] = ()
) -> ReportStream:
    stream = tap_with({"report_daily"}, config, without=without).streams["report_daily"]
    assert isinstance(stream, ReportStream)
    return stream


def shape_with(config: Mapping[str, Any] | None = None, without: tuple[str, ...] = ()) -> Shape:
    return stream_with(config, without)._shape()


def test_deselected_columns_go_and_the_keys_stay() -> None:
    assert shape_with().columns == (*COLUMN_NAMES, *ADDED_COLUMNS)
    assert shape_with({"account": "north"}).columns == (*COLUMN_NAMES, *ADDED_COLUMNS, "account")
    left = shape_with({"account": "north"}, without=("campaign", "row_key", "export_id", "account"))
    assert {"campaign", "export_id"}.isdisjoint(left.columns)
    assert {"row_key", "account"} <= set(left.columns)


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "north"},
        {"timezone": "Europe/Rome"},
        {"stream_maps": {"report_daily": {"lang": None}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
    ],
    ids=["account", "zone", "maps", "flattening"],
)
def test_what_changes_the_output_changes_its_shape(changes: dict[str, Any]) -> None:
    assert shape_with(changes).digest != shape_with().digest


def test_selected_columns_are_part_of_the_shape() -> None:
    assert shape_with(without=("lang",)).digest != shape_with().digest


@pytest.mark.parametrize(
    "changes",
    [
        {"window_days": 3},
        {"max_concurrent_exports": 9},
        {"stream_maps": {}},
        {"stream_maps": {"report_periods": {"told": "'x'"}}},
        {"stream_map_config": {"salt": "x"}},
        {"flattening_enabled": False, "flattening_separator": "__"},
    ],
    ids=str,
)
def test_what_does_not_change_the_output_does_not_change_its_shape(changes: dict[str, Any]) -> None:
    assert shape_with(changes).digest == shape_with().digest


def batch_config(folder: Path, kind: str) -> dict[str, Any]:
    return {"encoding": {"format": kind}, "storage": {"root": folder.as_uri()}}


def test_only_parquet_is_spooled_as_arrow(tmp_path: Path) -> None:
    for kind, spooled in [("parquet", SpoolFormat.ARROW), ("jsonl", SpoolFormat.LINES)]:
        assert shape_with({"batch_config": batch_config(tmp_path, kind)}).spool_format is spooled
    assert shape_with().spool_format is SpoolFormat.LINES


@pytest.mark.parametrize(
    ("config", "is_ready_made"),
    [
        ({}, True),
        ({"stream_maps": {"report_hourly": {"lang": None}}}, True),
        ({"stream_maps": {"report_daily": {"lang": None}}}, False),
        ({"stream_maps": {"report_daily": {"__alias__": "days"}}}, False),
        ({"flattening_enabled": True, "flattening_max_depth": 1}, False),
    ],
    ids=["plain", "another's", "map", "alias", "flattening"],
)
def test_records_that_nothing_shapes_go_out_ready_made(
    config: dict[str, Any], *, is_ready_made: bool
) -> None:
    assert stream_with(config)._is_ready_made() == is_ready_made


def test_the_bookmark_that_a_run_starts_from_is_in_the_state() -> None:
    settled = {"settled": [["2024-01-01", "2024-01-10"]]}
    tap = tap_with({"report_daily"}, state={"bookmarks": {"report_daily": settled}})
    stream = tap.streams["report_daily"]
    assert isinstance(stream, ReportStream)
    stream.prepare()
    bookmark = tap.state["bookmarks"]["report_daily"]
    assert bookmark["settled"] == settled["settled"]
    assert bookmark["shape"] == shape_with().digest


def test_a_bookmark_that_makes_no_sense_is_no_start() -> None:
    with pytest.raises(StateError):
        tap_with({"report_daily"}, state={"bookmarks": {"report_daily": {"settled": 7}}})


def test_batches_cannot_be_mapped(tmp_path: Path) -> None:
    stream = stream_with({"stream_maps": {"report_daily": {"lang": None}}})
    config = BatchConfig.from_dict(batch_config(tmp_path, "jsonl"))
    with pytest.raises(Halt) as caught:
        list(stream.get_batches(config))
    assert "cannot be combined with stream maps or flattening (report_daily)" in str(
        caught.value.error
    )


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (RuntimeError("can't start new thread"), Halt, "no thread can be started"),
        (MemoryError(), Halt, "no memory is left"),
        (RuntimeError("a mistake of ours"), RuntimeError, ""),
    ],
    ids=["threads", "memory", "mistake"],
)
def test_what_the_machine_lacks_is_one_line_and_a_mistake_of_ours_is_none(
    error: Exception, raised: type[BaseException], words: str
) -> None:
    stream = stream_with()

    def lacking() -> None:
        raise error

    stream._run.raise_if_interrupted = lacking  # type: ignore[method-assign]
    with pytest.raises(raised) as caught:
        list(stream.get_records(None))
    if isinstance(caught.value, Halt):
        assert words in str(caught.value.error)


def test_without_valid_settings_a_stream_can_be_described_and_not_run() -> None:
    tap = TapAdvexport(config={}, validate_config=False)
    stream = tap.streams["report_daily"]
    assert isinstance(stream, ReportStream)
    assert stream.primary_keys == ["row_key"]
    with pytest.raises(ConfigError, match="the settings are not valid"):
        stream.prepare()
