"""The streams of the reports: which columns are selected, and how the rows are written."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace
from typing_extensions import override

from tap_advexport.errors import ConfigError, MachineError, TapAdvexportError
from tap_advexport.records.convert import SpoolFormat
from tap_advexport.reports import ACCOUNT_COLUMN, ADDED_COLUMNS, COLUMN_NAMES
from tap_advexport.singer.destinations import (
    BatchFiles,
    ReadyLines,
    SdkRecords,
    constants_of,
    records_of,
)
from tap_advexport.singer.schemas import account_key, report_schema
from tap_advexport.singer.sdk import Halt, OwnStateStream
from tap_advexport.sync.engine import ReportSync, coverage_of_bookmark
from tap_advexport.sync.exporting import latest_export
from tap_advexport.sync.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from tap_advexport.reports import Report
    from tap_advexport.singer.destinations import Batch
    from tap_advexport.singer.output import SingerOutput
    from tap_advexport.singer.sdk import BatchConfig
    from tap_advexport.sync.destination import Destination
    from tap_advexport.sync.run import Run

_Item = TypeVar("_Item")

# The settings that, besides the selected columns, change the output of equal figures.
SHAPING_SETTINGS: Final = (
    "stream_maps",
    "stream_map_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_separator",
    "flattening_max_key_length",
    "faker_config",
)


class ReportStream(OwnStateStream):
    """The stream of one report's rows."""

    # So large that the SDK writes no STATE of its own, whatever the number of records.
    STATE_MSG_FREQUENCY = 2**63

    def __init__(self, tap: Tap, report: Report, run: Run | None, output: SingerOutput) -> None:
        """Describe the stream.

        Args:
            run: what all streams share; None if the settings are not valid, as in discovery.
        """
        self.report = report
        self.selected_by_default = report.selected_by_default
        is_labelled = bool(tap.config.get("account"))
        schema = report_schema(report.interval, is_labelled=is_labelled)
        super().__init__(tap, schema=schema, name=report.stream)
        self.primary_keys = [*account_key(is_labelled=is_labelled), "row_key"]
        self.replication_key = "time"
        self._run_or_none = run
        self._output = output
        self._planned: ReportSync[Any] | None = None
        # In a dry run: whether the API has delivered an export; None before the dry run.
        self.has_answered: bool | None = None

    @property
    def _run(self) -> Run:
        if self._run_or_none is None:
            msg = "the settings are not valid"
            raise ConfigError(msg)
        return self._run_or_none

    def prepare(self) -> ReportSync[Any]:
        """Plan the run, and put the bookmark that the run starts from into the state.

        Raises:
            StateError: the bookmark is not one of this tap's.
        """
        before = coverage_of_bookmark(self._output.bookmark(self.name), self.report, self._run)
        self._planned = ReportSync(self._run, self.report, before, self._shape())
        self._output.set_bookmark(self.name, self._planned.bookmark())
        return self._planned

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Emit every day that is due, export by export.

        Yields only the records that the SDK has to shape. Records that need no shaping are written
        as ready-made lines, which bypass the SDK.
        """
        with _halting():
            self._run.raise_if_interrupted()
            if self.ABORT_AT_RECORD_COUNT is not None:
                yield from self._dry_run(self.ABORT_AT_RECORD_COUNT)
                self._output.echo_state()
            else:
                kind = ReadyLines if self._is_ready_made() else SdkRecords
                yield from self._items(kind(self._run, self, self._output, self._shape()))

    @override
    def get_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> Iterable[Batch]:
        """Yield the files of each export; its periods and the STATE that covers them follow."""
        with _halting():
            self._run.raise_if_interrupted()
            if not self._is_ready_made():
                msg = (
                    f"batch_config: cannot be combined with stream maps or flattening ({self.name})"
                )
                raise ConfigError(msg)
            with self.record_counter:
                yield from self._items(
                    BatchFiles(self._run, self, self._output, self._shape(), batch_config)
                )

    def _items(self, destination: Destination[_Item]) -> Iterator[_Item]:
        sync, self._planned = self._planned or self.prepare(), None
        try:
            yield from sync.items(destination)
        finally:
            # However the sync ended, the last STATE must list the tasks that are under way.
            self._output.set_bookmark(self.name, sync.bookmark())

    def _dry_run(self, most: int) -> Iterator[Record]:
        """Yield at most `most` records of one period, and save nothing in the state."""
        self._run.hurry()
        self.has_answered = False
        shape = replace(self._shape(), spool_format=SpoolFormat.LINES)
        for ready in latest_export(self._run, self.report, shape):
            self.has_answered = True
            constants = constants_of(self._run, ready, shape)
            records = records_of(ready, ready.converted.periods, constants)
            for _, record in zip(range(most), records, strict=False):
                yield record

    # What shapes the output.

    def _is_ready_made(self) -> bool:
        """Return whether the records are written unchanged, so that they can bypass the SDK."""
        return self.is_mapped_as_it_is() and _kinds(self.effective_schema) == _kinds(self.schema)

    def _shape(self) -> Shape:
        columns = tuple(
            name
            for name in (*COLUMN_NAMES, *ADDED_COLUMNS, ACCOUNT_COLUMN)
            if name in self.primary_keys
            or (name in self.schema["properties"] and self.is_selected_column(name))
        )
        # Settings that leave the rows as they are change no shape.
        is_shaped = not self._is_ready_made()
        settings = {name: self.config.get(name) if is_shaped else None for name in SHAPING_SETTINGS}
        settings["timezone"] = self._run.settings.timezone.key
        settings["account"] = self._run.settings.account
        settings["schema"] = _kinds(self.effective_schema)
        batch_config = self.config.get("batch_config") or {}
        is_arrow = batch_config.get("encoding", {}).get("format") == "parquet"
        return Shape(columns, settings, SpoolFormat.ARROW if is_arrow else SpoolFormat.LINES)


@contextmanager
def _halting() -> Iterator[None]:
    """Raise the tap's errors as Halt, so that one line reports them and the SDK does not."""
    try:
        yield
    except TapAdvexportError as error:
        raise Halt(error) from None
    except (RuntimeError, MemoryError) as error:
        lack = MachineError.of(error)
        if lack is None:
            raise
        raise Halt(lack) from None


def _kinds(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a schema that decide how the SDK shapes a record."""
    return {
        name: (sorted(_type_names(kind)), kind.get("format"))
        for name, kind in schema.get("properties", {}).items()
    }


def _type_names(kind: Mapping[str, Any]) -> list[str]:
    names = kind.get("type", [])
    return [names] if isinstance(names, str) else list(names)
