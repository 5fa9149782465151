"""Reads record lines from a spool and appends to each the constants of its export and period.

A line in the spool holds what is known when the file is converted, and ends before the closing
brace. It always contains `row_key`, so the appended part begins with a comma.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tap_advexport.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from tap_advexport.records.convert import Period

COPY_BYTES: Final = 1 << 18


class ExportConstants(Struct, frozen=True):
    """The values that all rows of an export share.

    Attributes:
        columns: the columns to write.
        exported_at: when the export was submitted.
        account: the label of the account, if it has one.
    """

    columns: Sequence[str]
    export_id: str
    exported_at: datetime
    account: str | None = None

    def of(self, period: Period) -> dict[str, str]:
        """Return the values that all rows of a period share, by column, in canonical order."""
        found = {
            "export_id": self.export_id,
            "period_version": period.version,
            "exported_at": rfc3339(self.exported_at),
            "account": self.account or "",
        }
        return {name: text for name, text in found.items() if name in self.columns}


class LineFrame(Struct, frozen=True):
    """Text to put before and after each line."""

    head: bytes
    tail: bytes

    def wrap(self, lines: bytes) -> bytes:
        """Put the frame around each of some whole lines."""
        # A raw newline occurs only at the end of a line: JSON escapes it in strings.
        between = self.tail + b"\n" + self.head
        return self.head + lines[:-1].replace(b"\n", between) + self.tail + b"\n"


_NO_FRAME: Final = LineFrame(b"", b"")


def constants_tail(constants: Mapping[str, str]) -> bytes:
    """Return the end of a JSON record, after `row_key`."""
    return "".join(
        [*(f',"{name}":{json.dumps(constants[name])}' for name in constants), "}"]
    ).encode()


def record_lines(
    spool: BinaryIO,
    periods: Iterable[Period],
    constants: ExportConstants,
    around: LineFrame = _NO_FRAME,
) -> Iterator[bytes]:
    """Yield the records of the given periods, one per line, in chunks of many whole lines.

    Args:
        spool: the file that `convert` wrote.
        periods: the periods to read.
        constants: the constants of the export.
        around: text to put around each record.
    """
    pending: list[bytes] = []
    size = 0
    for period in periods:
        tail = constants_tail(constants.of(period))
        frame = LineFrame(around.head, tail + around.tail)
        for lines in copy_spans(spool, period.spans):
            pending.append(frame.wrap(lines))
            size += len(pending[-1])
            if size >= COPY_BYTES:
                yield b"".join(pending)
                pending, size = [], 0
    if pending:
        yield b"".join(pending)


def copy_spans(
    spool: BinaryIO, spans: Iterable[tuple[int, int]], chunk_bytes: int = COPY_BYTES
) -> Iterator[bytes]:
    """Yield the lines in some byte ranges of a spool, in chunks that end at the end of a line.

    Args:
        spool: a file of lines.
        spans: ranges [start, stop) that begin and end between lines.
        chunk_bytes: the approximate size of a chunk; a longer line is yielded whole.
    """
    for start, stop in spans:
        spool.seek(start)
        left, rest = stop - start, b""
        while left:
            chunk = spool.read(min(chunk_bytes, left))
            if not chunk:
                raise AssertionError("a spool is shorter than what was written to it")
            left -= len(chunk)
            end = chunk.rfind(b"\n") + 1
            if end:
                yield rest + chunk[:end]
                rest = chunk[end:]
            else:
                rest += chunk
