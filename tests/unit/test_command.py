"""Every way in which a run can end is an exit code and at most one line."""

from __future__ import annotations

import logging
import signal
from datetime import date
from typing import TYPE_CHECKING

import click
import pytest

from tap_advexport.command import MAX_WHY_LENGTH, run_to_the_end
from tap_advexport.errors import ConfigError, RequestError, TapAdvexportError
from tap_advexport.singer.sdk import Halt
from tap_advexport.singer.stdout import OutputClosed, WriteInterrupted
from tap_advexport.sync.run import Interrupted
from tap_advexport.sync.totals import FailedDays
from tap_advexport.windows import DateWindow
from tests.support.taps import RecordingWriter, tap_with

if TYPE_CHECKING:
    from tap_advexport.tap import TapAdvexport

STATE = {"bookmarks": {"report_daily": {"settled": [["2024-01-01", "2024-01-10"]]}}}


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "tap-advexport")
    return caplog


def ended(
    error: BaseException | None = None, tap: TapAdvexport | None = None, returned: object = None
) -> int:
    def begin() -> object:
        if error:
            raise error
        return returned

    return run_to_the_end(begin, [tap] if tap else [])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (ConfigError("start_date: is missing"), 1),
        (Halt(RequestError("HTTP 503")), 1),
        (click.UsageError("no such option"), 1),
        (OutputClosed(), 1),
        (SystemExit(2), 2),
        (SystemExit("words"), 1),
        (SystemExit(), 1),
        (Interrupted(), 130),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
    ids=repr,
)
def test_a_command_that_never_came_to_a_tap_ends_in_an_exit_code(
    error: BaseException | None, code: int, log: pytest.LogCaptureFixture
) -> None:
    assert ended(error) == code
    is_told = isinstance(error, TapAdvexportError | Halt | click.ClickException)
    assert [record.levelname for record in log.records] == ["ERROR"] * is_told
    assert not any(record.exc_info for record in log.records)


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        ended(ZeroDivisionError())


def test_what_a_command_returns_is_its_exit_code_if_it_is_a_number() -> None:
    assert ended(returned=3) == 3
    assert ended(returned="done") == 0


def begun(writer: RecordingWriter | None = None) -> TapAdvexport:
    tap = tap_with({"report_daily"}, state=STATE, writer=writer or RecordingWriter())
    tap.has_begun = True
    return tap


def test_a_run_ends_with_its_last_state_and_a_summary(log: pytest.LogCaptureFixture) -> None:
    writer = RecordingWriter()
    tap = begun(writer)
    tap.output.write_lines(b"{}\n")
    assert ended(tap=tap) == 0
    assert len(writer.written) == 2
    assert log.messages[-1].startswith("Summary: 0 exports")
    assert log.messages[-1].endswith("; complete")
    summary = log.records[-1].__dict__["summary"]
    assert (summary["exit_code"], summary["ended"]) == (0, "complete")


def test_why_a_run_failed_is_told_once_and_whole_where_nothing_came(
    log: pytest.LogCaptureFixture,
) -> None:
    error = ConfigError("api_url: nothing answers there; check the network")
    assert ended(Halt(error), begun()) == 1
    assert log.messages[-2] == str(error)
    assert log.messages[-1].endswith(f"; failed: {error}")


def test_where_something_came_the_advice_is_not_told_twice(log: pytest.LogCaptureFixture) -> None:
    for text, told in [
        ("HTTP 503; check the network", "failed: HTTP 503"),
        ("x" * 500, "failed: " + "x" * (MAX_WHY_LENGTH - 3) + "..."),
    ]:
        tap = begun()
        tap.run.tally.exports = 1
        assert ended(Halt(ConfigError(text)), tap) == 1
        assert log.messages[-1].endswith(f"; {told}")


def failed(tap: TapAdvexport, *days: int) -> TapAdvexport:
    for day in days:
        window = DateWindow(date(2024, 1, day), date(2024, 1, day))
        tap.run.failures.append(FailedDays("daily", window, f"HTTP 40{day}"))
    return tap


def test_days_that_failed_are_a_line_each_and_one_exit_code(log: pytest.LogCaptureFixture) -> None:
    assert ended(tap=failed(begun(), 1, 5)) == 1
    errors = [record for record in log.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert {record.__dict__["failed"]["days"] for record in errors} == {1}
    assert " and 1 more" in log.messages[-1]


def test_an_api_that_was_given_up_is_one_line_for_all_its_days(
    log: pytest.LogCaptureFixture,
) -> None:
    tap = failed(begun(), 1, 5)
    tap.run.circuit_breaker.is_given_up = True
    assert ended(Halt(ConfigError("the API does not work")), tap) == 1
    assert sum(record.levelname == "ERROR" for record in log.records) == 1


@pytest.mark.parametrize(("signum", "code", "name"), [(2, 130, "SIGINT"), (15, 143, "SIGTERM")])
@pytest.mark.parametrize("error", [Interrupted(), WriteInterrupted()], ids=["requests", "lines"])
def test_a_signal_is_an_exit_code_and_says_what_is_left(
    error: BaseException, signum: int, code: int, name: str, log: pytest.LogCaptureFixture
) -> None:
    tap = begun()
    tap.run.interrupt(signum)
    tap.run.tally.days_missing = 7
    assert ended(error, tap) == code
    told = f"; interrupted by {name}: 7 days still to be exported; running again goes on"
    assert log.messages[-1].endswith(told)


def test_a_signal_is_told_where_days_have_failed_too(log: pytest.LogCaptureFixture) -> None:
    tap = failed(begun(), 1, 5)
    tap.run.tally.exports = 1
    tap.run.interrupt(15)
    assert ended(Interrupted(), tap) == 143
    told = "; interrupted by SIGTERM: running again goes on; failed: report daily, 2024-01-01"
    assert log.messages[-1].endswith(f"{told} and 1 more")


def test_a_target_that_has_gone_is_told_where_days_have_failed_too(
    log: pytest.LogCaptureFixture,
) -> None:
    writer = RecordingWriter()
    tap = failed(begun(writer), 1)
    writer.has_reader = False
    assert ended(OutputClosed(), tap) == 1
    assert "The target has closed the pipe: its own log says why" in log.messages
    assert any(message.startswith("Failed days: ") for message in log.messages)
    assert log.messages[-1].endswith("; failed: the target has closed the pipe")


def test_a_target_that_has_gone_is_told_and_gets_nothing_more(
    log: pytest.LogCaptureFixture,
) -> None:
    writer = RecordingWriter()
    tap = begun(writer)
    tap.output.write_lines(b"{}\n")
    writer.has_reader = False
    assert ended(OutputClosed(), tap) == 1
    assert writer.written == [b"{}\n"]
    assert "The target has closed the pipe: its own log says why" in log.messages
    assert log.messages[-1].endswith("; failed: the target has closed the pipe")


def test_a_signal_while_the_last_state_is_written_is_no_success() -> None:
    class StuckWriter(RecordingWriter):
        def write_message(self, message: object) -> None:
            raise WriteInterrupted(message)

    tap = begun(StuckWriter())
    tap.output.write_lines(b"{}\n")
    tap.run.interrupt(signal.SIGTERM)
    assert ended(tap=tap) == 1


def test_a_target_that_goes_after_the_last_state_fails_the_run(
    log: pytest.LogCaptureFixture,
) -> None:
    writer = RecordingWriter()
    tap = begun(writer)
    tap.output.write_last_state()
    writer.has_reader = False
    assert ended(tap=tap) == 1
    assert log.messages[-1].endswith("; failed: the target has closed the pipe")


def test_a_dry_run_tells_what_it_has_shown_and_has_no_summary(
    log: pytest.LogCaptureFixture,
) -> None:
    tap = tap_with({"report_daily"}, writer=RecordingWriter())
    log.clear()
    assert ended(tap=tap) == 0
    assert log.messages == []
    stream = tap.streams["report_daily"]
    for has_answered, words in [(True, "the API brought the reports daily"), (False, "no day to")]:
        stream.has_answered = has_answered  # type: ignore[attr-defined]
        assert ended(tap=tap) == 0
        assert words in log.messages[-1]
