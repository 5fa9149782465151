"""Odd files through the command, from a server that sends exactly these bytes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tap_process import Tap, Told, covered_days
from tests.support.wire import Asked, Close, Wire, chunked, head, reply

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {
    "aff_sub_id": "0012",
    "time": "2024-03-30 00:00",
    "clicks_aggr": "7",
    "campaign": "Spring",
    "country": "NA",
    "creative_id": "c-1",
    "app_id": "com.example",
    "campaign_id": "42",
    "cost_aggr": "1.80",
    "cr": "0.5714",
    "conversions_aggr": "4",
    "name_os": "iOS",
    "version_os": "10.10",
    "lang": "en",
    "publisher_id": "1001",
}
COLUMNS = list(PLAIN)
FIRST, LAST = "2024-03-30", "2024-03-31"


def row(**cells: str) -> list[str]:
    return list((PLAIN | cells).values())


def table(*rows: list[str], end: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows([COLUMNS, *rows])
    return text.getvalue().encode()


WHOLE = table(row(), row(time="2024-03-31 00:00"))
ONE = table(row(), row())
TWICE = table(row()).replace(b"_id\n", b"_id,cr\n").replace(b"1001\n", b"1001,0.5\n")
TWO = [PLAIN, PLAIN | {"time": "2024-03-31 00:00"}]


@dataclass(frozen=True)
class Good:
    """A file, and the cells of the rows that come out of it."""

    wire: bytes | Close
    rows: list[dict[str, str]]
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bad:
    """A file, and what the error says; nothing comes out of it."""

    wire: bytes | Close
    words: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


def good_cells(**cells: str) -> Good:
    return Good(reply(table(row(**cells))), [PLAIN | cells])


def bad_cell(column: str, text: str, *shown: str) -> Bad:
    body = table(row(), row(**{column: text}))
    return Bad(reply(body), ("line 3", column, *(shown or (text,))))


def zipped() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("report.csv", ONE)
    return archive.getvalue()


HOURLY = {"streams": ["report_hourly", "report_periods"]}
BERLIN = HOURLY | {"timezone": "Europe/Berlin"}
MILLION = "9" * 1_000_000

GOOD = {
    "NUL": good_cells(campaign="a\x00b"),
    "lone CR": Good(reply(ONE.replace(b"Spring", b'"a\rb"')), [PLAIN | {"campaign": "a\rb"}] * 2),
    "separators": good_cells(campaign="a\u2028b\u2029c\x85d\x0be\x1cf"),
    "line feeds": good_cells(campaign='a\n"b"\r\n,c', aff_sub_id="\n"),
    "cells of ten megabytes": good_cells(campaign="x" * 10_000_000),
    "texts that look like something else": good_cells(
        aff_sub_id="1e5", campaign="null", country="", lang=" x ", version_os="10.0", app_id="=1+1"
    ),
    "numbers digit by digit": good_cells(
        cost_aggr="0.10000000000000000000000000001", cr="-0.0", clicks_aggr="9" * 4300
    ),
    "CR LF": Good(reply(table(row(), end="\r\n")), [PLAIN]),
    "blank lines": Good(reply(WHOLE.replace(b"\n", b"\n\n\r\n")), TWO),
    "byte order mark": Good(reply(b"\xef\xbb\xbf" + WHOLE), TWO),
    "header alone": Good(reply(table()), []),
    "all quoted": Good(reply(b'"' + WHOLE.replace(b",", b'","').replace(b"\n", b'"\n"')[:-1]), TWO),
    "chunks": Good(chunked(WHOLE[:99], WHOLE[99:]), TWO),
    "no length and a line end": Good(Close(head() + WHOLE), TWO),
    "no last line end, length": Good(reply(WHOLE[:-1]), TWO),
    "gzip": Good(reply(gzip.compress(WHOLE), Content_Encoding="gzip"), TWO),
    "gzip file": Good(reply(gzip.compress(WHOLE)), TWO),
    "gzip in members": Good(
        reply(gzip.compress(WHOLE[:150]) + gzip.compress(WHOLE[150:]), Content_Encoding="gzip"), TWO
    ),
    "gzip without length": Good(Close(head(Content_Encoding="gzip") + gzip.compress(WHOLE)), TWO),
    "unknown column": Good(
        reply(b"\n".join(line + b",x" for line in WHOLE.split(b"\n")[:-1]) + b"\n"), TWO
    ),
    "unknown columns of one name or none": Good(
        reply(WHOLE.replace(b"\n", b",x,y,,\n").replace(b"_id,x,y,,\n", b"_id,new,new,,\n", 1)),
        TWO,
    ),
    "rows in any order": Good(reply(table(row(time="2024-03-31 00:00"), row())), TWO),
    "rows twice": Good(reply(table(row(), row(), row())), [PLAIN] * 3),
    "the hour that a clock change leaves out": Good(
        reply(table(row(time="2024-03-31 02:00"), row(time="2024-03-31 03:00"))),
        [PLAIN | {"time": f"2024-03-31 0{hour}:00"} for hour in (2, 3)],
        BERLIN,
    ),
}

BAD = {
    "invalid UTF-8": Bad(reply(table(row(), row()) + b"caf\xe9\n"), ("line 4", "UTF-8")),
    "UTF-16": Bad(reply(ONE.decode().encode("utf-16")), ("UTF-16",)),
    "lone CR without quotes": Bad(reply(ONE.replace(b"Spring", b"a\rb")), ("line 2", "CSV")),
    "open quote": Bad(reply(ONE + b'"and then\n'), ("quote", "line")),
    "million digits": bad_cell("clicks_aggr", MILLION, "999"),
    "a million zeros before a letter": bad_cell("clicks_aggr", "0" * 10**6 + "x", "000"),
    "comma behind a row": Bad(
        reply(table(row(), [*row(), ""])), ("line 3", "column 16 has no name")
    ),
    "short row": Bad(reply(table(row(), row()[:-1], row())), ("line 3", "14 cells")),
    "long row": Bad(reply(table(row(), [*row(), "more"])), ("line 3", "16 cells", "more")),
    "short last row": Bad(reply(table(row(), row()[:-1])), ("line 3", "14 cells")),
    "header twice": Bad(reply(ONE + ONE), ("line 4", "time")),
    "byte order mark within the file": Bad(
        reply(ONE + b"\xef\xbb\xbf" + ONE), ("line 4", "byte order mark")
    ),
    "HTML": Bad(reply(b"<!DOCTYPE html><html>Log in</html>"), ("HTML", "Log in")),
    "JSON": Bad(reply(b'{"detail": "Not ready"}'), ("JSON", "Not ready")),
    "XML": Bad(reply(b"<Error><Code>SlowDown</Code></Error>"), ("XML", "SlowDown")),
    "zip": Bad(reply(zipped()), ("zip",)),
    "a message with status 200": Bad(reply(b"Request has expired\n"), ("Request has expired",)),
    "no data": Bad(reply(b"No data"), ("No data", "not the report")),
    "no data below the header": Bad(reply(table() + b"No data"), ("No data", "line 2")),
    "no bytes": Bad(reply(b""), ("empty",)),
    "cut by length": Bad(Close(head(Content_Length=999) + ONE), ("cut",)),
    "cut in chunks": Bad(Close(chunked(ONE)[:-7]), ("cut",)),
    "no length and no line end": Bad(Close(head() + ONE[:-1]), ("cut", "line 3")),
    "cut gzip": Bad(reply(gzip.compress(ONE)[:-12], Content_Encoding="gzip"), ("gzip", "cut")),
    "cut second member": Bad(
        reply(gzip.compress(ONE) + gzip.compress(ONE)[:-12], Content_Encoding="gzip"),
        ("gzip", "cut"),
    ),
    "before the window": bad_cell("time", "2024-03-29 00:00"),
    "behind the window": bad_cell("time", "2024-04-01 00:00"),
    "off the grid of days": bad_cell("time", "2024-03-30 01:00"),
    "off the grid of hours": Bad(
        reply(table(row(time="2024-03-30 01:30"))), ("line 2", "time", "01:30"), HOURLY
    ),
    "no such hour": Bad(
        reply(table(row(time="2024-03-30 24:00"))), ("line 2", "time", "24:00"), HOURLY
    ),
    "no date": bad_cell("time", "2024-02-30 00:00"),
    "date with seconds": bad_cell("time", "2024-03-30 00:00:00"),
    "text for a number": bad_cell("clicks_aggr", "a\x00\u202eb", "clicks_aggr"),
    "nan": bad_cell("cost_aggr", "nan"),
    "infinity": bad_cell("cr", "Infinity"),
    "underscores": bad_cell("cost_aggr", "1_0"),
    "half a number": bad_cell("cr", ".5"),
    "a fraction of a click": bad_cell("clicks_aggr", "1.5"),
    "other digits": bad_cell("campaign_id", "\u0661", "campaign_id"),
    "missing column": Bad(reply(ONE.replace(b",cr,", b",cr2,", 1)), ("cr",)),
    "column twice": Bad(reply(TWICE), ("cr",)),
}


def run(case: Good | Bad, folder: Path) -> Told:
    """The command, with a server that has nothing but this file."""
    settings = dict(case.settings)
    streams = settings.pop("streams", ["report_daily", "report_periods"])

    def answer(asked: Asked) -> bytes | Close:
        if asked.method == "POST":
            return reply(b'{"result": "QUEUED", "task_id": "t"}')
        if asked.target.startswith("/api/"):
            content = {"state": "SUCCESS", "result": f"{server.origin}/file?signature=x"}
            return reply(json.dumps(content).encode())
        return case.wire

    folder.mkdir()
    with Wire(answer) as server:
        tap = Tap(
            folder,
            {
                "auth_token": "token",
                "api_url": f"{server.origin}/api/",
                "start_date": FIRST,
                "end_date": FIRST if isinstance(case, Bad) else LAST,
                "export_attempts": 1,
                "poll_interval_seconds": 0.02,
                **settings,
            },
        )
        return tap.run_forked(streams=streams)


SECRETS: dict[str, bytes | Close] = {
    "a message": reply(b"no access for token t0ken-t0ken-t0ken\n"),
    "a long message": reply(b"there is nothing here for anyone but t0ken-t0ken-t0ken\n"),
    "a message with a URL": reply(b"see http://h/f?X=s1gnature\n"),
    "a cell": reply(table(row(clicks_aggr="t0ken-t0ken-t0ken"))),
    "a cell with a URL": reply(table(row(time="http://h/f?X=s1gnature"))),
    "a last cell": reply(table([*row()[:3], "/f?X=s1gnature"])),
    "the header": reply(b"t0ken-t0ken-t0ken,/f?X=s1gnature," + ONE.replace(b",cr,", b",", 1)),
    "XML": reply(b"<Error><Resource>http://h/f?X=s1gnature t0ken-t0ken-t0ken</Resource></Error>"),
    "JSON": reply(b'{"detail": "t0ken-t0ken-t0ken http://h/f?X=s1gnature"}'),
    "another column": reply(WHOLE.replace(b"_id\n", b"_id,t0ken-t0ken-t0ken?X=s1gnature\n")),
    "a line that is no header": Close(
        head(Content_Length=9)[:-2] + b"t0ken-t0ken-t0ken?X=s1gnature\r\n\r\n"
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_what_a_file_holds_of_secrets_is_in_no_line(tmp_path: Path, name: str) -> None:
    secret = Bad(SECRETS[name], (), settings={"auth_token": "t0ken-t0ken-t0ken"})
    told = run(secret, tmp_path / "run")
    assert told.code == 1
    assert "t0ken" not in told.log + told.out.decode()
    assert "s1g" not in told.log + told.out.decode()


def rows_of(told: Told, stream: str) -> list[dict[str, str]]:
    """The records, back as the cells that they came from."""
    return [
        {
            name: str(value).replace("T", " ")[:16] if name == "time" else _cell(value)
            for name in COLUMNS
            for value in [record[name]]
        }
        for record in told.records(stream)
    ]


def _cell(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def in_order(rows: list[dict[str, str]]) -> list[list[str]]:
    return sorted([each[name] for name in COLUMNS] for each in rows)


def run_all(cases: dict[str, Any], folder: Path) -> dict[str, Told]:
    with ThreadPoolExecutor(6) as pool:
        told = pool.map(lambda n: run(list(cases.values())[n], folder / str(n)), range(len(cases)))
        return dict(zip(cases, told, strict=True))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    return run_all(GOOD, tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    return run_all(BAD, tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", GOOD)
def test_a_file_that_is_only_odd_gives_its_exact_rows(good: dict[str, Told], name: str) -> None:
    told = good[name]
    assert told.code == 0, told.log
    told.assert_is_quiet()
    stream = "report_hourly" if GOOD[name].settings else "report_daily"
    assert in_order(rows_of(told, stream)) == in_order(GOOD[name].rows)


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_wrong_is_named_and_nothing_of_it_goes_out(
    bad: dict[str, Told], name: str
) -> None:
    told = bad[name]
    assert told.code == 1
    told.assert_is_quiet()
    assert rows_of(told, "report_daily") == rows_of(told, "report_hourly") == []
    assert told.records("report_periods") == []
    assert covered_days(told.state if b"STATE" in told.out else {}) == set()
    reasons = [line for line in told.errors if all(word in line for word in BAD[name].words)]
    assert reasons, told.log
    assert all(len(line) < 900 and line.isprintable() for line in told.errors)
    assert "signature" not in told.log
