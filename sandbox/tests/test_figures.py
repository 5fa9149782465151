from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advexport_sandbox import COLUMNS, Interval
from advexport_sandbox.figures import Figures, FiguresConfig, Row
from advexport_sandbox.placements import placement

FIRST, LAST = date(2024, 2, 20), date(2024, 3, 10)
LONG_AFTER = datetime.fromisoformat("2024-12-01T00:00")
SOON_AFTER = datetime.fromisoformat("2024-03-11T03:00")
CONFIG = FiguresConfig(rows_per_day=6)
MEASURES = ("clicks_aggr", "cost_aggr", "conversions_aggr")
LABELS = [name for name in COLUMNS if name not in {*MEASURES, "cr", "time"}]

seeds = st.integers(0, 50)
moments = st.datetimes(
    datetime.fromisoformat("2024-02-01T00:00"), datetime.fromisoformat("2024-05-01T00:00")
)


def cell(row: Row, column: str) -> str:
    return row[COLUMNS.index(column)]


def rows(
    interval: Interval,
    now: datetime = LONG_AFTER,
    config: FiguresConfig = CONFIG,
    first: date = FIRST,
    last: date = LAST,
) -> list[Row]:
    return list(Figures(config).rows(interval, first, last, now))


def sums(table: list[Row], time_length: int) -> dict[tuple[str, ...], list[Decimal]]:
    totals: dict[tuple[str, ...], list[Decimal]] = {}
    for row in table:
        key = (cell(row, "time")[:time_length], *(cell(row, name) for name in LABELS))
        total = totals.setdefault(key, [Decimal()] * len(MEASURES))
        totals[key] = [
            known + Decimal(cell(row, name)) for known, name in zip(total, MEASURES, strict=True)
        ]
    return totals


@given(seed=seeds, now=moments, repeat_share=st.sampled_from([0.0, 0.5]))
def test_hours_sum_to_days_and_days_to_months(
    seed: int, now: datetime, repeat_share: float
) -> None:
    config = replace(CONFIG, seed=seed, repeat_share=repeat_share)
    hourly, daily, monthly = (rows(interval, now, config) for interval in Interval)
    assert sums(hourly, 10) == sums(daily, 10)
    assert sums(daily, 7) == sums(monthly, 7)


@given(seed=seeds, now=moments)
def test_the_same_question_gets_the_same_answer(seed: int, now: datetime) -> None:
    config = replace(CONFIG, seed=seed)
    assert rows(Interval.DAILY, now, config) == rows(Interval.DAILY, now, config)


@given(now=moments, split=st.integers(0, (LAST - FIRST).days - 1))
def test_windows_cut_the_figures_and_do_not_change_them(now: datetime, split: int) -> None:
    middle = FIRST + timedelta(days=split)
    for interval in (Interval.HOURLY, Interval.DAILY):
        before = rows(interval, now, last=middle)
        after = rows(interval, now, first=middle + timedelta(days=1))
        assert before + after == rows(interval, now)


def test_seeds_give_different_figures() -> None:
    assert rows(Interval.DAILY) != rows(Interval.DAILY, config=replace(CONFIG, seed=2))


@pytest.mark.parametrize(
    ("interval", "pattern"),
    [
        (Interval.HOURLY, "%Y-%m-%d %H:00"),
        (Interval.DAILY, "%Y-%m-%d 00:00"),
        (Interval.MONTHLY, "%Y-%m-01 00:00"),
    ],
)
def test_times_lie_on_the_grid_of_the_interval_and_in_order(
    interval: Interval, pattern: str
) -> None:
    texts = [cell(row, "time") for row in rows(interval)]
    moments = [datetime.strptime(text, "%Y-%m-%d %H:%M") for text in texts]  # noqa: DTZ007  # the API writes no offset
    assert [moment.strftime(pattern) for moment in moments] == texts
    assert moments == sorted(moments)


def test_cells_have_the_documented_types() -> None:
    for row in rows(Interval.DAILY, config=replace(CONFIG, rows_per_day=200)):
        assert len(row) == len(COLUMNS)
        assert cell(row, "clicks_aggr").isdecimal()
        assert cell(row, "conversions_aggr").isdecimal()
        assert cell(row, "campaign_id").isdecimal()
        assert cell(row, "publisher_id").isdecimal() or not cell(row, "publisher_id")
        assert len(cell(row, "cost_aggr").partition(".")[2]) == 2
        clicks, conversions = int(cell(row, "clicks_aggr")), int(cell(row, "conversions_aggr"))
        assert cell(row, "cr") == (f"{conversions / clicks:.4f}" if clicks else "")


def test_the_usual_traps_are_among_the_cells() -> None:
    table = rows(Interval.DAILY, config=replace(CONFIG, rows_per_day=300))
    seen = {name: {cell(row, name) for row in table} for name in COLUMNS}
    assert {"NA", ""} <= seen["country"]
    assert {"10.1", "10.10", ""} <= seen["version_os"]
    assert {"", "0012", "1e5", "null", " x "} <= seen["aff_sub_id"]
    assert "" in seen["publisher_id"]
    assert "" in seen["cr"]
    assert any("," in text for text in seen["campaign"])
    assert any('"' in text for text in seen["campaign"])


@given(st.sets(st.integers(0, 3_000_000), min_size=2))
def test_placements_of_different_numbers_differ(numbers: set[int]) -> None:
    assert len({placement(number)[:10] for number in numbers}) == len(numbers)


def test_dimensions_repeat_within_a_time_only_if_wanted() -> None:
    def repetitions(repeat_share: float) -> int:
        table = rows(Interval.DAILY, config=replace(CONFIG, repeat_share=repeat_share))
        counts = Counter(
            (cell(row, "time"), *(cell(row, name) for name in LABELS)) for row in table
        )
        return sum(count - 1 for count in counts.values())

    assert repetitions(0) == 0
    assert repetitions(0.5) > 10


@given(seed=seeds, age=st.integers(0, 400))
def test_figures_stand_still_once_they_are_mature(seed: int, age: int) -> None:
    config = replace(CONFIG, seed=seed, maturing_days=10, vanish_share=0.2, late_share=0.2)
    mature = datetime.combine(LAST, datetime.min.time()) + timedelta(days=11)
    later = mature + timedelta(hours=age)
    assert rows(Interval.DAILY, mature, config) == rows(Interval.DAILY, later, config)


def test_a_day_changes_on_many_days_until_it_is_mature() -> None:
    config = replace(CONFIG, rows_per_day=50)
    asked = [
        rows(Interval.DAILY, SOON_AFTER + timedelta(days=days), config, LAST) for days in range(31)
    ]
    changes = sum(before != after for before, after in pairwise(asked))
    assert changes > 20


@given(seed=seeds, hours=st.integers(0, 800))
def test_conversions_only_grow_while_rows_stay(seed: int, hours: int) -> None:
    config = replace(CONFIG, seed=seed, vanish_share=0, late_share=0)
    for interval in (Interval.HOURLY, Interval.DAILY):
        young = rows(interval, SOON_AFTER, config)
        old = rows(interval, SOON_AFTER + timedelta(hours=hours), config)
        assert len(young) == len(old)
        assert all(
            int(cell(before, "conversions_aggr")) <= int(cell(after, "conversions_aggr"))
            for before, after in zip(young, old, strict=True)
        )


def test_some_rows_vanish_and_others_come_late() -> None:
    def count(vanish_share: float = 0, late_share: float = 0) -> tuple[int, int]:
        config = replace(CONFIG, vanish_share=vanish_share, late_share=late_share)
        first = date(2024, 3, 1)
        return (
            len(rows(Interval.DAILY, SOON_AFTER, config, first)),
            len(rows(Interval.DAILY, LONG_AFTER, config, first)),
        )

    steady = count()
    assert steady[0] == steady[1]
    young, old = count(vanish_share=0.5)
    assert steady[0] >= young > old
    young, old = count(late_share=0.5)
    assert young < old == steady[1]


def test_nothing_changes_after_the_day_without_maturing() -> None:
    config = replace(CONFIG, maturing_days=0, vanish_share=0.5, late_share=0.5)
    assert rows(Interval.DAILY, SOON_AFTER, config) == rows(Interval.DAILY, LONG_AFTER, config)


def test_a_day_under_way_has_rows_without_maturing_too() -> None:
    noon = datetime.fromisoformat("2024-03-10T12:00")
    config = replace(CONFIG, maturing_days=0, rows_per_day=40)
    today = rows(Interval.DAILY, noon, config, first=LAST)
    whole = rows(Interval.DAILY, LONG_AFTER, config, first=LAST)
    assert sum(int(cell(row, "clicks_aggr")) for row in today) > 0
    assert len(today) <= len(whole)


def test_days_after_today_have_no_rows() -> None:
    now = datetime.fromisoformat("2024-03-01T23:00")
    for interval in Interval:
        assert not rows(interval, now, first=date(2024, 3, 2))
        assert max(cell(row, "time") for row in rows(interval, now)) < "2024-03-02"


def test_today_has_the_hours_that_are_over() -> None:
    config = replace(CONFIG, rows_per_day=50)
    now = datetime.fromisoformat("2024-03-10T07:59")
    today = rows(Interval.HOURLY, now, config, first=LAST)
    assert {cell(row, "time") for row in today} == {
        f"2024-03-10 {hour:02d}:00" for hour in range(7)
    }
    whole = rows(Interval.DAILY, SOON_AFTER, config, first=LAST)
    assert 0 < len(rows(Interval.DAILY, now, config, first=LAST)) < len(whole)


def test_a_share_of_the_days_is_empty() -> None:
    def days(empty_day_share: float) -> int:
        config = replace(CONFIG, empty_day_share=empty_day_share, rows_spread=0)
        return len({cell(row, "time") for row in rows(Interval.DAILY, config=config)})

    assert days(0) == 20
    assert 3 < days(0.5) < 17
    assert days(1) == 0


def test_days_have_the_wanted_number_of_rows() -> None:
    steady = replace(
        CONFIG, rows_per_day=40, rows_spread=0, empty_day_share=0, vanish_share=0, late_share=0
    )
    assert len(rows(Interval.DAILY, config=steady)) == 40 * 20
    sizes = Counter(
        cell(row, "time") for row in rows(Interval.DAILY, config=replace(steady, rows_spread=0.5))
    )
    assert all(20 <= size <= 61 for size in sizes.values())
    assert max(sizes.values()) - min(sizes.values()) > 20


def test_a_clock_change_leaves_an_hour_out_and_repeats_another() -> None:
    config = replace(CONFIG, rows_per_day=200, timezone="Europe/Rome")
    spring, autumn = date(2024, 3, 31), date(2024, 10, 27)

    def hours(day: date) -> Counter[str]:
        table = rows(Interval.HOURLY, config=config, first=day, last=day)
        assert sums(table, 10) == sums(rows(Interval.DAILY, config=config, first=day, last=day), 10)
        return Counter(cell(row, "time")[11:13] for row in table)

    def repetitions(day: date, hour: str) -> int:
        table = rows(Interval.HOURLY, config=config, first=day, last=day)
        texts = [(row[0], *row[3:8], *row[11:]) for row in table if row[1][11:13] == hour]
        return len(texts) - len(set(texts))

    assert len(hours(spring)) == 23
    assert "02" not in hours(spring)
    assert repetitions(spring, "03") == 0
    assert len(hours(autumn)) == 24
    assert repetitions(autumn, "02") * 2 == hours(autumn)["02"] > 0
    assert repetitions(autumn, "03") == 0
