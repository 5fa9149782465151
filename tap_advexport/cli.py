"""The entry point of `tap-advexport`: handles signals and closed descriptors from the start."""

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

    Exit codes: 0 if every wanted day is covered, 1 after an error or failed days, 130 after SIGINT
    and 143 after SIGTERM.
    """
    _open_standard_descriptors()
    for signum in (signal.SIGINT, signal.SIGTERM):
        # A signal that was ignored at the start stays so: shells do this for background jobs.
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _end_at_once)
    # Importing the SDK takes half a second; until then a signal just ends the process. Imports
    # leave no garbage, so the collector would only cost time.
    gc.disable()
    from tap_advexport.command import run_command  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    code = run_command(sys.argv[1:] if args is None else list(args))
    logging.shutdown()
    # A stream may be closed or have lost its reader; then nobody is there to read an error.
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    # A normal exit might wait for requests that still run in threads. Nothing is left to write.
    os._exit(code)


def _end_at_once(signum: int, frame: FrameType | None) -> None:
    del frame
    with suppress(OSError):
        os.write(2, f"Interrupted by {signal.Signals(signum).name} before the run began\n".encode())
    os._exit(128 + signum)


def _open_standard_descriptors() -> None:
    """Open the null device on each closed standard descriptor, so that no spool file gets it.

    Stdout is opened for reading only, so writing to a closed stdout still fails.
    """
    for descriptor, mode in ((0, os.O_RDWR), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)
