"""A dry run, which brings one period and remembers nothing."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from tap_advexport.errors import IncompleteError
from tap_advexport.sync.exporting import latest_export
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
