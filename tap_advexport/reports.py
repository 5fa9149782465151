"""The reports and their columns, as data: a new report needs a row here and no code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Interval(StrEnum):
    """Time resolution of a report (API, "Demand an export": `interval`)."""

    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"


class Kind(StrEnum):
    """How the cells of a column are parsed."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Report:
    """One report of the API as one stream of the tap."""

    stream: str
    interval: Interval
    selected_by_default: bool

    @property
    def label(self) -> str:
        """The report's name in `report_periods.report`."""
        return self.interval.value


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the CSV (API, "Fetch the file")."""

    name: str
    kind: Kind
    description: str


REPORTS: Final = (
    Report("report_daily", Interval.DAILY, selected_by_default=True),
    Report("report_hourly", Interval.HOURLY, selected_by_default=False),
    Report("report_monthly", Interval.MONTHLY, selected_by_default=False),
)

PERIODS_STREAM: Final = "report_periods"

COLUMNS: Final = (
    Column("aff_sub_id", Kind.TEXT, "Affiliate id, the cell's text as it is (API: aff_sub_id)."),
    Column(
        "time",
        Kind.TIME,
        "Start of the row's hour, day or month: the API's wall-clock time with the offset of the "
        "`timezone` setting, RFC 3339 (API: time).",
    ),
    Column("clicks_aggr", Kind.INTEGER, "Clicks, a count; null where empty (API: clicks_aggr)."),
    Column("campaign", Kind.TEXT, "Campaign name, a label that can change (API: campaign)."),
    Column("country", Kind.TEXT, "Country, the cell's text; NA is Namibia (API: country)."),
    Column("creative_id", Kind.TEXT, "Creative name (API: creative_id)."),
    Column("app_id", Kind.TEXT, "App package name (API: app_id)."),
    Column("campaign_id", Kind.INTEGER, "Campaign id; null where empty (API: campaign_id)."),
    Column(
        "cost_aggr",
        Kind.NUMBER,
        "Costs in the account's currency, the digits as the API wrote them; null where empty "
        "(API: cost_aggr).",
    ),
    Column(
        "cr",
        Kind.NUMBER,
        "Conversion rate, a ratio and not additive, the digits as the API wrote them; null where "
        "empty (API: cr).",
    ),
    Column(
        "conversions_aggr",
        Kind.INTEGER,
        "Conversions, a count; null where empty (API: conversions_aggr).",
    ),
    Column("name_os", Kind.TEXT, "Name of the operating system (API: name_os)."),
    Column(
        "version_os",
        Kind.TEXT,
        "Version of the operating system, as text: 10.1 and 10.10 are two versions "
        "(API: version_os).",
    ),
    Column("lang", Kind.TEXT, "User language (API: lang)."),
    Column("publisher_id", Kind.INTEGER, "Publisher id; null where empty (API: publisher_id)."),
)

COLUMN_NAMES: Final = tuple(column.name for column in COLUMNS)

# The columns that the tap adds, in the order in which they follow the API's own. The account
# column comes last, if the account has a label.
ADDED_COLUMNS: Final = ("report_date", "row_key", "export_id", "period_version", "exported_at")
ACCOUNT_COLUMN: Final = "account"
