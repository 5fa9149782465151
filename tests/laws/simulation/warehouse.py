"""A target that upserts by key, and takes STATE; and what of it a reader of the join would see."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any, Final

from tests.laws.simulation.fate import LawBrokenError

INTERVALS: Final = {
    "report_daily": "daily",
    "report_hourly": "hourly",
    "report_monthly": "monthly",
}
PERIODS: Final = "report_periods"
VERSION: Final = "period_version"
METRICS: Final = ("clicks_aggr", "conversions_aggr", "cost_aggr", "cr")

Key = tuple[str, date]
Record = dict[str, Any]


class Warehouse:
    """The tables, in memory.

    Attributes:
        rows: by interval and period, by row_key.
        periods: the rows of report_periods.
        confirmations: every row of report_periods that came, with the number of its run.
        dark: periods of which rows in force were overwritten, and whose new row of report_periods
            has not come (yet).
        mixed: periods of which a row in force took the figures of another one that is alike in all
            dimensions, under the same version, and whose row of report_periods has not come (yet):
            the API lists such rows in any order, and their keys count them in that order.
        unknown: periods whose rows were overwritten, by rows of other figures, in a run that the
            state knows nothing of: the tap cannot know that what it sent is not there any more.
        touched: the periods of which anything came since `touched` was last emptied.
        state: the last STATE.
    """

    def __init__(self) -> None:
        self.rows: dict[Key, dict[str, Record]] = defaultdict(dict)
        self.periods: dict[Key, Record] = {}
        self.confirmations: dict[Key, list[tuple[int, Record]]] = defaultdict(list)
        self.dark: set[Key] = set()
        self.mixed: set[Key] = set()
        self.unknown: set[Key] = set()
        self.touched: set[Key] = set()
        self._sent: set[Key] = set()
        self.state: dict[str, Any] = {}

    def start_run(self) -> None:
        """A run begins."""
        self.touched.clear()
        self._sent.clear()

    def take(self, message: Record, schemas: set[str], run: int) -> bool:
        """Take a message; tells whether it is a STATE.

        Args:
            schemas: the streams whose SCHEMA came in this run.

        Raises:
            LawBrokenError: a record without a SCHEMA before it.
        """
        match message["type"]:
            case "STATE":
                self.state = message["value"]
                return True
            case "SCHEMA":
                schemas.add(message["stream"])
            case "RECORD":
                if message["stream"] not in schemas:
                    raise LawBrokenError(f"a record of {message['stream']} before its schema")
                self._take_record(message["stream"], message["record"], run)
            case kind:
                raise LawBrokenError(f"a message of the type {kind}")
        return False

    def has_period_of(self, message: Record) -> bool:
        """Whether the period of a row came before."""
        period = date.fromisoformat(message["record"]["report_date"])
        return (INTERVALS[message["stream"]], period) in self.periods

    def in_force(self, key: Key) -> list[Record]:
        """The rows of the restatement query for a period."""
        return self.of_version(key, self.periods[key][VERSION])

    def of_version(self, key: Key, version: str) -> list[Record]:
        """The rows of a period that have this version."""
        return [row for row in self.rows[key].values() if row[VERSION] == version]

    def _take_record(self, stream: str, record: Record, run: int) -> None:
        if stream == PERIODS:
            key = record["report"], date.fromisoformat(record["period"])
            self.periods[key] = record
            self.confirmations[key].append((run, record))
            self.dark.discard(key)
            self.mixed.discard(key)
            if key in self._sent or record["is_settled"]:
                self.unknown.discard(key)
        else:
            key = INTERVALS[stream], date.fromisoformat(record["report_date"])
            old = self.rows[key].get(record["row_key"])
            self.rows[key][record["row_key"]] = record
            period = self.periods.get(key)
            self._sent.add(key)
            if old and period and old[VERSION] == period[VERSION] != record[VERSION]:
                self.dark.add(key)
            is_same = old and period and old[VERSION] == period[VERSION] == record[VERSION]
            if old and is_same and any(old[name] != record[name] for name in METRICS):
                self.mixed.add(key)
        self.touched.add(key)
