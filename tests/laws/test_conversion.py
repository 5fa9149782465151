"""Laws of the conversion: whatever the file."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tap_advexport.errors import CutFileError, FileError, InvalidFileError
from tap_advexport.reports import Interval
from tests.support.records_reference import (
    ADDED,
    COLUMNS,
    ROW,
    Row,
    conversion,
    csv_bytes,
    netstring,
    period_of,
    period_version,
    records,
    row,
    run,
    run_rows,
    totals,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = date(2017, 10, 1)

texts = st.one_of(
    st.sampled_from(
        ["", "NA", "null", "0012", " x ", '"', '""', ",", "\r\n", "\r", "é", "😀", "a\\b"]
    ),
    # A byte order mark before a row is no text (test_csv_table.py).
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=8),
)
integers = st.one_of(
    st.just(""),
    st.integers(-(10**30), 10**30).map(str),
    st.integers(0, 9).map(lambda digit: f"-00{digit}.0"),
)
numbers = st.one_of(
    st.just(""),
    st.decimals(-1000, 1000, places=2).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
)


def times(interval: Interval) -> st.SearchStrategy[str]:
    days = st.integers(0, 2).map(lambda day: str(FIRST + timedelta(days=day)))
    match interval:
        case Interval.HOURLY:
            return st.tuples(days, st.integers(0, 23)).map(lambda t: f"{t[0]} {t[1]:02}:00")
        case Interval.DAILY:
            return days.map(lambda day: f"{day} 00:00")
        case Interval.MONTHLY:
            return st.sampled_from(["2017-10-01 00:00", "2017-11-01 00:00"])


def rows_of(interval: Interval) -> st.SearchStrategy[list[dict[str, str]]]:
    # Few dimensions differ, so that rows repeat.
    fixed = st.fixed_dictionaries(
        {
            **{name: st.just(ROW[name]) for name in COLUMNS},
            "time": times(interval),
            "aff_sub_id": texts,
            "campaign": texts,
            "clicks_aggr": integers,
            "conversions_aggr": integers,
            "cost_aggr": numbers,
            "cr": numbers,
            "publisher_id": st.sampled_from(["1", "01", "1.0", "2", ""]),
        }
    )
    free = st.fixed_dictionaries(
        {
            **dict.fromkeys(COLUMNS, texts),
            **dict.fromkeys(["clicks_aggr", "conversions_aggr"], integers),
            **dict.fromkeys(["campaign_id", "publisher_id"], integers),
            **dict.fromkeys(["cost_aggr", "cr"], numbers),
            "time": times(interval),
        }
    )
    repeated = fixed.map(lambda cells: {**cells, "aff_sub_id": ""})
    return st.lists(st.one_of(fixed, free, repeated), max_size=12)


tables = st.sampled_from(Interval).flatmap(lambda i: st.tuples(st.just(i), rows_of(i)))
wire_forms: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "mark": lambda data: b"\xef\xbb\xbf" + data,
    "gzip": gzip.compress,
    "members": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]) + bytes(7),
    "gzip twice": lambda data: gzip.compress(gzip.compress(data)),
}


@settings(deadline=None)
@given(
    tables,
    st.permutations([*COLUMNS, "new", "new", "", ""]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from(sorted(wire_forms)),
    st.sets(st.sampled_from([*COLUMNS, *ADDED])),
    st.sampled_from(["UTC", "Europe/Rome", "Asia/Kolkata", "America/St_Johns"]),
)
def test_a_table_becomes_the_records_of_the_reference(  # noqa: PLR0913, PLR0917 - one file, many forms
    table: tuple[Interval, list[dict[str, str]]],
    header: list[str],
    line_end: str,
    is_all_quoted: bool,  # noqa: FBT001 - a value that hypothesis gives
    form: str,
    selected: set[str],
    timezone: str,
) -> None:
    interval, rows = table
    columns = tuple(name for name in (*COLUMNS, *ADDED) if name in {*selected, "row_key"})
    last = date(2017, 11, 30) if interval is Interval.MONTHLY else date(2017, 10, 3)
    wanted = conversion(interval=interval, columns=columns, timezone=timezone, last=last)
    data = wire_forms[form](
        csv_bytes(rows, header=header, line_end=line_end, is_all_quoted=is_all_quoted)
    )

    result = run(data, interval=interval, columns=columns, timezone=timezone, last=last)

    assert result.converted.unknown_columns == tuple(
        name or f"column {number} has no name"
        for number, name in enumerate(header, start=1)
        if name in {"new", ""}
    )
    assert result.converted.row_count == len(rows)
    # The file's own order holds within each period.
    expected = records(rows, wanted)
    for index, period in enumerate(result.converted.periods):
        at = [i for i, cells in enumerate(rows) if period_of(cells, interval) == period.first]
        assert result.of_period(index) == [expected[i] for i in at]
        assert [list(record) for record in result.of_period(index)] == [list(columns)] * len(at)
        cost = Fraction(period.cost_aggr)
        found = (period.row_count, period.clicks_aggr, period.conversions_aggr, cost)
        assert found == totals(rows[i] for i in at)
        assert json.loads(period.cost_aggr, parse_float=Fraction) == cost
        assert "e" not in period.cost_aggr.lower()
    assert sum(period.row_count for period in result.converted.periods) == len(rows)
    assert len({record["row_key"] for record in result.records}) == len(rows)


@settings(deadline=None)
@given(tables)
def test_spans_cover_the_lines_once_and_are_one_each_in_time_order(
    table: tuple[Interval, list[dict[str, str]]],
) -> None:
    interval, rows = table
    changes = {"interval": interval, "last": date(2017, 11, 30)}
    ordered = run_rows(sorted(rows, key=lambda cells: cells["time"]), **changes)
    result = run_rows(rows, **changes)

    for one in (ordered, result):
        spans = sorted(span for period in one.converted.periods for span in period.spans)
        assert [0, *(stop for _, stop in spans)] == [*(start for start, _ in spans), len(one.spool)]
        assert all(one.spool[stop - 1 : stop] == b"\n" for _, stop in spans)
    assert ordered.converted.is_time_ordered
    assert all(len(period.spans) == (period.row_count > 0) for period in ordered.converted.periods)


@settings(deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_versions_are_those_of_the_reference_in_whatever_order_of_the_rows(
    table: tuple[Interval, list[dict[str, str]]],
    random: object,
) -> None:
    interval, rows = table
    changes = {"interval": interval, "last": date(2017, 11, 30)}
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a Random

    one = run_rows(rows, **changes)
    other = run_rows(shuffled, **changes, timezone="Asia/Kolkata", columns=("row_key",))

    for result in (one, other):
        for period in result.converted.periods:
            of_period = [cells for cells in rows if period_of(cells, interval) == period.first]
            assert period.version == period_version(of_period, interval)


@settings(deadline=None)
@given(
    rows_of(Interval.DAILY).filter(bool),
    st.data(),
)
def test_one_changed_cell_changes_the_version_of_its_period_and_no_other(
    rows: list[dict[str, str]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from([name for name in COLUMNS if name != "time"]))
    kind = (
        numbers if name in {"cost_aggr", "cr"} else integers if name in records_integers else texts
    )
    changed = [dict(cells) for cells in rows]
    changed[at][name] = data.draw(kind)
    assume(changed[at] != rows[at])

    before = run_rows(rows).converted.periods
    after = run_rows(changed).converted.periods

    period = period_of(rows[at], Interval.DAILY)
    assert all(
        (a.version != b.version) == (a.first == period) for a, b in zip(before, after, strict=True)
    )


records_integers = {"clicks_aggr", "campaign_id", "conversions_aggr", "publisher_id"}


@settings(deadline=None)
@given(rows_of(Interval.DAILY).filter(bool), st.integers(1, 3))
def test_one_more_of_the_same_row_changes_the_version(
    rows: list[dict[str, str]], more: int
) -> None:
    index = period_of(rows[0], Interval.DAILY).day - 1
    before = run_rows(rows).converted.periods[index]
    after = run_rows([*rows, *[rows[0]] * more]).converted.periods[index]
    assert before.version != after.version


@settings(deadline=None)
@given(st.lists(texts, min_size=9, max_size=9), st.lists(texts, min_size=9, max_size=9))
@example(["1:a,", "", *[""] * 7], ["1:a", ",", *[""] * 7])
def test_different_dimensions_never_have_one_image(one: list[str], other: list[str]) -> None:
    assert (one == other) == ("".join(map(netstring, one)) == "".join(map(netstring, other)))


VALID = csv_bytes([row(), row(campaign='a "b", c\nd'), row(time="2017-10-02 00:00"), row(lang="é")])


def promised(data: bytes, *, is_end_proven: bool = False) -> list[dict[str, object]] | None:
    """Convert; None for an error, which must be one of ours and one line of plain text."""
    try:
        return run(data, is_end_proven=is_end_proven).records
    except (FileError, InvalidFileError) as error:
        message = str(error)
    assert message.isprintable()
    assert 0 < len(message) < 600
    return None


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_bytes_raise_nothing_but_our_errors(data: bytes, is_end_proven: bool) -> None:  # noqa: FBT001
    promised(data, is_end_proven=is_end_proven)
    promised(b"\x1f\x8b" + data, is_end_proven=is_end_proven)
    promised(gzip.compress(data), is_end_proven=is_end_proven)


@settings(deadline=None)
@given(st.sampled_from([VALID, gzip.compress(VALID)]), st.data())
def test_a_damaged_file_raises_nothing_but_our_errors(valid: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(valid)))
    stop = data.draw(st.integers(start, min(len(valid), start + 3)))
    other = data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b",", b"\n", b"\r", b"\x00"]))
    promised(valid[:start] + other + valid[stop:])


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_cut_is_an_error_or_leaves_whole_rows(line_end: str) -> None:
    rows = [row(), row(campaign='a "b", c\nd', lang="é"), row(time="2017-10-02 00:00", country="")]
    whole = csv_bytes(rows, line_end=line_end)
    ends = {len(csv_bytes(rows[:n], line_end=line_end)): n for n in range(len(rows) + 1)}
    for stop in range(len(whole)):
        found = promised(whole[:stop])
        expected = records(rows[: ends[stop]], conversion()) if stop in ends else None
        assert found == expected, whole[:stop]


def test_every_cut_of_a_gzip_stream_is_an_error() -> None:
    for whole in (gzip.compress(VALID), gzip.compress(gzip.compress(VALID))):
        for stop in range(len(whole)):
            with pytest.raises(FileError):
                run(whole[:stop], is_end_proven=True)


def test_a_cut_before_a_proven_end_is_an_error_or_has_all_cells() -> None:
    rows: list[Row] = [row(), row(time="2017-10-02 00:00", publisher_id="123")]
    whole = csv_bytes(rows)
    for stop in range(len(csv_bytes(rows[:1])) + 1, len(whole)):
        is_last_cell = b",it," in whole[len(csv_bytes(rows[:1])) : stop]
        if is_last_cell:
            assert len(run(whole[:stop], is_end_proven=True).records) == 2
        else:
            with pytest.raises(CutFileError):
                run(whole[:stop], is_end_proven=True)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=200, max_size=400), st.integers(0, 2))
def test_long_files_convert_the_same_in_any_order(ids: list[int], days: int) -> None:
    rows = [
        row(aff_sub_id=str(number), time=f"2017-10-0{number % (days + 1) + 1} 00:00")
        for number in ids
    ]
    expected = records(rows, conversion())
    result = run_rows(rows)
    found = [record for index in range(3) for record in result.of_period(index)]
    assert found == sorted(expected, key=lambda record: record["report_date"])
