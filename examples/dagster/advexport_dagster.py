"""Advertiser reports in Dagster: one asset that each morning brings whatever has not settled.

The figures of a day go on changing for weeks. So the asset that is on a schedule has no partitions:
a day that is materialized once, the morning after, would keep its first figures for ever. It has
one state, and the tap knows by it which days to export again.

Partitions are for backfills only, and use the same state under the same lock: what a backfill has
brought, the next morning goes on with, from `start_date` on. Where a backfill begins before that,
lower it in config.json too.
"""

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb

# A folder that all workers share: config.json (the tap's settings), target.json (the target's) and
# state.json. The token is not among them: TAP_ADVEXPORT_AUTH_TOKEN, or .env in that folder.
HOME = Path(os.environ.get("ADVEXPORT_HOME", "/srv/advexport"))
TARGET = os.environ.get("ADVEXPORT_TARGET", "target-duckdb")
# A DuckDB file. tap-advexport-audit takes the URL of a PostgreSQL database as well, the check
# old_days_are_settled does not: there, ask the same with a driver of your own.
WAREHOUSE = os.environ.get("ADVEXPORT_WAREHOUSE", str(HOME / "warehouse.duckdb"))
FIRST_DAY = os.environ.get("ADVEXPORT_FIRST_DAY", "2024-01-01")
# One run at a time: see dagster.yaml. The lock beside the state holds where that is not set.
POOL = "advexport"
RETRY = dg.RetryPolicy(max_retries=2, delay=int(os.environ.get("ADVEXPORT_RETRY_SECONDS", "900")))


def load(**settings: object) -> dg.MaterializeResult:
    """Run tap and target once, with these settings over those of config.json.

    The exit code says whether that went well, and nothing else does: not the log.
    """
    tap = ["tap-advexport", "--config", "config.json", "--config=ENV"]
    target = [TARGET, "--config", "target.json"]
    command = ["advexport-pipe", "--while-stdin", "--wait=600", "state.json", *tap, "--", *target]
    variables = {f"TAP_ADVEXPORT_{name.upper()}": str(value) for name, value in settings.items()}
    # Whatever ends this process, and be it SIGKILL, closes stdin: then tap and target end too.
    with subprocess.Popen(
        command, cwd=HOME, env=os.environ | variables, stdin=subprocess.PIPE
    ) as pipe:
        code = pipe.wait()
    if code:
        msg = f"exit code {code}: see the log of the step"
        raise dg.Failure(msg, metadata={"exit_code": code})
    state = json.loads((HOME / "state.json").read_text("utf-8"))
    bookmarks = {
        stream: str(bookmark["replication_key_value"])
        for stream, bookmark in state["bookmarks"].items()
    }
    return dg.MaterializeResult(metadata={"loaded until": bookmarks})


@dg.asset(pool=POOL, retry_policy=RETRY)
def advertiser_reports() -> dg.MaterializeResult:
    """All days that are new, and all those whose figures have not settled."""
    return load()


class Backfill(dg.Config):
    """What a backfill does with the days of its partitions.

    Attributes:
        again: export those too that are settled.
    """

    again: bool = False


@dg.asset(
    pool=POOL,
    retry_policy=RETRY,
    partitions_def=dg.MonthlyPartitionsDefinition(start_date=FIRST_DAY),
    # All chosen months in one run: the tap has several exports in flight by itself.
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def advertiser_reports_backfill(
    context: dg.AssetExecutionContext, config: Backfill
) -> dg.MaterializeResult:
    """Load some months of the same tables: their days that are missing or not settled."""
    start, end = context.partition_time_window
    first, last = str(start.date()), str(end.date() - timedelta(days=1))
    again = {"refresh_start_date": first, "refresh_end_date": last} if config.again else {}
    return load(start_date=first, end_date=last, **again)


@contextmanager
def between_loads() -> Iterator[None]:
    """Hold the lock of the loads: amid one, days are half written, and DuckDB takes no reader."""
    with Path(f"{os.path.realpath(HOME / 'state.json')}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dg.asset_check(asset=advertiser_reports)
def warehouse_equals_api() -> dg.AssetCheckResult:
    """Each period of the warehouse has the rows and the totals that the API said."""
    with between_loads():
        audit = subprocess.run(
            ["tap-advexport-audit", WAREHOUSE], capture_output=True, text=True, check=False
        )
    if audit.returncode not in {0, 1}:
        raise dg.Failure(audit.stderr)
    said = audit.stdout + audit.stderr
    return dg.AssetCheckResult(passed=audit.returncode == 0, metadata={"audit": said})


@dg.asset_check(asset=advertiser_reports)
def old_days_are_settled() -> dg.AssetCheckResult:
    """No day is provisional for longer than its figures move: none was left behind.

    After `lookback_days` was lowered, the days in between stay provisional: export them once again.
    """
    config = json.loads((HOME / "config.json").read_text("utf-8"))
    lookback = os.environ.get("TAP_ADVEXPORT_LOOKBACK_DAYS", config.get("lookback_days", 30))
    # Two mornings may have failed.
    limit = int(lookback) + 2
    with between_loads(), duckdb.connect(WAREHOUSE, read_only=True) as warehouse:
        late = warehouse.execute(
            """
            select period::date as period from tap_advexport.report_periods
            where report = 'daily' and not is_settled and period::date < (
                select max(period::date) - cast(? as integer) from tap_advexport.report_periods
            ) order by 1
            """,
            [limit],
        ).fetchall()
    days = [str(day) for (day,) in late]
    return dg.AssetCheckResult(passed=not days, metadata={"provisional": days})


daily_job = dg.define_asset_job("advertiser_reports_daily", [advertiser_reports])

defs = dg.Definitions(
    assets=[advertiser_reports, advertiser_reports_backfill],
    asset_checks=[warehouse_equals_api, old_days_are_settled],
    schedules=[dg.ScheduleDefinition(job=daily_job, cron_schedule="17 5 * * *")],
)
