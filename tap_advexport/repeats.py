"""Which rows repeat the dimensions of an earlier row, found in some 16 bytes a row.

While rows stream by, none is taken for a repetition; only the first 16 bytes of each key's hash are
kept. When a period is over they are searched, in C as far as that goes and a part at a time. A file
that does have repetitions is converted once more, with their numbers known.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

KEY_BYTES: Final = 16

_PART_ROWS: Final = 1 << 15


def repetition_numbers(keys: bytearray) -> array[int] | None:
    """Number the rows of a period: 0 for the first with its key, then 1, 2, ...; None if all are 0.

    Args:
        keys: the rows' keys, 16 bytes each, in the order of the file.
    """
    numbers: array[int] | None = None
    for part in _suspicious_parts(keys):
        seen: dict[bytes, int] = {}
        for row in part:
            key = bytes(keys[row * KEY_BYTES : (row + 1) * KEY_BYTES])
            number = seen[key] = seen.get(key, -1) + 1
            if number:
                if numbers is None:
                    numbers = array("I", bytes(4 * (len(keys) // KEY_BYTES)))
                numbers[row] = number
    return numbers


class Repetitions:
    """The repetitions of a file as far as they are known, asked for as its rows stream by."""

    def __init__(self, numbers: Mapping[date, array[int]]) -> None:
        self._numbers = numbers
        self._rows = dict.fromkeys(numbers, 0)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._numbers)

    def of_rows(self, periods: Sequence[date]) -> Iterator[tuple[int, int]]:
        """Give index and number of each repetition among the next rows of the file."""
        for index, period in enumerate(periods):
            if period in self._rows:
                row = self._rows[period]
                self._rows[period] = row + 1
                if number := self._numbers[period][row]:
                    yield index, number


def _suspicious_parts(keys: bytearray) -> Iterator[Sequence[int]]:
    """Give the rows, in order, of each part of the keys that has a key's first half twice."""
    row_count = len(keys) // KEY_BYTES
    with memoryview(keys) as whole, whole.cast("Q") as halves, halves[::2] as heads:
        if row_count <= _PART_ROWS:
            if len(set(heads)) < row_count:
                yield range(row_count)
            return
        part_count = row_count // _PART_ROWS + 1
        parts = [array("Q") for _ in range(part_count)]
        appends = [part.append for part in parts]
        for head in heads:
            appends[head % part_count](head)
        suspicious = {
            number: array("Q") for number, part in enumerate(parts) if len(set(part)) < len(part)
        }
        del parts, appends
        if suspicious:
            for row, head in enumerate(heads):
                if (number := head % part_count) in suspicious:
                    suspicious[number].append(row)
        yield from suspicious.values()
