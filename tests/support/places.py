"""Places that targets load into: databases, folders, buckets; and how their rows are compared."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote
from urllib.request import Request, urlopen
from xml.etree import ElementTree as ET

from tests.support.api_rows import INTEGERS, NUMBERS, TEXTS
from tests.support.servers import BUCKET, s3
from tests.support.targets import programs_of
from tests.support.warehouses import postgres, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import ExitStack
    from pathlib import Path

SCHEMA: Final = "main"

# What a target's own driver answers, as JSON that keeps every digit.
READ: Final = """
import json, sys
url, query = json.load(sys.stdin)
if url.startswith("postgresql:"):
    import psycopg
    connection = psycopg.connect(url)
else:
    import duckdb
    connection = duckdb.connect(url)
cursor = connection.cursor()
cursor.execute(query)
names = [column[0] for column in cursor.description]
plain = (bool, int, type(None))
rows = [[v if isinstance(v, plain) else str(v) for v in row] for row in cursor.fetchall()]
json.dump([dict(zip(names, row)) for row in rows], sys.stdout)
"""
# The query of the README.
TRUE_ROWS: Final = """
    select r.* from {schema}.report_{report} r
    join {schema}.report_periods p
      on p.report = '{report}' and p.period = r.report_date and p.period_version = r.period_version
"""

Rows = list[dict[str, Any]]


# --- Places that targets load into ---------------------------------------------------------------


class Place(Protocol):
    """Where a target loads to."""

    def settings(self) -> dict[str, Any]:
        """The target's settings, over those of `meltano.yml`."""
        ...

    def rows(self, stream: str) -> Rows:
        """All that lies there of a stream; numbers as int or as text with every digit."""
        ...

    def true_rows(self) -> Rows:
        """The rows of the daily report that hold, as the documentation says to find them."""
        ...


@dataclass(frozen=True)
class Database:
    """A database, read with the driver that the target itself brings."""

    target: str
    url: str
    given: Mapping[str, Any]
    schema: str = SCHEMA

    def settings(self) -> dict[str, Any]:
        return dict(self.given)

    def rows(self, stream: str) -> Rows:
        return self.query(f"select * from {self.schema}.{stream}")  # noqa: S608  # ours

    def true_rows(self, report: str = "daily", account: str | None = None) -> Rows:
        query = TRUE_ROWS.format(schema=self.schema, report=report)
        of = f" and p.account = r.account where r.account = '{account}'" if account else ""
        return self.query(query + of)

    def query(self, query: str) -> Rows:
        python = str(programs_of(self.target) / "python")
        answer = run([python, "-c", READ], text=json.dumps([self.url, query])).stdout
        rows: Rows = json.loads(answer)
        return rows


class Appended:
    """A place that keeps all that was ever loaded."""

    def rows(self, stream: str) -> Rows:
        raise NotImplementedError

    def true_rows(self) -> Rows:
        """Of each period the version confirmed last, and each of its rows once."""
        periods = [row for row in self.rows("report_periods") if row["report"] == "daily"]
        ordered = sorted(periods, key=lambda row: (row["confirmed_at"], row["exported_at"]))
        holds = {row["period"]: row["period_version"] for row in ordered}
        held = {
            row["row_key"]: row
            for row in self.rows("report_daily")
            if holds.get(row["report_date"]) == row["period_version"]
        }
        return list(held.values())


@dataclass(frozen=True)
class Files(Appended):
    """A folder of files to which every run appends, or adds one."""

    folder: Path
    given: Mapping[str, Any]
    read: Callable[[Iterable[str]], Iterator[dict[str, Any]]]

    def settings(self) -> dict[str, Any]:
        return dict(self.given)

    def rows(self, stream: str) -> Rows:
        # In order of their names, which hold the time of the run where there is one for each.
        found: Rows = []
        for path in sorted(self.folder.glob(f"{stream}*")):
            with path.open(encoding="utf-8", newline="") as file:
                found += self.read(file)
        return found


@dataclass(frozen=True)
class Bucket(Appended):
    """A bucket of what speaks like S3, to which every run adds a file."""

    url: str
    given: Mapping[str, str]
    read: Callable[[Iterable[str]], Iterator[dict[str, Any]]]
    runs: Iterator[int] = field(default_factory=count)

    def settings(self) -> dict[str, Any]:
        run = f"{next(self.runs)}"
        return {
            "aws_endpoint_url": self.url,
            "aws_access_key_id": "nobody",
            "aws_secret_access_key": "nothing",
            "s3_bucket": BUCKET,
            **{name: value.replace("{run}", run) for name, value in self.given.items()},
        }

    def rows(self, stream: str) -> Rows:
        listing = ET.fromstring(asked(f"{self.url}/{BUCKET}?list-type=2&prefix={stream}"))  # noqa: S314 - of our server
        names = sorted(key.text or "" for key in listing.iter() if key.tag.endswith("}Key"))
        texts = [asked(f"{self.url}/{BUCKET}/{quote(name)}") for name in names]
        return [row for text in texts for row in self.read(io.StringIO(text, newline=""))]


def asked(url: str) -> str:
    """The answer of what speaks like S3, which wants a signature and does not check it."""
    scope = "Credential=nobody/20240101/us-east-1/s3/aws4_request"
    signed = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"
    with urlopen(Request(url, headers={"Authorization": signed})) as answer:  # noqa: S310 - our server
        text: str = answer.read().decode()
    return text


def place_of(target: str, folder: Path, stack: ExitStack) -> Place:
    """An empty place for a target, with the settings that docs/targets.md recommends."""
    out = folder / "out"
    out.mkdir()
    place: Place
    match target:
        case "target-postgres":
            url = stack.enter_context(postgres())
            # Times come out in the zone of the session, whatever that of the server.
            sqlalchemy_url = f"{url.replace(':', '+psycopg:', 1)}?options=-c%20timezone%3DUTC"
            given = {"sqlalchemy_url": sqlalchemy_url}
            place = Database(target, url, given, schema="tap_advexport")
        case "target-duckdb":
            path = str(folder / "warehouse.duckdb")
            place = Database(target, path, {"filepath": path})
        case "target-jsonl":
            place = Files(out, {"destination_path": str(out)}, read_json_lines)
        case "target-csv":
            place = Files(out, {"output_path": str(out)}, read_csv)
        case "target-s3-jsonl":
            place = Bucket(stack.enter_context(s3(folder)), {"work_dir": str(out)}, read_json_lines)
        case "target-s3-csv":
            # Its timestamp is whole seconds, and two short runs can begin within one.
            name = "{stream}-{timestamp}-{run}.csv"
            given = {"temp_dir": str(out), "naming_convention": name}
            place = Bucket(stack.enter_context(s3(folder)), given, read_csv)
        case _:
            raise LookupError(target)
    return place


def read_json_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        yield json.loads(line, parse_float=Decimal)


def read_csv(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    return csv.DictReader(lines)


def canonical(row: dict[str, Any]) -> tuple[str, ...]:
    """Cells that can be compared: a moment in UTC, an empty text for null, plain numbers."""
    moment = datetime.fromisoformat(row["time"])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    texts = (moment.astimezone(UTC).isoformat(), *(row[name] or "" for name in TEXTS))
    return *texts, *(canonical_number(row[name]) for name in (*INTEGERS, *NUMBERS))


def canonical_number(value: object) -> str:
    return "" if value in {None, ""} else f"{Decimal(str(value)).normalize():f}"
