"""Finds rows that repeat the dimensions of an earlier row of their period.

The keys of short periods are kept as objects, and repetitions are numbered as the rows stream by.
For larger periods only 16 bytes per key are kept, and searched when the period is over. If
repetitions are found there, the file is converted once more, with their numbers known.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tap_advexport.records.row_key import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

# How many keys are kept as objects, over all periods: about 70 bytes each, 200 with repetitions.
_OBJECTS: Final = 1 << 16

_WORD: Final = "Q"
_WORDS: Final = HASH_BYTES // array(_WORD).itemsize
_PART_ROWS: Final = 1 << 15


class KeyList:
    """The keys of a period's rows in the order of the file, as two arrays of 64-bit words.

    Attributes:
        heads: the first half of each key.
    """

    def __init__(self) -> None:
        self.heads = array(_WORD)
        self._tails = array(_WORD)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.heads)

    def add(self, hashes: bytes) -> None:
        """Add the hashes of the next rows, given as joined bytes."""
        with memoryview(hashes) as view, view.cast(_WORD) as words:
            self.heads.frombytes(words[0::_WORDS].tobytes())
            self._tails.frombytes(words[1::_WORDS].tobytes())

    def keys(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Return the keys of the rows from `start` to `stop`, which is not included."""
        return zip(self.heads[start:stop], self._tails[start:stop], strict=True)

    def repetition_numbers(self) -> array[int] | None:
        """Return the number of each row among those with its key, from 0; None if all are 0."""
        numbers: array[int] | None = None
        for rows in self._suspicious_rows():
            seen: dict[tuple[int, int], int] = {}
            for row in rows:
                key = self.heads[row], self._tails[row]
                number = seen[key] = seen.get(key, -1) + 1
                if number:
                    numbers = numbers or array(_WORD, bytes(8 * len(self)))
                    numbers[row] = number
        return numbers

    def _suspicious_rows(self) -> Iterator[Sequence[int]]:
        """Yield the rows, in order, of each part of the keys in which a head occurs twice."""
        part_count = len(self) // _PART_ROWS + 1
        suspicious = _parts_with_repetitions(self.heads, part_count)
        rows = {part: array(_WORD) for part in suspicious}
        for row, head in enumerate(self.heads) if suspicious else ():
            if (part := head % part_count) in suspicious:
                rows[part].append(row)
        yield from rows.values()


def _parts_with_repetitions(heads: array[int], part_count: int) -> set[int]:
    """Return the parts with a repeated head. Only one part at a time becomes a set of objects."""
    parts = [array(_WORD) for _ in range(part_count)]
    appends = [part.append for part in parts]
    for head in heads:
        appends[head % part_count](head)
    return {number for number, part in enumerate(parts) if len(set(part)) < len(part)}


@dataclass(slots=True)
class _PeriodKeys:
    """The keys of a period so far, and the state to number the next rows.

    Attributes:
        heads: the head of each key, as long as they are all different.
        latest: after that, the latest repetition number of each key.
        numbered_rows: how many rows, from the first one on, have their number.
        is_late: whether there are too many keys; the next rows get numbers after the period.
    """

    listed: KeyList = field(default_factory=KeyList)
    heads: set[int] = field(default_factory=set)
    latest: dict[tuple[int, int], int] = field(default_factory=dict)
    numbered_rows: int = 0
    is_late: bool = False

    @property
    def object_count(self) -> int:
        """The number of keys kept as objects."""
        return len(self.heads) + len(self.latest)

    def number(self, hashes: bytes) -> Iterable[tuple[int, int]]:
        """Add the next rows, and return the offset and number of each repetition among them."""
        start = len(self.listed)
        self.listed.add(hashes)
        if self.is_late:
            return ()
        self.numbered_rows = len(self.listed)
        if not self.latest:
            self.heads.update(self.listed.heads[start:])
            if len(self.heads) == self.numbered_rows:
                return ()
            self.heads = set()
            self.latest = dict.fromkeys(self.listed.keys(0, start), 0)
        return list(_numbered(self.listed.keys(start, self.numbered_rows), self.latest))

    def give_up(self) -> None:
        """Stop keeping keys as objects."""
        self.heads, self.latest, self.is_late = set(), {}, True

    def late_numbers(self) -> array[int] | None:
        """Return the numbers of all rows if there are repetitions among those not numbered yet."""
        if not self.is_late:
            return None
        numbers = self.listed.repetition_numbers()
        return numbers if numbers and any(numbers[self.numbered_rows :]) else None


def _numbered(
    keys: Iterable[tuple[int, int]], latest: dict[tuple[int, int], int]
) -> Iterator[tuple[int, int]]:
    for offset, key in enumerate(keys):
        number = latest[key] = latest.get(key, -1) + 1
        if number:
            yield offset, number


class Repetitions:
    """Numbers the rows of one file that repeat an earlier row of their period."""

    def __init__(self, known: Mapping[date, array[int]], *, is_time_ordered: bool) -> None:
        """Start at the first row of the file.

        Args:
            known: the numbers of all rows of some periods, from an earlier pass over the file.
            is_time_ordered: whether a period is over when another one begins.
        """
        self._known = known
        self._known_rows = dict.fromkeys(known, 0)
        self._is_time_ordered = is_time_ordered
        self._periods: dict[date, _PeriodKeys] = {}
        self._object_count = 0
        self._late: dict[date, array[int]] = {}

    def of_run(self, period: date, hashes: bytes) -> Iterable[tuple[int, int]]:
        """Return the offset and number of each repetition among the next rows, all of one period.

        Args:
            period: the period of the rows.
            hashes: the SHA-256 of each row's dimensions, one after another.
        """
        if period in self._known:
            return self._look_up(period, len(hashes) // HASH_BYTES)
        if period not in self._periods:
            if self._is_time_ordered:
                self._end_periods()
            self._periods[period] = _PeriodKeys()
        keys = self._periods[period]
        self._object_count -= keys.object_count
        numbers = keys.number(hashes)
        self._object_count += keys.object_count
        if self._object_count > _OBJECTS:
            self._object_count -= keys.object_count
            keys.give_up()
        return numbers

    def late(self) -> Mapping[date, array[int]]:
        """Return, at the end of a file, the row numbers of periods with unnumbered repetitions."""
        self._end_periods()
        return self._late

    def _look_up(self, period: date, count: int) -> Iterable[tuple[int, int]]:
        start = self._known_rows[period]
        self._known_rows[period] = start + count
        numbers = self._known[period][start : start + count]
        return [(offset, number) for offset, number in enumerate(numbers) if number]

    def _end_periods(self) -> None:
        for period, keys in self._periods.items():
            if numbers := keys.late_numbers():
                self._late[period] = numbers
        self._periods.clear()
        self._object_count = 0
