"""What an API allows: tasks at once, submissions per time, days back, and a firewall before it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from advexport_sandbox import Clock, Match, Options, Sandbox, SandboxConfig
from sandbox.tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 3)
NOW = datetime(2024, 4, 2, 3, tzinfo=UTC)
LIMITS = {"limit-400": 400, "limit-403": 403, "limit-409": 409, "limit-429": 429}
QUOTAS = {"quota-403": 403, "quota-429": 429}
CAUSED = {
    *LIMITS, *QUOTAS, "limit-error", "rate-429", "retention-400", "firewall-403", "same-task-id",
}  # fmt: skip


@contextmanager
def slow_api() -> Iterator[tuple[Sandbox, Client]]:
    """An API whose tasks run a minute of a clock that a test moves."""
    clock = Clock(NOW, monotonic=lambda: 0)
    with Sandbox(SandboxConfig(latency=60, rows_per_day=5), clock=clock) as sandbox:
        yield sandbox, Client(sandbox)


@pytest.mark.parametrize("name", LIMITS)
def test_so_many_tasks_may_be_under_way(name: str) -> None:
    with slow_api() as (api, client):
        api.inject(name, count=None, options=Options(limit=2))
        assert [client.submit().status for _ in range(2)] == [200, 200]
        refused = client.submit()
        assert (refused.status, refused.headers["Retry-After"]) == (LIMITS[name], None)
        assert "in progress" in refused.json["detail"]
        assert len(api.tasks) == 2
        api.advance(seconds=60)
        assert client.submit().status == 200


def test_a_limit_of_tasks_can_be_told_as_an_error_result() -> None:
    with slow_api() as (api, client):
        api.inject("limit-error", count=None)
        client.submit()
        refused = client.submit()
        assert (refused.status, refused.json) == (200, {"result": "ERROR", "task_id": None})
        api.advance(seconds=60)
        assert client.submit().json["result"] == "QUEUED"


def test_a_limit_that_is_not_met_has_not_struck() -> None:
    with slow_api() as (api, client):
        injection = api.inject("limit-429")
        client.submit()
        assert injection.hits == 0
        assert [client.submit().status for _ in range(2)] == [429, 200]
        assert injection.hits == 1


def test_of_many_submissions_at_once_one_is_accepted() -> None:
    with slow_api() as (api, client):
        api.inject("limit-409", count=None)
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: client.submit().status, range(16)))
        assert sorted(statuses) == [200, *[409] * 15]


def test_submissions_may_come_once_in_a_time() -> None:
    with slow_api() as (api, client):
        api.inject("rate-429", count=None, options=Options(seconds=10))
        assert [client.submit().status for _ in range(2)] == [200, 429]
        api.advance(seconds=9)
        refused = client.submit()
        assert (refused.status, refused.headers["Retry-After"]) == (429, None)
        api.advance(seconds=1)
        assert client.submit().status == 200


@pytest.mark.parametrize("name", QUOTAS)
def test_a_day_has_a_quota_of_submissions(name: str) -> None:
    with slow_api() as (api, client):
        api.inject(name, count=None, options=Options(limit=2))
        assert [client.submit().status for _ in range(3)] == [200, 200, QUOTAS[name]]
        api.advance(days=1)
        assert client.submit().status == 200


def test_old_days_are_not_kept_and_the_border_moves_with_the_clock() -> None:
    with slow_api() as (api, client):
        api.inject("retention-400", count=None, options=Options(days=31))
        assert client.submit(start_date="2024-03-02").status == 200
        refused = client.submit(start_date="2024-03-01")
        assert refused.status == 400
        assert refused.json == {"detail": "start_date: no data is kept before 2024-03-02"}
        api.advance(days=1)
        assert client.submit(start_date="2024-03-02").status == 400
        assert client.submit(start_date="2024-03-03").status == 200


@pytest.mark.parametrize("name", ["retention-400", "limit-400", "same-task-id"])
def test_a_submission_that_makes_no_sense_is_told_so(name: str) -> None:
    with slow_api() as (api, client):
        api.inject(name, count=None)
        assert "JSON" in client.submit_body(b"nothing").json["detail"]


@pytest.mark.parametrize("endpoint", ["submit", "poll", "download"])
def test_a_firewall_answers_with_a_page(api: Sandbox, client: Client, endpoint: str) -> None:
    api.inject("firewall-403", match=Match(endpoint=endpoint))
    replies = [client.submit()]
    task_id = client.export()
    replies.append(client.poll(task_id))
    replies.append(client.download(task_id))
    [refused] = [reply for reply in replies if reply.status != 200]
    assert (refused.status, refused.headers["Content-Type"]) == (403, "text/html")
    assert b"blocked" in refused.body


def test_the_same_submission_gets_the_same_task_with_a_file_of_now(
    api: Sandbox, client: Client
) -> None:
    api.inject("same-task-id", count=None)
    api.inject("task-failure")
    api.set_now(datetime(2024, 3, 4, tzinfo=UTC))
    task_id = client.export()
    assert client.poll(task_id).json["state"] == "FAILURE"
    assert client.export() == task_id
    young = client.download(task_id).body
    api.advance(days=20)
    assert client.download(task_id).body == young
    assert client.export() == task_id
    assert client.download(task_id).body != young
    assert api.rows_of(task_id) == api.truth("daily", FIRST, LAST, sorting="campaign_id")
    assert client.export(stop_date="2024-03-02") != task_id
    assert client.export(interval="hourly") != task_id


def test_a_task_that_is_given_again_runs_again() -> None:
    with slow_api() as (api, client):
        api.inject("same-task-id", count=None)
        task_id = client.export()
        api.advance(seconds=60)
        assert client.poll(task_id).json["state"] == "SUCCESS"
        assert client.export() == task_id
        assert client.poll(task_id).json["state"] == "PENDING"
