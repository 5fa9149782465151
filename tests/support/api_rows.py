"""Rows of the API's truth and records of the tap, in one form that can be compared."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

TEXTS: Final = (
    "aff_sub_id",
    "campaign",
    "country",
    "creative_id",
    "app_id",
    "name_os",
    "version_os",
    "lang",
)
INTEGERS: Final = ("campaign_id", "publisher_id", "clicks_aggr", "conversions_aggr")
NUMBERS: Final = ("cost_aggr", "cr")


def typed(row: dict[str, str]) -> tuple[Any, ...]:
    """A row of the API's truth, as a record of a tap in UTC holds it."""
    return (
        row["time"].replace(" ", "T") + ":00+00:00",
        *(row[name] for name in TEXTS),
        *(int(row[name]) if row[name] else None for name in INTEGERS),
        *(Decimal(row[name]) if row[name] else None for name in NUMBERS),
    )


def emitted(record: dict[str, Any]) -> tuple[Any, ...]:
    """A record, but for what the tap adds to a row."""
    return (record["time"], *(record[name] for name in (*TEXTS, *INTEGERS, *NUMBERS)))
