from __future__ import annotations

import csv
import io
import json
import re
import uuid
from contextlib import closing
from datetime import UTC, date, datetime
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from advexport_sandbox import COLUMNS, Clock, Endpoint, Sandbox, SandboxConfig
from sandbox.tests.client import WINDOW, Client

if TYPE_CHECKING:
    from collections.abc import Callable

    from advexport_sandbox import Submission

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 3)
NOW = datetime(2024, 4, 2, 3, tzinfo=UTC)


class Ticks:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def slow_api(ticks: Ticks, config: SandboxConfig) -> Sandbox:
    return Sandbox(config, clock=Clock(NOW, monotonic=ticks))


def read(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def states(client: Client, tasks: list[str]) -> list[str]:
    return [client.poll(task).json["state"] for task in tasks]


def test_an_export_is_submitted_polled_and_downloaded(api: Sandbox, client: Client) -> None:
    submitted = client.submit(sorting="time")
    assert submitted.status == 200
    assert submitted.headers["Content-Type"] == "application/json"
    assert submitted.json == {"result": "QUEUED", "task_id": api.tasks[0].task_id}
    downloaded = client.download(submitted.json["task_id"])
    assert downloaded.status == 200
    assert downloaded.headers["Content-Type"] == "text/csv"
    assert downloaded.body.startswith(",".join(COLUMNS).encode() + b"\n")
    assert read(downloaded.body) == api.truth("daily", FIRST, LAST)
    assert api.counters == {
        "submissions": 1, "polls": 1, "downloads": 1, "tasks": 1, "max_running": 1, "max_open": 1,
    }  # fmt: skip


@pytest.mark.parametrize("token", ["", "wrong"])
def test_both_calls_of_the_api_want_the_token(api: Sandbox, client: Client, token: str) -> None:
    task_id = client.export()
    stranger = Client(api, token)
    assert stranger.submit().status == 401
    assert stranger.poll(task_id).status == 401
    assert stranger.poll(task_id).json == {"detail": "Invalid token."}


def test_the_request_is_logged_with_all_it_had(api: Sandbox, client: Client) -> None:
    client.submit()
    client.call("GET", f"{api.origin}/favicon.ico")
    submitted, other = api.requests
    assert (submitted.endpoint, submitted.method, submitted.status) == (
        Endpoint.SUBMIT,
        "POST",
        200,
    )
    assert submitted.path == urlsplit(api.url).path
    assert submitted.headers["Authorization"] == "Token sandbox-token"
    assert submitted.host == urlsplit(api.origin).netloc
    assert json.loads(submitted.body) == WINDOW
    assert submitted.time.tzinfo is not None
    assert (other.endpoint, other.path, other.status) == (None, "/favicon.ico", 404)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"start_date": "2024-3-1"}, "start_date"),
        ({"start_date": "2024-02-30"}, "start_date"),
        ({"stop_date": 20240303}, "stop_date"),
        ({"stop_date": "2024-03-03T00:00:00Z"}, "stop_date"),
        ({"start_date": "2024-03-04"}, "after"),
        ({"interval": "weekly"}, "interval"),
        ({"interval": 1}, "interval"),
        ({"sorting": "country"}, "sorting"),
        # The name of the default is not among the values that the documentation allows.
        ({"sorting": "campaign_id"}, "sorting"),
        ({"format": "json"}, "format"),
        ({"csv_headers": "yes"}, "csv_headers"),
    ],
)
def test_a_submission_that_breaks_a_rule_is_refused_with_a_reason(
    api: Sandbox, client: Client, fields: dict[str, object], word: str
) -> None:
    refused = client.submit(**fields)
    assert refused.status == 400
    assert word in refused.json["detail"]
    assert not api.tasks


@pytest.mark.parametrize(
    "body", [b"", b"start_date=2024-03-01", b"[]", b'{"start_date": "2024-03-01"}', b"\xff"]
)
def test_a_body_without_the_required_fields_is_refused(client: Client, body: bytes) -> None:
    refused = client.submit_body(body)
    assert refused.status == 400
    assert refused.json["detail"]


@pytest.mark.parametrize(
    ("method", "suffix", "status"),
    [("GET", "", 405), ("POST", "x", 405), ("GET", "unknown", 404), ("DELETE", "x", 405)],
)
def test_other_methods_and_unknown_tasks_are_refused(
    api: Sandbox, client: Client, method: str, suffix: str, status: int
) -> None:
    headers = {"Authorization": f"Token {api.token}"}
    assert client.call(method, api.url + suffix, headers=headers).status == status


def test_paths_are_those_of_the_documentation_to_the_slash(api: Sandbox, client: Client) -> None:
    headers = {"Authorization": f"Token {api.token}"}
    assert client.call("POST", api.url.removesuffix("/"), b"{}", headers).status == 404
    assert client.poll(client.export() + "/").status == 404


def test_a_connection_serves_many_requests(api: Sandbox) -> None:
    connection = HTTPConnection(urlsplit(api.origin).netloc, timeout=10)
    with closing(connection):
        sockets = set()
        for _ in range(3):
            connection.request("GET", "/sandbox/clock")
            connection.getresponse().read()
            sockets.add(id(connection.sock))
        assert len(sockets) == 1
        assert connection.sock is not None


def test_a_file_can_come_without_its_header(api: Sandbox, client: Client) -> None:
    task_id = client.export(csv_headers=False, sorting="time")
    rows = list(csv.reader(io.StringIO(client.download(task_id).body.decode(), newline="")))
    assert rows == [list(row.values()) for row in api.truth("daily", FIRST, LAST)]


@pytest.mark.parametrize(
    ("sorting", "key"),
    [
        (None, lambda row: int(row["campaign_id"])),
        ("time", lambda row: row["time"]),
        ("campaign", lambda row: row["campaign"]),
        ("aff_sub_id", lambda row: row["aff_sub_id"]),
        ("cr", lambda row: float(row["cr"] or -1)),
    ],
)
def test_files_are_sorted_as_asked_for(
    api: Sandbox, client: Client, sorting: str | None, key: Callable[[dict[str, str]], str]
) -> None:
    fields = {"sorting": sorting} if sorting else {}
    rows = read(client.download(client.export(**fields)).body)
    assert [key(row) for row in rows] == sorted(map(key, rows))
    by_text = sorted(map(str, api.truth("daily", FIRST, LAST)))
    assert sorted(map(str, rows)) == by_text


def test_figures_are_fixed_at_the_moment_of_the_submission(api: Sandbox, client: Client) -> None:
    submitted = api.truth("daily", FIRST, LAST)
    api.set_now(datetime(2024, 3, 4, tzinfo=UTC))
    young = api.truth("daily", FIRST, LAST)
    task_id = client.export(sorting="time")
    api.advance(days=60)
    assert read(client.download(task_id).body) == young != submitted
    assert api.rows_of(task_id) == young
    assert api.truth("daily", FIRST, LAST) != young


def test_rows_of_an_unknown_task_are_an_error(api: Sandbox) -> None:
    with pytest.raises(LookupError):
        api.rows_of("unknown")


def test_task_ids_never_repeat(client: Client) -> None:
    ids = {client.export() for _ in range(20)}
    assert len(ids) == 20
    assert all(uuid.UUID(task_id).version == 4 for task_id in ids)


def test_a_task_is_pending_until_its_time_is_over() -> None:
    ticks = Ticks()
    with slow_api(ticks, SandboxConfig(latency=60)) as api:
        client = Client(api)
        task_id = client.export()
        ticks.seconds = 59
        assert client.poll(task_id).json == {"state": "PENDING", "result": None}
        ticks.seconds = 60
        assert client.poll(task_id).json["state"] == "SUCCESS"


def test_moving_the_clock_forward_finishes_tasks() -> None:
    with slow_api(Ticks(), SandboxConfig(latency=60)) as api:
        client = Client(api)
        task_id = client.export()
        api.advance(seconds=60)
        assert states(client, [task_id]) == ["SUCCESS"]


def test_a_bounded_number_of_tasks_runs_at_once() -> None:
    ticks = Ticks()
    with slow_api(ticks, SandboxConfig(latency=10, max_running=2)) as api:
        client = Client(api)
        tasks = [client.export() for _ in range(5)]
        seen = []
        for ticks.seconds in (9, 10, 20, 30):
            seen.append(states(client, tasks).count("SUCCESS"))
        assert seen == [0, 2, 4, 5]
        assert (api.max_running, api.max_open) == (2, 5)


def test_all_tasks_run_at_once_without_a_bound() -> None:
    ticks = Ticks()
    with slow_api(ticks, SandboxConfig(latency=10)) as api:
        client = Client(api)
        tasks = [client.export() for _ in range(5)]
        ticks.seconds = 10
        assert states(client, tasks) == ["SUCCESS"] * 5
        client.export()
        assert (api.max_running, api.max_open) == (5, 5)


def test_latency_can_depend_on_the_submission() -> None:
    def latency(submission: Submission) -> float:
        return (submission.last - submission.first).days

    ticks = Ticks()
    with slow_api(ticks, SandboxConfig(latency=latency)) as api:
        client = Client(api)
        tasks = [client.export(), client.export(stop_date="2024-03-10")]
        ticks.seconds = 2
        assert states(client, tasks) == ["SUCCESS", "PENDING"]


def test_a_share_of_the_tasks_is_slow() -> None:
    ticks = Ticks()
    config = SandboxConfig(latency=1, tail_share=0.3, tail_factor=100)
    with slow_api(ticks, config) as api:
        client = Client(api)
        tasks = [client.export() for _ in range(20)]
        ticks.seconds = 99
        assert 1 <= states(client, tasks).count("PENDING") <= 12
        ticks.seconds = 100
        assert states(client, tasks).count("PENDING") == 0


def test_a_download_url_holds_for_its_lifetime_and_is_renewed_by_a_poll() -> None:
    ticks = Ticks()
    with slow_api(ticks, SandboxConfig(url_lifetime=5)) as api:
        client = Client(api)
        task_id = client.export()
        url = client.file_url(task_id)
        ticks.seconds = 4
        assert client.call("GET", url).status == 200
        ticks.seconds = 6
        refused = client.call("GET", url)
        assert refused.status == 403
        assert refused.headers["Content-Type"] == "application/xml"
        assert b"AccessDenied" in refused.body
        assert client.download(task_id).status == 200


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"\?.*", ""),
        ("signature=", "signature=0"),
        ("expires=", "expires=9"),
        ("expires=.*", "expires=never"),
        ("/files/", "/files/0"),
        (".csv", ".txt"),
    ],
)
def test_a_download_url_that_was_changed_opens_nothing(
    client: Client, pattern: str, replacement: str
) -> None:
    url = client.file_url(client.export())
    assert client.call("GET", re.sub(pattern, replacement, url)).status == 403


def test_files_can_lie_on_another_origin_which_refuses_the_token() -> None:
    with Sandbox(SandboxConfig(files_host="localhost")) as api:
        client = Client(api)
        url = client.file_url(client.export())
        assert urlsplit(url).hostname == "localhost"
        assert client.call("GET", url).status == 200
        assert client.call("GET", url, headers={"Authorization": "Token x"}).status == 400


def test_the_token_is_not_shown() -> None:
    assert "sandbox-token" not in repr(SandboxConfig())


def test_a_stopped_sandbox_frees_its_port_and_has_no_url(api: Sandbox) -> None:
    port = urlsplit(api.origin).port
    assert port is not None
    api.stop()
    api.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = api.url
    with Sandbox(SandboxConfig(port=port)) as other:
        assert urlsplit(other.origin).port == port
