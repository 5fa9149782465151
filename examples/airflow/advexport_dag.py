"""Advertiser reports in Airflow: what is new each morning, and a backfill of months side by side.

`advexport` is one state and therefore one run at a time: `max_active_runs=1`. It exports all that
is new or not settled, whatever day its run is for, so `catchup=False`.

`advexport_backfill` is one run for each month, each with a state of its own; as many run at once as
the pool allows (`airflow pools set advexport 4 ""`). Start it with
`airflow backfill create --dag-id advexport_backfill --from-date 2022-01-01 --to-date 2023-12-31`.
"""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import dag, get_current_context, task

# A folder that all workers share: config.json (the tap's), target.json (the target's), and the
# states.
HOME = Path(os.environ.get("ADVEXPORT_HOME", "/srv/advexport"))
TARGET = os.environ.get("ADVEXPORT_TARGET", "target-jsonl")
POOL = os.environ.get("ADVEXPORT_POOL", "default_pool")
DEFAULTS = {"retries": 2, "retry_delay": timedelta(minutes=15), "pool": POOL}


def load(name: str, **days: str) -> str:
    """Run the tap into the target with the state of this name; gives the tap's summary."""
    place = HOME / "states" / name
    place.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = json.loads((HOME / "config.json").read_text("utf-8"))
    (place / "config.json").write_text(json.dumps({**config, **days}), "utf-8")
    state = place / "state.json"
    arguments = ["--config=ENV", "--config", str(place / "config.json")]
    if state.exists():
        arguments += ["--state", str(state)]
    with (place / "states.jsonl").open("wb") as states, (place / "log").open("wb") as log:
        tap = subprocess.Popen(["tap-advexport", *arguments], stdout=subprocess.PIPE, stderr=log)
        target = subprocess.Popen(
            [TARGET, "--config", str(HOME / "target.json")],
            stdin=tap.stdout,
            stdout=states,
            stderr=log,
        )
        assert tap.stdout  # noqa: S101 - for the type
        tap.stdout.close()
        codes = {"tap": tap.wait(), "target": target.wait()}
    # What the target has acknowledged counts, also when the run failed.
    lines = (place / "states.jsonl").read_text("utf-8").splitlines()
    if lines:
        new = place / "state.json.new"
        new.write_text(json.dumps(json.loads(lines[-1])), "utf-8")
        new.replace(state)
    text = (place / "log").read_text("utf-8")
    print(text)
    if any(codes.values()):
        msg = f"exit codes {codes}"
        raise RuntimeError(msg)
    return next(line for line in reversed(text.splitlines()) if "Summary: " in line)


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

    @task
    def load_what_is_new() -> str:
        return load("all")

    load_what_is_new()


@dag(
    schedule="@monthly",
    start_date=datetime(2022, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=16,
    default_args=DEFAULTS,
    tags=["advexport"],
)
def advexport_backfill() -> None:
    """One month, with a state of its own."""

    @task
    def load_month() -> str:
        moment = get_current_context()["logical_date"]
        first = moment.date().replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return load(f"{first:%Y-%m}", start_date=str(first), end_date=str(last))

    load_month()


advexport()
advexport_backfill()
