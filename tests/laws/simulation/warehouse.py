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

Key = tuple[str, date]
Record = dict[str, Any]


class Warehouse:
    """The tables, in memory.

    Attributes:
        rows: by interval and period, by row_key.
        periods: the rows of report_periods.
        confirmed_in: the number of the run whose row of report_periods is the latest.
        dark: periods of which rows in force were overwritten, and whose new row of report_periods
            has not come (yet).
        touched: the periods of which anything came since `touched` was last emptied.
        state: the last STATE.
    """

    def __init__(self) -> None:
        self.rows: dict[Key, dict[str, Record]] = defaultdict(dict)
        self.periods: dict[Key, Record] = {}
        self.confirmed_in: dict[Key, int] = {}
        self.dark: set[Key] = set()
        self.touched: set[Key] = set()
        self.state: dict[str, Any] = {}

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

    def in_force(self, key: Key) -> list[Record]:
        """The rows of the restatement query for a period."""
        export_id = self.periods[key]["export_id"]
        return [row for row in self.rows[key].values() if row["export_id"] == export_id]

    def _take_record(self, stream: str, record: Record, run: int) -> None:
        if stream == PERIODS:
            key = record["report"], date.fromisoformat(record["period"])
            self.periods[key] = record
            self.confirmed_in[key] = run
            self.dark.discard(key)
        else:
            key = INTERVALS[stream], date.fromisoformat(record["report_date"])
            old = self.rows[key].get(record["row_key"])
            self.rows[key][record["row_key"]] = record
            period = self.periods.get(key)
            if old and period and old["export_id"] == period["export_id"] != record["export_id"]:
                self.dark.add(key)
        self.touched.add(key)
