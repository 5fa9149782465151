"""The three ways to write a report's rows as Singer messages, chosen once at the start of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from singer_sdk.singerlib.json import deserialize_json

from tap_advexport.singer.batch import write_batch_files
from tap_advexport.singer.messages import RecordFrame, copy_spans
from tap_advexport.windows import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.helpers.types import Record

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.singer.output import SingerOutput
    from tap_advexport.singer.sdk import OwnStateStream
    from tap_advexport.sync.destination import PeriodRow
    from tap_advexport.sync.run import Run
    from tap_advexport.sync.shape import Shape

    Batch = tuple[BaseBatchFileEncoding, list[str]]

_Item = TypeVar("_Item")


class SingerDestination(Generic[_Item]):
    """What all three share: periods as records of their stream, commit as STATE."""

    def __init__(self, run: Run, stream: OwnStateStream, output: SingerOutput) -> None:
        self._run = run
        self._stream = stream
        self._output = output

    def write_periods(self, rows: Sequence[PeriodRow]) -> Iterator[_Item]:
        """Write rows of `report_periods`."""
        for row in rows:
            self._output.write_period(row)
        return iter(())

    def commit(self, bookmark: dict[str, object]) -> None:
        """Write STATE, unless it is the one written last."""
        self._output.set_bookmark(self._stream.name, bookmark)
        self._output.write_state()

    def check(self) -> None:
        """Raise OutputClosed when nobody reads stdout any more."""
        self._output.raise_if_reader_has_gone()


class ReadyLines(SingerDestination[Any]):
    """Writes records as lines that were made ready; the SDK does not see them."""

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Any]:
        """Write whole lines, some at a time."""
        frame = RecordFrame(
            self._stream.name,
            version=self._stream.record_version,
            time_extracted=rfc3339(self._run.machine.clock.now()),
        )
        for lines in copy_spans(ready.lines, spans_of(periods)):
            self._output.write_lines(frame.wrap(lines))
            self._run.progress.sent(lines.count(b"\n"))
        self._stream.record_counter.increment(sum(period.row_count for period in periods))
        return iter(())


class SdkRecords(SingerDestination["Record"]):
    """Gives records one by one to the SDK, which maps, flattens and writes them."""

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Record]:
        """Give the records of some periods."""
        yield from records_of(ready, periods)
        self._run.progress.sent(sum(period.row_count for period in periods))


class BatchFiles(SingerDestination["Batch"]):
    """Writes files, and gives their names to the SDK."""

    def __init__(
        self,
        run: Run,
        stream: OwnStateStream,
        output: SingerOutput,
        config: BatchConfig,
        shape: Shape,
    ) -> None:
        super().__init__(run, stream, output)
        self._config = config
        self._columns = shape.columns

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[Batch]:
        """Write the files of some periods, and give one manifest of them."""
        files = write_batch_files(
            self._config,
            self._stream.name,
            ready.task.task_id,
            copy_spans(ready.lines, spans_of(periods)),
            columns=self._columns,
            timezone=self._run.settings.timezone.key,
        )
        if files:
            yield self._config.encoding, files
        rows = sum(period.row_count for period in periods)
        self._stream.record_counter.increment(rows)
        self._run.progress.sent(rows)


def records_of(ready: Ready, periods: Iterable[Period]) -> Iterator[Record]:
    """Give the records of some periods, as the SDK takes them."""
    for lines in copy_spans(ready.lines, spans_of(periods)):
        for line in lines.splitlines():
            yield deserialize_json(line)


def spans_of(periods: Iterable[Period]) -> Iterator[tuple[int, int]]:
    """Give the byte ranges of some periods in order, those that touch made one."""
    start = stop = 0
    for next_start, next_stop in sorted(span for period in periods for span in period.spans):
        if next_start != stop:
            if stop > start:
                yield start, stop
            start = next_start
        stop = next_stop
    if stop > start:
        yield start, stop
