"""Ways to bring rows into files and into PostgreSQL, tap and target together."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.api import api, save
from benchmarks.contenders import TAP
from benchmarks.processes import measure
from benchmarks.truth import WrongOutputError, sums_of_api
from tests.support.warehouses import RUN_SQL, dbt_environment, environment, postgres, run
from tests.unit.singer.test_batch import TARGET_POSTGRES

FILE_ROWS = 50_000
TARGET_ROWS = 5_000
JSONL = {"format": "jsonl", "compression": "gzip"}
PARQUET = {"format": "parquet"}


@dataclass(frozen=True, slots=True)
class Way:
    """One way, and how fast it was."""

    name: str
    rows: int
    seconds: float


def measure_batches() -> list[Way]:
    """Each way once: the tap alone, then with target-postgres."""
    return [*_files(), *_targets()]


def _files() -> list[Way]:
    ways = (("RECORD lines", None), ("gzip JSONL files", JSONL), ("Parquet files", PARQUET))
    with api(FILE_ROWS) as config:
        rows = sums_of_api(config).rows
        found = []
        for name, encoding in ways:
            print(f"  batches: {name}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                path = save(Path(folder), _with_batches(config, encoding, folder))
                done = measure(TAP.command(path), log=Path(folder) / "log")
                found.append(Way(f"tap, {name}", rows, done.seconds))
    return found


def _with_batches(
    config: dict[str, Any], encoding: dict[str, str] | None, folder: str
) -> dict[str, Any]:
    if encoding is None:
        return config
    storage = {"root": (Path(folder) / "files").as_uri()}
    batch = {"encoding": encoding, "storage": storage, "batch_size": 100_000}
    return {**config, "batch_config": batch}


def _targets() -> list[Way]:
    target = environment("target-postgres", TARGET_POSTGRES) / "target-postgres"
    with api(TARGET_ROWS) as config:
        truth = sums_of_api(config)
        return [
            _load(f"tap and target-postgres, {name}", target, config, encoding, truth.rows)
            for name, encoding in (("RECORD lines", None), ("gzip JSONL files", JSONL))
        ]


def _load(
    name: str, target: Path, config: dict[str, Any], encoding: dict[str, str] | None, rows: int
) -> Way:
    print(f"  batches: {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder, postgres() as url:
        path = save(Path(folder), _with_batches(config, encoding, folder))
        target_config = Path(folder) / "target.json"
        target_config.write_text(
            json.dumps({"sqlalchemy_url": url, "default_target_schema": "ads"})
        )
        began = time.perf_counter()
        with subprocess.Popen(
            TAP.command(path), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as tap:
            subprocess.run(
                [str(target), "--config", str(target_config)],
                stdin=tap.stdout,
                capture_output=True,
                check=True,
            )
        seconds = time.perf_counter() - began
        count = [url, ["select count(*) from ads.report_daily"]]
        python = str(dbt_environment() / "python")
        [[loaded]] = json.loads(run([python, "-c", RUN_SQL], text=json.dumps(count)).stdout)
        if loaded != rows:
            raise WrongOutputError(f"{name}: {loaded} rows in PostgreSQL of {rows}")
        return Way(name, rows, seconds)
