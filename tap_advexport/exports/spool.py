"""Temporary files without a name from the start, so that not even kill -9 leaves one behind."""

from __future__ import annotations

import errno
import tempfile
from typing import BinaryIO, cast

from tap_advexport.errors import OutputError


def open_spool() -> BinaryIO:
    """Open a new empty file in the temporary folder (TMPDIR), unlinked and readable only by us.

    Raises:
        OutputError: no file can be created there.
    """
    try:
        return cast("BinaryIO", tempfile.TemporaryFile(prefix="tap-advexport-"))
    except OSError as error:
        raise spool_error(error) from None


def without_buffer(spool: BinaryIO) -> BinaryIO:
    """Return the same open file without a buffer; `spool` itself must stay open.

    All processes that have a file open share its position, and a buffer does not notice when
    another process moves it. A seek to the first byte would then only move within the buffer.
    """
    return cast("BinaryIO", open(spool.fileno(), "r+b", buffering=0, closefd=False))


def spool_error(error: OSError) -> OutputError:
    """Return the error, in one line, for a spool that cannot be written."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return OutputError(
            f"spool: {error.strerror}; allow for more (ulimit -n), or lower max_concurrent_exports"
        )
    try:
        folder = tempfile.gettempdir()
    except OSError:
        folder = "no usable temporary folder"
    reason = error.strerror or type(error).__name__
    return OutputError(f"spool in {folder}: {reason}; make room there, or set TMPDIR to another")
