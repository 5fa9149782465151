"""The conversion once more, slowly and plainly: what `records` is held against."""

# ruff: noqa: ANN401 - changes to a conversion are of any of its types

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.errors import InvalidRowError
from tap_advexport.records.convert import Conversion, Converted, convert
from tap_advexport.records.lines import ExportConstants, record_lines
from tap_advexport.reports import Interval

COLUMNS = [
    "aff_sub_id",
    "time",
    "clicks_aggr",
    "campaign",
    "country",
    "creative_id",
    "app_id",
    "campaign_id",
    "cost_aggr",
    "cr",
    "conversions_aggr",
    "name_os",
    "version_os",
    "lang",
    "publisher_id",
]
ADDED = ["report_date", "row_key", "export_id", "period_version", "exported_at"]
KEY = [
    "time",
    "aff_sub_id",
    "campaign_id",
    "country",
    "creative_id",
    "app_id",
    "name_os",
    "version_os",
    "lang",
    "publisher_id",
]
INTEGERS = ["clicks_aggr", "campaign_id", "conversions_aggr", "publisher_id"]
NUMBERS = ["cost_aggr", "cr"]

ROW = {
    "aff_sub_id": "a1b2c3",
    "time": "2017-10-01 00:00",
    "clicks_aggr": "120",
    "campaign": "Spring",
    "country": "IT",
    "creative_id": "banner_320x50.png",
    "app_id": "com.example.app",
    "campaign_id": "4711",
    "cost_aggr": "12.50",
    "cr": "0.025",
    "conversions_aggr": "3",
    "name_os": "Android",
    "version_os": "10.10",
    "lang": "it",
    "publisher_id": "42",
}

Row = Mapping[str, str]


@dataclass(frozen=True)
class Digits:
    """A number of JSON by its digits."""

    text: str


@dataclass
class Result:
    """What `convert` gave, with its lines read.

    Attributes:
        spool: what it wrote.
        lines: the records, in the order of the spool.
    """

    converted: Converted
    spool: bytes
    constants: ExportConstants
    lines: bytes = field(init=False)

    def __post_init__(self) -> None:
        spans = sorted((span, each) for each in self.converted.periods for span in each.spans)
        ordered = [replace(each, spans=(span,)) for span, each in spans]
        self.lines = b"".join(record_lines(io.BytesIO(self.spool), ordered, self.constants))

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The records, in the order of the lines."""
        return [read_record(line) for line in self.lines.splitlines()]

    def of_period(self, index: int) -> list[dict[str, Any]]:
        return [read_record(line) for line in self.lines_of_period(index)]

    def lines_of_period(self, index: int) -> list[bytes]:
        periods = self.converted.periods[index : index + 1]
        return b"".join(record_lines(io.BytesIO(self.spool), periods, self.constants)).splitlines()


def read_record(line: bytes) -> dict[str, Any]:
    record = json.loads(line, parse_int=Digits, parse_float=Digits)
    assert isinstance(record, dict)
    return record


def row(**cells: str) -> dict[str, str]:
    return {**ROW, **cells}


def conversion(**changes: Any) -> Conversion:
    values: dict[str, Any] = {
        "interval": Interval.DAILY,
        "first": date(2017, 10, 1),
        "last": date(2017, 10, 3),
        "timezone": "UTC",
        "columns": (*COLUMNS, *ADDED),
        "is_end_proven": False,
    }
    return Conversion(**{**values, **changes})


def csv_bytes(
    rows: Iterable[Row],
    *,
    header: Sequence[str] = COLUMNS,
    line_end: str = "\n",
    is_all_quoted: bool = False,
) -> bytes:
    """RFC 4180. (`csv.writer` leaves a lone CR without quotes in some versions of Python.)"""

    def quoted(cell: str) -> str:
        if is_all_quoted or set(cell) & set('",\r\n'):
            return '"' + cell.replace('"', '""') + '"'
        return cell

    table = [header, *([cells.get(name, "?") for name in header] for cells in rows)]
    return "".join(",".join(map(quoted, cells)) + line_end for cells in table).encode()


def run(data: bytes, **changes: Any) -> Result:
    out = io.BytesIO(b"what was there before")
    wanted = conversion(**changes)
    converted = convert(io.BytesIO(data), out, wanted)
    constants = ExportConstants(wanted.columns, "task-1", datetime(2017, 10, 5, 3, tzinfo=UTC))
    return Result(converted, out.getvalue(), constants)


def run_rows(rows: Iterable[Row], **changes: Any) -> Result:
    return run(csv_bytes(rows), **changes)


def one(**cells: str) -> dict[str, Any]:
    """The record of a row with these cells."""
    (record,) = run_rows([row(**cells)]).records
    return record


def refusal(data: bytes, **changes: Any) -> str:
    """What is said of a file with an invalid row."""
    with pytest.raises(InvalidRowError) as caught:
        run(data, **changes)
    return str(caught.value)


def netstring(text: str) -> str:
    return f"{len(text.encode())}:{text},"


def integer(cell: str) -> str:
    return str(int(cell.removesuffix(".0"))) if cell else ""


def row_key(interval: str, cells: Row, number: int) -> str:
    parts = ["1", interval]
    parts += [integer(cells[name]) if name in INTEGERS else cells[name] for name in KEY]
    parts += [str(number)] if number else []
    return hashlib.sha256("".join(map(netstring, parts)).encode()).hexdigest()[:32]


def period_version(rows: Iterable[Row], interval: str) -> str:
    rows = list(rows)
    total = 0
    for cells in rows:
        parts = ["1", interval]
        parts += [integer(cells[name]) if name in INTEGERS else cells[name] for name in KEY]
        rest = ("clicks_aggr", "campaign_id", "cost_aggr", "cr", "conversions_aggr", "publisher_id")
        image = "".join(map(netstring, parts)) + "".join(f"{cells[name]}," for name in rest)
        image += cells["campaign"]
        total += int(hashlib.sha256(image.encode()).hexdigest(), 16)
    parts = ["1", str(len(rows)), f"{total % 2**256:064x}"]
    return hashlib.sha256("".join(map(netstring, parts)).encode()).hexdigest()[:32]


def records(rows: Iterable[Row], wanted: Conversion) -> list[dict[str, Any]]:
    """What the rows must become, in the order of the file."""
    rows = list(rows)
    of_period: dict[date, list[Row]] = {}
    for cells in rows:
        of_period.setdefault(period_of(cells, wanted.interval), []).append(cells)
    versions = {first: period_version(some, wanted.interval) for first, some in of_period.items()}
    seen: Counter[str] = Counter()
    result = []
    for cells in rows:
        first_key = row_key(wanted.interval, cells, 0)
        number = seen[first_key]
        seen[first_key] += 1
        moment = datetime.strptime(cells["time"], "%Y-%m-%d %H:%M").replace(
            tzinfo=ZoneInfo(wanted.timezone)
        )
        record: dict[str, Any] = dict(cells)
        record |= {name: Digits(integer(cells[name])) for name in INTEGERS}
        record |= {name: Digits(cells[name]) for name in NUMBERS}
        record |= {name: None for name in (*INTEGERS, *NUMBERS) if not cells[name]}
        record["time"] = moment.isoformat()
        record["report_date"] = str(period_of(cells, wanted.interval))
        record["row_key"] = row_key(wanted.interval, cells, number)
        record["export_id"] = "task-1"
        record["period_version"] = versions[period_of(cells, wanted.interval)]
        record["exported_at"] = "2017-10-05T03:00:00Z"
        result.append({name: record[name] for name in (*COLUMNS, *ADDED) if name in wanted.columns})
    return result


def period_of(cells: Row, interval: Interval) -> date:
    day = date.fromisoformat(cells["time"][:10])
    return day.replace(day=1) if interval is Interval.MONTHLY else day


def totals(rows: Iterable[Row]) -> tuple[int, int, int, Fraction]:
    rows = list(rows)
    return (
        len(rows),
        sum(int(integer(cells["clicks_aggr"]) or 0) for cells in rows),
        sum(int(integer(cells["conversions_aggr"]) or 0) for cells in rows),
        sum((Fraction(cells["cost_aggr"] or 0) for cells in rows), Fraction(0)),
    )
