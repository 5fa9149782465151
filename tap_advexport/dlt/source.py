"""The source `advexport`: its settings, its resources, and what these share during extraction."""

from __future__ import annotations

import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import dlt
from msgspec.structs import replace

from tap_advexport.api.log_filter import guard_logs
from tap_advexport.coverage.plan import Portion
from tap_advexport.coverage.ranges import union
from tap_advexport.dlt.checks import check_load, is_replaced
from tap_advexport.dlt.destination import PipelineDestination
from tap_advexport.dlt.last_package import (
    Package,
    note_load,
    note_package,
    restore_note,
    with_days,
)
from tap_advexport.dlt.load import current_load, is_in_load
from tap_advexport.dlt.state import (
    SOURCE,
    forget,
    is_refreshed,
    kept_bookmarks,
    load_id_of_package,
    resolve_doubts,
)
from tap_advexport.dlt.tables import (
    REPORT_COLUMNS,
    ReportTables,
    period_hints,
    report_hints,
)
from tap_advexport.errors import ConfigError, IncompleteError
from tap_advexport.records.convert import SpoolFormat
from tap_advexport.reports import REPORTS
from tap_advexport.settings import parse_settings
from tap_advexport.sync.engine import ReportSync, coverage_of_bookmark
from tap_advexport.sync.run import Machine, Run
from tap_advexport.sync.shape import Shape
from tap_advexport.sync.totals import failed_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

    from dlt.extract import DltResource

    from tap_advexport.reports import Report
    from tap_advexport.settings import Settings

logger = logging.getLogger(__name__)

DEFAULT_REPORTS: Final = tuple(report.label for report in REPORTS if report.selected_by_default)
# Destinations whose texts hold no NUL: a file with one would fail every load as a whole.
WITHOUT_NUL: Final = ("dlt.destinations.postgres", "dlt.destinations.redshift")
LABELS: Final = tuple(report.label for report in REPORTS)


# The arguments are the settings, by name. One that is not given is looked up in dlt's
# configuration, and otherwise has the default in docs/reference/settings.md.
@dlt.source(name=SOURCE, section=SOURCE)
def advexport(  # noqa: PLR0913 - one for each setting
    start_date: Any = dlt.config.value,  # noqa: ANN401 - a date, or a text of one
    *,
    auth_token: str = dlt.secrets.value,
    reports: list[str] | None = None,
    max_days_per_load: int | None = None,
    account: str | None = None,
    end_date: Any = None,  # noqa: ANN401 - same
    include_today: bool | None = None,
    timezone: str | None = None,
    lookback_days: int | None = None,
    window_days: int | None = None,
    max_concurrent_exports: int | None = None,
    poll_interval_seconds: float | None = None,
    export_timeout_seconds: float | None = None,
    export_attempts: int | None = None,
    request_timeout_seconds: float | None = None,
    request_attempts: int | None = None,
    sorting: str | None = None,
    refresh_start_date: Any = None,  # noqa: ANN401 - same
    refresh_end_date: Any = None,  # noqa: ANN401 - same
    skip_unchanged: bool = False,
    api_url: str | None = None,
    user_agent: str | None = None,
) -> Iterator[DltResource]:
    """Load advertiser reports from an asynchronous export API, exact in every table.

    Args:
        reports: any of `daily`, `hourly` and `monthly`; only `daily` by default.
        max_days_per_load: the most days of each report in one load, newest first.
        skip_unchanged: leave out days whose figures are those that this pipeline loaded last. Use
            it only if no other pipeline writes to the dataset.
    """
    config = dict(locals())
    del config["reports"], config["max_days_per_load"]
    yield from resources(
        config,
        reports=DEFAULT_REPORTS if reports is None else reports,
        max_days_per_load=max_days_per_load,
    )


def resources(
    config: Mapping[str, object],
    *,
    reports: Sequence[str],
    max_days_per_load: int | None = None,
    machine: Machine | None = None,
) -> Iterator[DltResource]:
    """Yield a resource for each report.

    Raises:
        ConfigError: a setting is wrong.
    """
    machine = machine or Machine()
    chosen = _chosen(reports)
    if max_days_per_load is not None and not _is_count(max_days_per_load):
        raise ConfigError(f"max_days_per_load: must be at least 1 (got {max_days_per_load!r})")
    guard_logs()
    settings = parse_settings(config, now=machine.clock.now())
    extraction = Extraction(settings, machine, max_days_per_load)
    for report in chosen:
        yield _resource(extraction, report)


def _chosen(reports: Sequence[str]) -> list[Report]:
    labels = [reports] if isinstance(reports, str) else list(reports)
    unknown = [label for label in labels if label not in LABELS]
    if unknown or not labels:
        got = unknown[0] if unknown else "none"
        raise ConfigError(f"reports: must be of {', '.join(LABELS)} (got {got})")
    return [report for report in REPORTS if report.label in labels]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _resource(extraction: Extraction, report: Report) -> DltResource:
    settings = extraction.settings
    tables = ReportTables(settings.timezone, settings.account)

    def bring() -> Iterator[Any]:
        yield from extraction.bring(report, tables)

    resource: DltResource = dlt.resource(bring, name=report.stream)
    # The table's hints start as a copy of the resource's, so set them while those are empty.
    resource.apply_hints(**period_hints(settings.account), create_table_variant=True)
    resource.apply_hints(**report_hints(tables.schema, settings.account))
    return resource


class Extraction:
    """What the resources share while dlt extracts them: one run, and which of them may export.

    dlt asks all resources in turn for their next item. They export their reports one after the
    other, so that no more exports are in flight than the settings allow.
    """

    def __init__(self, settings: Settings, machine: Machine, max_days_per_load: int | None) -> None:
        self.settings = settings
        self._machine = machine
        self._max_days = max_days_per_load
        self._run: Run | None = None
        self._begun = 0
        self._is_taken = False
        self._package = Package("")
        self._is_loading = self._has_failed = False

    def bring(self, report: Report, tables: ReportTables) -> Iterator[Any]:
        """Export a report's days when its turn has come; yield None until then."""
        check_load(report.stream, self.settings.account)
        self._begun += 1
        try:
            replaced = self._is_replaced(report)
            while self._is_taken:
                yield None
            self._is_taken = True
            try:
                yield from self._bring(report, tables, replaced=replaced)
            finally:
                self._is_taken = False
        except BaseException as error:
            # dlt closes a generator when it has enough of it, and when an error has ended all.
            is_enough = isinstance(error, GeneratorExit) and error.__context__ is None
            self._has_failed |= not is_enough
            raise
        finally:
            self._begun -= 1
            if not self._begun:
                self._end()

    def _is_replaced(self, report: Report) -> bool:
        replaced = is_replaced(report.stream)
        if replaced and self._max_days:
            raise ConfigError(
                "max_days_per_load: not with write_disposition replace, by which the table would "
                "hold the days of the last load alone"
            )
        return replaced

    def _bring(self, report: Report, tables: ReportTables, *, replaced: bool) -> Iterator[Any]:
        state = dlt.current.source_state()
        if self._run is None:
            self._run = self._begin(state)
        run = self._run
        emptied = self._package.emptied
        if (replaced or is_refreshed()) and report.stream not in emptied:
            forget(state, report.stream)
            self._package = replace(self._package, emptied=(*emptied, report.stream))
        bookmarks = kept_bookmarks(state, self.settings.account)
        before = coverage_of_bookmark(bookmarks.get(report.stream), report, run)
        how = {"dlt": 1, "timezone": self.settings.timezone.key}
        shape = Shape(REPORT_COLUMNS, how, _spool_format())
        told, key = current_load(), (report.stream, self.settings.account)
        portion = Portion(self._max_days, told.done.get(key, ()))
        sync: ReportSync[Any] = ReportSync(run, report, before, shape, portion)
        destination = PipelineDestination(
            run, report.stream, tables, bookmarks, is_replaced=replaced
        )
        self._is_loading |= bool(self._package.emptied)
        self._package = with_days(self._package, *key, sync.windows)
        known = len(run.failures)
        try:
            yield from sync.items(destination)
        finally:
            # dlt throws an empty package away, as if it had never been.
            if destination.has_written:
                self._is_loading = True
                note_load(state, self._package.load_id)
        failures = run.failures[known:]
        breaker = run.circuit_breaker
        # Refusals of all days are failed days, as an API that refuses them is not down.
        is_down = breaker.failed and not breaker.succeeded and not destination.has_submitted
        if failures and is_down:
            raise IncompleteError(f"the API does not work: {failures[-1]}")
        for failed in failed_ranges(failures):
            then = "" if failed.advice else "; the next run tries them again"
            logger.error("Failed days: %s%s", failed, then)
            told.failures.append(failed)
        told.done[key] = union((*portion.done, *sync.windows))
        told.days_left += sync.days_left

    def _begin(self, state: MutableMapping[str, Any]) -> Run:
        # Once in a load: the first report may have ended before the second begins.
        if load_id_of_package() != self._package.load_id:
            self._is_loading = self._has_failed = False
            now, settings = self._machine.clock.now(), self.settings
            self._package = resolve_doubts(
                state, now, settings.timezone, settings.start_date, is_in_load=is_in_load()
            )
        agent = f"tap-advexport/{version('tap-advexport')}"
        return Run(self.settings, self._machine, agent)

    def _end(self) -> None:
        if self._run is not None:
            run, self._run = self._run, None
            run.close()
            logger.info("Summary: %s", run.tally.line(run.seconds()))
        pipeline: Any = dlt.current.pipeline()
        # None if a pipeline only extracts.
        if pipeline.destination is not None:
            schema = dlt.current.source_schema().name
            if self._has_failed:
                restore_note(pipeline, schema, load_id_of_package())
            elif self._is_loading:
                note_package(pipeline, schema, self._package)


def _spool_format() -> SpoolFormat:
    # None if a pipeline only extracts.
    destination: Any = dlt.current.pipeline().destination
    if destination is not None and destination.destination_type in WITHOUT_NUL:
        return SpoolFormat.ARROW_WITHOUT_NUL
    return SpoolFormat.ARROW
