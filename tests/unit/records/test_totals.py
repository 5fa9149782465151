"""The totals of each period, and where its rows went."""

# ruff: noqa: ANN401 - changes to a conversion are of any of its types

from __future__ import annotations

import io
import sys
from datetime import date
from decimal import ROUND_UP, Context, Decimal, localcontext
from typing import Any, cast

import pytest

from tap_advexport.records.convert import convert
from tap_advexport.records.encoder import EncodedRun
from tap_advexport.records.totals import Ledger, NotTimeOrderedError
from tap_advexport.reports import Interval
from tests.support.records_reference import conversion, csv_bytes, records, row, run, run_rows


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


class ShortWriter(io.BytesIO):
    """Writes at most seven bytes at a time, as a raw file may."""

    def write(self, data: Any) -> int:
        return super().write(bytes(data[:7]))


def test_an_out_that_writes_in_part_gets_everything() -> None:
    out = ShortWriter()
    convert(io.BytesIO(csv_bytes([row()])), out, conversion())
    assert out.getvalue() == run_rows([row()]).spool


# --- The ledger --------------------------------------------------------------------------------

FIRST, SECOND = date(2017, 10, 1), date(2017, 10, 2)


class Bytes:
    """A form of rows that is what a test writes down."""

    joined = staticmethod(b"".join)


def run_of(period: date, rows: bytes) -> EncodedRun[bytes]:
    return EncodedRun(period, rows, len(rows), 5, 1, 2, Decimal("0.1"))


def ledger(out: io.BytesIO, *, is_time_ordered: bool) -> Ledger[bytes]:
    return Ledger(out, [FIRST, SECOND], cast("Any", Bytes()), is_time_ordered=is_time_ordered)


def test_a_period_that_comes_back_is_no_order_of_time() -> None:
    ordered = ledger(io.BytesIO(), is_time_ordered=True)
    for period in (FIRST, FIRST, SECOND):
        ordered.add(run_of(period, b"a"))
    with pytest.raises(NotTimeOrderedError):
        ordered.add(run_of(FIRST, b"a"))


def test_rows_wait_and_go_out_period_by_period() -> None:
    out = io.BytesIO()
    mixed = ledger(out, is_time_ordered=False)
    for period, rows in ((FIRST, b"aa"), (SECOND, b"b"), (FIRST, b"a")):
        mixed.add(run_of(period, rows))
    mixed.flush_if_due(1 << 20)
    assert out.getvalue() == b""
    mixed.flush_if_due((1 << 20) + 1)
    mixed.add(run_of(SECOND, b"b"))
    # So much was read since the last time, not in all.
    mixed.flush_if_due(2 << 20)
    assert out.getvalue() == b"aaab"
    mixed.flush()
    mixed.flush()
    assert out.getvalue() == b"aaabb"
    first, second = mixed.tallies.values()
    # Ranges that touch are one.
    assert (first.spans, second.spans) == ([(0, 3)], [(3, 5)])
    assert (first.row_count, first.clicks, first.conversions) == (3, 2, 4)
    assert (first.content_sum, first.cost) == (10, Decimal("0.2"))


def test_a_period_without_rows_is_there_and_empty() -> None:
    tally = ledger(io.BytesIO(), is_time_ordered=True).tallies[SECOND]
    assert (tally.row_count, str(tally.cost), tally.spans) == (0, "0", [])
