"""Verifies and encodes rows, a block at a time and column by column.

Cells are checked when they enter a cache. Row keys, totals and versions do not depend on the
columns that are written, nor on their format: a `RowFormat` encodes the rows as the last step.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from tap_advexport.records.caches import Cache
from tap_advexport.records.cells import integer_value, number_text, number_value
from tap_advexport.records.period_version import digest_of, hash_sum, row_hashes
from tap_advexport.records.row_key import HASH_BYTES, KeyImages, repeated_row_key, row_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from typing_extensions import Buffer

    from tap_advexport.records.cells import TimeGrid
    from tap_advexport.records.repetitions import Repetitions

_Rows = TypeVar("_Rows")
Part = TypeVar("Part")


class RowFormat(Protocol[_Rows, Part]):
    """The format of the rows in a spool.

    Attributes:
        block_bytes: bytes of the file to encode at a time.
    """

    block_bytes: int

    def encode(self, columns: Mapping[str, Sequence[str]], row_keys: Sequence[bytes]) -> _Rows:
        """Encode a block of rows whose cells are valid."""
        ...

    def refuse_totals(self, period: date, totals: Mapping[str, int | Decimal]) -> None:
        """Raise InvalidRowError if the sums of a period's columns are too large."""
        ...

    def part(self, rows: _Rows, start: int, stop: int) -> Part:
        """Return the rows of a block from `start` to `stop`, which is not included."""
        ...

    def joined(self, parts: Sequence[Part]) -> Buffer:
        """Return the parts, in order, as bytes for the spool."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedRun(Generic[Part]):
    """Consecutive rows of one period, ready to be written.

    Attributes:
        content_sum: the sum of the hashes of the rows' cells.
    """

    period: date
    rows: Part
    row_count: int
    content_sum: int
    clicks: int
    conversions: int
    cost: Decimal


class Encoder(Generic[_Rows, Part]):
    """Verifies and encodes the rows of one export."""

    def __init__(self, grid: TimeGrid, row_format: RowFormat[_Rows, Part]) -> None:
        self._format = row_format
        self._periods = Cache(grid.period)
        self._clicks = Cache(integer_value)
        self._conversions = Cache(integer_value)
        self._costs = Cache(number_value)
        self._rates = Cache(number_text)
        self._images = KeyImages(grid.interval)

    def runs(
        self, columns: Mapping[str, Sequence[str]], repetitions: Repetitions
    ) -> Iterator[EncodedRun[Part]]:
        """Encode a block of rows, given as columns, and yield each run of rows of one period.

        Raises:
            InvalidCellError: a cell breaks its column's grammar.
        """
        runs = list(_runs(self._periods.read(columns["time"])))
        images = self._images.read(columns)
        hashers = list(map(hashlib.sha256, images))
        keys = _numbered_keys(images, b"".join(map(digest_of, hashers)), runs, repetitions)
        hashes = row_hashes(hashers, columns)
        clicks = self._clicks.read(columns["clicks_aggr"])
        conversions = self._conversions.read(columns["conversions_aggr"])
        costs = self._costs.read(columns["cost_aggr"])
        self._rates.read(columns["cr"])
        rows = self._format.encode(columns, keys)
        for period, start, stop in runs:
            part = slice(start, stop)
            yield EncodedRun(
                period=period,
                rows=self._format.part(rows, start, stop),
                row_count=stop - start,
                content_sum=hash_sum(hashes[part]),
                clicks=sum(clicks[part]),
                conversions=sum(conversions[part]),
                cost=sum(costs[part], Decimal(0)),
            )


def _numbered_keys(
    images: Sequence[bytes],
    hashes: bytes,
    runs: Iterable[tuple[date, int, int]],
    repetitions: Repetitions,
) -> list[bytes]:
    """Return the digits of each row's key; the key of a repetition includes its number."""
    keys = row_keys(hashes)
    for period, start, stop in runs:
        part = hashes[start * HASH_BYTES : stop * HASH_BYTES]
        for offset, number in repetitions.of_run(period, part):
            keys[start + offset] = repeated_row_key(images[start + offset], number)
    return keys


def _runs(periods: Sequence[date]) -> Iterator[tuple[date, int, int]]:
    """Yield each run of equal periods with its start and its stop, which is not included."""
    if periods.count(periods[0]) == len(periods):
        yield periods[0], 0, len(periods)
        return
    start = 0
    for period, run in groupby(periods):
        stop = start + sum(1 for _ in run)
        yield period, start, stop
        start = stop
