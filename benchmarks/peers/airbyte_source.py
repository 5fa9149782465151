"""Airbyte's way: a declarative source with an asynchronous job and the CSV parser of its CDK."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from exports import INTEGERS, NUMBERS, TEXTS, read_config

STREAM = "report_daily"
SCHEMA = {
    "type": "object",
    "properties": {
        "time": {"type": ["null", "string"]},
        **{name: {"type": ["null", "string"]} for name in TEXTS},
        **{name: {"type": ["null", "integer"]} for name in INTEGERS},
        **{name: {"type": ["null", "number"]} for name in NUMBERS},
    },
}


def _requester(url: str, method: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - a manifest
    return {"type": "HttpRequester", "url": url, "http_method": method, **more}


def manifest() -> dict[str, Any]:
    """Return the source as data."""
    token = {
        "type": "ApiKeyAuthenticator",
        "api_token": "Token {{ config['auth_token'] }}",
        "inject_into": {
            "type": "RequestOption",
            "inject_into": "header",
            "field_name": "Authorization",
        },
    }
    retriever = {
        "type": "AsyncRetriever",
        "status_mapping": {
            "type": "AsyncJobStatusMap",
            "running": ["PENDING"],
            "completed": ["SUCCESS"],
            "failed": ["FAILURE"],
            "timeout": ["REVOKED"],
        },
        "status_extractor": {"type": "DpathExtractor", "field_path": ["state"]},
        "download_target_extractor": {"type": "DpathExtractor", "field_path": ["result"]},
        "creation_requester": _requester(
            "{{ config['api_url'] }}",
            "POST",
            authenticator=token,
            request_body_json={
                "start_date": "{{ stream_interval['start_time'] }}",
                "stop_date": "{{ stream_interval['end_time'] }}",
                "sorting": "time",
                "interval": "daily",
            },
        ),
        "polling_requester": _requester(
            "{{ config['api_url'] }}{{ creation_response['task_id'] }}", "GET", authenticator=token
        ),
        "download_requester": _requester("{{ download_target }}", "GET"),
        "download_decoder": {"type": "CsvDecoder"},
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": []},
            "schema_normalization": "Default",
        },
    }
    cursor = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "time",
        "datetime_format": "%Y-%m-%d",
        "cursor_datetime_formats": ["%Y-%m-%d %H:%M"],
        "start_datetime": "{{ config['start_date'] }}",
        "end_datetime": "{{ config['end_date'] }}",
        "step": "P1D",
        "cursor_granularity": "P1D",
    }
    stream = {
        "type": "DeclarativeStream",
        "name": STREAM,
        "primary_key": [],
        "schema_loader": {"type": "InlineSchemaLoader", "schema": SCHEMA},
        "retriever": retriever,
        "incremental_sync": cursor,
    }
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [STREAM]},
        "streams": [stream],
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 4},
        "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    }


def main() -> None:
    """Read the stream from its beginning."""
    catalog = {
        "streams": [
            {
                "stream": {
                    "name": STREAM,
                    "json_schema": SCHEMA,
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append",
            }
        ]
    }
    config_path = sys.argv[2]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(catalog, file)
        file.flush()
        source = ConcurrentDeclarativeSource(
            catalog=None, config=read_config(config_path), state=None, source_config=manifest()
        )
        launch(source, ["read", "--config", config_path, "--catalog", str(Path(file.name))])


if __name__ == "__main__":
    main()
