"""What the reports of one run share."""

from __future__ import annotations

import logging
import signal
from datetime import date
from typing import TYPE_CHECKING

import pytest

from tap_advexport.sync.run import Interrupted
from tap_advexport.windows import DateWindow
from tests.support.runs import run_of

if TYPE_CHECKING:
    from advexport_sandbox import Sandbox


def test_the_first_signal_decides_and_every_one_stops_what_is_under_way(sandbox: Sandbox) -> None:
    run, stops = run_of(sandbox), list[int]()
    run.raise_if_interrupted()
    run.on_interrupt(lambda: stops.append(1))
    run.interrupt(signal.SIGINT)
    run.interrupt(signal.SIGTERM)
    assert (run.signal, stops) == (signal.SIGINT, [1, 1])
    with pytest.raises(Interrupted):
        run.raise_if_interrupted()
    # What begins after the signal is stopped before it does anything.
    run.on_interrupt(lambda: stops.append(2))
    assert stops == [1, 1, 2]


def test_unknown_columns_are_one_warning_a_run(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(sandbox)
    with caplog.at_level(logging.WARNING):
        run.warn_of_columns(())
        run.warn_of_columns([f"extra_{number:02}" for number in range(50)])
        run.warn_of_columns(["another"])
    [message] = caplog.messages
    assert "extra_00, extra_01" in message
    assert message.endswith("and 45 more")


def test_a_refresh_and_the_last_day_come_from_the_settings(sandbox: Sandbox) -> None:
    run = run_of(sandbox, refresh_start_date="2024-02-21", refresh_end_date="2024-02-22")
    assert run.refresh == DateWindow(date(2024, 2, 21), date(2024, 2, 22))
    assert run.last_day == date(2024, 2, 29)
    assert run_of(sandbox).refresh is None
    assert run_of(sandbox, include_today=True).last_day == date(2024, 3, 1)


def test_a_run_in_a_hurry_tries_less(sandbox: Sandbox) -> None:
    run = run_of(sandbox, request_attempts=8, export_attempts=3)
    run.hurry()
    assert (run.settings.request_attempts, run.settings.export_attempts) == (2, 1)
