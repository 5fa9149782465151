"""The bookmarks in the source's state, and the import and export of a Singer state."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.storages.load_package import LoadPackageStateInjectableContext
from dlt.load.configuration import LoaderConfiguration

from tap_advexport.clock import SystemClock
from tap_advexport.coverage.settling import AS_WRITTEN, Rules
from tap_advexport.coverage.state_envelope import bookmarks_of as checked_bookmarks
from tap_advexport.coverage.state_envelope import coverage_of, parse_singer_state
from tap_advexport.dlt.last_package import (
    Package,
    counts,
    note_load,
    note_package,
    noted_package,
)
from tap_advexport.dlt.tables import MERGE_STRATEGY
from tap_advexport.errors import ConfigError, StateError
from tap_advexport.reports import PERIODS_STREAM, REPORTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from dlt.common.pipeline import LoadInfo

SOURCE: Final = "advexport"
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


def is_replaced(resource: str) -> bool:
    """Return whether this load replaces a resource's whole table, as a run can request.

    Raises:
        ConfigError: the run requests a way of writing that neither replaces the table nor days.
    """
    given = dlt.current.source().resources[resource].write_disposition
    way: Mapping[str, Any] = given if isinstance(given, dict) else {"disposition": given}
    name, strategy = way.get("disposition"), way.get("strategy") or MERGE_STRATEGY
    if name == "replace":
        return True
    if name != "merge" or strategy != MERGE_STRATEGY:
        told = f"merge by {strategy}" if name == "merge" else name
        raise ConfigError(
            f"write_disposition: {told} does not replace days, so the table would be wrong; leave "
            "it out, or take replace"
        )
    return False


def is_refreshed() -> bool:
    """Return whether this load drops or empties the tables first, as a run can request."""
    return "refresh" in _package()["state"]


def is_emptied(table: str) -> bool:
    """Return whether a table is among those that this load drops or empties first."""
    state = _package()["state"]
    emptied = [*state.get("dropped_tables", ()), *state.get("truncated_tables", ())]
    return any(each["name"].lower() == table for each in emptied)


def forget_what_is_in_doubt(state: MutableMapping[str, Any]) -> Package:
    """Forget what the tables may not hold, and return the package of this load."""
    load_id = load_id_of_package()
    # None if a pipeline only extracts.
    pipeline: Any = dlt.current.pipeline()
    schema = dlt.current.source_schema().name
    noted = None if pipeline.destination is None else noted_package(pipeline, schema)
    if noted and noted.load_id == load_id:
        # Another source of this load, with which this one shares the package, came first.
        return noted
    left = None if noted is None or counts(state, noted.load_id) else noted
    # The periods are those of all reports, also of reports that this load does not bring.
    is_empty = is_emptied(PERIODS_STREAM) or bool(left and left.emptied)
    for report in REPORTS:
        if is_empty:
            forget(state, report.stream)
        elif left:
            forget_what_was_sent(state, report.stream)
    return Package(load_id, tuple(report.stream for report in REPORTS) if is_empty else ())


def load_id_of_package() -> str:
    """Return the id of the current load."""
    return str(_package()["load_id"])


def check_that_rows_come_first() -> None:
    """Check that the bookmarks are not stored before the rows that they cover.

    dlt stores the state of a pipeline with the rows of its default schema. If that is another
    source's, and that source is extracted in the same run before this one, it is loaded before.

    Raises:
        ConfigError: it is.
    """
    package = Container()[LoadPackageStateInjectableContext]
    others = [each for each in package.storage.list_packages() if each < package.load_id]
    holder = dlt.current.pipeline().default_schema_name
    if holder in {package.storage.load_schema(each).name for each in others}:
        raise ConfigError(
            f"source: dlt would store the bookmarks of {SOURCE} with the rows of {holder}, before "
            "its own: load the two in runs of their own"
        )


def check_that_failed_jobs_count() -> None:
    """Check that a load with a failed job fails; otherwise bookmarks would cover what it lacks.

    Raises:
        ConfigError: dlt is told to go on.
    """
    # Partial: where the packages lie is left out.
    loader = resolve_configuration(LoaderConfiguration(), sections=("load",), accept_partial=True)
    if not loader.raise_on_failed_jobs:
        raise ConfigError(
            "load.raise_on_failed_jobs: must be true, by which a load counts only when all of it "
            "was stored"
        )


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
    if pipeline.has_pending_data:
        raise StateError(f"{_NOT_ENDED}, or pipeline.drop() to give up what it left")
    bookmarks = checked_bookmarks(parse_singer_state(json.dumps(state), "state"), "state")
    known = {report.stream: report for report in REPORTS}
    for stream, bookmark in bookmarks.items():
        if stream in known:
            report = known[stream]
            rules = Rules(report.interval, ZoneInfo("UTC"), SystemClock().now(), AS_WRITTEN)
            coverage_of(bookmark, report, rules, start_date=None)
    moved = {stream: dict(bookmarks[stream]) for stream in known if stream in bookmarks}
    if not moved:
        raise StateError("state has no bookmark of this tap: nothing to import")
    return pipeline.run(_import(moved, account))


def export_state(pipeline: dlt.Pipeline, *, account: str | None = None) -> dict[str, Any]:
    """Return what a pipeline has loaded as a Singer state, for the tap and its commands.

    Args:
        account: the account whose state to take; not needed where only one was loaded.

    Raises:
        StateError: nothing of the account was loaded, or several were and none is named; or an
            earlier run of the pipeline has not ended.
    """
    # Before the synchronization, which drops what a first run has left.
    if pipeline.has_pending_data:
        raise StateError(_NOT_ENDED)
    pipeline.sync_destination()
    sources: Any = pipeline.state.get("sources", {})
    source = copy.deepcopy(dict(sources.get(SOURCE, {})))
    noted = noted_package(pipeline, SOURCE)
    if noted and not counts(source, noted.load_id):
        if noted.emptied:
            raise StateError(_NOT_ENDED)
        for report in REPORTS:
            forget_what_was_sent(source, report.stream)
    if not source:
        return {"bookmarks": {}}
    state = {"sources": {SOURCE: source}}
    return parse_singer_state(json.dumps(state), "pipeline state", account=account)


@dlt.source(name=SOURCE)
def _import(bookmarks: dict[str, Any], account: str | None) -> Iterator[Any]:
    def note() -> Iterator[None]:
        state = dlt.current.source_state()
        package = forget_what_is_in_doubt(state)
        kept_bookmarks(state, account).update(bookmarks)
        note_load(state, package.load_id)
        note_package(dlt.current.pipeline(), SOURCE, package)
        yield None

    yield dlt.resource(note, name="imported_state")
