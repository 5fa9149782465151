"""Reads the bodies of answers with limits on memory and time, and detects truncated files."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

import requests
import urllib3
from msgspec import Struct

from tap_advexport.api.faults import fault_of
from tap_advexport.errors import CutFileError, FileError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_advexport.clock import Clock
    from tap_advexport.redaction import Redactor

MAX_ANSWER_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 1 << 16
# A download that brings fewer bytes than this in one request time-out counts as stalled.
MIN_PROGRESS_BYTES: Final = 1024

# Codings that change nothing. The last two are none, but storages and servers name them so.
_PLAIN: Final = frozenset({"", "identity", "aws-chunked", "utf-8"})
_GZIP: Final = frozenset({"gzip", "x-gzip"})
_GZIP_WBITS: Final = 31
_RANGE: Final = re.compile(r"bytes +([0-9]+)-[0-9]+/([0-9]{1,18})")


# A dataclass, as a Struct cannot hide a field, or leave it out of comparisons.
@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file in a spool.

    Attributes:
        is_end_proven: its length or last chunk proves that it is complete.
        urls: where it came from, redirects included; secrets.
    """

    byte_count: int
    is_end_proven: bool
    urls: tuple[str, ...] = field(default=(), repr=False, compare=False)


class BodyReader(Struct, frozen=True):
    """Reads bodies. `timeout_seconds` limits an answer, or each `MIN_PROGRESS_BYTES` of a file."""

    clock: Clock
    timeout_seconds: float
    redactor: Redactor

    def answer(
        self, what: str, response: requests.Response, max_bytes: int = MAX_ANSWER_BYTES
    ) -> Iterator[bytes]:
        """Yield the chunks of an API answer; stop after the one that exceeds `max_bytes`.

        Raises:
            RequestError: the answer is truncated, damaged, or takes longer than the time-out.
        """
        deadline = self.clock.monotonic() + self.timeout_seconds
        byte_count = 0
        unpack = self._unpacking(what, response)
        for wire in self._chunks(what, response, RequestError):
            chunk = unpack(wire)
            yield chunk
            byte_count += max(len(chunk), len(wire))
            if byte_count > max_bytes:
                return
            if self.clock.monotonic() > deadline:
                msg = f"{what}: the answer was not complete after {self.timeout_seconds:g} s"
                raise RequestError(msg)

    def spool(
        self,
        what: str,
        response: requests.Response,
        spool: BinaryIO,
        is_cancelled: Callable[[], bool],
    ) -> Downloaded:
        """Write a file to a spool, byte for byte.

        Raises:
            CutFileError: the file is truncated, stalled, or cancelled.
            FileError: the file has an encoding that was not asked for.
        """
        coding = _coding(response)
        if coding not in {"", *_GZIP}:
            shown = self.redactor.excerpt(coding)
            raise FileError(f"{what}: its Content-Encoding is {shown}, which was not asked for")
        byte_count = 0
        mark, marked_at = 0, self.clock.monotonic()
        for chunk in self._chunks(what, response, CutFileError):
            if is_cancelled():
                raise CutFileError(f"{what}: given up")
            spool.write(chunk)
            byte_count += len(chunk)
            if byte_count - mark >= MIN_PROGRESS_BYTES:
                mark, marked_at = byte_count, self.clock.monotonic()
            elif self.clock.monotonic() - marked_at > self.timeout_seconds:
                seconds = f"{self.timeout_seconds:g} s"
                raise CutFileError(f"{what}: fewer than {MIN_PROGRESS_BYTES} bytes in {seconds}")
        spool.flush()
        is_end_proven = self._is_end_proven(what, response, byte_count)
        _refuse_part(what, response, byte_count)
        return Downloaded(byte_count, is_end_proven)

    def _is_end_proven(self, what: str, response: requests.Response, byte_count: int) -> bool:
        coding = response.headers.get("Transfer-Encoding", "identity").lower()
        if coding == "chunked":
            return True
        if coding != "identity":
            shown = self.redactor.excerpt(coding)
            raise FileError(f"{what}: the transfer encoding {shown} cannot be read")
        lengths = {part.strip() for part in response.headers.get("Content-Length", "").split(",")}
        length = lengths.pop()
        if not length and "Content-Length" not in response.headers:
            return False
        if lengths or not (length.isascii() and length.isdigit()):
            shown = self.redactor.excerpt(length) or "nothing"
            raise CutFileError(f"{what}: its length is given as {shown}")
        if byte_count != int(length[:18]):
            raise CutFileError(f"{what}: {byte_count} bytes came of {length[:18]}")
        return True

    def _chunks(
        self,
        what: str,
        response: requests.Response,
        error_type: type[RequestError | CutFileError],
    ) -> Iterator[bytes]:
        """Yield the body as it arrives, without waiting for more and without decompressing it."""
        try:
            while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
                yield chunk
        except (urllib3.exceptions.HTTPError, requests.RequestException, OSError) as fault:
            error = error_type(f"{what}: {self.redactor.redact(fault_of(fault))}")
        else:
            return
        raise error

    def _unpacking(self, what: str, response: requests.Response) -> Callable[[bytes], bytes]:
        """Return a function that decompresses chunks, as an answer may be compressed unasked."""
        coding = _coding(response)
        if not coding:
            return lambda wire: wire
        if coding not in _GZIP:
            shown = self.redactor.excerpt(coding)
            raise RequestError(
                f"{what}: the answer's Content-Encoding is {shown}, which was not asked for"
            )
        unpacker = zlib.decompressobj(_GZIP_WBITS)

        def unpack(wire: bytes) -> bytes:
            try:
                return unpacker.decompress(wire, MAX_ANSWER_BYTES + 1)
            except zlib.error:
                msg = f"{what}: the answer is damaged: its gzip stream is invalid"
                raise RequestError(msg) from None

        return unpack


def _coding(response: requests.Response) -> str:
    """Return the codings that an answer names, without those that change nothing."""
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    return ", ".join(part for each in named if (part := each.strip()) not in _PLAIN)


def _refuse_part(what: str, response: requests.Response, byte_count: int) -> None:
    """Raise CutFileError if the answer has a range that is not the whole file."""
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    if match and (match[1].lstrip("0") or int(match[2]) != byte_count):
        raise CutFileError(f"{what}: it is a part of a file of {match[2]} bytes")
