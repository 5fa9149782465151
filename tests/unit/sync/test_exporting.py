"""A dry run, which brings one period and remembers nothing."""

from __future__ import annotations

import signal
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tap_advexport.errors import IncompleteError
from tap_advexport.exports.policy import Export
from tap_advexport.sync.exporting import events_of, latest_export, runner_of
from tap_advexport.windows import DateWindow
from tests.support.runs import DAILY, SHAPE, run_of

if TYPE_CHECKING:
    from advexport_sandbox import Sandbox


def test_a_dry_run_brings_the_last_day_alone(sandbox: Sandbox) -> None:
    windows = [ready.window for ready in latest_export(run_of(sandbox), DAILY, SHAPE)]
    assert [(each.first, each.last) for each in windows] == [(date(2024, 2, 29),) * 2]


def test_a_dry_run_that_fails_says_why(sandbox: Sandbox) -> None:
    sandbox.inject("bad-cell", count=None)
    run = run_of(sandbox)
    run.hurry()
    with pytest.raises(IncompleteError):
        list(latest_export(run, DAILY, SHAPE))


def test_what_was_waited_for_in_vain_counts_as_waiting(sandbox: Sandbox) -> None:
    sandbox.inject("stuck", count=None)
    run = run_of(sandbox)
    runner = runner_of(run, DAILY, SHAPE)
    exports = [Export(DateWindow(date(2024, 2, 29), date(2024, 2, 29)))]
    list(events_of(run, runner, exports, on_idle=lambda: run.interrupt(signal.SIGINT)))
    assert run.tally.seconds_waiting > run.seconds() / 2
