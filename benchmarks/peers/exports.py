"""The API as the peers use it: one export after the other, looked at every quarter of a second."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_SECONDS = 0.25
HEADER_TIMEOUT_SECONDS = 60

TEXTS = (
    "aff_sub_id",
    "campaign",
    "country",
    "creative_id",
    "app_id",
    "name_os",
    "version_os",
    "lang",
)
INTEGERS = ("campaign_id", "publisher_id", "clicks_aggr", "conversions_aggr")
NUMBERS = ("cost_aggr", "cr")


def read_config(path: str) -> dict[str, Any]:
    """Read the same settings that the tap takes."""
    config: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
    return config


def days(config: dict[str, Any]) -> Iterator[str]:
    """Every day, each of which is one export."""
    day, last = (date.fromisoformat(config[name]) for name in ("start_date", "end_date"))
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)


def files(config: dict[str, Any]) -> Iterator[str]:
    """Each export's file as one text."""
    session = requests.Session()
    session.headers["Authorization"] = f"Token {config['auth_token']}"
    for day in days(config):
        body = {"start_date": day, "stop_date": day, "sorting": "time", "interval": "daily"}
        task_id = _get_json(session.post(config["api_url"], json=body))["task_id"]
        yield _download(_finished(session, config["api_url"] + task_id))


def _finished(session: requests.Session, url: str) -> str:
    while True:
        time.sleep(LOOK_SECONDS)
        answer = _get_json(session.get(url))
        if answer["state"] == "SUCCESS":
            return str(answer["result"])


def _download(url: str) -> str:
    response = requests.get(url, timeout=HEADER_TIMEOUT_SECONDS)
    response.raise_for_status()
    return response.content.decode()


def _get_json(response: requests.Response) -> dict[str, Any]:
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


def typed(row: dict[str, str]) -> dict[str, Any]:
    """Turn a row of `csv.DictReader` into a record: figures as numbers, empty cells as nulls."""
    record: dict[str, Any] = dict(row)
    record["time"] = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC)
    for name in INTEGERS:
        record[name] = int(row[name]) if row[name] else None
    for name in NUMBERS:
        record[name] = float(row[name]) if row[name] else None
    return record
