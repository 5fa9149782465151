"""JSON schemas of the streams, built from the tables of reports and columns."""

from __future__ import annotations

from typing import Any, Final

from tap_advexport.reports import ACCOUNT_COLUMN, COLUMNS, Interval, Kind
from tap_advexport.settings import MAX_LABEL_LENGTH

_TYPES: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: {"type": ["string"]},
    Kind.INTEGER: {"type": ["integer", "null"]},
    Kind.NUMBER: {"type": ["number", "null"]},
    Kind.TIME: {"type": ["string"], "format": "date-time"},
}

_PERIOD_WORDS: Final = {
    Interval.HOURLY: "the row's day",
    Interval.DAILY: "the row's day",
    Interval.MONTHLY: "the first day of the row's month",
}

PERIODS_KEY: Final = ("report", "period")
PERIODS_REPLICATION_KEY: Final = "confirmed_at"

# The hexadecimal digits of a key or version. Targets size key columns by `maxLength`.
_DIGEST: Final[dict[str, Any]] = {"type": ["string"], "maxLength": 32}


def account_key(*, is_labelled: bool) -> tuple[str, ...]:
    """Return the column that comes first in the keys, if the account has a label."""
    return (ACCOUNT_COLUMN,) if is_labelled else ()


def report_schema(interval: Interval, *, is_labelled: bool) -> dict[str, Any]:
    """Return the schema of one report's rows, with the account's label if it has one."""
    properties = {
        column.name: {**_TYPES[column.kind], "description": column.description}
        for column in COLUMNS
    }
    properties |= {
        "report_date": {
            "type": ["string"],
            "format": "date",
            "description": f"The row's period, from `time`: {_PERIOD_WORDS[interval]}.",
        },
        "row_key": {
            **_DIGEST,
            "description": "Identity of the row, 32 hexadecimal digits: a hash of the interval and "
            "the dimensions that the API groups by, and the ordinal of a repetition.",
        },
        "export_id": {
            "type": ["string"],
            "description": "Task id of the export that the row came in, for people.",
        },
        "period_version": {
            **_DIGEST,
            "description": "Identity of the figures of the row's period, 32 hexadecimal digits. "
            "The row holds as long as it is that of its period in report_periods.",
        },
        "exported_at": {
            "type": ["string"],
            "format": "date-time",
            "description": "When that export was submitted, before its figures were computed "
            "(UTC).",
        },
    }
    return {"type": "object", "properties": properties | _label(is_labelled=is_labelled)}


def periods_schema(*, is_labelled: bool) -> dict[str, Any]:
    """Return the schema of `report_periods`, with the account's label if it has one."""

    def described(kind: dict[str, Any], description: str) -> dict[str, Any]:
        return {**kind, "description": description}

    text: dict[str, Any] = {"type": ["string"]}
    moment = {"type": ["string"], "format": "date-time"}
    count: dict[str, Any] = {"type": ["integer"]}
    properties = {
        "report": described({**text, "maxLength": 16}, "The report: daily, hourly or monthly."),
        "period": described(
            {"type": ["string"], "format": "date"},
            "The day; for the monthly report the first day of the month.",
        ),
        "period_version": described(
            _DIGEST,
            "Identity of the period's figures, 32 hexadecimal digits; its rows are those that have "
            "it.",
        ),
        "export_id": described(text, "Task id of the export whose rows hold."),
        "exported_at": described(moment, "When that export was submitted (UTC)."),
        "confirmed_at": described(
            moment,
            "When the latest export of the period was submitted (UTC); later than exported_at when "
            "its rows were unchanged and not sent again.",
        ),
        "row_count": described(count, "Rows of the period in that export; 0 for an empty one."),
        "clicks_aggr": described(count, "Exact total of the rows' clicks_aggr, null as 0."),
        "conversions_aggr": described(
            count, "Exact total of the rows' conversions_aggr, null as 0."
        ),
        "cost_aggr": described(
            {"type": ["number"]},
            "Exact total of the rows' cost_aggr in the account's currency, null as 0.",
        ),
        "is_settled": described(
            {"type": ["boolean"]},
            "The figures have stopped moving: the period was exported whole, lookback_days or more "
            "after it was over.",
        ),
    }
    return {"type": "object", "properties": properties | _label(is_labelled=is_labelled)}


def _label(*, is_labelled: bool) -> dict[str, Any]:
    description = "The label of the account, from the setting `account`."
    # Targets size key columns by `maxLength`.
    column = {"type": ["string"], "maxLength": MAX_LABEL_LENGTH, "description": description}
    return dict.fromkeys(account_key(is_labelled=is_labelled), column)
