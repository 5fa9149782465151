"""The process that converts one file: `python -m tap_advexport.records.worker ORDER`.

It reads the file from stdin and writes the rows to stdout. ORDER, the parameters, is JSON. So is
the last line of stderr, which holds the result or the fault. The process imports only the core and
the standard library, because every large file pays for its start.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from tap_advexport.errors import TapAdvexportError
from tap_advexport.records.convert import Conversion, Converted, SpoolFormat, convert
from tap_advexport.reports import Interval

# The exit code when stderr holds a fault. Python itself exits with 1, 2 or 120.
FAULT_CODE: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a conversion failed.

    Attributes:
        kind: the name of the error's class; empty for a bug.
        text: the error's message; for a bug, the traceback.
        errno: the error number of an OSError.
        advice: what the user can do; may be empty.
    """

    kind: str
    text: str
    errno: int | None = None
    advice: str = ""


def main() -> None:
    """Convert stdin to stdout. Exit when the parent is gone, and ignore signals meant for it."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    # Rows form no reference cycles, and the search for cycles takes a tenth of the time.
    gc.disable()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Totals may have more digits than Python converts to text by default.
    sys.set_int_max_str_digits(0)
    answer = _answer(_order(sys.argv[1]))
    # `default=str` is for dates.
    sys.stderr.write(json.dumps(asdict(answer), default=str))
    sys.exit(FAULT_CODE if isinstance(answer, Fault) else 0)


def _order(text: str) -> Conversion:
    order = json.loads(text)
    return Conversion(
        interval=Interval(order["interval"]),
        first=date.fromisoformat(order["first"]),
        last=date.fromisoformat(order["last"]),
        timezone=order["timezone"],
        columns=tuple(order["columns"]),
        is_end_proven=order["is_end_proven"],
        spool_format=SpoolFormat(order["spool_format"]),
    )


def _end_with_parent() -> None:
    """Exit as soon as stderr has no reader any more, as when the parent was killed."""
    poll = select.poll()
    poll.register(sys.stderr, 0)
    poll.poll()
    os._exit(1)


def _answer(order: Conversion) -> Converted | Fault:
    try:
        with open(0, "rb", buffering=0) as source, open(1, "w+b", buffering=0) as lines:
            return convert(source, lines, order)
    except TapAdvexportError as error:
        return Fault(type(error).__name__, str(error), advice=getattr(error, "advice", ""))
    except OSError as error:
        return Fault(OSError.__name__, error.strerror or type(error).__name__, error.errno)
    except Exception:  # noqa: BLE001 - a bug, raised where there is a log
        import traceback  # noqa: PLC0415 - no other process needs it

        return Fault("", traceback.format_exc())


if __name__ == "__main__":
    main()
