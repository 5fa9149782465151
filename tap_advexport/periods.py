"""What is known of each period of an export while its rows stream by, and where its lines went."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tap_advexport.repeats import repetition_numbers

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Sequence
    from datetime import date
    from typing import BinaryIO

# Lines wait until there are this many bytes of them, so that a file in no order of time leaves few
# spans behind.
_PENDING_BYTES: Final = 1 << 22

_DIGEST_MODULUS: Final = 1 << 256


class NotTimeOrderedError(Exception):
    """A period came back after another one had begun."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows of one period, ready to go out."""

    lines: bytes
    row_count: int
    keys: bytes
    digests: Iterable[int]
    clicks: int
    conversions: int
    cost: Decimal


@dataclass(slots=True)
class Tally:
    """One period so far."""

    row_count: int = 0
    clicks: int = 0
    conversions: int = 0
    cost: Decimal = field(default_factory=Decimal)
    digest_sum: int = 0
    keys: bytearray = field(default_factory=bytearray)
    pending: list[bytes] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    is_over: bool = False

    def add(self, run: Run) -> None:
        """Count a run's rows."""
        self.row_count += run.row_count
        self.clicks += run.clicks
        self.conversions += run.conversions
        self.cost += run.cost
        self.digest_sum += sum(run.digests)
        self.keys += run.keys
        self.pending.append(run.lines)

    def digest(self, shape: Sequence[str]) -> str:
        """Give the digest of the rows so far, whatever their order, and of what shapes them."""
        parts = (*shape, str(self.row_count), f"{self.digest_sum % _DIGEST_MODULUS:x}")
        return hashlib.sha256(b"".join(map(netstring, parts))).hexdigest()[:32]


class Ledger:
    """The periods of one export, and the spool that their lines go to."""

    def __init__(
        self, out: BinaryIO, periods: Iterable[date], *, is_time_ordered: bool, is_counted: bool
    ) -> None:
        self.tallies = {period: Tally() for period in periods}
        self.numbers: dict[date, array[int]] = {}
        self.byte_count = 0
        self._out = out
        self._is_time_ordered = is_time_ordered
        self._is_counted = is_counted
        self._current: date | None = None
        self._pending_bytes = 0

    def add(self, period: date, run: Run) -> None:
        """Take the next rows of the file.

        Raises:
            NotTimeOrderedError: the period was over, and the file was taken to be in order.
        """
        if self._is_time_ordered and period != self._current:
            self._turn_to(period)
        self.tallies[period].add(run)
        self._pending_bytes += len(run.lines)
        if self._pending_bytes > _PENDING_BYTES:
            self._write()

    def close(self) -> None:
        """Take the end of the file."""
        for period in self.tallies:
            self._end(period)
        self._write()

    def _turn_to(self, period: date) -> None:
        if self._current is not None:
            self._end(self._current)
        if self.tallies[period].is_over:
            raise NotTimeOrderedError
        self._current = period

    def _end(self, period: date) -> None:
        tally = self.tallies[period]
        if not self._is_counted and (numbers := repetition_numbers(tally.keys)):
            self.numbers[period] = numbers
        tally.keys = bytearray()
        tally.is_over = True

    def _write(self) -> None:
        for tally in self.tallies.values():
            if tally.pending:
                start = self.byte_count
                self._write_whole(b"".join(tally.pending))
                tally.pending.clear()
                _extend(tally.spans, (start, self.byte_count))
        self._pending_bytes = 0

    def _write_whole(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            # A raw file writes what it likes.
            written = self._out.write(view)
            view = view[written:]
            self.byte_count += written


def netstring(text: str) -> bytes:
    """Give a text so that a sequence of them can be read in one way only."""
    data = text.encode()
    return b"%d:%b," % (len(data), data)


def _extend(spans: list[tuple[int, int]], span: tuple[int, int]) -> None:
    if spans and spans[-1][1] == span[0]:
        span = (spans.pop()[0], span[1])
    spans.append(span)
