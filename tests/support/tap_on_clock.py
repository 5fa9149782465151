"""The command `tap-advexport`, on a clock that stands where the file of a test says."""

from __future__ import annotations

import logging
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from tap_advexport.api.log_filter import guard_logs
from tap_advexport.clock import SystemClock
from tap_advexport.command import run_to_the_end
from tap_advexport.sync.run import Machine
from tap_advexport.tap import TapAdvexport


class FileClock(SystemClock):
    """Seconds pass as they do; the moment is what the file says."""

    def now(self) -> datetime:
        return datetime.fromisoformat(Path(os.environ["ADVEXPORT_CLOCK"]).read_text("utf-8"))


def main() -> None:
    started: list[TapAdvexport] = []

    class OnClock(TapAdvexport):
        __doc__ = TapAdvexport.__doc__

        def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has them
            super().__init__(**kwargs, machine=Machine(clock=FileClock()))
            started.append(self)

    def begin() -> object:
        return OnClock.cli.main(sys.argv[1:], prog_name=OnClock.name, standalone_mode=False)

    guard_logs()
    code = run_to_the_end(begin, started)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
