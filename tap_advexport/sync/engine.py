"""The engine, which runs one report from the plan to the last commit.

    plan -> exports, several at once -> rows, their periods, commit -> the next export

It knows neither Singer nor dlt: the results go to a `Destination`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from tap_advexport.coverage import transitions
from tap_advexport.coverage.bookmark import parse_bookmark, remarks_on, render_bookmark
from tap_advexport.coverage.plan import EVERYTHING, plan, wanted
from tap_advexport.coverage.ranges import within
from tap_advexport.coverage.settling import Rules
from tap_advexport.coverage.state import Coverage, Sent
from tap_advexport.exports.job import Abandoned, Failed, Ready, Submitted
from tap_advexport.exports.policy import Export
from tap_advexport.progress.words import WindowDone, counted
from tap_advexport.sync.destination import PeriodRow
from tap_advexport.sync.exporting import events_of, runner_of
from tap_advexport.sync.totals import FailedDays

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from tap_advexport.coverage.plan import Plan, Portion
    from tap_advexport.exports.job import Event
    from tap_advexport.reports import Report
    from tap_advexport.sync.destination import Destination
    from tap_advexport.sync.run import Run
    from tap_advexport.sync.shape import Shape
    from tap_advexport.windows import DateWindow

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


def rules_of(report: Report, run: Run) -> Rules:
    """Return the rules that decide in this run which days of a report are settled."""
    return Rules(
        interval=report.interval,
        zone=run.settings.timezone,
        now=run.started_at,
        lookback_days=run.settings.lookback_days,
    )


def coverage_of_bookmark(bookmark: object, report: Report, run: Run) -> Coverage:
    """Return what a report's bookmark covers, and warn of what in it is probably not intended.

    Raises:
        StateError: the bookmark is not one of this tap's.
    """
    coverage = parsed_bookmark(bookmark, report, run)
    if isinstance(bookmark, Mapping):
        for remark in remarks_on(bookmark, rules_of(report, run)):
            logger.warning("%s: %s", report.stream, remark)
    return coverage


def parsed_bookmark(bookmark: object, report: Report, run: Run) -> Coverage:
    """Return what a report's bookmark covers.

    Raises:
        StateError: the bookmark is not one of this tap's.
    """
    return parse_bookmark(
        bookmark,
        start_date=run.settings.start_date,
        rules=rules_of(report, run),
        path=f"state: bookmarks.{report.stream}",
    )


class ReportSync(Generic[Item]):
    """Exports every due day of one report to a destination. An instance runs once.

    Attributes:
        coverage: what was written and which tasks are under way; correct at any moment.
    """

    def __init__(
        self,
        run: Run,
        report: Report,
        before: Coverage,
        shape: Shape,
        portion: Portion = EVERYTHING,
    ) -> None:
        """Plan the run.

        Args:
            before: the coverage of earlier runs.
            shape: how the rows are written.
            portion: which of the due days to export.
        """
        self._run = run
        self._report = report
        self._shape = shape
        self._rules = rules_of(report, run)
        settings = run.settings
        self._wanted = wanted(settings.start_date, run.last_day, interval=report.interval)
        self._plan = plan(
            transitions.shaped(before, shape.digest),
            self._wanted,
            self._rules,
            settings.window_days,
            run.refresh,
            portion,
        )
        self.coverage = self._plan.coverage
        if before.settled and before.shape not in {"", shape.digest}:
            logger.warning(
                "%s: columns, stream_maps, timezone, account or the tap's version are not those of "
                "the run that wrote the state. Settled days stay as they were sent: "
                "refresh_start_date sends them again, and another account needs its own state",
                report.stream,
            )
        for task in before.pending:
            run.known_tasks.note(task, report.interval)
        if before.pending:
            # Until this report's turn comes, or for good, no job holds them.
            run.unseen_tasks.may_exist(run.machine.clock.monotonic())

    @property
    def windows(self) -> tuple[DateWindow, ...]:
        """The windows that the run exports, those of adopted tasks first."""
        return (*(task.window for task in self._plan.adopted), *self._plan.windows)

    @property
    def days_left(self) -> int:
        """The number of due days that are left for a later run."""
        return self._plan.days_left

    def bookmark(self) -> dict[str, object]:
        """Return the coverage and the tasks under way, in the form kept in the state."""
        return render_bookmark(self.coverage, self._rules)

    def items(self, destination: Destination[Item]) -> Iterator[Item]:
        """Export the days, and yield what the destination yields.

        Raises:
            TapAdvexportError: no other export would work either, or the API does not work.
            Interrupted: a signal came; what was emitted is whole.
        """
        _log_plan(self._report, self._plan, self._wanted)
        try:
            destination.commit(self.bookmark())
            if not self._plan.is_empty:
                yield from self._bring(destination)
            destination.commit(self.bookmark())
        finally:
            self._count_days()

    def _bring(self, destination: Destination[Item]) -> Iterator[Item]:
        runner = runner_of(self._run, self._report, self._shape)
        days_total = sum(window.days for window in self.windows)
        self._run.progress.begin(self._report.label, runner, days_total)
        batches = events_of(self._run, runner, _exports(self._plan), destination.check)
        try:
            for events in batches:
                yield from self._take(events, destination)
        except BaseException:
            # However writing has ended, the last STATE must list what was submitted meanwhile.
            runner.stop()
            for events in batches:
                self._note(events)
            raise
        finally:
            runner.abandon()
        self._run.raise_if_interrupted()

    def _take(self, events: Sequence[Event], destination: Destination[Item]) -> Iterator[Item]:
        self._note(events)
        for event in events:
            if isinstance(event, Ready):
                # After a signal no more rows are written.
                try:
                    if self._run.signal is None:
                        destination.commit(self.bookmark())
                        yield from self._emit(event, destination)
                finally:
                    event.release()
        destination.commit(self.bookmark())

    def _note(self, events: Sequence[Event]) -> None:
        """Record what became of tasks and windows."""
        for event in events:
            match event:
                case Submitted(task):
                    self.coverage = transitions.submitted(self.coverage, task)
                case Abandoned(task):
                    self.coverage = transitions.dropped(self.coverage, task.task_id)
                case Failed(window, reason, advice):
                    failed = FailedDays(self._report.label, window, reason, advice)
                    self._run.failures.append(failed)
                    self._run.tally.days_failed += window.days
                    self._run.progress.failed(window)
                case Ready():
                    pass

    def _emit(self, ready: Ready, destination: Destination[Item]) -> Iterator[Item]:
        """Write rows, then their periods, then commit the bookmark that covers them."""
        self._run.warn_of_columns(ready.converted.unknown_columns)
        unchanged = self._unchanged(ready)
        new = {
            period.first: Sent(ready.task.task_id, period.version, ready.task.submitted_at)
            for period in ready.converted.periods
        }
        sent = new | unchanged
        changed = [each for each in ready.converted.periods if each.first not in unchanged]
        yield from destination.write_rows(ready, changed)
        yield from destination.write_periods(list(self._period_rows(ready, sent)))
        self.coverage = transitions.emitted(self.coverage, ready.task, sent, self._rules)
        destination.commit(self.bookmark())
        self._count(ready, sum(period.row_count for period in changed), len(changed))

    def _unchanged(self, ready: Ready) -> dict[date, Sent]:
        """Return the periods whose rows the destination already holds, with what was sent."""
        if not self._run.settings.skip_unchanged:
            return {}
        at = ready.task.submitted_at
        return {
            period.first: known
            for period in ready.converted.periods
            if (known := self._plan.known.get(period.first))
            and known.version == period.version
            # The export that settles a period is always sent, to repair a target that lost rows.
            and not transitions.is_final(period.first, at, ready.window, self._rules)
        }

    def _period_rows(self, ready: Ready, sent: Mapping[date, Sent]) -> Iterator[PeriodRow]:
        at = ready.task.submitted_at
        for period in ready.converted.periods:
            held = sent[period.first]
            yield PeriodRow(
                report=self._report.label,
                period=period.first,
                version=held.version,
                export_id=held.export_id,
                exported_at=held.exported_at,
                confirmed_at=at,
                row_count=period.row_count,
                clicks_aggr=period.clicks_aggr,
                conversions_aggr=period.conversions_aggr,
                cost_aggr=period.cost_aggr,
                is_settled=transitions.is_settled(period.first, at, ready.window, self._rules),
            )

    def _count(self, ready: Ready, rows: int, changed: int) -> None:
        tally, total = self._run.tally, ready.converted.row_count
        tally.exports += 1
        tally.rows += rows
        tally.rows_not_sent += total - rows
        tally.byte_count += ready.byte_count
        period_count = len(ready.converted.periods)
        self._run.progress.emitted(
            WindowDone(
                stream=self._report.stream,
                window=ready.window,
                rows=rows,
                row_count=total,
                unchanged=period_count - changed,
                periods=period_count,
            )
        )

    def _count_days(self) -> None:
        if self._wanted is not None:
            tally = self._run.tally
            covered = within(self.coverage.covered(), self._wanted)
            unsettled = within(self.coverage.unsettled, self._wanted)
            days_covered = sum(window.days for window in covered)
            tally.days_covered += days_covered
            tally.days_missing += self._wanted.days - days_covered
            tally.days_unsettled += sum(window.days for window in unsettled)


def _exports(plan: Plan) -> Iterator[Export]:
    for task in plan.adopted:
        yield Export(task.window, task=task, is_adopted=True)
    for window in plan.windows:
        yield Export(window)


def _log_plan(report: Report, plan: Plan, wanted: DateWindow | None) -> None:
    if plan.is_empty:
        logger.info("%s: nothing to export in %s", report.stream, wanted or "the days until now")
        return
    logger.info(
        "%s: %s of %s that are new or not settled yet, in %s; %s adopted%s",
        report.stream,
        counted(len(plan.windows), "export"),
        counted(sum(window.days for window in plan.windows), "day"),
        wanted,
        counted(len(plan.adopted), "task"),
        f"; {plan.days_left} days are left for the next load" if plan.days_left else "",
    )
