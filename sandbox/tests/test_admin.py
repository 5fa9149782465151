from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from advexport_sandbox import Sandbox
    from sandbox.tests.client import Client


def test_the_clock_can_be_read_and_moved(api: Sandbox, client: Client) -> None:
    assert client.control("GET", "clock").json == {"now": "2024-04-02T03:00:00+00:00"}
    moved = client.control("POST", "clock", {"advance_days": 3, "advance_seconds": 60})
    assert moved.json == {"now": "2024-04-05T03:01:00+00:00"}
    client.control("POST", "clock", {"now": "2024-05-01T12:00:00Z"})
    assert api.now == datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_faults_can_be_ordered_listed_and_cleared(client: Client) -> None:
    order = {
        "name": "status-429",
        "count": 2,
        "match": {"endpoint": "submit", "first": "2024-03-01"},
        "options": {"retry_after": 5},
    }
    assert client.control("POST", "faults", order).json == {"status-429": 2}
    assert client.submit().headers["Retry-After"] == "5"
    assert client.control("GET", "faults").json == {"status-429": 1}
    assert client.control("DELETE", "faults").json == {}
    assert client.submit().status == 200


def test_a_fault_needs_no_more_than_its_name(client: Client) -> None:
    client.control("POST", "faults", {"name": "status-500"})
    assert [client.submit().status for _ in range(2)] == [500, 200]


@pytest.mark.parametrize(
    "order",
    [
        {},
        [],
        {"name": "no-such-fault"},
        {"name": "drip", "size": 3},
        {"name": "drip", "match": {"window": 3}},
        {"name": "drip", "match": {"day": "today"}},
        {"name": "drip", "options": {"speed": 3}},
        {"name": "stuck", "match": {"endpoint": "download"}},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_refused(
    api: Sandbox, client: Client, order: object
) -> None:
    refused = client.control("POST", "faults", order)
    assert refused.status == 400
    assert refused.json["detail"]
    assert not api.faults


def test_truth_and_counters_can_be_read(api: Sandbox, client: Client) -> None:
    client.submit()
    truth = client.control("GET", "truth?interval=daily&first=2024-03-01&last=2024-03-02")
    assert truth.json == api.truth("daily", date(2024, 3, 1), date(2024, 3, 2))
    assert client.control("GET", "counters").json == api.counters
    assert api.submissions == 1
    assert len(api.requests) == 1


def test_unknown_controls_are_not_found(client: Client) -> None:
    assert client.control("GET", "nothing").status == 404
