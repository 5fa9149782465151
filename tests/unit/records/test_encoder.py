"""Keys, totals and hashes of a block of rows, whatever is written of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.records.cells import TimeGrid
from tap_advexport.records.encoder import Encoder
from tap_advexport.records.repetitions import Repetitions
from tap_advexport.reports import Interval
from tests.support.cells import INTEGER_TEXTS, NO_DAYS, NO_INTEGERS, NO_NUMBERS, NUMBERS_AS_WRITTEN
from tests.support.records_reference import (
    COLUMNS,
    INTEGERS,
    NUMBERS,
    Digits,
    conversion,
    csv_bytes,
    records,
    refusal,
    row,
    row_key,
    run_rows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@pytest.mark.parametrize("columns", [("row_key",), ("row_key", "lang")])
@pytest.mark.parametrize("name", [*INTEGERS, *NUMBERS, "time"])
def test_cells_of_deselected_columns_are_checked_all_the_same(
    columns: tuple[str, ...], name: str
) -> None:
    assert f"column {name}: 'x'" in refusal(csv_bytes([row(**{name: "x"})]), columns=columns)


def test_an_hour_that_a_clock_change_repeats_is_two_rows() -> None:
    day = date(2017, 10, 29)
    rows = [row(time="2017-10-29 02:00"), row(time="2017-10-29 02:00", clicks_aggr="5")]
    changes = {"interval": Interval.HOURLY, "first": day, "last": day, "timezone": "Europe/Rome"}
    assert run_rows(rows, **changes).records == records(rows, conversion(**changes))


def test_rows_that_repeat_are_numbered_in_the_order_of_the_file() -> None:
    rows = [row(clicks_aggr=str(number), aff_sub_id=str(number % 2)) for number in range(300)]
    rows += [row(time="2017-10-02 00:00")]
    result = run_rows(rows)
    assert result.records == records(rows, conversion())
    assert result.records[-3]["row_key"] == row_key("daily", rows[-3], 149)


@pytest.mark.parametrize("name", INTEGERS)
def test_cells_of_integers_follow_the_grammar(name: str) -> None:
    rows = [row(**{name: cell}) for cell in INTEGER_TEXTS]
    assert [record[name] for record in run_rows(rows).records] == [
        Digits(digits) if digits else None for digits in INTEGER_TEXTS.values()
    ]
    for cell in NO_INTEGERS:
        message = refusal(csv_bytes([row(), row(**{name: cell})]))
        assert message.startswith(f"line 3, column {name}: ")
        assert message.isprintable()
        assert len(message) < 400


@pytest.mark.parametrize("name", NUMBERS)
def test_cells_of_numbers_follow_the_grammar(name: str) -> None:
    rows = [row(**{name: cell}) for cell in NUMBERS_AS_WRITTEN]
    assert [record[name] for record in run_rows(rows).records] == [
        Digits(cell) if cell else None for cell in NUMBERS_AS_WRITTEN
    ]
    for cell in NO_NUMBERS:
        assert f"line 2, column {name}: " in refusal(csv_bytes([row(**{name: cell})]))


def test_a_time_that_the_report_cannot_have_is_refused() -> None:
    for cell in NO_DAYS:
        assert "line 2, column time: " in refusal(csv_bytes([row(time=cell)]))


class Keys:
    """A form of rows that is nothing but their keys."""

    block_bytes = 1

    def encode(self, columns: Mapping[str, Sequence[str]], row_keys: Sequence[bytes]) -> list[str]:
        assert {len(column) for column in columns.values()} == {len(row_keys)}
        return [key.decode() for key in row_keys]

    def part(self, rows: list[str], start: int, stop: int) -> list[str]:
        return rows[start:stop]


def test_runs_of_one_period_have_keys_and_sums_of_their_own() -> None:
    rows = [
        row(clicks_aggr="1", cost_aggr="0.1", conversions_aggr=""),
        row(clicks_aggr="2", cost_aggr="0.2", conversions_aggr="-1"),
        row(time="2017-10-02 00:00", clicks_aggr="", cost_aggr=""),
        row(clicks_aggr="4", cost_aggr="0"),
    ]
    columns = {name: [cells[name] for cells in rows] for name in COLUMNS}
    grid = TimeGrid(Interval.DAILY, date(2017, 10, 1), date(2017, 10, 2), ZoneInfo("UTC"))
    encoder = Encoder(grid, cast("Any", Keys()))
    runs = list(encoder.runs(columns, Repetitions({}, is_time_ordered=False)))
    assert [(each.period.day, each.row_count) for each in runs] == [(1, 2), (2, 1), (1, 1)]
    keys = [key for each in runs for key in each.rows]
    assert keys == [row_key("daily", cells, (0, 1, 0, 2)[n]) for n, cells in enumerate(rows)]
    found = [(each.clicks, each.conversions, each.cost) for each in runs]
    assert found == [(3, -1, Decimal("0.3")), (0, 3, 0), (4, 3, 0)]
    assert len({each.content_sum for each in runs}) == 3
