"""The streams' JSON schemas, made from the tables of reports and columns."""

from __future__ import annotations

from typing import Any, Final

from tap_advexport.reports import COLUMNS, Interval, Kind

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


def report_schema(interval: Interval) -> dict[str, Any]:
    """The schema of one report's rows."""
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
            "type": ["string"],
            "description": "Identity of the row, 32 hexadecimal digits: a hash of the interval and "
            "the dimensions that the API groups by, and the ordinal of a repetition.",
        },
        "export_id": {
            "type": ["string"],
            "description": "Task id of the export that the row came in. The row holds as long as "
            "it is its period's in report_periods.",
        },
        "exported_at": {
            "type": ["string"],
            "format": "date-time",
            "description": "When that export was demanded, before its figures were computed (UTC).",
        },
    }
    return {"type": "object", "properties": properties}


def periods_schema() -> dict[str, Any]:
    """The schema of `report_periods`."""

    def described(kind: dict[str, Any], description: str) -> dict[str, Any]:
        return {**kind, "description": description}

    text: dict[str, Any] = {"type": ["string"]}
    moment = {"type": ["string"], "format": "date-time"}
    count: dict[str, Any] = {"type": ["integer"]}
    properties = {
        "report": described(text, "The report: daily, hourly or monthly."),
        "period": described(
            {"type": ["string"], "format": "date"},
            "The day; for the monthly report the first day of the month.",
        ),
        "export_id": described(text, "Task id of the export whose rows hold."),
        "exported_at": described(moment, "When that export was demanded (UTC)."),
        "confirmed_at": described(
            moment,
            "When the latest export of the period was demanded (UTC); later than exported_at when "
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
    return {"type": "object", "properties": properties}
