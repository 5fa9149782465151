"""Rows as Arrow are the rows of the lines, digit for digit; what does not fit is told."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_advexport.errors import InvalidRowError
from tap_advexport.records.arrow import DECIMALS, arrow_schema, arrow_tables
from tap_advexport.records.convert import Converted, SpoolFormat, convert
from tap_advexport.records.lines import ExportConstants
from tap_advexport.reports import Interval
from tests.laws.test_conversion import rows_of
from tests.support.records_reference import (
    ADDED,
    COLUMNS,
    Row,
    conversion,
    csv_bytes,
    read_record,
    row,
    run_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NASTY_COSTS = ["0", "-0.0", "12.50", "1234567890123456.1234567890123456789012", "1.5e-7", "-9E+15"]
EXACT_LOOK = Context(prec=300)
NASTY_RATES = ["", "0.0033333333333333335", "1e-30", "12345678.5", "0.1", "0e-4000"]


def converted_to_arrow(rows: Sequence[Row], **changes: Any) -> tuple[Converted, io.BytesIO]:  # noqa: ANN401 - of any type
    spool = io.BytesIO(b"what was there before")
    wanted = conversion(**changes, spool_format=SpoolFormat.ARROW)
    return convert(io.BytesIO(csv_bytes(rows)), spool, wanted), spool


def table_of(
    rows: Sequence[Row],
    columns: tuple[str, ...] = (*COLUMNS, *ADDED, "account"),
    timezone: str = "UTC",
    **changes: Any,  # noqa: ANN401 - of any type
) -> pa.Table:
    found, spool = converted_to_arrow(rows, columns=columns, timezone=timezone, **changes)
    moment = datetime(2017, 10, 5, 3, tzinfo=UTC)
    constants = ExportConstants(columns, "task-1", moment, "north")
    tables = list(arrow_tables(spool, found.periods, constants, timezone))
    return pa.concat_tables([arrow_schema(columns, timezone).empty_table(), *tables])


def fitting(rows: Sequence[Row]) -> list[Row]:
    """The same rows, with numbers that fit, and so do their totals."""
    return [
        {
            **{name: cell if len(cell) < 18 else "-007" for name, cell in cells.items()},
            "cost_aggr": NASTY_COSTS[index] if index < len(NASTY_COSTS) else "0.30",
            "cr": NASTY_RATES[index % len(NASTY_RATES)],
        }
        for index, cells in enumerate(rows)
    ]


@settings(deadline=None, max_examples=50)
@given(
    rows_of(Interval.DAILY).map(fitting),
    st.sets(st.sampled_from([*COLUMNS, *ADDED])),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
)
def test_a_table_has_the_rows_of_the_lines(
    rows: list[Row], selected: set[str], timezone: str
) -> None:
    columns = tuple(name for name in (*COLUMNS, *ADDED) if name in {*selected, "row_key"})
    found = table_of(rows, columns, timezone)
    assert found.schema.names == list(columns)
    result = run_rows(rows, columns=columns, timezone=timezone)
    in_order = [line for index in range(3) for line in result.of_period(index)]
    assert [texts(record) for record in found.to_pylist()] == list(map(texts, in_order))


def texts(record: dict[str, Any]) -> dict[str, object]:
    """A record of either way, comparable."""
    return {name: text(name, value) for name, value in record.items()}


def text(name: str, value: Any) -> object:  # noqa: ANN401 - of any column
    if value is None or value == "":
        return value
    if name in {"cost_aggr", "cr"}:
        return Decimal(str(getattr(value, "text", value)))
    if name in {"time", "exported_at"}:
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return str(getattr(value, "text", value))


def test_every_digit_and_every_text_is_kept() -> None:
    rows = [
        row(cost_aggr=cost, cr=rate, campaign='a"b\nc', publisher_id=str(2**63 - 1))
        for cost, rate in zip(NASTY_COSTS, NASTY_RATES, strict=True)
    ]
    found = table_of(rows).to_pylist()
    assert [record["cost_aggr"] for record in found] == [Decimal(cost) for cost in NASTY_COSTS]
    assert [record["cr"] for record in found] == [
        Decimal(rate) if rate else None for rate in NASTY_RATES
    ]
    assert {record["campaign"] for record in found} == {'a"b\nc'}
    assert {record["publisher_id"] for record in found} == {2**63 - 1}


def test_times_are_moments_in_the_zone_of_the_account_and_constants_are_in_every_row() -> None:
    rows = [row(), row(time="2017-10-02 00:00")]
    one, other = table_of(rows, timezone="America/New_York").to_pylist()
    assert one["time"].isoformat() == "2017-10-01T00:00:00-04:00"
    assert one["exported_at"].isoformat() == "2017-10-05T03:00:00+00:00"
    assert [one["report_date"], other["report_date"]] == [date(2017, 10, 1), date(2017, 10, 2)]
    versions = [period.version for period in run_rows(rows).converted.periods]
    assert [one["period_version"], other["period_version"]] == versions[:2]
    assert (one["export_id"], one["account"]) == ("task-1", "north")


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("cost_aggr", "1e16"),
        ("cost_aggr", "1e4300"),
        ("cr", "1e-31"),
        # At these, Arrow's own cast wraps around, or makes 0 of them.
        *[("cr", cell) for cell in ("12345678901", "340282367", "4102444800", "1e-69", "4e-69")],
        *[("cost_aggr", f"{sign}40000000000000000") for sign in ("", "-")],
        ("cost_aggr", "5.551115123125783e-17"),
        ("clicks_aggr", str(2**63)),
        ("publisher_id", "-" + "9" * 4000),
    ],
)
def test_a_number_that_does_not_fit_is_named_and_never_rounded(column: str, cell: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        converted_to_arrow([row(), row(**{column: cell}), row()])
    assert f"column {column}: '{cell[:20]}" in str(caught.value)
    assert "jsonl" in caught.value.advice
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("cost_aggr", "9e15"),
        ("clicks_aggr", str(2**63 - 1)),
        ("conversions_aggr", f"-{2**62 + 1}"),
    ],
)
def test_a_total_that_does_not_fit_is_named_with_its_day(column: str, cell: str) -> None:
    other = row(time="2017-10-02 00:00")
    with pytest.raises(InvalidRowError, match=f"column {column}: the total of 2017-10-01 does"):
        converted_to_arrow([row(**{column: cell}), row(**{column: cell}), other])


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.from_regex(
            r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["cost_aggr", "cr"]),
)
def test_a_decimal_is_exact_or_refused_whatever_stands_beside_it(
    cells: list[str], column: str
) -> None:
    kind = DECIMALS[column]
    fits = [
        value == value.quantize(Decimal(1).scaleb(-kind.scale), context=EXACT_LOOK)
        and abs(value) < 10 ** (kind.precision - kind.scale)
        for value in map(Decimal, cells)
    ]
    rows = [row(**{column: cell}) for cell in cells]
    opposite = [row(**{column: cell[1:] if cell[0] == "-" else f"-{cell}"}) for cell in cells]
    if not all(fits):
        with pytest.raises(InvalidRowError, match=f"column {column}"):
            converted_to_arrow(rows + opposite)
    else:
        found = table_of(rows + opposite, (column, "row_key"))[column].to_pylist()
        assert found[: len(cells)] == [Decimal(cell) for cell in cells]


def test_it_is_none_of_a_column_that_is_not_selected() -> None:
    assert len(table_of([row(cost_aggr="1e16")], ("row_key",))) == 1


def test_versions_and_totals_do_not_depend_on_the_form() -> None:
    rows = [row(lang=str(number), time=f"2017-10-0{number % 3 + 1} 00:00") for number in range(99)]
    found, _ = converted_to_arrow(rows)
    other = run_rows(rows).converted
    assert not found.is_time_ordered
    for one, two in zip(found.periods, other.periods, strict=True):
        assert (one.version, one.row_count, one.cost_aggr) == (
            (two.version, two.row_count, two.cost_aggr)
        )


def test_many_rows_in_no_order_come_back_by_period() -> None:
    rows = [
        row(aff_sub_id=str(number), time=f"2017-10-0{number % 3 + 1} 00:00")
        for number in range(9000)
    ]
    found = table_of(rows, ("aff_sub_id", "report_date", "row_key"))
    expected = sorted(rows, key=lambda cells: cells["time"])
    assert found["aff_sub_id"].to_pylist() == [cells["aff_sub_id"] for cells in expected]
    lines = [read_record(line)["row_key"] for line in run_rows(rows).lines.splitlines()]
    assert found["row_key"].to_pylist() == lines


def test_a_nul_is_kept_or_its_row_refused() -> None:
    rows = [row(), row(campaign="a\0b"), row(time="2017-10-02 00:00")]
    assert table_of(rows)["campaign"].to_pylist()[1] == "a\0b"
    wanted = conversion(spool_format=SpoolFormat.ARROW_WITHOUT_NUL)
    with pytest.raises(InvalidRowError, match=r"column campaign: 'a\\x00b' has a NUL"):
        convert(io.BytesIO(csv_bytes(rows)), io.BytesIO(), wanted)
    found = convert(io.BytesIO(csv_bytes(rows[::2])), io.BytesIO(), wanted)
    assert found.row_count == 2
    without = conversion(spool_format=SpoolFormat.ARROW_WITHOUT_NUL, columns=("lang", "row_key"))
    assert convert(io.BytesIO(csv_bytes(rows)), io.BytesIO(), without).row_count == 3
