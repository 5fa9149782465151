"""Which rows repeat the dimensions of an earlier row, found in some 16 bytes a row.

While rows stream by, none is taken for a repetition; of each key's hash only the first 16 bytes are
kept, which are the row's key. When a period is over they are searched, a part at a time and as far
as that goes in C. A file that has repetitions is converted once more, with their numbers known.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from tap_advexport.keys import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

_WORD: Final = "Q"
_WORDS: Final = HASH_BYTES // array(_WORD).itemsize

_PART_ROWS: Final = 1 << 15


class KeysSeen:
    """The keys of a period's rows, in the order of the file, as two arrays of words."""

    def __init__(self) -> None:
        self._heads = array(_WORD)
        self._tails = array(_WORD)

    def add(self, hashes: bytes) -> None:
        """Take the hashes of the next rows, one after another."""
        with memoryview(hashes) as view, view.cast(_WORD) as words:
            self._heads.frombytes(words[0::_WORDS].tobytes())
            self._tails.frombytes(words[1::_WORDS].tobytes())

    def repetition_numbers(self) -> array[int] | None:
        """Number the rows: 0 for the first with its key, then 1, 2, ...; None if all are 0."""
        numbers: array[int] | None = None
        for rows in self._suspicious_rows():
            seen: dict[tuple[int, int], int] = {}
            for row in rows:
                key = self._heads[row], self._tails[row]
                number = seen[key] = seen.get(key, -1) + 1
                if number:
                    numbers = numbers or array(_WORD, bytes(8 * len(self._heads)))
                    numbers[row] = number
        return numbers

    def _suspicious_rows(self) -> Iterator[Sequence[int]]:
        """Give the rows, in order, of each part of the keys that has some head twice."""
        heads = self._heads
        if len(heads) <= _PART_ROWS:
            if len(set(heads)) < len(heads):
                yield range(len(heads))
            return
        part_count = len(heads) // _PART_ROWS + 1
        suspicious = _parts_with_repetitions(heads, part_count)
        rows = {part: array(_WORD) for part in suspicious}
        for row, head in enumerate(heads) if suspicious else ():
            if (part := head % part_count) in suspicious:
                rows[part].append(row)
        yield from rows.values()


def _parts_with_repetitions(heads: array[int], part_count: int) -> set[int]:
    parts = [array(_WORD) for _ in range(part_count)]
    appends = [part.append for part in parts]
    for head in heads:
        appends[head % part_count](head)
    return {number for number, part in enumerate(parts) if len(set(part)) < len(part)}


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
