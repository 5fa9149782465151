"""Advertiser reports in Dagster by dlt: each morning whatever has not settled, in one process.

As in ../dagster, the asset on a schedule has no partitions, since figures go on changing for weeks;
partitions are for backfills, and use the same state. It lies in the warehouse, with the rows.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import dlt
from dagster_dlt import dlt_assets

from tap_advexport.dlt import advexport, load

FIRST_DAY = os.environ.get("ADVEXPORT_FIRST_DAY", "2024-01-01")
# One run at a time: see dagster.yaml in ../dagster. The lock holds on one machine where that is
# not set.
POOL = "advexport"
RETRY = dg.RetryPolicy(max_retries=2, delay=int(os.environ.get("ADVEXPORT_RETRY_SECONDS", "900")))

pipeline = dlt.pipeline("advexport", destination="duckdb", dataset_name="ads")


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process runs the pipeline."""
    # Beside the pipeline's folder: dlt empties that, when it drops what cannot be loaded.
    folder = Path(pipeline.working_dir)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bring(**settings: str) -> dict[str, str]:
    """Load once; days that failed raise an error after all others were loaded."""
    with alone():
        return {"load": str(load(pipeline, advexport(**settings)))}


@dlt_assets(
    # It only says which assets there are, and needs no token that is one.
    dlt_source=advexport(start_date=FIRST_DAY, auth_token="none"),  # noqa: S106 - same
    dlt_pipeline=pipeline,
    name="advertiser_reports",
    pool=POOL,
)
def advertiser_reports(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
    """All days that are new, and all those whose figures have not settled."""
    metadata = bring(start_date=FIRST_DAY)
    for key in context.selected_asset_keys:
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)


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
    # All chosen months in one run: the source has several exports in flight by itself.
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def advertiser_reports_backfill(
    context: dg.AssetExecutionContext, config: Backfill
) -> dg.MaterializeResult:
    """Load some months of the same tables: their days that are missing or not settled."""
    start, end = context.partition_time_window
    first, last = str(start.date()), str(end.date() - timedelta(days=1))
    again = {"refresh_start_date": first, "refresh_end_date": last} if config.again else {}
    return dg.MaterializeResult(metadata=bring(start_date=first, end_date=last, **again))


daily_job = dg.define_asset_job(
    "advertiser_reports_daily", [advertiser_reports], op_retry_policy=RETRY
)

defs = dg.Definitions(
    assets=[advertiser_reports, advertiser_reports_backfill],
    schedules=[dg.ScheduleDefinition(job=daily_job, cron_schedule="17 5 * * *")],
)
