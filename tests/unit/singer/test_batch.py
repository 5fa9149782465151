"""BATCH files: Parquet digit for digit, S3, faults of the storage, and a target that loads them."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import fsspec
import pyarrow.parquet as pq
import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from tap_advexport.errors import ConfigError
from tap_advexport.singer.batch import check_batch_settings
from tests.support.api_rows import emitted
from tests.support.tap_process import SandboxTap, Told, tap_on
from tests.support.warehouses import RUN_SQL, dbt_environment, environment, postgres, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


PARQUET = {"format": "parquet"}
JSONL = {"format": "jsonl", "compression": "gzip"}
NASTY_COSTS = ["0", "-0.0", "12.50", "1234567890123456.1234567890123456789012", "1.5e-7", "-9E+15"]
NASTY_RATES = ["", "0.0033333333333333335", "1e-30", "12345678.5", "0.1", "100"]
TARGET_POSTGRES = "meltanolabs-target-postgres==0.8.1\n"


@pytest.fixture
def sandbox_config() -> SandboxConfig:
    return SandboxConfig(rows_per_day=12, repeat_share=0.1, seed=7)


@pytest.fixture
def command(tmp_path: Path, sandbox: Sandbox) -> SandboxTap:
    return tap_on(sandbox, tmp_path)


def manifest(result: Told) -> list[str]:
    assert result.code == 0, result.log
    return [
        url
        for message in result.messages
        if message["type"] == "BATCH"
        for url in message["manifest"]
    ]


def batches(
    command: SandboxTap, root: str, encoding: Mapping[str, str | None], **more: object
) -> tuple[Told, list[str]]:
    config = {"encoding": encoding, "storage": {"root": root, **more}, "batch_size": 50}
    result = command.run(batch_config=config)
    return result, manifest(result)


def comparable(record: dict[str, Any]) -> tuple[Any, ...]:
    """A row of Parquet as a record of JSON holds it."""
    return emitted({**record, "time": record["time"].isoformat()})


# --- Parquet -----------------------------------------------------------------------------------


def test_parquet_has_the_rows_of_the_run_without_batches(
    command: SandboxTap, tmp_path: Path
) -> None:
    _, urls = batches(command, (tmp_path / "files").as_uri(), PARQUET)
    tables = [pq.read_table(url.removeprefix("file://")) for url in urls]
    assert all(0 < len(table) <= 50 for table in tables)
    found = sorted(comparable(record) for table in tables for record in table.to_pylist())
    assert found == sorted(map(emitted, command.run().records("report_daily")))


def test_a_prefix_stands_in_the_names_of_files_as_it_is(
    command: SandboxTap, tmp_path: Path
) -> None:
    _, urls = batches(command, (tmp_path / "files").as_uri(), JSONL, prefix="load-{date}-")
    names = [url.rpartition("/")[2] for url in urls]
    assert names
    assert all(name.startswith("load-{date}-report_daily-") for name in names)


def test_what_is_null_in_the_settings_is_as_if_left_out(
    command: SandboxTap, tmp_path: Path
) -> None:
    encoding = {"format": "jsonl", "compression": None}
    _, urls = batches(command, (tmp_path / "files").as_uri(), encoding, prefix=None, params=None)
    assert urls


def test_duckdb_reads_parquet_digit_for_digit(command: SandboxTap, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    batches(command, folder.as_uri(), PARQUET)
    columns = "row_key, cast(cost_aggr as varchar), cast(cr as varchar), clicks_aggr"
    select = f"from read_parquet('{folder}/*.parquet') select {columns} order by row_key"
    python = dbt_environment() / "python"
    done = run([str(python), "-c", RUN_SQL], text=json.dumps([":memory:", [select]]))
    found = [
        (key, Decimal(cost), Decimal(rate) if rate is not None else None, clicks)
        for key, cost, rate, clicks in json.loads(done.stdout)
    ]
    records = command.run().records("report_daily")
    assert found == sorted(
        (each["row_key"], Decimal(each["cost_aggr"]), each["cr"], each["clicks_aggr"])
        for each in records
    )


# --- Storages ----------------------------------------------------------------------------------

S3_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def s3() -> Iterator[dict[str, Any]]:
    """A server that speaks S3; gives the parameters to reach it."""
    with subprocess.Popen(
        [sys.executable, "-c", S3_SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        yield {"endpoint_url": f"http://127.0.0.1:{port}", "key": "k", "secret": "very-secret"}
        server.kill()


def test_batches_go_to_s3_and_its_faults_are_one_line(command: SandboxTap) -> None:
    expected = sorted(map(emitted, command.run().records("report_daily")))
    with s3() as params:
        storage = fsspec.filesystem("s3", **params)
        storage.mkdir("reports")
        _, urls = batches(command, "s3://reports/daily", JSONL, params=params)
        assert all(url.startswith("s3://reports/daily/report_daily-") for url in urls)
        lines = [line for url in urls for line in gzip.decompress(storage.cat(url)).splitlines()]
        records = [json.loads(line, parse_float=Decimal) for line in lines]
        assert sorted(map(emitted, records)) == expected

        _, urls = batches(command, "s3://reports/parquet", PARQUET, params=params)
        tables = [pq.read_table(io.BytesIO(storage.cat(url))) for url in urls]
        found = sorted(comparable(record) for table in tables for record in table.to_pylist())
        assert found == expected

        broken = {**params, "config_kwargs": {"retries": {"max_attempts": 0}}}
        broken["endpoint_url"] = "http://127.0.0.1:9"
        assert_one_line(command, "s3://reports/x", broken, "cannot be written to the storage")


def assert_one_line(command: SandboxTap, root: str, params: dict[str, Any], words: str) -> None:
    storage = {"root": root, "params": params}
    result = command.run(batch_config={"encoding": JSONL, "storage": storage})
    assert result.code == 1
    assert "Traceback" not in result.log
    assert "very-secret" not in result.log
    [line] = [line for line in result.log.splitlines() if "ERROR" in line]
    assert words in line
    assert not any(message["type"] == "BATCH" for message in result.messages)


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("file:///proc/nowhere", "cannot be written to the storage"),
        ("nosuchprotocol://x/y", "batch_config: "),
    ],
)
def test_a_storage_that_cannot_be_written_is_one_line(
    command: SandboxTap, root: str, words: str
) -> None:
    assert_one_line(command, root, {}, words)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ({"format": "csv"}, "format: must be one of jsonl, parquet (got 'csv')"),
        (
            {"format": "parquet", "compression": "lzo"},
            "compression: of parquet must be one of none, gzip",
        ),
        ({"format": "jsonl", "compression": "snappy"}, "compression: of jsonl must be one of none"),
    ],
    ids=["csv", "lzo", "snappy"],
)
def test_what_cannot_be_written_is_refused(encoding: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_batch_settings({"encoding": encoding, "storage": {"root": "file:///tmp"}})
    assert f"batch_config.encoding.{words}" in str(caught.value)


# --- A target ----------------------------------------------------------------------------------


def test_target_postgres_loads_the_batches_row_for_row(command: SandboxTap, tmp_path: Path) -> None:
    target = environment("target-postgres", TARGET_POSTGRES) / "target-postgres"
    records = command.run().records("report_daily")
    folder = tmp_path / "files"
    arguments = command.arguments(
        batch_config={"encoding": JSONL, "storage": {"root": folder.as_uri()}, "batch_size": 50}
    )
    with postgres() as url:
        config = command.save("target", {"sqlalchemy_url": url, "default_target_schema": "ads"})
        messages = subprocess.run(arguments, capture_output=True, check=True).stdout
        assert b'"type":"BATCH"' in messages
        environ = {name: text for name, text in os.environ.items() if "TARGET_" not in name}
        subprocess.run(
            [str(target), "--config", config],
            input=messages,
            capture_output=True,
            check=True,
            env=environ,
        )
        python = dbt_environment() / "python"
        rows = "select row_key, time, campaign, clicks_aggr, cast(cost_aggr as text) from"
        statements = [f'{rows} ads.report_daily order by row_key collate "C"']
        done = run([str(python), "-c", RUN_SQL], text=json.dumps([url, statements]))
        loaded = [
            (key, time[:10], campaign, clicks, Decimal(cost))
            for key, time, campaign, clicks, cost in json.loads(done.stdout)
        ]
        counted = ["select sum(row_count), sum(clicks_aggr) from ads.report_periods"]
        sums = json.loads(run([str(python), "-c", RUN_SQL], text=json.dumps([url, counted])).stdout)
    assert loaded == sorted(
        (
            each["row_key"],
            each["time"][:10],
            each["campaign"],
            each["clicks_aggr"],
            Decimal(each["cost_aggr"]),
        )
        for each in records
    )
    assert [int(float(each)) for each in sums[0]] == [
        len(records),
        sum(each["clicks_aggr"] or 0 for each in records),
    ]
