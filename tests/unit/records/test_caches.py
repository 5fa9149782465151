"""Each distinct cell is looked at once, and memory stays flat."""

from __future__ import annotations

import pytest

from tap_advexport.records.caches import Cache


def test_a_cell_is_looked_at_once() -> None:
    seen: list[str] = []

    def make(cell: str) -> int:
        seen.append(cell)
        return int(cell)

    cache = Cache(make)
    assert cache.read(["1", "2", "1"]) == [1, 2, 1]
    assert cache.read(["2", "3"]) == [2, 3]
    assert sorted(seen) == ["1", "2", "3"]


def test_what_making_a_value_raises_is_raised_and_nothing_of_it_remembered() -> None:
    cache = Cache(int)
    with pytest.raises(ValueError, match="x"):
        cache.read(["1", "x"])
    assert cache.read(["1"]) == [1]


def test_many_distinct_cells_are_all_right_and_do_not_stay() -> None:
    cache = Cache(int)
    for start in range(0, 100_000, 1000):
        cells = [str(number) for number in range(start, start + 1000)]
        assert cache.read(cells) == list(range(start, start + 1000))
    assert len(cache._values) < 10_000
