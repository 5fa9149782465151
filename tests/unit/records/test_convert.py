"""The conversion of a CSV file, case by case."""

# ruff: noqa: ANN401 - changes to a conversion are of any of its types

from __future__ import annotations

import io
import sys
from datetime import date
from decimal import ROUND_UP, Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.errors import CutFileError, FileError, InvalidHeaderError, InvalidRowError
from tap_advexport.records.convert import convert
from tap_advexport.reports import Interval
from tests.support.records_reference import (
    ADDED,
    COLUMNS,
    INTEGERS,
    KEY,
    NUMBERS,
    Digits,
    conversion,
    csv_bytes,
    period_version,
    records,
    row,
    row_key,
    run,
    run_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = ",".join(COLUMNS)


def one(**cells: str) -> dict[str, Any]:
    (record,) = run_rows([row(**cells)]).records
    return record


def refusal(data: bytes, **changes: Any) -> str:
    with pytest.raises(InvalidRowError) as caught:
        run(data, **changes)
    return str(caught.value)


# --- Lines -------------------------------------------------------------------------------------


def test_a_row_becomes_one_line_with_the_columns_in_canonical_order() -> None:
    lines = run_rows([row()]).lines
    assert lines.decode() == (
        '{"aff_sub_id":"a1b2c3","time":"2017-10-01T00:00:00+00:00","clicks_aggr":120,'
        '"campaign":"Spring","country":"IT","creative_id":"banner_320x50.png",'
        '"app_id":"com.example.app","campaign_id":4711,"cost_aggr":12.50,"cr":0.025,'
        '"conversions_aggr":3,"name_os":"Android","version_os":"10.10","lang":"it",'
        '"publisher_id":42,"report_date":"2017-10-01",'
        '"row_key":"42393374e4a05e6d90ccb0e80952c03d","export_id":"task-1",'
        f'"period_version":"{period_version([row()], "daily")}",'
        '"exported_at":"2017-10-05T03:00:00Z"}\n'
    )


@pytest.mark.parametrize(
    "columns",
    [
        ("row_key",),
        ("row_key", "exported_at"),
        ("row_key", "aff_sub_id"),
        ("lang", "row_key", "time"),
        ("report_date", "row_key"),
        ("cr", "row_key", "export_id"),
        tuple(name for name in (*COLUMNS, *ADDED) if name not in KEY),
        tuple(reversed((*COLUMNS, *ADDED))),
    ],
)
def test_only_selected_columns_go_out_and_the_key_stays_the_same(columns: Sequence[str]) -> None:
    rows = [row(), row(), row(lang="de")]
    result = run_rows(rows, columns=tuple(columns))
    expected = records(rows, conversion(columns=tuple(columns)))
    assert result.records == expected
    assert [list(record) for record in result.records] == [list(record) for record in expected]


@pytest.mark.parametrize("columns", [("row_key",), ("row_key", "lang")])
@pytest.mark.parametrize("name", [*INTEGERS, *NUMBERS, "time"])
def test_cells_of_deselected_columns_are_checked_all_the_same(
    columns: tuple[str, ...], name: str
) -> None:
    assert f"column {name}: 'x'" in refusal(csv_bytes([row(**{name: "x"})]), columns=columns)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_the_only_line_feed_of_a_line_is_its_end(line_end: str) -> None:
    lines = run(csv_bytes([row(campaign="a\nb\r\nc\rd")], line_end=line_end)).spool
    assert lines.count(b"\n") == 1
    assert b'"campaign":"a\\nb\\r\\nc\\rd"' in lines


# --- Cells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "NA", "null", "0012", " x ", "1e5", "nan", "\t", "\x00", "\x7f", "\u2028", "😀", "é"],
)
@pytest.mark.parametrize("name", ["aff_sub_id", "campaign", "country", "version_os"])
def test_text_stays_as_it_is(name: str, text: str) -> None:
    assert one(**{name: text})[name] == text


def test_large_texts_pass() -> None:
    text = "é" * 300_000
    assert one(aff_sub_id=text, campaign=text, country=text)["campaign"] == text


@pytest.mark.parametrize(
    ("cell", "digits"),
    [
        ("0", "0"),
        ("7", "7"),
        ("007", "7"),
        ("-0", "0"),
        ("000", "0"),
        ("-007", "-7"),
        ("5.0", "5"),
        ("-0.0", "0"),
        ("9223372036854775808", "9223372036854775808"),
        ("9" * 4300, "9" * 4300),
        ("-" + "9" * 4300 + ".0", "-" + "9" * 4300),
    ],
)
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_go_out_in_plain_decimal(name: str, cell: str, digits: str) -> None:
    assert one(**{name: cell})[name] == Digits(digits)


@pytest.mark.parametrize(
    "cell",
    [
        *("1.5", "1.00", "1.", ".0", "+1", "1_0", "1e3", "0x1", "\u0661", "\uff11", "NA", "null"),
        *("nan", "--", "-", "1-", "1,0", "1\n", "1\r", "-\n", " 1", "1 ", "--1"),
        *("9" * 4301, "0" * 4301),
    ],
)
@pytest.mark.parametrize("name", INTEGERS)
def test_what_is_no_integer_is_refused(name: str, cell: str) -> None:
    message = refusal(csv_bytes([row(), row(**{name: cell})]))
    assert message.startswith(f"line 3, column {name}: ")
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize(
    "cell",
    [
        *("0", "-0", "1", "0.1", "10.10", "12.50", "1e5", "1E+5", "1e-5", "0.0000001", "-1.5e0"),
        *("1e4300", "1e-4300", "1e004300", "1" * 5000, "0." + "3" * 5000),
        "123456789012345678901234567890.123456789",
    ],
)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_keep_their_digits(name: str, cell: str) -> None:
    assert one(**{name: cell})[name] == Digits(cell)


@pytest.mark.parametrize(
    "cell",
    [
        *("nan", "inf", "-inf", "NaN", "Infinity", "NA", "null", ".5", "1.", "1_0", "01", "00"),
        *("-01", "+1", "1e", "1e+", "e5", "1e4301", "1e-4301", "1e99999999999999999999", "0x1"),
        *("\u0661", "1,5", "1.5.1", "-", "-.", "1\n", "0.5\n", " 1", "1 "),
    ],
)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused(name: str, cell: str) -> None:
    assert f"line 2, column {name}: " in refusal(csv_bytes([row(**{name: cell})]))


@pytest.mark.parametrize("name", [*INTEGERS, *NUMBERS])
def test_empty_cells_are_null(name: str) -> None:
    assert one(**{name: ""})[name] is None


# --- Time --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "cell", "expected"),
    [
        ("UTC", "2017-10-29 02:00", "2017-10-29T02:00:00+00:00"),
        ("Europe/Rome", "2017-10-29 01:00", "2017-10-29T01:00:00+02:00"),
        # The hour that the clock change repeats has its first offset.
        ("Europe/Rome", "2017-10-29 02:00", "2017-10-29T02:00:00+02:00"),
        ("Europe/Rome", "2017-10-29 03:00", "2017-10-29T03:00:00+01:00"),
        ("Asia/Kolkata", "2017-10-29 23:00", "2017-10-29T23:00:00+05:30"),
        ("America/St_Johns", "2017-10-29 00:00", "2017-10-29T00:00:00-02:30"),
    ],
)
def test_time_has_the_offset_of_the_zone(zone: str, cell: str, expected: str) -> None:
    day = date(2017, 10, 29)
    changes = {"interval": Interval.HOURLY, "first": day, "last": day, "timezone": zone}
    (record,) = run_rows([row(time=cell)], **changes).records
    assert record["time"] == expected
    assert record["report_date"] == "2017-10-29"


def test_an_hour_that_a_clock_change_repeats_is_two_rows() -> None:
    day = date(2017, 10, 29)
    rows = [row(time="2017-10-29 02:00"), row(time="2017-10-29 02:00", clicks_aggr="5")]
    changes = {"interval": Interval.HOURLY, "first": day, "last": day, "timezone": "Europe/Rome"}
    assert run_rows(rows, **changes).records == records(rows, conversion(**changes))


def test_offsets_of_old_times_have_no_seconds() -> None:
    day = date(1900, 1, 1)
    changes = {"first": day, "last": day, "timezone": "Europe/Amsterdam"}
    (record,) = run_rows([row(time="1900-01-01 00:00")], **changes).records
    assert len(record["time"]) == len("1900-01-01T00:00:00+00:00")


@pytest.mark.parametrize("day", [date.min, date.max])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("interval", Interval)
def test_the_ends_of_the_calendar_are_days_too(day: date, zone: str, interval: Interval) -> None:
    changes = {"first": day, "last": day, "timezone": zone, "interval": interval}
    start = day.replace(day=1) if interval is Interval.MONTHLY else day
    result = run_rows([row(time=f"{start} 00:00")], **changes)
    assert result.records[0]["report_date"] == str(start)


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "2017-10-01",
        "2017-10-01T00:00",
        "2017-10-01 00:00:00",
        "2017-10-01 00:00Z",
        "2017-10-01 00:00\n",
        " 2017-10-01 00:00",
        "2017-10-1 00:00",
        "20171001 00:00",
        "\uff12017-10-01 00:00",
        "2017-13-01 00:00",
        "2017-10-00 00:00",
        "2017-10-01 24:00",
        "2017-10-01 00:60",
        "0000-10-01 00:00",
        # Outside the window
        "2017-09-30 00:00",
        "2017-10-04 00:00",
        # Off the grid
        "2017-10-01 00:01",
        "2017-10-01 01:00",
    ],
)
def test_a_time_that_the_daily_report_cannot_have_is_refused(cell: str) -> None:
    assert "line 2, column time: " in refusal(csv_bytes([row(time=cell)]))


@pytest.mark.parametrize(
    ("interval", "cell"),
    [
        (Interval.HOURLY, "2017-10-01 00:30"),
        (Interval.HOURLY, "2017-10-04 00:00"),
        (Interval.MONTHLY, "2017-10-02 00:00"),
        (Interval.MONTHLY, "2017-10-01 01:00"),
        (Interval.MONTHLY, "2017-11-01 00:00"),
        (Interval.MONTHLY, "2017-09-01 00:00"),
    ],
)
def test_a_time_off_the_grid_or_the_window_is_refused(interval: Interval, cell: str) -> None:
    assert "column time: " in refusal(csv_bytes([row(time=cell)]), interval=interval)


# --- Periods -----------------------------------------------------------------------------------


def test_every_period_is_there_with_exact_totals() -> None:
    rows = [
        row(clicks_aggr="1", conversions_aggr="", cost_aggr="0.1"),
        row(clicks_aggr="2.0", conversions_aggr="-1", cost_aggr="0.2", lang="de"),
        row(clicks_aggr="", cost_aggr="", lang="fr"),
        row(time="2017-10-03 00:00", clicks_aggr=str(2**70), cost_aggr="1e3"),
    ]
    first, second, third = run_rows(rows).converted.periods
    assert (first.first, second.first, third.first) == tuple(date(2017, 10, d) for d in (1, 2, 3))
    assert (first.row_count, second.row_count, third.row_count) == (3, 0, 1)
    assert (first.clicks_aggr, first.conversions_aggr, first.cost_aggr) == (3, 2, "0.3")
    assert (second.clicks_aggr, second.cost_aggr, second.spans) == (0, "0", ())
    assert (third.clicks_aggr, third.cost_aggr) == (2**70, "1000")


def test_totals_are_exact_whatever_the_decimal_context_and_leave_it_alone() -> None:
    rows = [row(cost_aggr=cell) for cell in ("1e40", "1e-40", "0.1")]
    with localcontext(Context(prec=3, rounding=ROUND_UP)):
        total = run_rows(rows).converted.periods[0].cost_aggr
        assert Decimal(1) / 3 == Decimal("0.334")
    assert total == "1" + "0" * 40 + ".1" + "0" * 38 + "1"


def test_totals_of_long_integers_are_exact_whatever_python_allows() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        rows = [row(clicks_aggr="9" * 4300), row(clicks_aggr="1")]
        total = run_rows(rows).converted.periods[0].clicks_aggr
    finally:
        sys.set_int_max_str_digits(limit)
    assert total == 10**4300


def test_costs_at_the_ends_of_the_range_are_added_exactly() -> None:
    rows = [row(cost_aggr="9e4300"), row(cost_aggr="1e-4300")]
    total = run_rows(rows).converted.periods[0].cost_aggr
    assert total == "9" + "0" * 4300 + "." + "0" * 4299 + "1"


def test_months_are_periods_by_their_first_day() -> None:
    rows = [row(time="2017-11-01 00:00"), row(time="2018-01-01 00:00")]
    changes = {"interval": Interval.MONTHLY, "first": date(2017, 10, 1), "last": date(2018, 1, 15)}
    result = run_rows(rows, **changes)
    found = {period.first: period.row_count for period in result.converted.periods}
    assert found == {
        date(2017, 10, 1): 0,
        date(2017, 11, 1): 1,
        date(2017, 12, 1): 0,
        date(2018, 1, 1): 1,
    }
    assert [record["report_date"] for record in result.records] == ["2017-11-01", "2018-01-01"]


def test_a_header_alone_is_an_empty_window() -> None:
    result = run(csv_bytes([]))
    assert [period.row_count for period in result.converted.periods] == [0, 0, 0]
    assert result.lines == b""
    assert result.converted.is_time_ordered


def test_hours_in_no_order_within_a_day_are_in_time_order_as_to_periods() -> None:
    rows = [row(time=f"2017-10-01 {hour}:00") for hour in ("05", "03", "05")]
    result = run_rows(rows, interval=Interval.HOURLY)
    assert result.converted.is_time_ordered
    assert result.records == records(rows, conversion(interval=Interval.HOURLY))


def test_a_file_in_no_order_of_time_loses_and_mixes_nothing() -> None:
    rows = [
        row(time=f"2017-10-0{1 + number % 3} 00:00", aff_sub_id=str(number % 700))
        for number in range(5000)
    ]
    result = run_rows(rows)
    assert not result.converted.is_time_ordered
    expected = records(rows, conversion())
    for index in range(3):
        assert result.of_period(index) == expected[index::3]


def test_rows_that_repeat_are_numbered_in_the_order_of_the_file() -> None:
    rows = [row(clicks_aggr=str(number), aff_sub_id=str(number % 2)) for number in range(300)]
    rows += [row(time="2017-10-02 00:00")]
    result = run_rows(rows)
    assert result.records == records(rows, conversion())
    assert result.records[-3]["row_key"] == row_key("daily", rows[-3], 149)


# --- Header ------------------------------------------------------------------------------------


def test_columns_are_found_by_name_and_unknown_ones_are_named() -> None:
    header = ["new", *reversed(COLUMNS), "x\ny"]
    result = run(csv_bytes([row()], header=header))
    assert result.records == records([row()], conversion())
    assert result.converted.unknown_columns == ("new", "x\ny")


def test_missing_columns_are_all_named() -> None:
    header = [name for name in COLUMNS if name not in {"cr", "lang"}]
    with pytest.raises(InvalidHeaderError, match="lacks cr, lang;"):
        run(csv_bytes([row()], header=header))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_twice_is_refused(name: str) -> None:
    with pytest.raises(InvalidHeaderError, match=f"twice: {name}$"):
        run(csv_bytes([row()], header=[*COLUMNS, "new", name]))


@pytest.mark.parametrize("changed", ["Time", " time", "time ", "TIME", "\ufeff\ufefftime"])
def test_names_are_matched_exactly(changed: str) -> None:
    with pytest.raises(InvalidHeaderError, match="lacks time"):
        run(csv_bytes([row()], header=[changed if name == "time" else name for name in COLUMNS]))


def test_a_file_without_a_header_is_told_from_one_with_a_wrong_header() -> None:
    with pytest.raises(InvalidHeaderError, match="looks like data"):
        run(csv_bytes([], header=list(row().values())))


def test_a_header_that_comes_again_is_an_invalid_row() -> None:
    assert "line 3, column time: 'time'" in refusal(
        csv_bytes([row(), {name: name for name in COLUMNS}])
    )


# --- Rows --------------------------------------------------------------------------------------


def test_the_first_invalid_row_is_named_by_its_line_in_the_file() -> None:
    rows = [row(campaign="a\nb\r\nc")] * 200 + [row(cr="x"), row(clicks_aggr="y")]
    assert "line 602, column cr: 'x'" in refusal(csv_bytes(rows))


def test_an_invalid_row_of_a_file_in_no_order_is_named_by_its_line() -> None:
    rows = (
        [row(time=f"2017-10-0{1 + n % 3} 00:00") for n in range(300)] + [row(cr="x")] + [row()] * 9
    )
    assert "line 302, column cr: 'x'" in refusal(csv_bytes(rows))


def test_cells_in_messages_are_cut_and_have_no_control_characters() -> None:
    message = refusal(csv_bytes([row(clicks_aggr="\n\x00\u2028" * 100_000)]))
    assert message.isprintable()
    assert len(message) < 300


def test_a_row_with_too_many_cells_is_refused() -> None:
    data = csv_bytes([row()] * 3).replace(b",42\n", b",42,x\n", 2)
    assert "line 2: 16 cells where the header has 15" in refusal(data)


def test_a_row_with_too_few_cells_is_refused_and_cut_when_it_is_the_last() -> None:
    short = b"a,2017-10-01 00:00,3\n"
    assert "line 2: 3 cells" in refusal(
        csv_bytes([]) + short + csv_bytes([row()])[len(HEADER) + 1 :]
    )
    for end in (b"", b"\n", b"\n\n\r\n"):
        with pytest.raises(CutFileError, match="line 3: 3 cells"):
            run(csv_bytes([row()]) + short.strip() + end, is_end_proven=True)


def test_a_short_row_is_found_where_all_rows_of_a_block_are_short() -> None:
    assert "line 2: 3 cells" in refusal((HEADER + "\n" + "a,b,c\n" * 500).encode())


def test_blank_lines_hold_nothing_and_are_passed_over() -> None:
    whole = csv_bytes([row(), row(lang="de")]).decode().splitlines(keepends=True)
    data = "\n\r\n".join(["", *whole, "", ""]).encode()
    assert run(data).records == records([row(), row(lang="de")], conversion())
    assert "line 14, column cr" in refusal(data + csv_bytes([row(cr="x")])[len(HEADER) + 1 :])
    assert run(csv_bytes([]) + b"\n" * 1000).converted.row_count == 0


def test_a_line_of_blanks_is_a_short_row() -> None:
    assert "line 2: 1 cells" in refusal(csv_bytes([row()]).replace(b"\n", b"\n  \n", 1))


def test_a_last_line_without_its_end_is_whole_only_if_the_end_is_proven() -> None:
    data = csv_bytes([row()]).strip()
    assert run(data, is_end_proven=True).records == records([row()], conversion())
    with pytest.raises(CutFileError, match="line 2, its last, has no line end"):
        run(data)


# --- The call ----------------------------------------------------------------------------------


class ShortWriter(io.BytesIO):
    """Writes at most seven bytes at a time, as a raw file may."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data[:7]))


def test_an_out_that_writes_in_part_gets_everything() -> None:
    out = ShortWriter()
    convert(io.BytesIO(csv_bytes([row()])), out, conversion())
    assert out.getvalue() == run_rows([row()]).spool


def test_a_full_disk_is_no_error_of_the_file() -> None:
    class Full(io.BytesIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        convert(io.BytesIO(csv_bytes([row()])), Full(), conversion())


def test_too_little_memory_is_an_error_of_the_file() -> None:
    class Huge(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            raise MemoryError

    with pytest.raises(FileError, match="memory"):
        convert(Huge(), io.BytesIO(), conversion())


def test_a_file_that_was_read_before_is_read_from_its_start() -> None:
    source = io.BytesIO(csv_bytes([row()]))
    source.seek(50)
    assert convert(source, io.BytesIO(), conversion()).row_count == 1
