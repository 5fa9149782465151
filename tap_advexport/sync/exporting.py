"""Starts a report's exports, and passes on their events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_advexport.coverage.plan import wanted
from tap_advexport.errors import IncompleteError
from tap_advexport.exports.background import Background
from tap_advexport.exports.conversion import converter
from tap_advexport.exports.job import Failed, Ready
from tap_advexport.exports.limits import Limits
from tap_advexport.exports.policy import Export, RetryPolicy
from tap_advexport.exports.runner import Runner
from tap_advexport.records.pool import usable_cores
from tap_advexport.windows import DateWindow, plan_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_advexport.exports.job import Event
    from tap_advexport.reports import Report
    from tap_advexport.sync.run import Run
    from tap_advexport.sync.shape import Shape


def runner_of(run: Run, report: Report, shape: Shape) -> Runner:
    """Return the runner for a report's exports."""
    settings = run.settings
    return Runner(
        client=run.client,
        convert=converter(
            run.conversions,
            interval=report.interval,
            zone=settings.timezone,
            columns=shape.columns,
            spool_format=shape.spool_format,
        ),
        workers=run.machine.new_workers(),
        clock=run.machine.clock,
        random=run.machine.random,
        limits=Limits(
            max_concurrent_exports=settings.max_concurrent_exports,
            conversions_at_once=min(usable_cores(), settings.max_concurrent_exports),
            poll_interval_seconds=settings.poll_interval_seconds,
            export_timeout_seconds=settings.export_timeout_seconds,
            request_timeout_seconds=settings.request_timeout_seconds,
        ),
        retry_policy=RetryPolicy(
            request_attempts=settings.request_attempts,
            export_attempts=settings.export_attempts,
            interval=report.interval,
        ),
        sorting=settings.sorting,
        circuit_breaker=run.circuit_breaker,
        unseen_tasks=run.unseen_tasks,
        known_tasks=run.known_tasks,
    )


def events_of(
    run: Run,
    runner: Runner,
    exports: Iterable[Export],
    on_idle: Callable[[], None] = lambda: None,
) -> Iterator[list[Event]]:
    """Yield the events of exports, some at a time, until all are done or the run ends.

    Args:
        on_idle: called about once a second while there are no events.
    """
    run.on_interrupt(runner.stop)
    events = runner.events(exports)
    if run.machine.is_virtual:
        yield from ([event] for event in events)
        return
    clock = run.machine.clock
    waiting_since = clock.monotonic()
    batches = Background(events).batches(on_idle)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        finally:
            # However the waiting has ended: with events, with the last of them or with a signal.
            run.tally.seconds_waiting += clock.monotonic() - waiting_since
        yield batch
        waiting_since = clock.monotonic()


def latest_export(run: Run, report: Report, shape: Shape) -> Iterator[Ready]:
    """Export only the last wanted period, for a dry run. Nothing is saved in the state.

    Raises:
        IncompleteError: the export fails.
    """
    range_ = wanted(run.settings.start_date, run.last_day, interval=report.interval)
    if range_ is None:
        return
    last = DateWindow(range_.last, range_.last)
    windows = plan_windows([last], interval=report.interval, window_days=1, wanted=range_)
    runner = runner_of(run, report, shape)
    try:
        for events in events_of(run, runner, map(Export, windows)):
            for event in events:
                if isinstance(event, Failed):
                    advice = f"; {event.advice}" if event.advice else ""
                    raise IncompleteError(f"{event.reason}{advice}")
                if isinstance(event, Ready):
                    yield event
                    event.release()
    finally:
        runner.abandon()
    run.raise_if_interrupted()
