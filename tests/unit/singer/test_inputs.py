"""A state and a catalog: what is taken, what is refused, and what is hardly wanted."""

from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest

from tap_advexport.errors import CatalogError, StateError
from tap_advexport.reports import PERIODS_STREAM
from tap_advexport.singer.inputs import checked_state, read_catalog, warnings_of
from tap_advexport.tap import TapAdvexport
from tests.support.accounts import handlers_of_signals
from tests.support.catalogs import selected
from tests.support.taps import tap_with

BOOKMARK = {"settled": [["2024-01-01", "2024-01-31"]]}


def test_a_state_loses_the_empty_bookmarks_of_the_sdk_and_nothing_else() -> None:
    given = {"bookmarks": {"report_daily": BOOKMARK, "report_hourly": {}, "users": {"id": 7}}}
    checked = checked_state({**given, "currently_syncing": "users"})
    assert checked == {
        "bookmarks": {"report_daily": BOOKMARK, "users": {"id": 7}},
        "currently_syncing": "users",
    }
    assert "report_hourly" in given["bookmarks"]
    assert checked_state({}) == {"bookmarks": {}}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"singer_state": {}}, "has no bookmarks, but singer_state; give the Singer state alone"),
        ({"bookmarks": []}, "state: bookmarks is not a JSON object"),
        ({"bookmarks": {"report_dayly": BOOKMARK}}, "did you mean report_daily?"),
    ],
)
def test_what_is_no_state_of_ours_is_refused(state: dict[str, Any], words: str) -> None:
    with pytest.raises(StateError) as caught:
        checked_state(state)
    assert words in str(caught.value)


def catalog(stream_id: str, **others: str) -> dict[str, Any]:
    found: dict[str, Any] = {"tap_stream_id": stream_id, "schema": {}, "metadata": []}
    return {"streams": [found | others]}


@pytest.mark.parametrize("stream", [{}, {"stream": "report_daily"}])
def test_a_catalog_of_our_streams_is_read(stream: dict[str, str]) -> None:
    assert list(read_catalog(catalog("report_daily", **stream))) == ["report_daily"]
    assert list(read_catalog({"streams": []})) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (catalog("report_dayly"), "report_dayly is not a stream of this tap; did you mean report_"),
        (catalog("users"), "users is not a stream of this tap; there are report_"),
        (catalog("report_daily", stream="mine"), "catalog: mine is not a stream of this tap"),
        (catalog("report_daily", stream="report_hourly"), "is named report_hourly; streams are"),
        ({"streams": 7}, "catalog: is not a Singer catalog"),
        ({"streams": [7]}, "catalog: is not a Singer catalog"),
        ({}, "catalog: is not a Singer catalog"),
    ],
    ids=["misspelt", "unknown", "renamed", "another", "a number", "numbers", "no streams"],
)
def test_a_catalog_that_does_not_fit_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read_catalog(given)
    assert words in str(caught.value)


RUN: Final = {
    "settings": SimpleNamespace(start_date=date(2024, 1, 1)),
    "last_day": date(2024, 2, 1),
}


def discovered(**config: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(tap_with({"report_daily"}, config).catalog_dict))
    return selected(found, {"report_daily", PERIODS_STREAM})


def taken(catalog: dict[str, Any], **config: str) -> dict[str, Any]:
    settings = {"auth_token": "made-up-token", "start_date": "2024-01-01", **config}
    with handlers_of_signals():
        return dict(TapAdvexport(config=settings, catalog=catalog).streams)


@pytest.mark.parametrize("account", [{}, {"account": "north"}])
def test_the_keys_are_those_of_the_tap_where_a_catalog_has_none(account: dict[str, str]) -> None:
    catalog = discovered(**account)
    for entry in catalog["streams"]:
        entry.pop("key_properties")
        entry.pop("replication_key", None)
        for each in entry["metadata"]:
            if not each["breadcrumb"]:
                each["metadata"] = {"selected": True}
    streams = taken(catalog, **account)
    assert streams["report_daily"].primary_keys == [*account, "row_key"]
    assert streams[PERIODS_STREAM].primary_keys == [*account, "report", "period"]
    assert streams["report_daily"].replication_key == "time"


def test_other_keys_are_an_error_where_the_stream_is_selected() -> None:
    catalog = discovered()
    catalog["streams"][0]["key_properties"] = ["campaign_id"]
    name = catalog["streams"][0]["tap_stream_id"]
    with pytest.raises(CatalogError, match=f"{name} has the key campaign_id, but its key is row_k"):
        taken(selected(catalog, {name}))
    assert taken(selected(catalog, {PERIODS_STREAM}))


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"properties": {}}], ids=str)
def test_a_catalog_may_say_nothing_of_the_columns(schema: dict[str, Any] | None) -> None:
    catalog = discovered()
    for entry in catalog["streams"]:
        entry.pop("schema")
        if schema is not None:
            entry["schema"] = schema
    streams = taken(catalog)
    assert streams["report_daily"].is_selected_column("campaign")
    assert not list(warnings_of(streams.values(), {}, cast("Any", SimpleNamespace(**RUN))))


@pytest.mark.parametrize("named", [5, True, [["row_key"]], "campaign", ["row_key", "row_key"]])
def test_keys_that_are_none_are_one_line(named: object) -> None:
    catalog = discovered()
    for entry in catalog["streams"]:
        entry["key_properties"] = named
    with pytest.raises(CatalogError, match=r"has the key .*, but its key is"):
        taken(catalog)


def test_a_column_that_the_schema_of_a_catalog_lacks_is_not_selected() -> None:
    catalog = discovered()
    for entry in catalog["streams"]:
        entry["schema"]["properties"].pop("period_version", None)
    streams = taken(catalog)
    found = list(warnings_of(streams.values(), {}, cast("Any", SimpleNamespace(**RUN))))
    told = "without period_version, which the catalog does not select"
    assert [warning.partition(",")[0] for warning in found] == [
        f"{name}: {told.partition(',')[0]}" for name in ("report_daily", PERIODS_STREAM)
    ]
    assert all(told in warning for warning in found)
    assert not streams["report_daily"].is_selected_column("period_version")
    assert streams["report_daily"].is_selected_column("campaign")


def warnings(
    streams: set[str],
    *,
    without: str = "",
    state: dict[str, Any] | None = None,
    last_day: date = date(2024, 2, 1),
) -> list[str]:
    found = tap_with(streams, {"account": "acme"}, without=[without]).streams
    run = SimpleNamespace(settings=SimpleNamespace(start_date=date(2024, 1, 1)), last_day=last_day)
    return list(warnings_of(found.values(), state or {}, cast("Any", run)))


def test_what_most_people_want_is_no_warning() -> None:
    assert warnings({"report_daily", PERIODS_STREAM}, state={"bookmarks": {}}) == []
    assert warnings({"report_daily"}, without="period_version") == []


def test_a_run_without_a_report_is_a_warning() -> None:
    for streams in (set[str](), {PERIODS_STREAM}):
        [warning] = warnings(streams)
        assert warning.startswith("No report is selected: nothing is exported")


def test_a_start_behind_the_last_day_is_a_warning() -> None:
    assert warnings({"report_daily"}, last_day=date(2023, 12, 31)) == [
        "start_date 2024-01-01 is after the last day to have, 2023-12-31: nothing to export yet"
    ]
    assert warnings({"report_daily"}, last_day=date(2024, 1, 1)) == []


def test_a_state_of_another_tap_is_a_warning() -> None:
    [warning] = warnings({"report_daily"}, state={"bookmarks": {"users": {"id": 7}}})
    assert "no bookmark of this tap, but of users: all days from 2024-01-01 on" in warning


@pytest.mark.parametrize("column", ["report_date", "period_version", "account"])
def test_a_join_that_is_deselected_is_a_warning(column: str) -> None:
    told = f"without {column}, which the catalog does not select, rows cannot be joined"
    streams = ["report_daily"] if column == "report_date" else ["report_daily", PERIODS_STREAM]
    found = warnings({"report_daily", PERIODS_STREAM}, without=column)
    for stream, warning in zip(streams, found, strict=True):
        assert warning.startswith(f"{stream}: {told}")
