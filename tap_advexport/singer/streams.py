"""The streams: what is to be exported, what becomes of each export, and when STATE is written."""

from __future__ import annotations

import abc
import hashlib
import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

from singer_sdk.singerlib.json import deserialize_json
from typing_extensions import override

from tap_advexport.coverage import transitions as days
from tap_advexport.coverage.bookmark import parse_bookmark, render_bookmark
from tap_advexport.coverage.ranges import within
from tap_advexport.coverage.transitions import Coverage, Pending, Plan, Rules, Sent
from tap_advexport.errors import ConfigError, IncompleteError, TapAdvexportError
from tap_advexport.exports.conversion import converter, rfc3339
from tap_advexport.exports.job import Abandoned, Event, Failed, Limits, Ready, Submitted
from tap_advexport.exports.policy import Export, RetryPolicy
from tap_advexport.exports.runner import Runner
from tap_advexport.records.pool import usable_cores
from tap_advexport.redaction import excerpt
from tap_advexport.reports import ADDED_COLUMNS, COLUMN_NAMES, PERIODS_STREAM, Report
from tap_advexport.singer.batch import check_batch_config, write_batch_files
from tap_advexport.singer.schemas import (
    PERIODS_KEY,
    PERIODS_REPLICATION_KEY,
    periods_schema,
    report_schema,
)
from tap_advexport.singer.sdk import OwnStateStream
from tap_advexport.singer.stdout import RecordFrame, copy_spans
from tap_advexport.sync.run import Background, FailedDays, Halt, Run, foreground
from tap_advexport.windows import DateWindow, Task, plan_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Context, Record

    from tap_advexport.records.convert import Period
    from tap_advexport.tap import TapAdvexport

logger = logging.getLogger(__name__)

# Rows of equal figures are another output when one of these changes (the columns are in the digest
# of the records already).
SHAPING_SETTINGS: Final = (
    "stream_maps",
    "stream_map_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_separator",
    "flattening_max_key_length",
    "faker_config",
)
SCHEMA_VERSION: Final = 1
# The longest integer that Python turns into text without being asked twice.
LONGEST_INTEGER: Final = 10**4000


class AdvexportStream(OwnStateStream, abc.ABC):
    """What all streams of the tap have in common."""

    @override
    def map_failure(self, error: Exception) -> Halt:
        """The end of the run: a row cannot be left out."""
        shown = excerpt(f"{type(error).__name__}: {error}")
        return Halt(ConfigError(f"stream_maps: the map of {self.name} fails on a row: {shown}"))


class ReportStream(AdvexportStream):
    """The rows of one report."""

    # The SDK writes no STATE of its own, whatever the number of records.
    STATE_MSG_FREQUENCY = 2**63

    def __init__(self, tap: TapAdvexport, report: Report) -> None:
        self.report = report
        self.selected_by_default = report.selected_by_default
        super().__init__(tap, schema=report_schema(report.interval), name=report.stream)
        self.primary_keys = ["row_key"]
        self.replication_key = "time"
        self._advexport = tap
        self._coverage = Coverage()
        self._batch_config: BatchConfig | None = None

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Emit every day that is due, export by export.

        Yields the records that the SDK has to shape. Those that go out as they are are written as
        ready-made lines, and are not seen by the SDK.
        """
        try:
            self._run.raise_if_interrupted()
            if self.ABORT_AT_RECORD_COUNT is not None:
                yield from self._dry_run(self.ABORT_AT_RECORD_COUNT)
                self._advexport.echo_state()
            else:
                yield from self._sync()
        except TapAdvexportError as error:
            raise Halt(error) from None

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterable[tuple[BaseBatchFileEncoding, list[str]]]:
        """The files of each export, then its periods, then the STATE that covers them."""
        try:
            self._run.raise_if_interrupted()
            check_batch_config(batch_config)
            if not self._is_ready_made():
                msg = (
                    f"batch_config: cannot be combined with stream maps or flattening ({self.name})"
                )
                raise ConfigError(msg)
            self._batch_config = batch_config
            with self.record_counter:
                yield from cast("Iterator[tuple[BaseBatchFileEncoding, list[str]]]", self._sync())
        except TapAdvexportError as error:
            raise Halt(error) from None

    # The run as a whole.

    @property
    def _run(self) -> Run:
        return self._advexport.run

    @property
    def rules(self) -> Rules:
        """By what this report's days are settled in this run."""
        settings = self._run.settings
        return Rules(
            interval=self.report.interval,
            zone=settings.timezone,
            now=self._run.started_at,
            lookback_days=settings.lookback_days,
        )

    def parse_state(self, state: Mapping[str, Any]) -> Coverage:
        """This report's bookmark.

        Raises:
            StateError: it is not one of ours.
        """
        bookmarks = state.get("bookmarks") or {}
        return parse_bookmark(
            bookmarks.get(self.name),
            start_date=self._run.settings.start_date,
            rules=self.rules,
            path=f"state: bookmarks.{self.name}",
        )

    def _sync(self) -> Iterator[Any]:
        wanted = self._wanted()
        plan = self._plan(wanted)
        self._set_coverage(plan.coverage)
        self._log_plan(wanted, plan)
        try:
            if plan.adopted or plan.demanded:
                yield from self._bring(tuple(_exports(plan)))
            self._advexport.write_state()
        finally:
            self._tally_days(wanted)

    def _wanted(self) -> DateWindow | None:
        settings = self._run.settings
        return days.wanted(
            settings.start_date,
            settings.end_date,
            include_today=settings.include_today,
            rules=self.rules,
        )

    def _plan(self, wanted: DateWindow | None) -> Plan:
        settings = self._run.settings
        refresh = None
        if settings.refresh_start_date and settings.refresh_end_date:
            refresh = DateWindow(settings.refresh_start_date, settings.refresh_end_date)
        before = self.parse_state(self._advexport.state)
        return days.plan(before, wanted, self.rules, settings.window_days, refresh)

    def _log_plan(self, wanted: DateWindow | None, plan: Plan) -> None:
        if not plan.adopted and not plan.demanded:
            logger.info("%s: nothing to export in %s", self.name, wanted or "the days until now")
            return
        due = sum(window.days for window in plan.demanded)
        logger.info(
            "%s: %d exports of %d days that are new or not settled yet, in %s; %d tasks adopted",
            self.name,
            len(plan.demanded),
            due,
            wanted,
            len(plan.adopted),
        )

    def _tally_days(self, wanted: DateWindow | None) -> None:
        if wanted is None:
            return
        tally = self._run.tally
        unsettled = within(self._coverage.unsettled, wanted)
        covered = within(self._coverage.covered(), wanted)
        tally.days_covered += sum(window.days for window in covered)
        tally.days_unsettled += sum(window.days for window in unsettled)

    # Exports and what becomes of them.

    def _runner(self) -> Runner:
        run = self._run
        settings = run.settings
        return Runner(
            client=run.client,
            convert=converter(
                run.conversions,
                interval=self.report.interval,
                zone=settings.timezone,
                columns=self._columns(),
                is_digested=lambda window, at: not days.settles(window, at, self.rules),
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
                interval=self.report.interval,
            ),
            sorting=settings.sorting,
            circuit_breaker=run.circuit_breaker,
        )

    def _events(self, runner: Runner, exports: Iterable[Export]) -> Iterator[list[Event]]:
        events = runner.events(exports)
        if not self._run.machine.is_threaded:
            yield from foreground(events)
            return
        clock = self._run.machine.clock
        waiting_since = clock.monotonic()
        for batch in Background(events).batches(self._on_idle):
            self._run.tally.seconds_waiting += clock.monotonic() - waiting_since
            yield batch
            waiting_since = clock.monotonic()

    def _on_idle(self) -> None:
        self._advexport.raise_if_reader_has_gone()

    def _bring(self, exports: Sequence[Export]) -> Iterator[Any]:
        runner = self._runner()
        self._run.on_interrupt(runner.stop)
        days_total = sum(export.window.days for export in exports)
        self._run.watch.begin(self.report.label, runner, days_total)
        try:
            for batch in self._events(runner, exports):
                yield from self._take(batch)
        finally:
            runner.abandon()
        self._run.raise_if_interrupted()

    def _take(self, batch: list[Event]) -> Iterator[Any]:
        for event in batch:
            match event:
                case Submitted(task):
                    self._submitted(task)
                case Abandoned(task):
                    self._set_coverage(days.dropped(self._coverage, task.task_id))
                case Failed(window, reason):
                    self._failed(window, reason)
                case Ready():
                    # After a signal nothing new is begun, but what was demanded is still noted.
                    if self._run.signal is None:
                        self._advexport.write_state()
                        yield from self._emit(event)
                    event.release()
        self._advexport.write_state()

    def _submitted(self, task: Task) -> None:
        window = task.window
        pending = Pending(task.task_id, window.first, window.last, task.submitted_at)
        self._set_coverage(days.submitted(self._coverage, pending))

    def _failed(self, window: DateWindow, reason: str) -> None:
        self._run.failures.append(FailedDays(self.report.label, window, reason))
        self._run.tally.days_failed += window.days
        self._run.watch.failed(window)

    def _set_coverage(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._advexport.set_bookmark(self.name, render_bookmark(coverage, self.rules))

    # One export.

    def _emit(self, ready: Ready) -> Iterator[Any]:
        """Rows, then periods, then the STATE that covers them."""
        self._warn_of_columns(ready.converted.unknown_columns)
        digests = {period.first: self._shaped(period.digest) for period in ready.converted.periods}
        unchanged = self._unchanged(ready, digests)
        changed = [period for period in ready.converted.periods if period.first not in unchanged]
        self._note_overwriting(changed)
        if self._batch_config is not None:
            yield from self._write_batch(ready, changed, self._batch_config)
        elif self._is_ready_made():
            self._write_lines(ready, changed)
        else:
            yield from _records(ready, changed)
        self._emit_periods(ready, unchanged)
        self._commit(ready, digests, unchanged)
        self._count(ready, changed, unchanged)

    def _unchanged(self, ready: Ready, digests: Mapping[date, str]) -> dict[date, Sent]:
        """The periods whose rows the target holds already, as they were sent."""
        if not self._run.settings.skip_unchanged:
            return {}
        at = ready.task.submitted_at
        return {
            first: self._coverage.sent[first]
            for first, digest in digests.items()
            if first in self._coverage.sent
            and self._coverage.sent[first].digest == digest
            # The export that settles a period heals a target that lost rows.
            and not days.is_final(first, at, ready.window, self.rules)
        }

    def _note_overwriting(self, changed: Iterable[Period]) -> None:
        """Before rows are overwritten, no STATE may say any more that the target holds them.

        Else a run that dies after overwriting, followed by figures that go back to what they were,
        would skip rows that the warehouse no longer holds under their old export_id; and days that
        the next run's `lookback_days` settles would stay overwritten in part.
        """
        firsts = [period.first for period in changed]
        coverage = days.overwriting(self._coverage, firsts, self.rules)
        if coverage != self._coverage:
            self._set_coverage(coverage)
            self._advexport.write_state()

    def _write_lines(self, ready: Ready, changed: Iterable[Period]) -> None:
        frame = RecordFrame(
            self.name,
            version=self.record_version,
            time_extracted=rfc3339(self._run.machine.clock.now()),
        )
        spans = _merged(span for period in changed for span in period.spans)
        for lines in copy_spans(ready.lines, spans):
            self._advexport.write_lines(frame.wrap(lines))
            self._run.watch.sent(lines.count(b"\n"))

    def _write_batch(
        self, ready: Ready, changed: Iterable[Period], config: BatchConfig
    ) -> Iterator[tuple[BaseBatchFileEncoding, list[str]]]:
        spans = _merged(span for period in changed for span in period.spans)
        pieces = copy_spans(ready.lines, spans)
        files = write_batch_files(
            config,
            self.name,
            ready.task.task_id,
            pieces,
            columns=self._columns(),
            timezone=self._run.settings.timezone.key,
        )
        if files:
            yield config.encoding, files

    def _emit_periods(self, ready: Ready, unchanged: Mapping[date, Sent]) -> None:
        exported_at = ready.task.submitted_at
        for period in ready.converted.periods:
            sent = unchanged.get(period.first)
            self._advexport.emit_period(
                {
                    "report": self.report.label,
                    "period": period.first.isoformat(),
                    "export_id": sent.export_id if sent else ready.task.task_id,
                    "exported_at": rfc3339(sent.exported_at if sent else exported_at),
                    "confirmed_at": rfc3339(exported_at),
                    "row_count": period.row_count,
                    "clicks_aggr": _writable(period.clicks_aggr),
                    "conversions_aggr": _writable(period.conversions_aggr),
                    "cost_aggr": Decimal(period.cost_aggr),
                    "is_settled": days.is_settled(
                        period.first, exported_at, ready.window, self.rules
                    ),
                }
            )

    def _commit(
        self, ready: Ready, digests: Mapping[date, str], unchanged: Mapping[date, Sent]
    ) -> None:
        exported_at = ready.task.submitted_at
        sent = {
            first: unchanged.get(first) or Sent(ready.task.task_id, digest, exported_at)
            for first, digest in digests.items()
        }
        self._set_coverage(
            days.emitted(
                self._coverage, ready.window, exported_at, ready.task.task_id, sent, self.rules
            )
        )
        self._advexport.write_state()

    def _count(
        self, ready: Ready, changed: Iterable[Period], unchanged: Mapping[date, Sent]
    ) -> None:
        rows = sum(period.row_count for period in changed)
        tally = self._run.tally
        tally.exports += 1
        tally.rows += rows
        tally.rows_not_sent += ready.converted.row_count - rows
        tally.byte_count += ready.byte_count
        if self._is_ready_made():
            self.record_counter.increment(rows)
        if self._batch_config is not None or not self._is_ready_made():
            self._run.watch.sent(rows)
        self._run.watch.emitted(ready.window)
        logger.info(
            "%s: %s is done, %d rows of %d sent, %d of %d periods unchanged",
            self.name,
            ready.window,
            rows,
            ready.converted.row_count,
            len(unchanged),
            len(ready.converted.periods),
        )

    # What shapes the output.

    def _is_ready_made(self) -> bool:
        """Whether the records go out as they are, so that the SDK need not see each."""
        return self.is_mapped_as_it_is() and _kinds(self.effective_schema) == _kinds(self.schema)

    def _columns(self) -> tuple[str, ...]:
        """The columns to convert: those selected, and all that a stream map may read."""
        return tuple(
            name
            for name in (*COLUMN_NAMES, *ADDED_COLUMNS)
            if name == "row_key" or self.is_selected_column(name)
        )

    def _shaped(self, digest: str) -> str:
        """A digest of records, together with what makes the output of them."""
        shape = {name: self.config.get(name) for name in SHAPING_SETTINGS}
        kinds = _kinds(self.effective_schema)
        text = json.dumps([SCHEMA_VERSION, shape, kinds, digest], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _warn_of_columns(self, unknown: Iterable[str]) -> None:
        for name in sorted(set(unknown) - self._advexport.unknown_columns):
            self._advexport.unknown_columns.add(name)
            shown = self._run.client.shown(name)
            logger.warning("The API's files have an unknown column, emitted nowhere: %s", shown)

    # Dry runs.

    def _dry_run(self, most: int) -> Iterator[Record]:
        """At most so many records of one period, and nothing remembered."""
        self._run.hurry()
        wanted = self._wanted()
        if wanted is None:
            return
        last = plan_windows(
            [DateWindow(wanted.last, wanted.last)],
            interval=self.report.interval,
            window_days=1,
            wanted=wanted,
        )
        runner = self._runner()
        self._run.on_interrupt(runner.stop)
        try:
            for batch in self._events(runner, [Export(window) for window in last]):
                for event in batch:
                    if isinstance(event, Failed):
                        raise IncompleteError(event.reason)
                    if isinstance(event, Ready):
                        yield from _first(_records(event, event.converted.periods), most)
                        event.release()
        finally:
            runner.abandon()
        self._run.raise_if_interrupted()


class PeriodsStream(AdvexportStream):
    """One row for every period of every exported window; the report streams have it emit them."""

    selected_by_default = True

    def __init__(self, tap: TapAdvexport) -> None:
        super().__init__(tap, schema=periods_schema(), name=PERIODS_STREAM)
        self.primary_keys = list(PERIODS_KEY)
        self.replication_key = PERIODS_REPLICATION_KEY
        self._has_schema_out = False

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """None: its rows came with those of the reports."""
        if not any(
            stream.selected for stream in self.parent_tap.streams.values() if stream is not self
        ):
            logger.warning("%s: no report is selected, and its rows come with theirs", self.name)
        return ()

    def emit(self, period: dict[str, Any]) -> None:
        """Write one period's row."""
        self._write_schema_message()
        self.emit_record(period)
        self.record_counter.increment()

    @override
    def _write_schema_message(self) -> None:
        """Once, before the first record or when the stream's turn comes."""
        if not self._has_schema_out:
            self._has_schema_out = True
            super()._write_schema_message()


def _exports(plan: Plan) -> Iterator[Export]:
    for pending in plan.adopted:
        task = Task(pending.task_id, pending.window, pending.submitted_at)
        yield Export(pending.window, task=task, is_adopted=True)
    for window in plan.demanded:
        yield Export(window)


def _records(ready: Ready, changed: Iterable[Period]) -> Iterator[Record]:
    """The records of some periods, as the SDK takes them."""
    spans = _merged(span for period in changed for span in period.spans)
    for lines in copy_spans(ready.lines, spans):
        for line in lines.splitlines():
            yield deserialize_json(line)


def _merged(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Byte ranges in order, those that touch made one."""
    start = stop = 0
    for next_start, next_stop in sorted(spans):
        if next_start != stop:
            if stop > start:
                yield start, stop
            start = next_start
        stop = next_stop
    if stop > start:
        yield start, stop


def _kinds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What of a schema decides how the SDK shapes a record."""
    return {
        name: (sorted(_type_names(kind)), kind.get("format"))
        for name, kind in schema.get("properties", {}).items()
    }


def _type_names(kind: Mapping[str, Any]) -> list[str]:
    names = kind.get("type", [])
    return [names] if isinstance(names, str) else list(names)


def _writable(number: int) -> int | Decimal:
    """An exact total that can be written, however long."""
    return number if abs(number) < LONGEST_INTEGER else Decimal(number)


def _first(records: Iterator[Record], most: int) -> Iterator[Record]:
    for _, record in zip(range(most), records, strict=False):
        yield record
