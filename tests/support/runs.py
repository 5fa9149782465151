"""Runs on an account of the sandbox, for tests that drive the engine themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tap_advexport.clock import SystemClock
from tap_advexport.reports import COLUMN_NAMES, REPORTS
from tap_advexport.settings import parse_settings
from tap_advexport.sync.run import Machine, Run
from tap_advexport.sync.shape import Shape

if TYPE_CHECKING:
    from advexport_sandbox import Sandbox

DAILY = next(report for report in REPORTS if report.label == "daily")
TODAY = datetime(2024, 3, 1, 12, tzinfo=UTC)
SHAPE = Shape((*COLUMN_NAMES, "row_key"), {})


class FixedClock(SystemClock):
    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def run_of(sandbox: Sandbox, *, now: datetime = TODAY, **settings: object) -> Run:
    config = {
        "auth_token": sandbox.token,
        "api_url": sandbox.url,
        "start_date": "2024-02-20",
        "lookback_days": 3,
        "window_days": 3,
        "poll_interval_seconds": 0.05,
        **settings,
    }
    machine = Machine(clock=FixedClock(now))
    return Run(parse_settings(config, now=now), machine, "test")
