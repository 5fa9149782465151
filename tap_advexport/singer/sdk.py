"""The only module that uses private parts of the Singer SDK, each for a stated reason.

`tests/unit/singer/test_sdk.py` fails when the SDK drops or renames one of these.
"""

from __future__ import annotations

import abc
import json
import signal
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream, Tap
from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import _ConfigInput as ConfigInput
from typing_extensions import override

from tap_advexport.errors import CatalogError, ConfigError, TapAdvexportError
from tap_advexport.redaction import excerpt

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import FrameType

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.metrics import Counter
    from singer_sdk.singerlib import Catalog, RecordMessage

# The first three have no public name in the SDK: types of its settings and of its command line.
__all__ = [
    "BaseBatchFileEncoding",
    "BatchConfig",
    "ConfigInput",
    "Halt",
    "InterruptibleTap",
    "OwnStateStream",
]


class Halt(SystemExit):
    """Ends the run. It is not an Exception, so the SDK does not report it as unhandled."""

    def __init__(self, error: TapAdvexportError) -> None:
        super().__init__(1)
        self.error = error


class InterruptibleTap(Tap, abc.ABC):
    """A tap that a signal does not kill: it notes the signal, and ends between two lines."""

    @abc.abstractmethod
    def interrupt(self, signum: int) -> None:
        """Note a signal."""

    @override
    def _reset_state_progress_markers(self) -> None:
        """Do nothing: there are none, and the SDK fails on some bookmarks of other taps."""

    @override
    def _setup_signal_handlers(self) -> None:
        """Set handlers as the SDK does, but keep on ignoring signals ignored at the start."""
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(signum) is not signal.SIG_IGN:
                    signal.signal(signum, self._handle_termination)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Note the signal; the SDK would write STATE in the middle of a line, and exit."""
        self.interrupt(signum)


class OwnStateStream(Stream, abc.ABC):
    """A stream that manages its own bookmark: the SDK neither moves it nor writes it."""

    # Records already conform to their schema. The SDK makes a number null if no float can hold it.
    TYPE_CONFORMANCE_LEVEL = type(Stream.TYPE_CONFORMANCE_LEVEL).NONE

    _record_counter: Counter | None = None
    _has_schema_out = False

    @override
    def apply_catalog(self, catalog: Catalog) -> None:
        """Take the selection from a catalog, and keep the keys, without which rows are lost.

        Raises:
            CatalogError: the stream is selected and the catalog has other keys, as from a
                discovery with other settings.
        """
        keys, replication_key = [*self.primary_keys], self.replication_key
        super().apply_catalog(catalog)
        named: Any = self.primary_keys
        self.primary_keys, self.replication_key = keys, replication_key
        if not self._properties():
            # It says what is selected, and nothing of the columns.
            self._input_schema = None
        if not self.selected:
            return
        given = [named] if isinstance(named, str) or not isinstance(named, Iterable) else [*named]
        missing = [key for key in keys if key not in self._properties()]
        if missing or (named and sorted(map(str, given)) != sorted(keys)):
            shown = excerpt(", ".join(map(str, given)))
            told = f"lacks {', '.join(missing)}" if missing else f"has the key {shown}"
            raise CatalogError(
                f"catalog: {self.name} {told}, but its key is {', '.join(keys)}: "
                "run --discover again with the settings of this run"
            )

    def _properties(self) -> Mapping[str, Any]:
        return self.effective_schema.get("properties") or {}

    @override
    def _write_schema_message(self) -> None:
        """Write it once: records of `report_periods` come before the SDK syncs that stream."""
        if not self._has_schema_out:
            self._has_schema_out = True
            super()._write_schema_message()

    @override
    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        """Do nothing: the SDK's bookmark of an unsorted stream moves back and forth with rows."""

    @override
    def _write_starting_replication_value(self, context: Context | None) -> None:
        """Do nothing: the SDK would leave a key of its own in the bookmark."""

    @override
    def _write_state_message(self) -> None:
        """Do nothing: the SDK would write STATE in the middle of an export, or after a dry run."""

    @override
    def get_replication_key_signpost(self, context: Context | None = None) -> None:
        """Return None: the bookmark is not the maximum of a replication key."""

    @override
    def finalize_state_progress_markers(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: there are no progress markers, and no bookmark except the stream's own."""

    @override
    def _finalize_state(self, state: dict[str, Any] | None = None) -> None:
        """Do nothing: there are no progress markers."""

    @override
    def get_record_counter(self, **kwargs: Any) -> Counter:
        """Return the one counter of the stream; it also counts records that bypass the SDK."""
        if self._record_counter is None:
            self._record_counter = super().get_record_counter(**kwargs)
        return self._record_counter

    @override
    def _process_record(
        self,
        record: Record,
        child_context: Context | None = None,
        partition_context: Context | None = None,
    ) -> None:
        """Do nothing: there are no child streams, for which the SDK would evaluate the filter."""

    @override
    def _generate_record_messages(self, record: Record) -> Generator[RecordMessage, None, None]:
        """Yield what the SDK yields; report an error of a stream map as a wrong setting."""
        try:
            yield from super()._generate_record_messages(record)
        except Exception as error:  # noqa: BLE001 - a map can raise anything
            causes = [error, *([error.__cause__] if error.__cause__ else [])]
            # The texts of these quote the value, which may be an id that a map is to hide. What is
            # looked up by name, as in config['salt'], stands in the map.
            maps = json.dumps(self.config.get("stream_maps")).replace('\\"', "'")
            quotes = any(
                isinstance(each, ValueError | LookupError) and f"[{each}]" not in maps
                for each in causes
            )
            texts = [", whose text would quote the row"] if quotes else [f": {e}" for e in causes]
            names = " of a ".join(type(each).__name__ for each in causes[::-1])
            shown = excerpt(names + "".join(texts))
            if isinstance(error, TypeError) and "decimal.Decimal" in str(error):
                shown += "; amounts are exact decimals: write float(cost_aggr) * 0.92, say"
            msg = f"stream_maps: the map of {self.name} fails on a row: {shown}"
            # The run ends, because no row may be left out.
            raise Halt(ConfigError(msg)) from None

    @property
    def record_counter(self) -> Counter:
        """The counter of emitted records."""
        return self.get_record_counter()

    def emit_record(self, record: dict[str, Any]) -> None:
        """Write one record through the SDK, with selection, stream maps and flattening."""
        self._write_schema_message()
        self._write_record_message(record)
        self.record_counter.increment()

    @property
    def record_version(self) -> int | None:
        """The version that ACTIVATE_VERSION announced; every record then carries it."""
        return self._stream_version

    def is_selected_column(self, name: str) -> bool:
        """Return whether the catalog selects a column."""
        return name in self._properties() and bool(self.mask[("properties", name)])

    def is_mapped_as_it_is(self) -> bool:
        """Return whether the SDK would write each record once, unchanged, under the stream name."""
        if len(self.stream_maps) != 1:
            return False
        only = self.stream_maps[0]
        return (
            type(only) is SameRecordTransform
            and not only.flattening_enabled
            and only.stream_alias == self.name
        )
