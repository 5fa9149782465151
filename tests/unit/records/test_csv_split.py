"""Lines that are split by hand are what `csv.reader` makes of them, or are left to it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_advexport.records.csv_split import split_columns

nasty = st.text(alphabet='a,"\r\n\x0b\u2028 \0', max_size=40)
cells = st.lists(st.sampled_from(["", "a", '"b,c"', '"d""e"', '"f\n"', 'g"h', "\x0b"]), max_size=4)
tables = st.tuples(
    st.lists(cells.map(",".join), max_size=6), st.sampled_from(["\n", "\r\n", "\r"])
).map(lambda table: "".join(line + table[1] for line in table[0]))


@given(st.one_of(nasty, tables), st.integers(1, 4))
@example("\n\n", 1)
@example("a\r\n", 1)
@example('"a\n",b\n"c\n",d\n', 2)
def test_columns_are_those_of_the_reader_or_left_to_it(text: str, width: int) -> None:
    columns = split_columns(text, width)
    if columns:
        rows = csv.reader(io.StringIO(text, newline="\n"), strict=True)
        assert list(zip(*columns, strict=True)) == [tuple(row) for row in rows]
        assert len(columns) == width


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\nc,d\n", [("a", "b"), ("c", "d")]),
        ("a,b\r\nc,d\r\n", [("a", "b"), ("c", "d")]),
        ("a,b\nc,d", [("a", "b"), ("c", "d")]),
        ('a,"b,""c"\n"d",\n', [("a", 'b,"c'), ("d", "")]),
    ],
)
def test_plain_lines_and_quoted_cells_are_split(text: str, rows: list[tuple[str, ...]]) -> None:
    assert list(zip(*split_columns(text, 2) or (), strict=True)) == rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\nb,c,d\n",
        "a,b\n\nc,d\n",
        'a,"b\nc"\n',
        'a,"b\n',
        'a,"b"c\n',
        'a,"b",c\n',
        "a,b\rc,d\n",
        "a,b\r\nc,d\n",
    ],
)
def test_all_else_is_left_to_the_reader(text: str) -> None:
    assert not split_columns(text, 2)
