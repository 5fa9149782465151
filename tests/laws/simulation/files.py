"""Report files as the API renders them, whole or wrong, and as they come over the wire."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from typing import TYPE_CHECKING, Final

from tests.laws.simulation.figures import COLUMNS
from tests.laws.simulation.wire import chunk, head

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from tests.laws.simulation.figures import Figure
    from tests.laws.simulation.wire import Piece

STYLES: Final = ("length", "chunked", "open end", "gzip", "gzip members", "no last newline")


def render(
    rows: Sequence[Figure], random: Random, *, sorting: str, wrong: str | None, outside: str
) -> bytes:
    """The CSV of an export.

    Args:
        wrong: what of it is to be wrong.
        outside: a time that no row of this export can have.
    """
    columns = random.sample(COLUMNS, len(COLUMNS))
    if random.random() < 0.1:
        columns.insert(random.randrange(15), "new_column")
        if random.random() < 0.5:  # two of one name, or without one
            columns.insert(random.randrange(15), random.choice(["new_column", ""]))
    cells = [row.cells() for row in rows]
    if sorting != "time" or random.random() < 0.1:
        random.shuffle(cells)
    table = [[row.get(name, "?") for name in columns] for row in cells]
    if wrong:
        _spoil(table, columns, random, wrong, outside)
    text = io.StringIO()
    end = "\r\n" if random.random() < 0.1 else "\n"
    csv.writer(text, lineterminator=end).writerows([columns, *table])
    data = text.getvalue().encode()
    return data.replace(b"?spoil?", b"\xff\xfe") if wrong == "no utf-8" else data


def _spoil(  # noqa: C901 - one for each way
    table: list[list[str]], columns: list[str], random: Random, wrong: str, outside: str
) -> None:
    if wrong == "header lacks one":
        del columns[random.choice([at for at, name in enumerate(columns) if name in COLUMNS])]
        for row in table:
            del row[-1]
        return
    if wrong == "header twice":
        columns.append("lang")
        for row in table:
            row.append("en")
        return
    row = ["1" for _ in columns]
    time = columns.index("time")
    row[time] = table[0][time] if table else outside
    match wrong:
        case "bad metric":
            row[columns.index(random.choice(["clicks_aggr", "cost_aggr", "cr"]))] = "1_0"
        case "empty time":
            row[time] = ""
        case "ragged row":
            row.pop()
        case "row outside":
            row[time] = outside
        case "row off grid":
            row[time] = row[time][:-2] + "30"
        case "mark within":
            row[0] = "\ufeff" + row[0]
        case "no utf-8":
            row[columns.index("lang")] = "?spoil?"
        case _:
            raise AssertionError(wrong)
    table.insert(random.randrange(len(table) + 1), row)


def delivered(data: bytes, random: Random) -> Iterator[Piece]:
    """The answer that brings a whole file."""
    style = random.choice(STYLES)
    match style:
        case "length":
            answer = head(200, {"Content-Length": str(len(data))}) + data
        case "no last newline":
            data = data.rstrip(b"\r\n")
            answer = head(200, {"Content-Length": str(len(data))}) + data
        case "chunked":
            answer = head(200, {"Transfer-Encoding": "chunked"}) + _chunked(data, random)
        case "open end":
            answer = head(200, {"Connection": "close"}) + data
        case "gzip":
            packed = gzip.compress(data, 1, mtime=0)
            answer = head(200, {"Content-Length": str(len(packed)), "Content-Encoding": "gzip"})
            answer += packed
        case _:
            at = random.randrange(1, len(data))
            packed = gzip.compress(data[:at], 1, mtime=0) + gzip.compress(data[at:], 1, mtime=0)
            answer = head(200, {"Connection": "close"}) + packed
    return _in_pieces(answer, random)


def cut(data: bytes, random: Random, how: str) -> Iterator[Piece]:  # noqa: PLR0911
    """The answer that brings a part of a file; never one that cannot be told from a whole one."""
    at = _cut_at(data, random)
    part = data[:at]
    packed = gzip.compress(data, 1, mtime=0)
    match how:
        case "cut length":
            return _in_pieces(head(200, {"Content-Length": str(len(data))}) + part, random)
        case "cut chunk":
            whole = _chunked(data, random)
            answer = head(200, {"Transfer-Encoding": "chunked"})
            return _in_pieces(answer + whole[: random.randrange(len(whole) - 4)], random)
        case "cut between chunks":
            answer = head(200, {"Transfer-Encoding": "chunked"})
            return _in_pieces(answer + chunk(part), random)
        case "cut open end":
            return _in_pieces(head(200, {"Connection": "close"}) + part, random)
        case "cut gzip":
            part = packed[: random.randrange(1, len(packed))]
            return _in_pieces(head(200, {"Connection": "close"}) + part, random)
        case "stored cut gzip":
            part = packed[: random.randrange(3, len(packed))]
            return _in_pieces(head(200, {"Content-Length": str(len(part))}) + part, random)
        case "stored cut quote":
            part = data + b'"' + data[: random.randrange(9)].replace(b'"', b"")
            return _in_pieces(head(200, {"Content-Length": str(len(part))}) + part, random)
        case "damaged gzip":
            middle = len(packed) // 2
            bad = bytes([packed[-6] ^ 0xFF])
            part = packed[:-6] + bad + packed[-5:] if middle else packed
            return _in_pieces(head(200, {"Content-Length": str(len(part))}) + part, random)
        case "reset":
            answer = head(200, {"Content-Length": str(len(data))}) + part
            return iter([(0.1, answer), (0.1, ConnectionResetError(104, "reset by peer"))])
        case _:
            raise AssertionError(how)


def dripping(data: bytes) -> Iterator[Piece]:
    """A file that comes slowly and to its end."""
    yield 0.0, head(200, {"Content-Length": str(len(data))})
    step = max(1, len(data) // 5)
    for at in range(0, len(data), step):
        yield 2.0, data[at : at + step]


def endless() -> Iterator[Piece]:
    """A byte a second, for ever."""
    yield 0.0, head(200, {"Content-Length": "1000000"})
    for _ in itertools.repeat(None):
        yield 1.0, b"a"


def _cut_at(data: bytes, random: Random) -> int:
    """Where a cut is seen: not behind a line's end, which could be the file's own."""
    for _ in range(9):
        # Often in the last cells, where no row gets too short by it.
        least = max(1, len(data) - 6) if random.random() < 0.5 else 1
        at = random.randrange(least, len(data))
        if data[at - 1 : at] not in {b"\n", b"\r"}:
            return at
    return 1


def _chunked(data: bytes, random: Random) -> bytes:
    at = random.randrange(1, len(data))
    return chunk(data[:at]) + chunk(data[at:]) + chunk(b"")


def _in_pieces(answer: bytes, random: Random) -> Iterator[Piece]:
    at = random.randrange(len(answer))
    return iter([(0.01, answer[:at]), (random.random(), answer[at:])])
