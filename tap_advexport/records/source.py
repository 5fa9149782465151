"""Reads a download as the text of one CSV file, and checks its format, row length and end.

The download may be packed with gzip once or twice: a `Content-Encoding` and a `.csv.gz` file look
the same here. Every gzip member is verified to its end.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Final

from tap_advexport.errors import CutFileError, FileError
from tap_advexport.redaction import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from typing_extensions import Buffer

CHUNK_BYTES: Final = 1 << 16
BYTE_ORDER_MARK: Final = "\ufeff"

# The maximum length of a row. Blocks of rows are much smaller, unless a row does not end.
MAX_ROW_BYTES: Final = 1 << 24
_MAX_BLOCK_BYTES: Final = MAX_ROW_BYTES + (1 << 20)

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_LAYERS: Final = 2
_GZIP_WBITS: Final = 31

_FORMATS: Final = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF", "a PDF file"),
    (b"\xd0\xcf\x11\xe0", "an Excel file"),
    (b"\xff\xfe", "UTF-16 text, not UTF-8"),
    (b"\xfe\xff", "UTF-16 text, not UTF-8"),
    (b"<?xml", "XML"),
    (b"<!doctype", "HTML"),
    (b"<html", "HTML"),
    (b"<", "HTML or XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)
_SNIFFED_BYTES: Final = 1024


class RowTooLongError(Exception):
    """A row is longer than any row may be; the reader of the rows reports which one."""


class Feed(io.RawIOBase):
    """A raw stream of the bytes of the CSV file, which records how the file ended.

    Attributes:
        is_at_end: whether everything was read.
        is_packed: whether the file was packed with gzip, which proves where it ends.
        read_bytes: the number of bytes read.
    """

    def __init__(self, chunks: Iterator[bytes], *, is_packed: bool) -> None:
        super().__init__()
        self.is_packed = is_packed
        self.is_at_end = False
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._last_byte = b""
        self.read_bytes = 0
        self._block_start = 0

    @property
    def is_line_open(self) -> bool:
        """Whether the end of the file was reached and its last line has no line end."""
        return self.is_at_end and self._last_byte != b"\n"

    def start_block(self) -> None:
        """Start to count the bytes of a block of rows."""
        self._block_start = self.read_bytes

    def readable(self) -> bool:
        """Return True: the stream can be read."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer with the next bytes and return how many there are, 0 at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        view = memoryview(buffer)
        taken = self._rest[: len(view)]
        view[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        self._count(taken)
        return len(taken)

    def _count(self, taken: memoryview) -> None:
        self.is_at_end = not taken
        if not taken:
            return
        self._last_byte = bytes(taken[-1:])
        self.read_bytes += len(taken)
        if self.read_bytes - self._block_start > _MAX_BLOCK_BYTES:
            raise RowTooLongError


class TextLines:
    """The text of a feed, in whole lines. Only a line feed ends a line.

    Attributes:
        line_count: how many lines were read.
        has_mark: whether the lines contained a byte order mark.
    """

    def __init__(self, feed: Feed) -> None:
        self.line_count = 0
        self.has_mark = False
        self._file = io.BufferedReader(feed, CHUNK_BYTES)

    def read(self, size: int) -> str:
        """Read the next lines, about `size` bytes or one longer line; return '' at the end.

        Raises:
            UnicodeDecodeError: the bytes are not UTF-8; `line_count` has not counted these lines.
        """
        return self._decoded(self._file.read(size) + self._file.readline())

    def read_line(self) -> str:
        """Read the next line; return '' at the end.

        Raises:
            UnicodeDecodeError: the bytes are not UTF-8; `line_count` has not counted this line.
        """
        return self._decoded(self._file.readline())

    def _decoded(self, data: bytes) -> str:
        text = data.decode()
        self.line_count += count_lines(text)
        self.has_mark = self.has_mark or BYTE_ORDER_MARK in text
        return text


def count_lines(text: str) -> int:
    """Count the lines of a text; the last one may have no line end."""
    return text.count("\n") + (text[-1:] not in {"", "\n"})


def is_packed(source: BinaryIO) -> bool:
    """Return whether a file is packed with gzip, and go back to its start."""
    source.seek(0)
    start = source.read(len(_GZIP_MAGIC))
    source.seek(0)
    return start == _GZIP_MAGIC


def open_feed(source: BinaryIO) -> Feed:
    """Open a download as the bytes of one CSV file.

    Raises:
        CutFileError: the file is empty, or, while it is read, a gzip stream has no end.
        FileError: the file looks like another format, or, while it is read, is damaged.
    """
    chunks = _read(source)
    is_packed = False
    for _ in range(_GZIP_LAYERS):
        start, chunks = _peek(chunks, len(_GZIP_MAGIC))
        if start != _GZIP_MAGIC:
            break
        is_packed = True
        chunks = _gunzip(chunks)
    start, chunks = _peek(chunks, _SNIFFED_BYTES)
    _refuse_other_formats(start)
    return Feed(_without_mark(chunks), is_packed=is_packed)


def _refuse_other_formats(start: bytes) -> None:
    if not start:
        raise CutFileError("the file is empty (0 bytes, not even a header)")
    if start.startswith(_GZIP_MAGIC):
        raise FileError(f"the file is packed with gzip more than {_GZIP_LAYERS} times over")
    text = start.removeprefix(BYTE_ORDER_MARK.encode()).lstrip()
    for magic, name in _FORMATS:
        if text[: len(magic)].lower() == magic.lower():
            begins = "" if b"\x00" in start else f": it starts with {_shown(start)}"
            raise FileError(f"the file looks like {name}, not CSV{begins}")
    if b"\x00" in start.partition(b"\n")[0]:
        raise FileError(f"the file is not text: its first line has NUL bytes: {_shown(start)}")


def _shown(start: bytes) -> str:
    return quoted(start.decode("utf-8", "backslashreplace"))


def _read(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def _peek(chunks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    start = b""
    while len(start) < size and (chunk := next(chunks, b"")):
        start += chunk
    return start[:size], _chained(start, chunks)


def _chained(start: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if start:
        yield start
    yield from chunks


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Leave out a byte order mark at the start. The first chunk contains all of it."""
    first = next(chunks, b"").removeprefix(BYTE_ORDER_MARK.encode())
    return _chained(first, chunks)


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack every member in chunks of bounded size, and verify that the last one ends."""
    member = zlib.decompressobj(_GZIP_WBITS)
    for chunk in chunks:
        data = chunk
        while data:
            if member.eof:
                # A member may be followed by zero padding and by another member.
                data = data.lstrip(b"\x00")
                if not data:
                    break
                member = zlib.decompressobj(_GZIP_WBITS)
            yield from _inflate(member, data)
            data = member.unused_data
    if not member.eof:
        raise CutFileError("the file is cut: its gzip stream has no end")


def _inflate(member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    try:
        while piece := member.decompress(data, CHUNK_BYTES):
            yield piece
            data = member.unconsumed_tail
    except zlib.error as error:
        raise FileError(
            f"the file is damaged: its gzip stream is invalid ({quoted(str(error))})"
        ) from None
