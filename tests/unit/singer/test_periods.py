"""The rows of `report_periods` as messages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from singer_sdk.singerlib.encoding.simple import RecordMessage, SchemaMessage

from tap_advexport.reports import PERIODS_STREAM
from tap_advexport.singer.periods import LONGEST_INTEGER, PeriodsStream
from tap_advexport.sync.destination import PeriodRow
from tests.support.taps import RecordingWriter, tap_with

SELECTED = {"report_daily", PERIODS_STREAM}
MOMENT = datetime(2024, 2, 1, 3, tzinfo=UTC)


def row(**changes: int) -> PeriodRow:
    totals = {"row_count": 2, "clicks_aggr": 3, "conversions_aggr": -1, **changes}
    return PeriodRow(
        report="daily",
        period=date(2024, 1, 1),
        version="v",
        export_id="task",
        exported_at=MOMENT,
        confirmed_at=MOMENT,
        cost_aggr="12345678901234567890.10",
        is_settled=True,
        **totals,
    )


def stream_with(writer: RecordingWriter, account: str | None = None) -> PeriodsStream:
    stream = tap_with(SELECTED, {"account": account}, writer=writer).streams[PERIODS_STREAM]
    assert isinstance(stream, PeriodsStream)
    return stream


def test_the_schema_goes_out_once_before_the_first_row() -> None:
    writer = RecordingWriter()
    stream = stream_with(writer)
    for _ in range(2):
        stream.emit(row())
    kinds = [type(message) for message in writer.written]
    assert kinds == [SchemaMessage, RecordMessage, RecordMessage]
    assert stream.record_counter.value == 2
    record = writer.written[1]
    assert isinstance(record, RecordMessage)
    assert record.record == {
        "report": "daily",
        "period": "2024-01-01",
        "period_version": "v",
        "export_id": "task",
        "exported_at": "2024-02-01T03:00:00Z",
        "confirmed_at": "2024-02-01T03:00:00Z",
        "row_count": 2,
        "clicks_aggr": 3,
        "conversions_aggr": -1,
        "cost_aggr": Decimal("12345678901234567890.10"),
        "is_settled": True,
    }


def test_an_account_with_a_label_leads_the_key_and_is_in_every_row() -> None:
    writer = RecordingWriter()
    stream = stream_with(writer, "north")
    stream.emit(row())
    record = writer.written[1]
    assert isinstance(record, RecordMessage)
    assert record.record["account"] == "north"
    assert stream.primary_keys == ["account", "report", "period"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_total_of_any_length_can_be_written(sign: int) -> None:
    writer = RecordingWriter()
    total = sign * LONGEST_INTEGER
    stream_with(writer).emit(row(clicks_aggr=total, conversions_aggr=total - sign))
    record = writer.written[1]
    assert isinstance(record, RecordMessage)
    assert record.record["clicks_aggr"] == total
    assert isinstance(record.record["clicks_aggr"], Decimal)
    assert isinstance(record.record["conversions_aggr"], int)


def test_its_turn_brings_no_rows_of_its_own() -> None:
    assert list(tap_with(SELECTED).streams[PERIODS_STREAM].get_records(None)) == []
