"""The shapes in which people have a state, and what is taken of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_advexport.coverage.state_envelope import (
    bookmarks_of,
    coverage_of,
    others_alone,
    parse_singer_state,
)
from tap_advexport.errors import StateError
from tests.support.calendars import BOOKMARK, DAILY, FULL
from tests.support.days import day, rules, window


@pytest.mark.parametrize(
    "shape",
    [
        FULL,
        {"singer_state": FULL},
        {"completed": {"singer_state": FULL}, "partial": {}},
        {"completed": None, "partial": {"singer_state": FULL}},
        {"completed": {"singer_state": {"bookmarks": {"report_daily": {"settled": []}}}},
         "partial": {"singer_state": FULL}},
        {"type": "STATE", "value": FULL},
        {"_state_version": 1, "pipeline_name": "ads", "sources": {"advexport": FULL, "other": {}}},
    ],
    ids=["bare", "get", "completed", "partial", "both", "message", "dlt"],
)  # fmt: skip
def test_a_state_is_freed_of_what_is_wrapped_around_it(shape: dict[str, Any]) -> None:
    assert parse_singer_state(json.dumps(shape), "x") == FULL
    assert (
        bookmarks_of(parse_singer_state(json.dumps(shape, indent=1), "x"), "x") == FULL["bookmarks"]
    )


def test_of_several_lines_the_last_state_counts() -> None:
    older = {"bookmarks": {"report_daily": {"settled": [["2024-01-01", "2024-01-02"]]}}}
    assert parse_singer_state(f"{json.dumps(older)}\n{json.dumps(FULL)}\n\n", "x") == FULL


def test_a_partial_state_of_meltano_replaces_only_the_bookmarks_that_it_has() -> None:
    hourly = {"settled": [["2024-01-01", "2024-01-02"]]}
    stored = {
        "completed": {"singer_state": {"bookmarks": {"report_hourly": hourly, "report_daily": {}}}},
        "partial": {"singer_state": FULL},
    }
    found = parse_singer_state(json.dumps(stored), "x")["bookmarks"]
    assert found == {"report_hourly": hourly, "report_daily": BOOKMARK}


@pytest.mark.parametrize(
    ("bookmarks", "kept"),
    [
        ({"report_daily": {}, "report_hourly": BOOKMARK}, ["report_hourly"]),
        # Others may have nothing here; of ours that would be all days again, in silence.
        ({"users": None, "orders": {"id": 7}}, ["orders"]),
    ],
)
def test_empty_bookmarks_of_the_sdk_are_none(bookmarks: dict[str, Any], kept: list[str]) -> None:
    assert list(bookmarks_of({"bookmarks": bookmarks}, "x")) == kept


@pytest.mark.parametrize(
    ("bookmarks", "words"),
    [
        ({"report_daily": None}, "x: bookmarks.report_daily is not a JSON object"),
        ({"report_dayly": BOOKMARK}, "did you mean report_daily?"),
        ({"hourly": BOOKMARK}, "did you mean report_hourly?"),
        ([BOOKMARK], "x: bookmarks is not a JSON object"),
    ],
)
def test_a_slip_is_an_error_since_it_would_export_everything_again(
    bookmarks: object, words: str
) -> None:
    with pytest.raises(StateError) as caught:
        bookmarks_of({"bookmarks": bookmarks}, "x")
    assert words in str(caught.value)


def test_a_slip_beside_the_stream_that_is_meant_is_somebody_elses() -> None:
    bookmarks = {"report_dayly": {"id": 7}, "report_daily": BOOKMARK}
    assert bookmarks_of({"bookmarks": bookmarks}, "x") == bookmarks


def test_the_streams_of_others_are_named_where_none_is_of_this_tap() -> None:
    assert others_alone({"orders": {}, "users": {}}) == "orders, users"
    assert others_alone({"orders": {}, "report_periods": {}}) == others_alone({}) == ""


def test_a_bookmark_without_ranges_counts_from_the_start_date_on() -> None:
    asked = rules()
    alone = {"replication_key_value": "2024-02-01T00:00:00Z"}
    coverage = coverage_of(alone, DAILY, asked, start_date=day("2024-01-01"))
    assert coverage.covered() == (window("2024-01-01", "2024-02-01"),)
    with pytest.raises(StateError, match="start-date"):
        coverage_of(alone, DAILY, asked, start_date=None)
    assert coverage_of({}, DAILY, asked, start_date=None).covered() == ()


@pytest.mark.parametrize("name", ["reports", "report", "report_weekly", "report_yearly", "periods"])
def test_a_stream_of_another_tap_is_not_taken_for_a_slip(name: str) -> None:
    assert list(bookmarks_of({"bookmarks": {name: {"id": 7}}}, "x")) == [name]
    assert others_alone({name: {"id": 7}}) == name
