from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from advexport_sandbox import Sandbox, SandboxConfig
from sandbox.tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def api() -> Iterator[Sandbox]:
    config = SandboxConfig(now=datetime(2024, 4, 2, 3, tzinfo=UTC), rows_per_day=5)
    with Sandbox(config) as sandbox:
        yield sandbox


@pytest.fixture
def client(api: Sandbox) -> Client:
    return Client(api)
