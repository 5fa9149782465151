"""The usual tap: the SDK's stream and record path, `csv.DictReader`, one export at a time."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, ClassVar

from exports import INTEGERS, NUMBERS, TEXTS, files, typed
from singer_sdk import Stream, Tap
from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class ReportStream(Stream):
    """The daily report."""

    name = "report_daily"
    replication_key = "time"
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("time", th.DateTimeType),
        *(th.Property(name, th.StringType) for name in TEXTS),
        *(th.Property(name, th.IntegerType) for name in INTEGERS),
        *(th.Property(name, th.NumberType) for name in NUMBERS),
    ).to_dict()

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        """Every row of every export."""
        del context
        for text in files(dict(self.config)):
            yield from map(typed, csv.DictReader(io.StringIO(text)))


class ConventionalTap(Tap):
    """One stream."""

    name = "tap-conventional"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("auth_token", th.StringType, required=True, secret=True),
        th.Property("start_date", th.StringType, required=True),
        th.Property("end_date", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> Sequence[Stream]:
        """Return the one."""
        return [ReportStream(self)]


if __name__ == "__main__":
    ConventionalTap.cli()
