"""Advertiser reports in Airflow: whatever has not settled each morning, and backfills on demand.

Both DAGs use one state, under one lock, and therefore run one at a time. `advexport` exports all
that is new or not settled, whatever day its run is for, so `catchup=False`. The figures of a day go
on changing for weeks: a run for each day that brings that day alone would keep its first figures
for ever.

`advexport_backfill` is triggered by hand, with the days to have:
`airflow dags trigger advexport_backfill --conf '{"first": "2022-01-01", "last": "2023-12-31"}'`.
It brings those that are missing or not settled, through the end of the month of `last`. With
`"again": true` it brings settled days from `first` to `last` too, if `last` is over. The mornings
go on with what has not settled from `start_date` on: where a backfill begins before that, lower it
in config.json too.
"""

import os
import subprocess
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from airflow.sdk import BaseOperator, Context, Param, dag

# A folder that all workers share: config.json (the tap's settings), target.json (the target's) and
# state.json. The token is not among them: TAP_ADVEXPORT_AUTH_TOKEN, or .env in that folder.
HOME = Path(os.environ.get("ADVEXPORT_HOME", "/srv/advexport"))
TARGET = os.environ.get("ADVEXPORT_TARGET", "target-jsonl")
# A pool of one slot (`airflow pools set advexport 1 ""`) has the two DAGs wait for each other
# without a worker; the lock beside the state holds in any case.
POOL = os.environ.get("ADVEXPORT_POOL", "default_pool")


class Load(BaseOperator):
    """Run tap and target once.

    Args:
        settings: of the tap, over those of config.json; templates are filled in, and what is empty
            then is not set.
    """

    template_fields = ("settings",)

    def __init__(self, *, settings: dict[str, str] | None = None, **options: object) -> None:
        super().__init__(**options)
        self.settings = settings or {}
        self.pipe: subprocess.Popen[bytes] | None = None

    def execute(self, context: Context) -> None:
        """Load; the exit code says whether that went well, and nothing else does: not the log."""
        del context
        tap = ["tap-advexport", "--config", "config.json", "--config=ENV"]
        target = [TARGET, "--config", "target.json"]
        options = ["--while-stdin", "--wait=600"]
        command = ["advexport-pipe", *options, "state.json", *tap, "--", *target]
        settings = {name: text for name, text in self.settings.items() if text}
        if "end_date" in settings:
            # A month of report_monthly that is cut off would be loaded as a part of it.
            last = date.fromisoformat(settings["end_date"])
            settings["end_date"] = str(last.replace(day=monthrange(last.year, last.month)[1]))
        given = {f"TAP_ADVEXPORT_{name.upper()}": text for name, text in settings.items()}
        # Whatever ends this process, and be it SIGKILL, closes stdin: then tap and target end too.
        with subprocess.Popen(
            command, cwd=HOME, env=os.environ | given, stdin=subprocess.PIPE
        ) as self.pipe:
            code = self.pipe.wait()
        if code:
            msg = f"exit code {code}: see the log above"
            raise RuntimeError(msg)

    def on_kill(self) -> None:
        """End tap and target in order; 5 seconds later, Airflow kills the task."""
        if self.pipe:
            self.pipe.terminate()


PAUSE = timedelta(seconds=int(os.environ.get("ADVEXPORT_RETRY_SECONDS", "900")))
DEFAULTS = {"retries": 2, "retry_delay": PAUSE, "pool": POOL}


@dag(
    schedule="17 5 * * *",
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    tags=["advexport"],
)
def advexport() -> None:
    """Each morning: the days that are new, and those that have not settled."""
    Load(task_id="load")


@dag(
    schedule=None,
    max_active_runs=1,
    default_args=DEFAULTS,
    params={
        "first": Param(type="string", format="date"),
        "last": Param(type="string", format="date"),
        "again": Param(default=False, type="boolean", description="Export settled days too."),
    },
    tags=["advexport"],
)
def advexport_backfill() -> None:
    """Load some days, by hand."""
    first, last = "{{ params.first }}", "{{ params.last }}"
    Load(
        task_id="load",
        settings={
            "start_date": first,
            "end_date": last,
            "refresh_start_date": f"{{% if params.again %}}{first}{{% endif %}}",
            "refresh_end_date": f"{{% if params.again %}}{last}{{% endif %}}",
        },
    )


advexport()
advexport_backfill()
