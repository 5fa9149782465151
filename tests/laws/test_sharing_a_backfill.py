"""A large backfill on several machines: each takes a share, and their states become one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from advexport_sandbox import Clock, Interval, Sandbox, SandboxConfig
from tap_advexport.coverage.merge import Reading, merge_states
from tests.support.accounts import Account, Output, Wall, bare, dates, true

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = "Europe/Berlin"
NOW = datetime(2024, 4, 2, 3, tzinfo=UTC)
START, LAST = "2024-01-01", "2024-04-01"
SHARES = [("2024-01-01", "2024-01-31"), ("2024-02-01", "2024-03-10"), ("2024-03-11", None)]
LOOKBACK_DAYS = 5


class Warehouse:
    """What a target that upserts holds, and what the query of the README makes of it."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._periods: dict[tuple[str, str], str] = {}

    def load(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            if message["type"] != "RECORD":
                continue
            record = message["record"]
            if message["stream"] == "report_periods":
                self._periods[record["report"], record["period"]] = record["export_id"]
            else:
                self._rows[message["stream"], record["row_key"]] = record

    def rows(self, report: str) -> list[dict[str, Any]]:
        return [
            row
            for (stream, _), row in self._rows.items()
            if stream == f"report_{report}"
            and self._periods.get((report, row["report_date"])) == row["export_id"]
        ]


@pytest.fixture
def account() -> Iterator[Account]:
    wall = Wall(NOW)
    config = SandboxConfig(timezone=ZONE, rows_per_day=5, maturing_days=3, empty_day_share=0.1)
    with Sandbox(config, clock=Clock(timezone=ZONE, wall=wall)) as sandbox:
        yield Account(sandbox, wall, ZONE)


def merged(*states: dict[str, Any]) -> dict[str, Any]:
    named = {str(number): state for number, state in enumerate(states)}
    reading = Reading(NOW, ZoneInfo(ZONE))
    state: dict[str, Any] = json.loads(json.dumps(merge_states(named, reading)))
    return state


def assert_holds_the_truth(account: Account, warehouse: Warehouse) -> None:
    for interval in (Interval.DAILY, Interval.MONTHLY):
        assert bare(warehouse.rows(interval.value)) == true(account.truth(interval, START, LAST))


def share(account: Account, first: str, last: str | None, *streams: str) -> Output:
    return account.run(first, *streams, end_date=last, lookback_days=LOOKBACK_DAYS)


def test_no_day_is_exported_twice_and_the_next_run_goes_on_from_all_of_them(
    account: Account,
) -> None:
    warehouse = Warehouse()
    streams = ("report_daily", "report_monthly")
    outputs = [share(account, first, last, *streams) for first, last in SHARES]
    for output in outputs:
        warehouse.load(output.messages)
    days = [day for output in outputs for day in output.days()]
    assert sorted(days) == dates(START, LAST)
    state = merged(*(output.state for output in outputs))
    assert state["bookmarks"]["report_daily"]["settled"] == [[START, "2024-03-27"]]
    following = account.run(START, *streams, state=state, lookback_days=LOOKBACK_DAYS)
    warehouse.load(following.messages)
    assert following.days() == dates("2024-03-28", LAST)
    # March was cut in two, so that the warehouse may hold a part of it as the whole.
    assert following.days("monthly") == ["2024-03-01", "2024-04-01"]
    assert_holds_the_truth(account, warehouse)


def test_wherever_a_machine_dies_the_others_states_and_its_last_one_lose_nothing(
    account: Account,
) -> None:
    whole = share(account, *SHARES[0])
    dying = share(account, *SHARES[1])
    last = share(account, *SHARES[2])
    ends = [at for at, message in enumerate(dying.messages) if message["type"] == "STATE"]
    assert len(ends) > 8
    for end in ends[:-1]:
        warehouse = Warehouse()
        # Rows behind its last STATE have arrived too: those of an export that was not ended.
        for messages in (whole.messages, dying.messages[: end + 3], last.messages):
            warehouse.load(messages)
        left = dying.messages[end]["value"]
        state = merged(last.state, left, whole.state)
        pending = left["bookmarks"]["report_daily"]["pending"]
        kept = {task["task_id"] for task in state["bookmarks"]["report_daily"]["pending"]}
        assert kept == {task["task_id"] for task in pending}
        before = account.sandbox.submissions
        following = account.run(START, state=state, lookback_days=LOOKBACK_DAYS)
        warehouse.load(following.messages)
        assert bare(warehouse.rows("daily")) == true(account.truth(Interval.DAILY, START, LAST))
        done = [
            message["record"]
            for message in dying.messages[:end]
            if message["type"] == "RECORD" and message["stream"] == "report_periods"
        ]
        again = set(following.days())
        assert {each["period"] for each in done} == set(dying.days()) - again
        windows = 6 - len({each["export_id"] for each in done}) - len(pending)
        assert account.sandbox.submissions - before == windows + 1
