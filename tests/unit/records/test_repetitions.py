"""Rows that repeat an earlier one are found, however many rows a period has."""

from __future__ import annotations

import hashlib
import re
import tracemalloc
from collections import Counter
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.records.repetitions import KeyList, Repetitions
from tap_advexport.records.row_key import HASH_BYTES
from tests.support.records_reference import conversion, read_record, records, row, run_rows


def seen(keys: list[bytes]) -> KeyList:
    result = KeyList()
    for start in range(0, len(keys), 1000):
        result.add(b"".join(keys[start : start + 1000]))
    return result


def expected(keys: list[bytes]) -> list[int] | None:
    counts: Counter[bytes] = Counter()
    numbers = []
    for key in keys:
        numbers.append(counts[key[:16]])
        counts[key[:16]] += 1
    return numbers if any(numbers) else None


def found(keys: list[bytes]) -> list[int] | None:
    numbers = seen(keys).repetition_numbers()
    return None if numbers is None else list(numbers)


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@given(st.lists(st.integers(0, 20), max_size=60))
def test_rows_are_numbered_in_order(numbers: list[int]) -> None:
    keys = list(map(key, numbers))
    assert found(keys) == expected(keys)


@pytest.mark.parametrize("repeated", [[], [5], [99_999, 0, 0, 70_000, 5]])
def test_rows_of_a_long_period_are_numbered_in_order(repeated: list[int]) -> None:
    keys = [key(number) for number in [*range(100_000), *repeated, *range(100_000, 100_100)]]
    assert found(keys) == expected(keys)


@pytest.mark.parametrize("count", [2, 40_000])
def test_keys_that_agree_in_half_are_two(count: int) -> None:
    keys = [bytes(8) + number.to_bytes(8) + bytes(16) for number in range(count)]
    assert found(keys) is None
    assert found([*keys, keys[0]]) == [0] * count + [1]


def test_rows_cost_some_sixteen_bytes_each() -> None:
    count = 200_000
    parts = [b"".join(map(key, range(at, at + 1000))) for at in range(0, count, 1000)]
    tracemalloc.start()
    keys = KeyList()
    for part in parts:
        keys.add(part)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    assert keys.repetition_numbers() is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 20 * count
    # The search takes as much again for a moment, and one part's set.
    assert peak < 36 * count + 5_000_000


def test_a_hash_has_room_for_a_key() -> None:
    assert HASH_BYTES == 32


def _known(record: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the other rows."""
    return {**record, "period_version": None}


def _text(column: str, line: bytes) -> str:
    """The text of a column, found without reading the whole of a record."""
    found = re.search(rb'"%s":"([^"]*)"' % column.encode(), line)
    assert found
    return found[1].decode()


@pytest.mark.parametrize("is_time_ordered", [True, False])
def test_a_period_of_many_rows_has_its_repetitions_numbered(is_time_ordered: bool) -> None:  # noqa: FBT001
    numbers = [*range(300), *range(5), *range(300, 70_000), 7, 0, 7, 69_999]
    rows = [row(aff_sub_id=str(number)) for number in numbers]
    second = [row(time="2017-10-02 00:00", lang=lang) for lang in ("it", "de", "it", "it")]
    rows = [*rows, *second] if is_time_ordered else [*second[:2], *rows, *second[2:]]
    # What is said of a row depends on its repetitions alone.
    repeated = {"0", "1", "2", "3", "4", "7", "69999", second[0]["aff_sub_id"]}
    expected = records([each for each in rows if each["aff_sub_id"] in repeated], conversion())
    result = run_rows(rows)
    assert result.converted.is_time_ordered == is_time_ordered
    keys = set()
    for index, day in enumerate(["2017-10-01", "2017-10-02", "2017-10-03"]):
        found = result.lines_of_period(index)
        keys |= {_text("row_key", line) for line in found}
        assert [
            _known(read_record(line)) for line in found if _text("aff_sub_id", line) in repeated
        ] == [_known(record) for record in expected if record["report_date"] == day]
    assert len(keys) == len(rows)


def test_a_key_that_only_agrees_in_half_is_no_repetition() -> None:
    repetitions = Repetitions({}, is_time_ordered=True)
    day = date(2017, 10, 1)
    one, other = (bytes(8) + bytes([number]) * 24 for number in (1, 2))
    assert list(repetitions.of_run(day, one + key(1))) == []
    assert list(repetitions.of_run(day, other + key(2))) == []
    assert list(repetitions.of_run(day, one + key(3) + other + one)) == [(0, 1), (2, 1), (3, 2)]
    assert not repetitions.late()
