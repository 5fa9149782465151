"""The bookmarks in the source's state, and the import and export of a Singer state."""

from __future__ import annotations

import copy
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.pipeline.exceptions import PipelineStepFailed
from msgspec.structs import replace

from tap_advexport.clock import SystemClock
from tap_advexport.coverage.bookmark import render_bookmark
from tap_advexport.coverage.settling import AS_WRITTEN, Rules
from tap_advexport.coverage.state_envelope import bookmarks_of as checked_bookmarks
from tap_advexport.coverage.state_envelope import coverage_of, parse_singer_state
from tap_advexport.coverage.transitions import reopened
from tap_advexport.dlt.last_package import (
    Package,
    check_notes,
    forget_notes,
    is_ahead,
    noted_package,
    packages_in_doubt,
    sources_of,
    with_days,
)
from tap_advexport.dlt.load import own_error
from tap_advexport.errors import StateError
from tap_advexport.reports import PERIODS_STREAM, REPORTS
from tap_advexport.windows import DateWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping
    from datetime import date, datetime

    from dlt.common.pipeline import LoadInfo

logger = logging.getLogger(__name__)

SOURCE: Final = "advexport"
UTC: Final = ZoneInfo("UTC")
_REPORTS: Final = {report.stream: report for report in REPORTS}
_NOT_ENDED: Final = "an earlier run of the pipeline has not ended: run its load once first"


def kept_bookmarks(state: MutableMapping[str, Any], account: str | None) -> dict[str, Any]:
    """Return the bookmarks by stream, to be changed in place; each account has its own."""
    if account:
        state = state.setdefault("accounts", {}).setdefault(account, {})
    bookmarks: dict[str, Any] = state.setdefault("bookmarks", {})
    return bookmarks


def forget(state: MutableMapping[str, Any], stream: str) -> None:
    """Drop a stream's bookmarks for all accounts, because its table is emptied."""
    for bookmarks in _bookmarks_of_accounts(state):
        bookmarks.pop(stream, None)


def forget_what_was_sent(state: MutableMapping[str, Any], stream: str) -> None:
    """Forget what was sent of a stream's days, for all accounts: the table may hold other rows."""
    for bookmarks in _bookmarks_of_accounts(state):
        if stream in bookmarks:
            bookmarks[stream] = {**bookmarks[stream], "sent": []}


def _bookmarks_of_accounts(state: MutableMapping[str, Any]) -> Iterator[dict[str, Any]]:
    for holder in (state, *state.get("accounts", {}).values()):
        yield holder.get("bookmarks", {})


def is_refreshed() -> bool:
    """Return whether this load drops or empties the tables first, as a run can request."""
    return "refresh" in _package()["state"]


def is_emptied(table: str) -> bool:
    """Return whether a table is among those that this load drops or empties first."""
    state = _package()["state"]
    emptied = [*state.get("dropped_tables", ()), *state.get("truncated_tables", ())]
    return any(each["name"].lower() == table for each in emptied)


def resolve_doubts(
    state: MutableMapping[str, Any],
    now: datetime,
    zone: ZoneInfo = UTC,
    start: date | None = None,
    *,
    is_in_load: bool = False,
) -> Package:
    """Have exported again what the tables may not hold, and return the package of this load.

    Args:
        start: the setting `start_date`, if known.
        is_in_load: the state is the destination's, where that differs from the local one.

    Raises:
        StateError: the destination lacks the last load, which `load` sees to; or the notes of
            packages cannot be read or written; or a bookmark says nothing without `start`.
    """
    package = Package(load_id_of_package())
    # None if a pipeline only extracts.
    pipeline: Any = dlt.current.pipeline()
    if pipeline.destination is not None:
        check_notes(pipeline)
        schema = dlt.current.source_schema().name
        noted = noted_package(pipeline, schema)
        if noted and noted.load_id == package.load_id:
            # Another source of this load, with which this one shares the package, came first.
            return noted
        if _is_ahead(pipeline, schema, state):
            if not is_in_load:
                raise _not_there(pipeline)
            logger.warning("The destination's state is not its own: all days are exported again")
            package = replace(package, emptied=tuple(_REPORTS))
        doubts = list(packages_in_doubt(pipeline, schema, state))
        package = reopen_doubtful(state, doubts, package, now, zone, start)
    # The periods are those of all reports, also of reports that this load does not bring.
    if package.emptied or is_emptied(PERIODS_STREAM):
        package = replace(package, emptied=tuple(_REPORTS))
    for stream in package.emptied:
        forget(state, stream)
    return package


def reopen_doubtful(  # noqa: PLR0913, PLR0917 - all that a bookmark is read by
    state: MutableMapping[str, Any],
    doubts: Iterable[Package],
    package: Package,
    now: datetime,
    zone: ZoneInfo = UTC,
    start: date | None = None,
) -> Package:
    """Have the days of packages in doubt exported again; return a package with all of them.

    Raises:
        StateError: a bookmark is none, or says nothing without `start`.
    """
    for doubtful in doubts:
        package = replace(package, emptied=package.emptied or doubtful.emptied)
        for stream in _REPORTS:
            forget_what_was_sent(state, stream)
        for days in doubtful.days:
            windows = [DateWindow(*each) for each in days.ranges]
            package = with_days(package, days.stream, days.account, windows)
            bookmarks = kept_bookmarks(state, days.account)
            report = _REPORTS[days.stream]
            if bookmark := bookmarks.get(days.stream):
                rules = Rules(report.interval, zone, now, AS_WRITTEN)
                coverage = coverage_of(bookmark, report, rules, start_date=start)
                bookmarks[days.stream] = {
                    **bookmark,
                    **render_bookmark(reopened(coverage, windows, rules), rules),
                }
    return package


def _is_ahead(pipeline: dlt.Pipeline, schema: str, state: Mapping[str, Any]) -> bool:
    # Where a pipeline only extracts, its destination may be out of reach.
    with suppress(DestinationConnectionError, ConfigFieldMissingException):
        return is_ahead(pipeline, schema, state)
    return False


def _not_there(pipeline: dlt.Pipeline) -> StateError:
    return StateError(
        f"pipeline {pipeline.pipeline_name}: its local state covers a load that the destination "
        "does not have, because that was restored, or is another one: run `load` of "
        "tap_advexport.dlt, which takes the destination's state"
    )


def load_id_of_package() -> str:
    """Return the id of the current load."""
    return str(_package()["load_id"])


def _package() -> Any:  # noqa: ANN401 - dlt's, typed by none of its keys
    return dlt.current.load_package_state()


def import_state(
    pipeline: dlt.Pipeline, state: Mapping[str, Any], *, account: str | None = None
) -> LoadInfo | None:
    """Make a pipeline continue from a Singer state: the days that it covers count as loaded.

    The bookmarks of its streams are replaced, at the destination too. Rows are not moved.

    Args:
        state: a Singer state, bare or as Meltano stores it.
        account: the account of the state, if the source is given one.

    Raises:
        StateError: `state` is not a state of this tap, or has no bookmark of it; or an earlier run
            of the pipeline has not ended.
    """
    if _has_not_ended(pipeline):
        raise StateError(f"{_NOT_ENDED}, or pipeline.drop() to give up what it left")
    bookmarks = checked_bookmarks(parse_singer_state(json.dumps(state), "state"), "state")
    moved = {stream: dict(bookmarks[stream]) for stream in _REPORTS if stream in bookmarks}
    for stream, bookmark in moved.items():
        rules = Rules(_REPORTS[stream].interval, UTC, SystemClock().now(), AS_WRITTEN)
        coverage_of(bookmark, _REPORTS[stream], rules, start_date=None)
    if not moved:
        raise StateError("state has no bookmark of this tap: nothing to import")
    try:
        info = pipeline.run(_import(moved, account))
    except PipelineStepFailed as error:
        if cause := own_error(error):
            raise cause.with_traceback(None) from None
        raise
    forget_notes(pipeline, SOURCE)
    return info


def export_state(pipeline: dlt.Pipeline, *, account: str | None = None) -> dict[str, Any]:
    """Return what a pipeline has loaded as a Singer state, for the tap and its commands.

    A pipeline that has loaded nothing at all gives a state without a bookmark. Of several sources,
    the one that is named `advexport` counts.

    Args:
        account: the account whose state to take; not needed where only one was loaded.

    Raises:
        StateError: nothing of the account was loaded, or several were and none is named; several
            sources of other names were loaded; or an earlier run of the pipeline has not ended.
    """
    # Before the synchronization, which drops what a first run has left.
    if _has_not_ended(pipeline):
        raise StateError(_NOT_ENDED)
    pipeline.sync_destination()
    sources = sources_of(pipeline)
    name = SOURCE if SOURCE in sources or not sources else min(sources)
    if len(sources) > 1 and name != SOURCE:
        names = ", ".join(sorted(sources))
        raise StateError(f"the pipeline has several sources ({names}), and none is {SOURCE}")
    source = copy.deepcopy(sources.get(name, {}))
    if is_ahead(pipeline, name, source):
        raise _not_there(pipeline)
    doubts = list(packages_in_doubt(pipeline, name, source))
    if reopen_doubtful(source, doubts, Package(""), SystemClock().now()).emptied:
        raise StateError(_NOT_ENDED)
    if not source:
        return {"bookmarks": {}}
    state = {"sources": {SOURCE: source}}
    return parse_singer_state(json.dumps(state), "pipeline state", account=account)


def _has_not_ended(pipeline: dlt.Pipeline) -> bool:
    # Packages that are flagged to be aborted are not pending to dlt.
    return bool(pipeline.has_pending_data or pipeline.list_normalized_load_packages())


@dlt.source(name=SOURCE)
def _import(bookmarks: dict[str, Any], account: str | None) -> Iterator[Any]:
    def note() -> Iterator[None]:
        state = dlt.current.source_state()
        resolve_doubts(state, SystemClock().now())
        kept_bookmarks(state, account).update(bookmarks)
        yield None

    yield dlt.resource(note, name="imported_state")
