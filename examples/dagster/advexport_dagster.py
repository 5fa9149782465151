"""Advertiser reports in Dagster: partitions of days and of months, one run of tap and target each.

Each partition has a state of its own, so any number of them can be materialized at once, on as many
workers as you like. Materializing a partition again exports what of it is not settled yet, and
nothing when all of it is.
"""

import calendar
import json
import os
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

FIRST_DAY = os.environ.get("ADVEXPORT_FIRST_DAY", "2024-01-01")
# Limit how many exports are demanded at once over all workers: in dagster.yaml, or
# `dagster instance concurrency set advexport 4`.
POOL = "advexport"

daily = dg.DailyPartitionsDefinition(start_date=FIRST_DAY)
monthly = dg.MonthlyPartitionsDefinition(start_date=FIRST_DAY)


class Pipe(dg.ConfigurableResource):
    """The tap piped into a target.

    Attributes:
        tap_config: settings of the tap; the token is better left to TAP_ADVEXPORT_AUTH_TOKEN.
        target: the target's program.
        target_config: its settings; `{partition}` in a text stands for the partition's name.
        folder: where the states of the partitions lie: one that all workers share.
    """

    tap_config: dict[str, Any]
    target: str
    target_config: dict[str, Any]
    folder: str

    def run(self, stream: str, partition: str, first: date, last: date) -> dict[str, Any]:
        """Bring some days of a stream; gives what the tap's summary says.

        Raises:
            dg.Failure: the tap or the target failed. What the target acknowledged is kept.
        """
        place = Path(self.folder) / stream / partition
        place.mkdir(parents=True, exist_ok=True)
        config = {**self.tap_config, "start_date": str(first), "end_date": str(last)}
        arguments = [
            *("--config=ENV", "--config", _save(place / "config.json", config)),
            *("--catalog", self._catalog(place, stream)),
        ]
        state = place / "state.json"
        if state.exists():
            arguments += ["--state", str(state)]
        target_config = _filled(self.target_config, partition)
        with (place / "states.jsonl").open("wb") as states, (place / "log").open("wb") as log:
            tap = subprocess.Popen(
                ["tap-advexport", *arguments], stdout=subprocess.PIPE, stderr=log
            )
            target = subprocess.Popen(
                [self.target, "--config", _save(place / "target.json", target_config)],
                stdin=tap.stdout,
                stdout=states,
                stderr=log,
            )
            # So that the tap notices when the target has gone.
            tap.stdout.close()
            codes = {"tap": tap.wait(), "target": target.wait()}
        lines = (place / "states.jsonl").read_text("utf-8").splitlines()
        if lines:
            new = place / "state.json.new"
            new.write_text(json.dumps(json.loads(lines[-1])), "utf-8")
            new.replace(state)
        text = (place / "log").read_text("utf-8")
        if any(codes.values()):
            raise dg.Failure(f"exit codes {codes}", metadata={"log": dg.MetadataValue.text(text)})
        summary = next(line for line in reversed(text.splitlines()) if "Summary: " in line)
        return {"summary": summary.partition("Summary: ")[2], "log": str(place / "log")}

    def _catalog(self, place: Path, stream: str) -> str:
        """A catalog that selects one report and `report_periods`."""
        found = subprocess.run(["tap-advexport", "--discover"], check=True, capture_output=True)
        catalog = json.loads(found.stdout)
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                if not metadata["breadcrumb"]:
                    wanted = entry["tap_stream_id"] in {stream, "report_periods"}
                    metadata["metadata"]["selected"] = wanted
        return _save(place / "catalog.json", catalog)


@dg.asset(partitions_def=daily, pool=POOL)
def report_daily(context: dg.AssetExecutionContext, pipe: Pipe) -> dg.MaterializeResult:
    """One day of the daily report."""
    day = date.fromisoformat(context.partition_key)
    return dg.MaterializeResult(metadata=pipe.run("report_daily", str(day), day, day))


@dg.asset(partitions_def=monthly, pool=POOL)
def report_daily_by_month(context: dg.AssetExecutionContext, pipe: Pipe) -> dg.MaterializeResult:
    """The days of one month of the daily report: for backfills of years, a month at a time."""
    first, last = _month(context.partition_key)
    metadata = pipe.run("report_daily", f"{first:%Y-%m}", first, last)
    return dg.MaterializeResult(metadata=metadata)


@dg.asset(partitions_def=monthly, pool=POOL)
def report_monthly(context: dg.AssetExecutionContext, pipe: Pipe) -> dg.MaterializeResult:
    """One month of the monthly report."""
    first, last = _month(context.partition_key)
    metadata = pipe.run("report_monthly", f"{first:%Y-%m}", first, last)
    return dg.MaterializeResult(metadata=metadata)


def _month(partition_key: str) -> tuple[date, date]:
    first = date.fromisoformat(partition_key)
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _filled(config: Mapping[str, Any], partition: str) -> dict[str, Any]:
    return {
        name: value.format(partition=partition) if isinstance(value, str) else value
        for name, value in config.items()
    }


def _save(path: Path, value: object) -> str:
    path.write_text(json.dumps(value), "utf-8")
    return str(path)


defs = dg.Definitions(
    assets=[report_daily, report_daily_by_month, report_monthly],
    # Days that are new, each morning; days that have not settled are materialized again with them.
    schedules=[
        dg.build_schedule_from_partitioned_job(
            dg.define_asset_job("each_day", [report_daily]), hour_of_day=5
        )
    ],
    resources={
        "pipe": Pipe(
            tap_config={},
            target=os.environ.get("ADVEXPORT_TARGET", "target-jsonl"),
            target_config=json.loads(
                os.environ.get("ADVEXPORT_TARGET_CONFIG", '{"destination_path": "output"}')
            ),
            folder=os.environ.get("ADVEXPORT_STATES", "states"),
        )
    },
)
