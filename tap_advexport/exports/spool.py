"""Files for what is on its way: nameless from the start, so that not even kill -9 leaves one."""

from __future__ import annotations

import errno
import tempfile
from typing import BinaryIO, cast

from tap_advexport.errors import OutputError


def open_spool() -> BinaryIO:
    """A new empty file in the temporary folder (TMPDIR), unlinked, and ours alone to read.

    Raises:
        OutputError: no file can be made there.
    """
    try:
        return cast("BinaryIO", tempfile.TemporaryFile(prefix="tap-advexport-"))
    except OSError as error:
        raise spool_error(error) from None


def without_buffer(spool: BinaryIO) -> BinaryIO:
    """Give the same open file without a buffer, which must stay open itself.

    The position of a file is shared by all processes that have it, and a buffer would not know that
    another one moved it: to seek to the first byte would then go there in the buffer alone.
    """
    return cast("BinaryIO", open(spool.fileno(), "r+b", buffering=0, closefd=False))


def spool_error(error: OSError) -> OutputError:
    """The one line about a spool that cannot be written."""
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
