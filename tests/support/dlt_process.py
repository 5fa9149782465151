"""A load in a process of its own, which a test kills where dlt tells of its progress."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dlt.common.runtime.collector_base import Collector
from dlt.destinations._adbc_jobs import AdbcParquetCopyJob
from dlt.destinations.impl.duckdb.duck import DuckDbCopyJob
from dlt.destinations.job_client_impl import SqlLoadJob

from tap_advexport.dlt import FailedDaysError, load
from tests.support.accounts import Wall
from tests.support.dlt_pipelines import Place, source_on

if TYPE_CHECKING:
    from collections.abc import Callable

COPY: Final = "Copy"
MERGE: Final = "Merge"


class Killer(Collector):
    """Kills the process at the n-th sign of progress of a step."""

    def __init__(self, step: str, nth: int) -> None:
        super().__init__()
        self._kill_step, self._left = step, nth

    def update(self, *args: object, **kwargs: object) -> None:
        del args, kwargs
        if self.step and self.step.startswith(self._kill_step):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def _start(self, step: str) -> None:
        pass

    def _stop(self) -> None:
        pass


def kill_after(*kinds: Any) -> None:  # noqa: ANN401 - jobs of dlt's
    """Kill the process when such a job has stored rows of a report, before dlt notes that."""
    for kind in kinds:
        kind.run = _killed_after(kind.run)  # no sign of progress comes then


def _killed_after(run: Callable[[Any], None]) -> Callable[[Any], None]:
    def run_and_die(job: Any) -> None:  # noqa: ANN401 - one of dlt's
        run(job)
        if job.load_table_name == "report_daily":
            os.kill(os.getpid(), signal.SIGKILL)

    return run_and_die


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    place = Place(Path(given["folder"]), given["url"], given["dataset"])
    pipeline = place.pipeline(machine=given["machine"])
    pipeline.collector = Killer(given["step"], given["nth"])
    if given["step"] == COPY:
        kill_after(AdbcParquetCopyJob, DuckDbCopyJob)
    if given["step"] == MERGE:
        kill_after(SqlLoadJob)
    source = source_on(Wall(datetime.fromisoformat(given["now"])), **given["options"])
    with suppress(FailedDaysError):
        load(pipeline, source)


if __name__ == "__main__":
    main()
