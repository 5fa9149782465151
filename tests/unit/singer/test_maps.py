"""Stream maps: which slips are told, and which new columns are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from tap_advexport.errors import ConfigError
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES
from tap_advexport.singer.maps import check_stream_maps, is_slip

COLUMNS = [*COLUMN_NAMES, *ADDED_COLUMNS]
STREAMS = {
    "report_daily": COLUMNS,
    "report_hourly": COLUMNS,
    "report_monthly": COLUMNS,
    "report_periods": ["report", "period", "row_count", "exported_at"],
}


def problem(maps: dict[str, Any]) -> str | None:
    try:
        check_stream_maps(maps, STREAMS)
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "name",
    [
        *("aff_sub_i", "aff_sub_idd", "aff_sbu_id", "aff_sub_ib", "affsubid", "Aff_Sub_Id"),
        *("aff-sub-id", "contry", "cuontry", "campaing_id", "version_so", "publisherid"),
    ],
)
def test_one_letter_beside_a_column_is_a_slip(name: str) -> None:
    assert any(is_slip(name, column) for column in COLUMNS)
    told = problem({"report_daily": {name: "'x'"}})
    assert told
    assert "did you mean" in told


@pytest.mark.parametrize(
    "name",
    [
        *("cost_eur", "cost_avg", "cost_usd", "cpc", "ctr", "cvr", "roas", "clicks", "conversions"),
        *("campaign_name", "campaign_id2", "campaign2", "country_code", "os", "os_version", "date"),
        *("day", "report_day", "hour", "year", "source", "network", "account", "loaded_at", "type"),
        *(
            "app",
            "app_name",
            "language",
            "langs",
            "times",
            "sub_id",
            "aff_sub_id_hash",
            "publisher",
        ),
    ],
)
def test_new_columns_are_not_taken_for_slips(name: str) -> None:
    assert problem({"report_daily": {name: "campaign + country"}}) is None


def test_a_hash_that_goes_beside_the_ids_is_told_where_the_ids_stay() -> None:
    told = problem({"report_daily": {"aff_sbu_dd": "sha256(aff_sub_id)"}})
    assert told
    assert "did you mean aff_sub_id?" in told
    assert problem({"report_daily": {"aff_sbu_dd": "1"}}) is None
    hidden = {"aff_sbu_dd": "sha256(aff_sub_id)", "aff_sub_id": None}
    assert problem({"report_daily": hidden}) is None
    assert problem({"report_daily": {"aff_sub_id2": "md5(aff_sub_id)"}}) is None


def test_what_is_not_there_cannot_be_removed() -> None:
    assert problem({"report_daily": {"afiliate": None}}) == (
        "stream_maps: report_daily: has no column afiliate"
    )
    assert problem({"report_daily": {"aff_sub": "__NULL__"}}) == (
        "stream_maps: report_daily: has no column aff_sub; did you mean aff_sub_id?"
    )
    assert problem({"report_daily": {"campaign": None}}) is None


def test_streams_are_named_by_key_or_source_or_pattern() -> None:
    hashed = {"aff_sub_id": "md5(aff_sub_id)"}
    assert problem({"report_*": hashed, "*": {"source": "'x'"}}) is None
    assert problem({"mine": {"__source__": "report_daily", **hashed}}) is None
    assert problem({"report_hourly": None, "__else__": None}) is None
    assert problem({"daily": hashed}) == (
        "stream_maps: daily is not a stream of this tap; did you mean report_daily?"
    )
    assert problem({"mine": {"__source__": "orders"}}) == (
        "stream_maps: mine.__source__: orders is not a stream of this tap; there are "
        "report_daily, report_hourly, report_monthly, report_periods"
    )


def test_a_column_of_another_stream_is_a_new_one() -> None:
    assert problem({"report_periods": {"campaign": "'x'"}}) is None
    # Of a pattern, a column counts that any of its streams has.
    assert problem({"*": {"row_count": "row_count"}}) is None
