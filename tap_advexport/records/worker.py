"""The process that converts files: one after the other, until its parent closes the line.

`python -m tap_advexport.records.worker`, with a Unix socket as its stdin. It imports the core
only, so that it starts in a tenth of a second, and it never outlives its parent.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import traceback
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tap_advexport.errors import TapAdvexportError
from tap_advexport.records.convert import convert
from tap_advexport.records.parcels import Fault, Order, Reply, receive, send

if TYPE_CHECKING:
    from typing import BinaryIO


def main() -> None:
    """Convert what is asked for. Ends with the parent, and not by signals meant for that."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    line = socket.socket(fileno=os.dup(0))
    orders: SimpleQueue[tuple[Order, BinaryIO, BinaryIO]] = SimpleQueue()
    threading.Thread(target=_read_orders, args=(line, orders), daemon=True).start()
    while True:
        order, source, lines = orders.get()
        with source:
            reply = _reply(order, source, lines)
        try:
            send(line, reply)
        except OSError:
            os._exit(0)


def _read_orders(
    line: socket.socket, orders: SimpleQueue[tuple[Order, BinaryIO, BinaryIO]]
) -> None:
    """Take orders also while one is under way: so the parent's death is seen at once."""
    try:
        while (found := receive(line)) is not None:
            order, descriptors = found
            source, lines = descriptors
            orders.put((order, os.fdopen(source, "rb"), os.fdopen(lines, "w+b")))
    finally:
        os._exit(0)


def _reply(order: Order, source: BinaryIO, lines: BinaryIO) -> Reply:
    try:
        with lines:
            converted = convert(source, lines, order)
            lines.flush()
    except TapAdvexportError as error:
        return Fault(type(error).__name__, str(error))
    except OSError as error:
        return Fault(OSError.__name__, error.strerror or type(error).__name__, error.errno)
    except Exception:  # noqa: BLE001 - a bug, raised where there is a log
        return Fault("", traceback.format_exc())
    return converted


if __name__ == "__main__":
    main()
