"""What the API said, and what a contender made of it: counts and sums that must be equal."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, TYPE_CHECKING

from benchmarks.peers import exports

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What binary floats may lose of a sum.
FLOAT_TOLERANCE = Decimal("1e-9")


class WrongOutputError(Exception):
    """A contender's output is not what the API said: its time counts for nothing."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows and exact totals."""

    rows: int
    clicks: int
    conversions: int
    cost: Decimal

    def check(self, found: Sums, contender: str, *, is_exact: bool) -> None:
        """Compare with what was found.

        Raises:
            WrongOutputError: they differ.
        """
        tolerance = Decimal(0) if is_exact else FLOAT_TOLERANCE * max(self.cost, Decimal(1))
        is_equal = (self.rows, self.clicks, self.conversions) == (
            found.rows,
            found.clicks,
            found.conversions,
        ) and abs(self.cost - found.cost) <= tolerance
        if not is_equal:
            raise WrongOutputError(f"{contender} gave {found}, and the API said {self}")


def sums_of_api(config: Mapping[str, str]) -> Sums:
    """Read all files and add up their rows, with nothing of the tap's."""
    return _sums(
        row for text in exports.files(dict(config)) for row in csv.DictReader(text.splitlines())
    )


def sums_of_messages(lines: IO[bytes]) -> Sums:
    """Add up the records of Singer's or Airbyte's messages."""
    return _sums(_records(lines))


def _records(lines: IO[bytes]) -> Iterable[Mapping[str, object]]:
    for line in lines:
        message = json.loads(line, parse_float=str, parse_int=str)
        if message["type"] == "RECORD":
            record = message["record"]
            if "data" in record and record.get("stream") == "report_daily":
                yield record["data"]
            elif message.get("stream") == "report_daily":
                yield record


def _sums(rows: Iterable[Mapping[str, object]]) -> Sums:
    count = clicks = conversions = 0
    cost = Decimal(0)
    for row in rows:
        count += 1
        clicks += int(str(row["clicks_aggr"] or 0))
        conversions += int(str(row["conversions_aggr"] or 0))
        cost += Decimal(str(row["cost_aggr"] or 0))
    return Sums(count, clicks, conversions, cost)
