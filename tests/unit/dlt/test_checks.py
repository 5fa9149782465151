"""What is refused before days are exported, as rows would be lost or repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tap_advexport.dlt import load
from tap_advexport.errors import ConfigError
from tests.support.dlt_pipelines import Api, Place, new_api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = "2024-02-10"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    return Place(tmp_path)


@pytest.fixture
def api() -> Iterator[Api]:
    with new_api() as made:
        yield made


@pytest.mark.parametrize("where", ["source", "resource", "run"])
@pytest.mark.parametrize("entity", ["tables", "columns"])
def test_a_contract_that_has_rows_thrown_away_is_refused(
    place: Place, api: Api, where: str, entity: str
) -> None:
    contract: Any = {entity: "discard_row"}
    source, given = api.source(START), {}
    if where == "source":
        source.schema_contract = contract
    elif where == "resource":
        source.resources["report_daily"].apply_hints(schema_contract=contract)
    else:
        given["schema_contract"] = contract
    with pytest.raises(PipelineStepFailed, match="discard_row has dlt throw away what it loads"):
        place.pipeline().run(source, **given)
    assert api.submitted() == []


def test_a_contract_that_keeps_all_rows_is_none_of_our_business(place: Place, api: Api) -> None:
    source = api.source(START, end_date=START)
    source.schema_contract = {"tables": "evolve", "columns": "freeze"}
    load(place.pipeline(), source)
    assert api.submitted() == [(START, START)]


def test_rows_are_not_read_without_a_pipeline(api: Api) -> None:
    with pytest.raises(Exception, match="its rows come in a pipeline only: give it to `load`"):
        list(api.source(START))


def test_bookmarks_that_dlt_would_not_find_again_are_refused(
    place: Place, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt restores a state from the pipeline's own dataset, and stores it in that of a schema."""

    @dlt.source(name="adjust")
    def other() -> Iterator[Any]:
        yield dlt.resource([{"a": 1}], name="costs")

    monkeypatch.setenv("USE_SINGLE_DATASET", "false")
    place.pipeline().run(other())
    with pytest.raises(ConfigError, match="use_single_dataset: when false"):
        load(place.pipeline(), api.source(START))
    load(place.pipeline("ads"), api.source(START, end_date=START))
    assert api.submitted() == [(START, START)]


def test_athena_is_refused_unless_its_tables_are_those_of_iceberg(tmp_path: Path, api: Api) -> None:
    """dlt appends to its other tables, and only warns."""
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
    for is_iceberg in (False, True):
        athena = dlt.destinations.athena("s3://results", keys, force_iceberg=is_iceberg)
        pipeline = dlt.pipeline(
            f"advexport{is_iceberg}",
            destination=athena,
            staging=dlt.destinations.filesystem(str(tmp_path / "staged")),
            dataset_name="ads",
            pipelines_dir=str(tmp_path),
        )
        if is_iceberg:
            pipeline.extract(api.source(START, end_date=START))
        else:
            with pytest.raises(PipelineStepFailed, match="athena: cannot replace days"):
                pipeline.extract(api.source(START, end_date=START))
    assert api.submitted() == [(START, START)]
