"""The schemas beyond what the catalog's snapshot shows: labels, and what all reports share."""

from __future__ import annotations

from typing import Any

import pytest

from tap_advexport.reports import ACCOUNT_COLUMN, ADDED_COLUMNS, COLUMN_NAMES, Interval
from tap_advexport.singer.schemas import (
    PERIODS_KEY,
    PERIODS_REPLICATION_KEY,
    account_key,
    periods_schema,
    report_schema,
)


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("is_labelled", [False, True])
def test_a_report_has_the_columns_of_the_table_in_their_order(
    interval: Interval, *, is_labelled: bool
) -> None:
    names = list(report_schema(interval, is_labelled=is_labelled)["properties"])
    assert names == [*COLUMN_NAMES, *ADDED_COLUMNS, *([ACCOUNT_COLUMN] if is_labelled else [])]


def test_only_an_account_with_a_label_has_a_column_for_it() -> None:
    assert account_key(is_labelled=True) == (ACCOUNT_COLUMN,)
    assert account_key(is_labelled=False) == ()
    assert ACCOUNT_COLUMN in periods_schema(is_labelled=True)["properties"]
    assert ACCOUNT_COLUMN not in periods_schema(is_labelled=False)["properties"]


def test_the_keys_of_the_periods_are_columns_of_theirs() -> None:
    assert {*PERIODS_KEY, PERIODS_REPLICATION_KEY} < set(
        periods_schema(is_labelled=True)["properties"]
    )


@pytest.mark.parametrize(
    "schema",
    [report_schema(each, is_labelled=True) for each in Interval]
    + [periods_schema(is_labelled=True)],
    ids=[*Interval, "periods"],
)
def test_every_column_is_described_and_every_key_has_a_length(schema: dict[str, Any]) -> None:
    columns = schema["properties"]
    assert [name for name, column in columns.items() if not column.get("description")] == []
    keys = {"row_key", "period_version", ACCOUNT_COLUMN, "report"} & columns.keys()
    assert all(columns[name]["maxLength"] > 0 for name in keys)


def test_schemas_share_nothing_that_one_could_change_for_all() -> None:
    first = report_schema(Interval.DAILY, is_labelled=True)
    first["properties"]["row_key"]["maxLength"] = 1
    assert (
        report_schema(Interval.DAILY, is_labelled=True)["properties"]["row_key"]["maxLength"] == 32
    )
