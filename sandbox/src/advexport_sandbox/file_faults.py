"""What can be wrong with the content of a file."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from advexport_sandbox.effects import DOWNLOAD, ChangeFile, Fault
from advexport_sandbox.figures import COLUMNS, Row
from advexport_sandbox.files import month_end, parse_rows, render_rows
from advexport_sandbox.submissions import Interval, Submission

if TYPE_CHECKING:
    from collections.abc import Callable

    from advexport_sandbox.calls import Options

    Change = Callable[[bytes, Submission, Options], bytes]

_TIME = COLUMNS.index("time")
_PLAIN_ROW = "aff007,{} 00:00,7,Plain,US,,com.example.plain,4200,1.80,0.5714,4,iOS,10.1,en,1001"
_PLACEHOLDER = "placeholder"
_NASTY_CELLS = {
    "aff_sub_id": 'a,b;"c"',
    "campaign": 'Summer\nSale,\r\n"half\u2028price"\u2029\u0085',
    "creative_id": '"',
    "app_id": "\n",
}


def on_rows(change_rows: Callable[[list[Row]], list[Row]]) -> Change:
    """Change the table as a whole."""

    def change(body: bytes, submission: Submission, _options: Options) -> bytes:
        return render_rows(change_rows(_filled(body, submission)))

    return change


def on_last_row(change_row: Callable[[Row, Submission, Options], Row]) -> Change:
    """Change the last row, which a reader meets when it has read all others."""

    def change(body: bytes, submission: Submission, options: Options) -> bytes:
        rows = _filled(body, submission)
        rows[-1] = change_row(rows[-1], submission, options)
        return render_rows(rows)

    return change


def on_bytes(change_bytes: Callable[[bytes], bytes]) -> Change:
    """Change the file as bytes."""

    def change(body: bytes, _submission: Submission, _options: Options) -> bytes:
        return change_bytes(body)

    return change


def in_last_row(text: bytes) -> Change:
    """Put bytes into a cell of the last row that no text could hold."""

    def change(body: bytes, submission: Submission, options: Options) -> bytes:
        marked = on_last_row(_mark)(body, submission, options)
        return marked.replace(_PLACEHOLDER.encode(), text)

    return change


def add_column(rows: list[Row]) -> list[Row]:
    """Add a column that is not documented."""
    return [[*row, "installs_aggr" if row[0] == COLUMNS[0] else "0"] for row in rows]


def add_twins(name: str) -> Callable[[list[Row]], list[Row]]:
    """Add two columns of one name that is not documented."""

    def change(rows: list[Row]) -> list[Row]:
        return [[*row, *[name if row[0] == COLUMNS[0] else "0"] * 2] for row in rows]

    return change


def drop_column(rows: list[Row]) -> list[Row]:
    """Leave a metric out."""
    position = COLUMNS.index("conversions_aggr")
    return [row[:position] + row[position + 1 :] for row in rows]


def repeat_column(rows: list[Row]) -> list[Row]:
    """Have a metric twice under one name."""
    return [[*row, row[COLUMNS.index("clicks_aggr")]] for row in rows]


def reverse_columns(rows: list[Row]) -> list[Row]:
    """Have the columns the other way round."""
    return [row[::-1] for row in rows]


def spoil_cell(row: Row, _submission: Submission, options: Options) -> Row:
    """Put a text into a cell of a number."""
    return _put(row, options.column or "clicks_aggr", _or(options.cell, "abc"))


def shorten(row: Row, _submission: Submission, _options: Options) -> Row:
    """Leave the last cell out."""
    return row[:-1]


def lengthen(row: Row, _submission: Submission, _options: Options) -> Row:
    """Add a cell."""
    return [*row, "surplus"]


def leave_window(row: Row, submission: Submission, options: Options) -> Row:
    """Move a row behind the last day that was asked for."""
    last = (
        month_end(submission.last) if submission.interval is Interval.MONTHLY else submission.last
    )
    return _put(row, "time", _or(options.cell, f"{last + timedelta(days=1)} 00:00"))


def leave_grid(row: Row, submission: Submission, options: Options) -> Row:
    """Move a row between two hours, days or months, within its day or month."""
    day = date.fromisoformat(row[_TIME][:10])
    texts = {
        Interval.HOURLY: f"{day} {row[_TIME][11:13]}:30",
        Interval.DAILY: f"{day} 05:00",
        Interval.MONTHLY: f"{day.replace(day=2)} 00:00",
    }
    return _put(row, "time", _or(options.cell, texts[submission.interval]))


def make_nasty(row: Row, _submission: Submission, _options: Options) -> Row:
    """Fill cells with what only a real reader of CSV survives; the file is right."""
    for column, text in _NASTY_CELLS.items():
        row = _put(row, column, text)
    return row


def add_blank_lines(body: bytes) -> bytes:
    """Put an empty line behind each line."""
    return body.replace(b"\n", b"\n\n")


def end_lines_with_crlf(body: bytes) -> bytes:
    """End lines as RFC 4180 says."""
    return body.replace(b"\n", b"\r\n")


def mark_order(body: bytes) -> bytes:
    """Begin with the mark that some programs put before UTF-8."""
    return b"\xef\xbb\xbf" + body


def mark_last_row(body: bytes, submission: Submission, _options: Options) -> bytes:
    """Put the mark before the last row, as where two files were joined."""
    rows = _filled(body, submission)
    return render_rows(rows[:-1]) + mark_order(render_rows(rows[-1:]))


def encode_utf16(body: bytes) -> bytes:
    """Encode as some spreadsheets do."""
    return body.decode().encode("utf-16")


def _filled(body: bytes, submission: Submission) -> list[Row]:
    """Read the table, and add a row when there is none that could be spoiled."""
    rows = parse_rows(body)
    if len(rows) <= submission.csv_headers:
        day = (
            submission.first.replace(day=1)
            if submission.interval is Interval.MONTHLY
            else submission.first
        )
        rows.append(_PLAIN_ROW.format(day).split(","))
    return rows


def _mark(row: Row, _submission: Submission, _options: Options) -> Row:
    return _put(row, "campaign", _PLACEHOLDER)


def _put(row: Row, column: str, text: str) -> Row:
    position = COLUMNS.index(column)
    return [*row[:position], text, *row[position + 1 :]]


def _or(text: str | None, default: str) -> str:
    return default if text is None else text


FILES = (
    Fault(
        "extra-column",
        DOWNLOAD,
        ChangeFile(on_rows(add_column)),
        "the file has a column `installs_aggr`",
    ),
    Fault(
        "unknown-twins",
        DOWNLOAD,
        ChangeFile(on_rows(add_twins("installs_aggr"))),
        "the file has two columns `installs_aggr`",
    ),
    Fault(
        "unnamed-columns",
        DOWNLOAD,
        ChangeFile(on_rows(add_twins(""))),
        "the file has two columns without a name",
    ),
    Fault(
        "missing-column",
        DOWNLOAD,
        ChangeFile(on_rows(drop_column)),
        "the file lacks the column `conversions_aggr`",
    ),
    Fault(
        "duplicate-column",
        DOWNLOAD,
        ChangeFile(on_rows(repeat_column)),
        "the file has the column `clicks_aggr` twice",
    ),
    Fault(
        "reversed-columns",
        DOWNLOAD,
        ChangeFile(on_rows(reverse_columns)),
        "the file's columns come in reverse order",
    ),
    Fault(
        "bad-cell",
        DOWNLOAD,
        ChangeFile(on_last_row(spoil_cell)),
        "the last row has `cell` (abc) in `column` (clicks_aggr)",
    ),
    Fault(
        "short-row",
        DOWNLOAD,
        ChangeFile(on_last_row(shorten)),
        "the last row lacks its last cell",
    ),
    Fault(
        "long-row",
        DOWNLOAD,
        ChangeFile(on_last_row(lengthen)),
        "the last row has a cell too many",
    ),
    Fault(
        "row-outside-window",
        DOWNLOAD,
        ChangeFile(on_last_row(leave_window)),
        "the last row's `time` is `cell`, else right behind the window",
    ),
    Fault(
        "off-grid-row",
        DOWNLOAD,
        ChangeFile(on_last_row(leave_grid)),
        "the last row's `time` is `cell`, else no start of an hour, day or month",
    ),
    Fault(
        "invalid-utf8",
        DOWNLOAD,
        ChangeFile(in_last_row(b"caf\xe9")),
        "the last row has a campaign in Latin-1",
    ),
    Fault(
        "nul",
        DOWNLOAD,
        ChangeFile(in_last_row(b"nu\x00l")),
        "the last row has a campaign with a NUL in it",
    ),
    Fault(
        "quoted",
        DOWNLOAD,
        ChangeFile(on_last_row(make_nasty)),
        "the last row has commas, quotes, line breaks and U+2028 in its cells, rightly quoted",
    ),
    Fault(
        "crlf",
        DOWNLOAD,
        ChangeFile(on_bytes(end_lines_with_crlf)),
        "lines end with CR LF",
    ),
    Fault(
        "blank-lines",
        DOWNLOAD,
        ChangeFile(on_bytes(add_blank_lines)),
        "an empty line follows each line",
    ),
    Fault(
        "bom",
        DOWNLOAD,
        ChangeFile(on_bytes(mark_order)),
        "the file begins with the byte order mark of UTF-8",
    ),
    Fault(
        "bom-within",
        DOWNLOAD,
        ChangeFile(mark_last_row),
        "the last row begins with the byte order mark of UTF-8",
    ),
    Fault(
        "utf16",
        DOWNLOAD,
        ChangeFile(on_bytes(encode_utf16)),
        "the file is encoded in UTF-16",
    ),
)
