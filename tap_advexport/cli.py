"""The entry point of `tap-advexport`: safe from the first moment on, whatever comes in."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def main(args: Sequence[str] | None = None) -> None:
    """Run the tap's command and exit.

    Exit codes: 0 every wanted day is covered; 1 an error, or days that failed; 130 and 143 after
    SIGINT and SIGTERM.
    """
    _open_standard_descriptors()
    for signum in (signal.SIGINT, signal.SIGTERM):
        # Ignored from the start on, as by a shell for what it runs in the background: it stays so.
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _end_at_once)
    # The SDK takes half a second to import; until then a signal just ends the process. Nothing of
    # what is imported is garbage, so that looking for some takes time for nothing.
    gc.disable()
    from tap_advexport.command import run_command  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    code = run_command(sys.argv[1:] if args is None else list(args))
    logging.shutdown()
    # Closed, gone or never there: whoever is not there to read needs no answer.
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    # Requests that are under way in threads are not waited for, and the interpreter's own end
    # might: there is nothing left to write.
    os._exit(code)


def _end_at_once(signum: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + signum)


def _open_standard_descriptors() -> None:
    """Put something where one of the three is closed, lest a spool file gets its number.

    What is written to a stdout that was closed fails all the same.
    """
    for descriptor, mode in ((0, os.O_RDWR), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)
