"""Runs the SDK's command line and turns every way it can end into an exit code."""

from __future__ import annotations

import logging
import re
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import click

from tap_advexport.api.log_filter import guard_logs
from tap_advexport.errors import ConfigError, TapAdvexportError
from tap_advexport.singer.sdk import Halt
from tap_advexport.singer.stdout import OutputClosed, WriteInterrupted
from tap_advexport.sync.run import Interrupted
from tap_advexport.sync.totals import FailedDays
from tap_advexport.tap import TapAdvexport
from tap_advexport.windows import DateWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

logger = logging.getLogger("tap-advexport")

# Which task, and which URL: of no interest where several days fail in the same way.
_NAMED: Final = re.compile(r"\b(task|from) [^\s,;)]+")
LAST_STATE_SECONDS: Final = 2.0
FAILED: Final = 1
READER_GONE: Final = 1


def run_command(args: Sequence[str]) -> int:
    """Run the tap with these arguments and return the exit code."""
    started: list[TapAdvexport] = []

    class Started(TapAdvexport):
        __doc__ = TapAdvexport.__doc__

        def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has them
            super().__init__(**kwargs)
            started.append(self)

    def begin() -> object:
        return Started.cli.main(list(args), prog_name=Started.name, standalone_mode=False)

    guard_logs()
    return run_to_the_end(begin, started)


def run_to_the_end(begin: Callable[[], object], started: list[TapAdvexport]) -> int:
    """Run a tap, write what is left to write however that ends, and return the exit code.

    Args:
        begin: runs the tap.
        started: the taps that `begin` has made so far.
    """
    reasons: list[str] = []
    code = _code_of(begin, started, reasons)
    for tap in started:
        tap.close()
    if started and (started[-1].has_begun or started[-1].has_failures()):
        code = _end(started[-1], code, reasons)
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
        logger.debug("Whoever read stdout has gone")
        return READER_GONE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return returned if isinstance(returned, int) else 0


def _fail(error: TapAdvexportError, reasons: list[str]) -> int:
    is_debugging = logging.getLogger().isEnabledFor(logging.DEBUG)
    logger.error("%s", error, exc_info=error if is_debugging else None)
    reasons.append(str(error))
    return FAILED


def _end(tap: TapAdvexport, code: int, reasons: list[str]) -> int:
    """Write what is left to write: the last STATE, what failed, the summary.

    The summary says why the run failed: `meltano config test` shows the last line and no other.
    """
    run = tap.run
    if code != READER_GONE or not tap.message_writer.is_closed():
        run.grace.extend(LAST_STATE_SECONDS)
        try:
            tap.output.write_last_state()
        except (OutputClosed, WriteInterrupted):
            code = code or READER_GONE
        except TapAdvexportError as error:
            code = _fail(error, reasons)
    # When the API does not work, one line says so for all days.
    for line in [] if run.circuit_breaker.is_given_up else _failed_ranges(run.failures):
        logger.error("%s", line)
        reasons.append(line)
        code = code or FAILED
    why = f"; failed: {reasons[0]}" if reasons else ""
    logger.info("%s%s", run.tally.line(run.seconds()), why)
    return code


def _failed_ranges(failures: Sequence[FailedDays]) -> Iterator[str]:
    """One line for each run of days that failed for the same reason."""
    ordered = sorted(failures, key=lambda failed: (failed.report, failed.window))
    for report, of_report in groupby(ordered, key=lambda failed: failed.report):
        merged: list[FailedDays] = []
        for failed in of_report:
            if merged and _continues(merged[-1], failed):
                merged[-1] = FailedDays(
                    report, DateWindow(merged[-1].window.first, failed.window.last), failed.reason
                )
            else:
                merged.append(failed)
        for failed in merged:
            yield f"Failed days: {failed}; the next run tries them again"


def _continues(one: FailedDays, other: FailedDays) -> bool:
    is_next = (other.window.first - one.window.last).days == 1
    return is_next and _kind(one) == _kind(other)


def _kind(failed: FailedDays) -> str:
    """A reason without the window, the task and the URL that it names."""
    return _NAMED.sub(r"\1", failed.reason.replace(str(failed.window), ""))
