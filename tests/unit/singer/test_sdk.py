"""What the tap relies on in the SDK, its private names above all, and the SDK's own tests."""

from __future__ import annotations

import ast
import inspect
import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk import Stream, Tap
from singer_sdk.io_base import SingerWriter
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from advexport_sandbox import Sandbox, SandboxConfig
from tap_advexport.singer.sdk import InterruptibleTap, OwnStateStream
from tap_advexport.tap import TapAdvexport
from tests.support.catalogs import SNAPSHOT, catalog_of
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

CONFIG = {"auth_token": "sandbox-token", "start_date": "2024-01-01", "end_date": "2024-01-03"}


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Stream, "_increment_stream_state", ["self", "latest_record", "context"]),
        (Stream, "_write_starting_replication_value", ["self", "context"]),
        (Stream, "_write_state_message", ["self"]),
        (Stream, "_finalize_state", ["self", "state"]),
        (Stream, "_write_record_message", ["self", "record"]),
        (Stream, "_write_schema_message", ["self"]),
        (Stream, "_generate_record_messages", ["self", "record"]),
        (Stream, "_process_record", ["self", "record", "child_context", "partition_context"]),
        (Tap, "_setup_signal_handlers", ["self"]),
        (Tap, "_handle_termination", ["self", "signum", "frame"]),
        (Tap, "_reset_state_progress_markers", ["self"]),
    ],
)
def test_private_name_of_the_sdk_is_still_there(
    owner: type, name: str, parameters: list[str]
) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


def test_the_schema_of_a_catalog_is_kept_where_the_tap_drops_it() -> None:
    source = inspect.getsource(Stream)
    assert "self._input_schema = entry.schema.to_dict()" in source
    assert "self._input_schema if self._input_schema is not None else self.schema" in source


@pytest.mark.parametrize(
    ("ours", "base", "own"),
    [
        (OwnStateStream, Stream, {"_record_counter", "_has_schema_out", "_properties"}),
        (InterruptibleTap, Tap, set()),
    ],
)
def test_only_what_the_sdk_has_is_overridden(ours: type, base: type, own: set[str]) -> None:
    private = {name for name in vars(ours) if name.startswith("_") and "__" not in name}
    assert {name for name in private if not hasattr(base, name)} == own


def touched(path: Path) -> Iterator[str]:
    """The names of the SDK's own that a module imports or overrides."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("singer_sdk"):
            names = [*str(node.module).split("."), *(alias.name for alias in node.names)]
            yield from (name for name in names if name.startswith("_"))
        if isinstance(node, ast.ClassDef):
            names = [each.name for each in node.body if isinstance(each, ast.FunctionDef)]
            yield from (
                name
                for name in names
                if name.startswith("_")
                and "__" not in name
                and any(hasattr(base, name) for base in (Stream, Tap, SingerWriter))
            )


def test_private_names_of_the_sdk_are_touched_in_one_place() -> None:
    found = {path.name for path in (ROOT / "tap_advexport").rglob("*.py") if any(touched(path))}
    assert found == {"sdk.py"}


def test_stream_keeps_the_attributes_that_are_read() -> None:
    tap = TapAdvexport(config=CONFIG)
    stream = tap.streams["report_daily"]
    assert isinstance(stream, OwnStateStream)
    assert stream.record_version is None


def test_catalog_is_the_one_that_users_have() -> None:
    catalog = TapAdvexport(config=CONFIG).catalog_dict
    assert json.loads(json.dumps(catalog)) == json.loads(SNAPSHOT.read_text("utf-8"))


@cache
def api() -> Sandbox:
    sandbox = Sandbox(SandboxConfig(now=datetime(2024, 6, 1, tzinfo=UTC), rows_per_day=5))
    sandbox.start()
    return sandbox


@pytest.fixture(scope="module", autouse=True)
def stopped_api() -> Iterator[None]:
    yield
    api().stop()


class OfflineTap(TapAdvexport):
    """The tap, with an API on this machine."""

    def __init__(self, *, config: Mapping[str, Any] | None = None, **others: Any) -> None:  # noqa: ANN401 - as the base
        super().__init__(config={**(config or {}), "api_url": api().url}, **others)


TestStandard = get_tap_test_class(
    OfflineTap,
    config=CONFIG | {"poll_interval_seconds": 0.05},
    suite_config=SuiteConfig(ignore_no_records_for_streams=["report_periods"]),
    parse_env_config=False,
    catalog=catalog_of(TapAdvexport(config=CONFIG).streams.keys()),
)
