"""Runs the SDK's command line and maps every way it can end to an exit code."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import click

from tap_advexport.api.log_filter import guard_logs
from tap_advexport.errors import ConfigError, TapAdvexportError
from tap_advexport.progress.terminal import quiet_the_sdk, set_up_logs
from tap_advexport.progress.words import counted
from tap_advexport.singer.sdk import Halt
from tap_advexport.singer.stdout import OutputClosed, WriteInterrupted
from tap_advexport.sync.run import Interrupted
from tap_advexport.sync.totals import failed_ranges
from tap_advexport.tap import TapAdvexport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_advexport.sync.totals import FailedDays

logger = logging.getLogger("tap-advexport")

LAST_STATE_SECONDS: Final = 2.0
FAILED: Final = 1
MAX_WHY_LENGTH: Final = 160


def run_command(args: Sequence[str]) -> int:
    """Run the tap with these arguments and return the exit code."""
    started: list[TapAdvexport] = []

    class Started(TapAdvexport):
        __doc__ = TapAdvexport.__doc__

        def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has them
            super().__init__(**kwargs)
            started.append(self)

    def begin() -> object:
        # Building the command makes the SDK set up logging.
        command = set_up_logs(lambda: Started.cli, os.environ)
        guard_logs()
        quiet_the_sdk(os.environ)
        return command.main(list(args), prog_name=Started.name, standalone_mode=False)

    return run_to_the_end(begin, started)


def run_to_the_end(begin: Callable[[], object], started: list[TapAdvexport]) -> int:
    """Run a tap, write its last output however the run ends, and return the exit code.

    Args:
        begin: runs the tap.
        started: the taps that `begin` has created so far.
    """
    reasons: list[str] = []
    code = _code_of(begin, started, reasons)
    for tap in started:
        tap.close()
    if started and (started[-1].has_begun or started[-1].has_failures()):
        code = _end(started[-1], code, reasons)
    elif started and not code and (result := started[-1].test_result()):
        logger.info("%s", result)
    return code


def _code_of(  # noqa: PLR0911 - one for each way to end
    begin: Callable[[], object], started: list[TapAdvexport], reasons: list[str]
) -> int:
    try:
        returned = begin()
    except click.ClickException as error:
        return _fail(ConfigError(f"command line: {error.format_message()}"), reasons)
    except Halt as halt:
        return _fail(halt.error, reasons)
    except TapAdvexportError as error:
        return _fail(error, reasons)
    except (Interrupted, WriteInterrupted, click.Abort, KeyboardInterrupt):
        return 128 + (started[-1].run.signal or 2) if started else 130
    except OutputClosed:
        return FAILED
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return returned if isinstance(returned, int) else 0


def _fail(error: TapAdvexportError, reasons: list[str]) -> int:
    reason = str(error)
    if reason not in reasons:
        is_debugging = logging.getLogger().isEnabledFor(logging.DEBUG)
        logger.error("%s", error, exc_info=error if is_debugging else None)
        reasons.append(reason)
    return FAILED


def _end(tap: TapAdvexport, code: int, reasons: list[str]) -> int:
    """Write the last STATE, log failed days and the summary, and return the exit code."""
    run = tap.run
    is_reader_gone = tap.message_writer.is_closed()
    if not is_reader_gone:
        run.grace.extend(LAST_STATE_SECONDS)
        try:
            tap.output.write_last_state()
        except (OutputClosed, WriteInterrupted):
            is_reader_gone, code = True, code or FAILED
        except TapAdvexportError as error:
            code = _fail(error, reasons)
    if is_reader_gone and not reasons and not run.signal:
        logger.error("The target has closed the pipe: its own log says why")
        reasons.append("the target has closed the pipe")
        code = code or FAILED
    failures = failed_ranges(run.failures)
    # When the circuit breaker has given up, one line has already reported all days.
    ranges = [] if run.circuit_breaker.is_given_up else failures
    for failed in ranges:
        then = "" if failed.advice else "; the next run tries them again"
        logger.error("Failed days: %s%s", failed, then, extra={"failed": failed.fields()})
        code = code or FAILED
    why = _why(tap, reasons, ranges)
    seconds = run.seconds()
    summary = run.tally.fields(seconds)
    summary |= {"failed": [failed.fields() for failed in failures]}
    summary |= {"exit_code": code, "ended": why}
    logger.info("Summary: %s; %s", run.tally.line(seconds), why, extra={"summary": summary})
    return code


def _why(tap: TapAdvexport, reasons: Sequence[str], failures: Sequence[FailedDays]) -> str:
    """Return why the run ended. The last log line says it; `meltano config test` shows no other."""
    run = tap.run
    if reasons:
        return f"failed: {_shortened(tap, reasons[0])}"
    failed = _failed(tap, failures) if failures else ""
    if run.signal:
        days = run.tally.days_missing
        rest = f"{counted(days, 'day')} still to be exported; " if days else ""
        told = f"interrupted by {signal.Signals(run.signal).name}: {rest}running again goes on"
        return f"{told}; {failed}" if failed else told
    return failed or "complete"


def _failed(tap: TapAdvexport, failures: Sequence[FailedDays]) -> str:
    first, *others = failures
    shown = f"report {first.report}, {first.window}" if tap.run.tally.exports else str(first)
    more = f" and {len(others)} more" if others else ""
    return f"failed: {_shortened(tap, shown + more)}"


def _shortened(tap: TapAdvexport, reason: str) -> str:
    # Without a single export, the advice is the useful part: keep the whole text.
    return _first_clause(reason) if tap.run.tally.exports else reason


def _first_clause(text: str) -> str:
    """Return what failed, without the advice, which an earlier line has shown."""
    clause = text.partition("; ")[0]
    return clause if len(clause) <= MAX_WHY_LENGTH else clause[: MAX_WHY_LENGTH - 3] + "..."
