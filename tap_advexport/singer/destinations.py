"""The three ways to write a report's rows as Singer messages; each stream chooses one per run."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from singer_sdk.singerlib.json import deserialize_json

from tap_advexport.records.lines import ExportConstants, record_lines
from tap_advexport.singer.batch import write_batch_files
from tap_advexport.singer.messages import record_frame
from tap_advexport.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Record

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.singer.output import SingerOutput
    from tap_advexport.singer.sdk import BaseBatchFileEncoding, BatchConfig, OwnStateStream
    from tap_advexport.sync.destination import PeriodRow
    from tap_advexport.sync.run import Run
    from tap_advexport.sync.shape import Shape

    Batch = tuple[BaseBatchFileEncoding, list[str]]

_Item = TypeVar("_Item")

# PYTHONINTMAXSTRDIGITS cannot be lower: https://docs.python.org/3/library/stdtypes.html
LEAST_LIMIT_OF_DIGITS: Final = 640


class SingerDestination(Generic[_Item]):
    """Base of all three: writes periods as records of `report_periods`, and STATE on commit."""

    def __init__(
        self, run: Run, stream: OwnStateStream, output: SingerOutput, shape: Shape
    ) -> None:
        self._run = run
        self._stream = stream
        self._output = output
        self._shape = shape

    def write_periods(self, rows: Sequence[PeriodRow]) -> Iterator[_Item]:
        """Write rows of `report_periods`."""
        for row in rows:
            self._output.write_period(row)
        return iter(())

    def commit(self, bookmark: dict[str, object]) -> None:
        """Write STATE, unless it is the same as the last one written."""
        self._output.set_bookmark(self._stream.name, bookmark)
        self._output.write_state()

    def check(self) -> None:
        """Raise OutputClosed if the reader of stdout has gone."""
        self._output.raise_if_reader_has_gone()


class ReadyLines(SingerDestination[Any]):
    """Writes records as ready-made lines, which bypass the SDK."""

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Any]:
        """Write the records of the given periods, many lines at a time."""
        frame = record_frame(
            self._stream.name,
            version=self._stream.record_version,
            time_extracted=rfc3339(self._run.machine.clock.now()),
        )
        constants = constants_of(self._run, ready, self._shape)
        for lines in record_lines(ready.lines, periods, constants, frame):
            self._output.write_lines(lines)
            self._run.progress.sent(lines.count(b"\n"))
        self._stream.record_counter.increment(sum(period.row_count for period in periods))
        return iter(())


class SdkRecords(SingerDestination["Record"]):
    """Passes records one by one to the SDK, which maps, flattens and writes them."""

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Record]:
        """Yield the records of the given periods."""
        yield from records_of(ready, periods, constants_of(self._run, ready, self._shape))
        self._run.progress.sent(sum(period.row_count for period in periods))


class BatchFiles(SingerDestination["Batch"]):
    """Writes files, and passes their URLs to the SDK."""

    def __init__(
        self,
        run: Run,
        stream: OwnStateStream,
        output: SingerOutput,
        shape: Shape,
        config: BatchConfig,
    ) -> None:
        super().__init__(run, stream, output, shape)
        self._config = config

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Batch]:
        """Write the files of the given periods, and yield one manifest that lists them."""
        files = write_batch_files(
            self._config,
            self._stream.name,
            ready,
            periods,
            constants_of(self._run, ready, self._shape),
            timezone=self._run.settings.timezone.key,
        )
        if files:
            yield self._config.encoding, files
        rows = sum(period.row_count for period in periods)
        self._stream.record_counter.increment(rows)
        self._run.progress.sent(rows)


def constants_of(run: Run, ready: Ready, shape: Shape) -> ExportConstants:
    """Return the values that all rows of an export share."""
    return ExportConstants(
        columns=shape.columns,
        export_id=ready.task.task_id,
        exported_at=ready.task.submitted_at,
        account=run.settings.account,
    )


def records_of(
    ready: Ready, periods: Iterable[Period], constants: ExportConstants
) -> Iterator[Record]:
    """Yield the records of the given periods, in the form that the SDK takes."""
    for lines in record_lines(ready.lines, periods, constants):
        for line in lines.splitlines():
            yield deserialize_json(line, parse_int=_integer)


def _integer(text: str) -> int | Decimal:
    """Return an integer in a type that is read and written at any limit on its digits."""
    return int(text) if len(text) <= LEAST_LIMIT_OF_DIGITS else Decimal(text)
