"""Reads record lines back from a spool and ends each with what its period has in common.

A line of the spool has what is known when a file is converted and ends before the closing brace;
`row_key` is always in it, so the rest begins with a comma.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_advexport.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import BinaryIO

    from tap_advexport.records.convert import Period

COPY_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class ExportConstants:
    """What all rows of an export have in common.

    Attributes:
        columns: those that are written.
        exported_at: when the export was submitted.
        account: the label of the account, if there is one.
    """

    columns: Sequence[str]
    export_id: str
    exported_at: datetime
    account: str | None = None

    def of(self, period: Period) -> dict[str, str]:
        """Give what all rows of a period have in common: column and text, in canonical order."""
        found = {
            "export_id": self.export_id,
            "period_version": period.version,
            "exported_at": rfc3339(self.exported_at),
            "account": self.account or "",
        }
        return {name: text for name, text in found.items() if name in self.columns}


@dataclass(frozen=True, slots=True)
class LineFrame:
    """The same text around each line."""

    head: bytes
    tail: bytes

    def wrap(self, lines: bytes) -> bytes:
        """Put it around whole lines."""
        # A raw newline stands only at a line's end: JSON escapes it within texts.
        between = self.tail + b"\n" + self.head
        return self.head + lines[:-1].replace(b"\n", between) + self.tail + b"\n"


def constants_tail(constants: Mapping[str, str]) -> bytes:
    """Give the end of a record of JSON, behind `row_key`."""
    return "".join(
        [*(f',"{name}":{json.dumps(constants[name])}' for name in constants), "}"]
    ).encode()


def record_lines(
    spool: BinaryIO,
    periods: Iterable[Period],
    constants: ExportConstants,
    around: LineFrame = LineFrame(b"", b""),
) -> Iterator[bytes]:
    """Give the records of some periods, a line each, in pieces of many whole lines.

    Args:
        spool: what `convert` wrote.
        periods: those whose rows are wanted.
        constants: of the export.
        around: what is put around each record.
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
    """Give the lines in some byte ranges of a spool, in pieces that end at a line's end.

    Args:
        spool: a file of lines.
        spans: ranges [start, stop) that begin and end at a line's end.
        chunk_bytes: about how large a piece may be; a longer line comes whole.
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
