"""What all tests share: a clean environment, patient laws, and the command's log of a failure."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, default_int_handler, getsignal, signal
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, settings

from advexport_sandbox import Sandbox, SandboxConfig
from tests.support.tap_process import TOLD

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# Set by .ci/run, which installs all that tests need.
NOTHING_LEFT_OUT: Final = "ADVEXPORT_NOTHING_LEFT_OUT"

# Files of tests that take the most time, or wait the longest: begun first, they end with the others
# where files are handed out one by one (`--dist loadfile`).
LONG: Final = (
    "test_dlt_quarter",
    "test_dbt",
    "test_soak",
    "test_dlt",
    "test_simulation",
    "test_faults",
    "test_docs",
)

# A busy machine fails no law.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# What the person's shell has set must not reach the tap. The bundle of certificates among it: a
# package manager that renews the file meanwhile would leave the tap without one.
for name in list(os.environ):
    if name.startswith(("TAP_ADVEXPORT_", "TARGET_", "MELTANO_")) or name in {
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    }:
        del os.environ[name]

# Nor may signals be ignored, as where a shell starts the tests in the background or with nohup.
if getsignal(SIGINT) is SIG_IGN:
    signal(SIGINT, default_int_handler)
if getsignal(SIGHUP) is SIG_IGN:
    signal(SIGHUP, SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, in the order of `LONG`."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.fixture
def sandbox_config() -> SandboxConfig:
    """What the API is like; a file of tests that needs another one has its own."""
    return SandboxConfig(now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=5)


@pytest.fixture
def sandbox(sandbox_config: SandboxConfig) -> Iterator[Sandbox]:
    """The API, with a fresh account."""
    with Sandbox(sandbox_config) as started:
        yield started


@pytest.fixture(autouse=True)
def _forget_what_was_told() -> None:
    TOLD.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of the command's runs in a test that fails; fail what lacks a program in CI."""
    report = yield
    if (
        report.skipped
        and NOTHING_LEFT_OUT in os.environ
        and "not installed" in str(report.longrepr)
    ):
        report.outcome = "failed"
    if report.failed:
        for number, told in enumerate(TOLD, start=1):
            title = f"run {number} of the command, exit code {told.code}"
            report.sections.append((title, told.log))
    return report
