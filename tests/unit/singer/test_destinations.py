"""The three ways to write an export's rows, and what they share."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from singer_sdk.singerlib.encoding.simple import RecordMessage
from singer_sdk.singerlib.json import serialize_json

from tap_advexport.exports.job import Ready
from tap_advexport.reports import PERIODS_STREAM
from tap_advexport.singer.destinations import BatchFiles, ReadyLines, SdkRecords
from tap_advexport.singer.output import SingerOutput
from tap_advexport.singer.sdk import BatchConfig, OwnStateStream
from tap_advexport.singer.stdout import OutputClosed
from tap_advexport.sync.destination import PeriodRow
from tap_advexport.sync.shape import Shape
from tap_advexport.windows import DateWindow, Task
from tests.support.records_reference import ADDED, COLUMNS, row, run_rows
from tests.support.taps import RecordingWriter, tap_with

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2017, 10, 5, 3, tzinfo=UTC)
SHAPE = Shape((*COLUMNS, *ADDED), {})
ROWS = [row(), row(time="2017-10-02 00:00", campaign="a\u2028b"), row(time="2017-10-02 00:00")]


class Rig:
    """A stream, its output, and a run that counts what is sent."""

    def __init__(self, selected: tuple[str, ...] = ("report_daily", PERIODS_STREAM)) -> None:
        self.writer = RecordingWriter()
        self.tap = tap_with(selected, writer=self.writer)
        self.sent: list[int] = []
        stream = self.tap.streams["report_daily"]
        assert isinstance(stream, OwnStateStream)
        self.stream = stream
        run = SimpleNamespace(
            machine=SimpleNamespace(clock=SimpleNamespace(now=lambda: MOMENT)),
            progress=SimpleNamespace(sent=self.sent.append),
            settings=SimpleNamespace(account=None, timezone=SimpleNamespace(key="UTC")),
        )
        self.parts: tuple[Any, OwnStateStream, SingerOutput, Shape] = (
            run,
            stream,
            SingerOutput(self.tap),
            SHAPE,
        )
        result = run_rows(ROWS)
        window = DateWindow(date(2017, 10, 1), date(2017, 10, 3))
        self.ready = Ready(
            Task("task-1", window, MOMENT),
            io.BytesIO(result.spool),
            result.converted,
            10,
            release=lambda: None,
        )
        self.expected = [json.loads(line) for line in result.lines.splitlines()]


def test_ready_lines_are_whole_messages_that_the_sdk_does_not_see() -> None:
    rig = Rig()
    assert list(ReadyLines(*rig.parts).write_rows(rig.ready, rig.ready.converted.periods)) == []
    lines = b"".join(cast("list[bytes]", rig.writer.written)).splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "type": "RECORD",
            "stream": "report_daily",
            "record": record,
            "time_extracted": "2017-10-05T03:00:00Z",
        }
        for record in rig.expected
    ]
    assert (sum(rig.sent), rig.stream.record_counter.value) == (3, 3)


def test_records_for_the_sdk_are_equal_and_come_one_by_one() -> None:
    rig = Rig()
    records = SdkRecords(*rig.parts).write_rows(rig.ready, rig.ready.converted.periods)
    assert [json.loads(json.dumps(record, default=float)) for record in records] == rig.expected
    # The SDK counts what it writes.
    assert (rig.sent, rig.stream.record_counter.value, rig.writer.written) == ([3], 0, [])


def test_integers_of_any_length_go_through_the_sdk() -> None:
    """Python reads and writes no integer above its limit of digits, but a Decimal."""
    digits = "9" * 4301
    result = run_rows([row(cost_aggr=digits, cr="7", clicks_aggr="9" * 4300)])
    rig = Rig()
    rig.ready = replace(rig.ready, lines=io.BytesIO(result.spool), converted=result.converted)
    destination = SdkRecords(*rig.parts)
    [record] = destination.write_rows(rig.ready, result.converted.periods)
    assert record["cost_aggr"] == Decimal(digits)
    assert (record["cr"], record["clicks_aggr"]) == (7, Decimal("9" * 4300))
    assert digits in serialize_json(record)


def test_batch_files_hold_equal_records_and_are_one_manifest(tmp_path: Path) -> None:
    rig = Rig()
    encoding = {"format": "jsonl", "compression": "gzip"}
    config = BatchConfig.from_dict(
        {"encoding": encoding, "storage": {"root": tmp_path.as_uri()}, "batch_size": 2}
    )
    files = BatchFiles(*rig.parts, config)
    [(said, urls)] = files.write_rows(rig.ready, rig.ready.converted.periods)
    assert (said, len(urls)) == (config.encoding, 2)
    lines = [
        line
        for url in urls
        for line in gzip.decompress((tmp_path / url.rpartition("/")[2]).read_bytes()).splitlines()
    ]
    assert [json.loads(line) for line in lines] == rig.expected
    assert (rig.sent, rig.stream.record_counter.value) == ([3], 3)
    # The last day has no rows: no file, and no manifest.
    assert list(files.write_rows(rig.ready, rig.ready.converted.periods[2:])) == []


def test_only_the_wanted_periods_are_written() -> None:
    rig = Rig()
    list(ReadyLines(*rig.parts).write_rows(rig.ready, rig.ready.converted.periods[1:2]))
    assert rig.sent == [2]


def period() -> PeriodRow:
    return PeriodRow(
        "daily", date(2017, 10, 1), "v", "task-1", MOMENT, MOMENT, 1, 2, 3, "0.5", is_settled=True
    )


@pytest.mark.parametrize(
    ("selected", "count"), [(("report_daily", PERIODS_STREAM), 2), (("report_daily",), 0)]
)
def test_periods_go_out_where_their_stream_is_selected(
    selected: tuple[str, ...], count: int
) -> None:
    rig = Rig(selected)
    list(ReadyLines(*rig.parts).write_periods([period(), period()]))
    assert sum(isinstance(each, RecordMessage) for each in rig.writer.written) == count


def test_a_commit_is_the_bookmark_in_a_state_that_is_written_once() -> None:
    rig = Rig()
    destination = ReadyLines(*rig.parts)
    for _ in range(2):
        destination.commit({"settled": []})
    assert rig.tap.state["bookmarks"] == {"report_daily": {"settled": []}}
    assert len(rig.writer.written) == 1


def test_a_reader_that_has_gone_is_noticed() -> None:
    rig = Rig()
    destination = ReadyLines(*rig.parts)
    destination.check()
    rig.writer.has_reader = False
    with pytest.raises(OutputClosed):
        destination.check()
