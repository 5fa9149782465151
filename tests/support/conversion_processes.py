"""Files for conversion processes, and processes that do something else before."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from tap_advexport.records.pool import CHILD_COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextmanager
def spool(content: bytes = b"") -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        yield cast("BinaryIO", file)


def started_by_shell(script: str) -> Sequence[str]:
    """A command that does something before, or in place of, a conversion process."""
    return ("sh", "-c", f'{script}; exec "$@"', "sh", *CHILD_COMMAND)
