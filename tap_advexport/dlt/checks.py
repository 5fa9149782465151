"""What must hold before days are exported, or rows are lost, repeated or wrong in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.resolve import resolve_configuration
from dlt.common.destination.exceptions import DestinationCapabilitiesException
from dlt.common.destination.utils import resolve_merge_strategy
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.common.storages.load_package import LoadPackageStateInjectableContext
from dlt.load.configuration import LoaderConfiguration

from tap_advexport.dlt.tables import MERGE_STRATEGY
from tap_advexport.errors import ConfigError
from tap_advexport.reports import ACCOUNT_COLUMN, PERIODS_STREAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt.common.schema.typing import TTableSchema
    from dlt.extract import DltResource

_DISCARDING: Final = "discard"


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


def check_load(stream: str, account: str | None) -> None:
    """Check that this load keeps a report's tables true.

    Raises:
        ConfigError: it would not.
    """
    try:
        dlt.current.load_package_state()
    except CurrentLoadPackageStateNotAvailable:
        raise ConfigError("source: its rows come in a pipeline only: give it to `load`") from None
    _check_that_days_can_be_replaced()
    _check_that_rows_come_first()
    _check_that_failed_jobs_count()
    _check_that_no_row_is_discarded(stream, dlt.current.source().resources[stream])
    _check_that_no_row_is_discarded(PERIODS_STREAM)
    _check_account(stream, account)
    _check_account(PERIODS_STREAM, account)


def _check_that_days_can_be_replaced() -> None:
    """Check the destination. Some replace rows in tables of one format, and append to others."""
    # None if a pipeline only extracts.
    destination: Any = dlt.current.pipeline().destination
    if destination is None:
        return
    table: TTableSchema = {"name": PERIODS_STREAM, "columns": {}, "write_disposition": "merge"}
    table["x-merge-strategy"] = MERGE_STRATEGY  # type: ignore[typeddict-unknown-key]  # a hint
    try:
        way = resolve_merge_strategy({PERIODS_STREAM: table}, table, destination.capabilities())
    except DestinationCapabilitiesException:
        way = None
    if way is None:
        raise ConfigError(
            f"destination {destination.destination_name}: cannot replace days "
            f"({MERGE_STRATEGY} is needed); docs/dlt.md lists those that can"
        )


def _check_that_rows_come_first() -> None:
    """Check that the bookmarks are not stored before the rows that they cover.

    dlt stores the state of a pipeline with the rows of its default schema. If that is another
    source's, and that source is extracted in the same run before this one, it is loaded before;
    with a dataset for each schema, it would not be found there.
    """
    package = Container()[LoadPackageStateInjectableContext]
    others = [each for each in package.storage.list_packages() if each < package.load_id]
    pipeline: Any = dlt.current.pipeline()
    holder, name = pipeline.default_schema_name, dlt.current.source_schema().name
    if holder not in {None, name} and not pipeline.config.use_single_dataset:
        raise ConfigError(
            f"use_single_dataset: when false, dlt does not find the bookmarks of {name} beside "
            f"{holder} again: give it a pipeline of its own"
        )
    if holder in {package.storage.load_schema(each).name for each in others}:
        raise ConfigError(
            f"source: dlt would store the bookmarks of {name} with the rows of {holder}, before "
            "its own: load the two in runs of their own"
        )


def _check_that_failed_jobs_count() -> None:
    """Check that a load with a failed job fails; otherwise bookmarks would cover what it lacks."""
    # Partial: where the packages lie is left out.
    loader = resolve_configuration(LoaderConfiguration(), sections=("load",), accept_partial=True)
    if not loader.raise_on_failed_jobs:
        raise ConfigError(
            "load.raise_on_failed_jobs: must be true, by which a load counts only when all of it "
            "was stored"
        )


def _check_that_no_row_is_discarded(table: str, resource: DltResource | None = None) -> None:
    """Check the schema contract: bookmarks would cover rows that dlt throws away."""
    hints: Any = resource.compute_table_schema() if resource else None
    contract = dlt.current.source_schema().resolve_contract_settings_for_table(table, hints)
    for entity, mode in contract.items():
        if str(mode).startswith(_DISCARDING):
            raise ConfigError(
                f"schema_contract: {entity}: {mode} has dlt throw away what it loads of {table}, "
                "and its days would count as loaded; take evolve or freeze"
            )


def _check_account(name: str, account: str | None) -> None:
    """Check that a table that is there has the column `account` if and only if there is a label."""
    table = next(
        (t for n, t in dlt.current.source_schema().tables.items() if n.lower() == name), None
    )
    columns = {column.lower() for column in table["columns"]} if table else set()
    if columns and (ACCOUNT_COLUMN in columns) != bool(account):
        if account:
            raise ConfigError(f"account: {name} has no such column: load into a new dataset")
        raise ConfigError(f"account: {name} has this column: give the label of its account")
