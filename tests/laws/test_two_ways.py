"""Ready-made lines and the SDK's record by record give the same records, whatever the file."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from decimal import Decimal
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_advexport.reports import Interval
from tap_advexport.tap import TapAdvexport
from tests.laws.test_conversion import rows_of
from tests.support.accounts import handlers_of_signals
from tests.support.records_reference import COLUMNS, csv_bytes
from tests.support.wire import Asked, Wire, head, reply

FIRST, LAST = "2017-10-01", "2017-10-03"
# What makes the SDK shape each record, and leaves the columns of the report as they are.
MAPS: Final = {"report_daily": {"mapped": "1"}}
FLAT: Final = {"report_daily": {"mapped": "1", "campaign": "campaign", "cr": "cr"}}


def records(file: bytes, stream: str = "report_daily", **more: object) -> list[dict[str, Any]]:
    """The records of a run of the whole tap, with a server that has nothing but this file."""

    def answer(asked: Asked) -> bytes:
        if asked.method == "POST":
            return reply(b'{"result": "QUEUED", "task_id": "t"}')
        if asked.target.startswith("/api/"):
            content = {"state": "SUCCESS", "result": f"{server.origin}/file"}
            return reply(json.dumps(content).encode())
        return head(200, **{"Content-Length": len(file)}) + file

    with Wire(answer) as server:
        config = {
            "auth_token": "token",
            "api_url": f"{server.origin}/api/",
            "start_date": FIRST,
            "end_date": LAST,
            "poll_interval_seconds": 0.01,
            **more,
        }
        printed = io.StringIO()
        with handlers_of_signals(), redirect_stdout(printed):
            TapAdvexport(config=config).sync_all()
    # Not splitlines: it also ends lines at separators that may stand in texts.
    lines = printed.getvalue().rstrip("\n").split("\n")
    messages = [json.loads(line, parse_float=Decimal) for line in lines]
    return [
        {name: value for name, value in message["record"].items() if name != "exported_at"}
        for message in messages
        if message["type"] == "RECORD" and message["stream"] == stream
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows_of(Interval.DAILY), st.booleans(), st.sampled_from([MAPS, FLAT]))
def test_both_ways_give_equal_records(
    rows: list[dict[str, str]],
    is_all_quoted: bool,  # noqa: FBT001 - a value that hypothesis gives
    maps: dict[str, dict[str, str]],
) -> None:
    file = csv_bytes(rows, header=COLUMNS, is_all_quoted=is_all_quoted)
    ready_made = records(file)
    shaped = records(file, stream_maps=maps)
    assert len(ready_made) == len(rows)
    assert [record | {"mapped": 1} for record in ready_made] == [
        record | {"mapped": int(record["mapped"])} for record in shaped
    ]


def test_numbers_that_no_float_holds_are_whole_in_rows_and_totals() -> None:
    numbers = {"cost_aggr": "-1e400", "clicks_aggr": "9" * 4200, "conversions_aggr": "1" * 400}
    row = dict.fromkeys(COLUMNS, "1") | {"time": f"{FIRST} 00:00"} | numbers
    file = csv_bytes([row], header=COLUMNS, is_all_quoted=False)
    [ready_made] = records(file)
    [shaped] = records(file, stream_maps=MAPS)
    total = next(period for period in records(file, "report_periods") if period["period"] == FIRST)
    for found in (ready_made, shaped, total):
        assert {name: Decimal(found[name]) for name in numbers} == {
            name: Decimal(text) for name, text in numbers.items()
        }
