"""Every fault is caused here, and what a client sees of it is checked."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
import zipfile
import zlib
from datetime import date
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead, RemoteDisconnected
from itertools import chain
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from advexport_sandbox import (
    COLUMNS,
    FAULTS,
    BadInjectionError,
    Clock,
    Match,
    Options,
    Sandbox,
    SandboxConfig,
)
from sandbox.tests import test_limits, test_task_faults
from sandbox.tests.client import WINDOW, Client, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS: dict[str, Callable[[Client], Reply]] = {
    "submit": lambda client: client.submit(),
    "poll": lambda client: client.poll(client.export()),
    "download": lambda client: client.download(client.export()),
}
STATUSES = [name for name in FAULTS if name.startswith("status-") and name != "status-429-date"]
REFUSED_DOWNLOADS = {"url-expired": 403, "download-404": 404, "download-410": 410}
TASK_STATES = {
    "task-failure": "FAILURE",
    "task-revoked": "REVOKED",
    "unknown-state": "HIBERNATING",
    "stuck": "PENDING",
}
POLL_STATES = {"task-started": "STARTED", "task-retry": "RETRY", "success-without-url": "SUCCESS"}
DISGUISES = {
    "empty-body": (b"", "text/csv"),
    "html-body": (b"<!DOCTYPE html>", "text/html"),
    "json-body": (b"{", "application/json"),
    "xml-body": (b"<Error>", "application/xml"),
    "zip-body": (b"PK", "application/zip"),
}


def table_of(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def head_and_body(wire: bytes) -> tuple[bytes, bytes]:
    head, _, body = wire.partition(b"\r\n\r\n")
    return head.lower(), body


def cell(row: list[str], column: str) -> str:
    return row[COLUMNS.index(column)]


def with_cell(row: list[str], column: str, text: str) -> list[str]:
    position = COLUMNS.index(column)
    return [*row[:position], text, *row[position + 1 :]]


# --- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", CALLS)
@pytest.mark.parametrize("name", STATUSES)
def test_a_status_is_answered_once_on_the_chosen_call(
    api: Sandbox, client: Client, name: str, endpoint: str
) -> None:
    api.inject(name, match=Match(endpoint=endpoint))
    refused = CALLS[endpoint](client)
    assert refused.status == int(name.removeprefix("status-"))
    assert refused.headers["Retry-After"] is None
    assert refused.body
    assert CALLS[endpoint](client).status == 200


@pytest.mark.parametrize("retry_after", [7, "Tue, 02 Apr 2024 03:00:07 GMT"])
def test_a_refusal_can_name_the_time_to_wait(
    api: Sandbox, client: Client, retry_after: int | str
) -> None:
    api.inject("status-429", options=Options(retry_after=retry_after))
    assert client.submit().headers["Retry-After"] == str(retry_after)


def test_a_429_can_carry_a_date_ahead(api: Sandbox, client: Client) -> None:
    api.inject("status-429-date", options=Options(retry_after=100))
    refused = client.submit()
    moment = parsedate_to_datetime(refused.headers["Retry-After"])
    assert refused.status == 429
    assert 90 < moment.timestamp() - time.time() <= 100


def test_a_refused_submission_makes_no_task(api: Sandbox, client: Client) -> None:
    api.inject("status-500")
    client.submit()
    assert not api.tasks


def test_an_error_result_comes_with_200_and_no_task(api: Sandbox, client: Client) -> None:
    api.inject("submit-error-result")
    answer = client.submit()
    assert (answer.status, answer.json["result"]) == (200, "ERROR")
    assert client.poll(answer.json["task_id"]).status == 404
    assert not api.tasks


@pytest.mark.parametrize("name", REFUSED_DOWNLOADS)
def test_a_refused_download_says_so_in_xml(api: Sandbox, client: Client, name: str) -> None:
    api.inject(name)
    task_id = client.export()
    refused = client.download(task_id)
    assert refused.status == REFUSED_DOWNLOADS[name]
    assert refused.body.startswith(b"<?xml")
    assert client.download(task_id).status == 200


def redirected(api: Sandbox, client: Client, name: str, endpoint: str) -> str:
    api.inject(name, match=Match(endpoint=endpoint))
    answer = CALLS[endpoint](client)
    assert answer.status == 307
    return str(answer.headers["Location"])


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_redirect_leads_to_the_same_resource(api: Sandbox, client: Client, endpoint: str) -> None:
    location = redirected(api, client, "redirect", endpoint)
    last = api.requests[-1]
    assert location in {f"{last.path}?redirected=1", f"{last.path}&redirected=1"}
    again = client.call(last.method, api.origin + location, last.body, last.headers)
    assert again.status == 200


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_redirect_can_leave_the_origin(api: Sandbox, client: Client, endpoint: str) -> None:
    location = urlsplit(redirected(api, client, "redirect-away", endpoint))
    home = urlsplit(api.origin)
    assert (location.hostname, location.port) == ("localhost", home.port)
    assert location.hostname != home.hostname


@pytest.mark.parametrize("endpoint", CALLS)
def test_a_redirect_can_lead_into_a_loop(api: Sandbox, client: Client, endpoint: str) -> None:
    location = redirected(api, client, "redirect-loop", endpoint)
    for method in ("GET", "POST"):
        answer = client.call(method, api.origin + location)
        assert (answer.status, answer.headers["Location"]) == (307, location)


def test_a_redirect_leads_where_the_test_wants(api: Sandbox, client: Client) -> None:
    api.inject("redirect", options=Options(location="http://elsewhere.example/"))
    assert client.submit().headers["Location"] == "http://elsewhere.example/"


# --- Tasks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASK_STATES)
def test_a_task_keeps_its_fate(api: Sandbox, client: Client, name: str) -> None:
    api.inject(name)
    ill, well = client.export(), client.export()
    for _ in range(2):
        assert client.poll(ill).json == {"state": TASK_STATES[name], "result": None}
        assert client.poll(well).json["state"] == "SUCCESS"


def test_a_failure_shows_when_the_time_of_the_task_is_over(api: Sandbox) -> None:
    config = SandboxConfig(latency=60)
    with Sandbox(config, clock=Clock(api.now, monotonic=lambda: 0)) as slow:
        client = Client(slow)
        slow.inject("task-failure")
        failing, odd = client.export(), client.export()
        assert [client.poll(task).json["state"] for task in (failing, odd)] == ["PENDING"] * 2
        slow.inject("unknown-state")
        assert client.poll(odd).json["state"] == "HIBERNATING"
        slow.advance(seconds=60)
        assert client.poll(failing).json["state"] == "FAILURE"


def test_a_task_can_get_lost(api: Sandbox, client: Client) -> None:
    api.inject("task-404")
    task_id = client.export()
    assert [client.poll(task_id).status for _ in range(2)] == [404, 404]


def test_a_task_that_fails_is_no_longer_open(api: Sandbox, client: Client) -> None:
    api.inject("task-failure", count=None)
    for _ in range(3):
        client.poll(client.export())
    assert api.max_open == 1


@pytest.mark.parametrize("name", POLL_STATES)
def test_one_poll_can_say_something_else(api: Sandbox, client: Client, name: str) -> None:
    api.inject(name)
    task_id = client.export()
    assert client.poll(task_id).json == {"state": POLL_STATES[name], "result": None}
    assert client.poll(task_id).json["result"] is not None


def test_a_poll_can_name_a_url_that_leads_astray(api: Sandbox, client: Client) -> None:
    api.inject("other-url", count=2)
    task_id = client.export()
    assert client.poll(task_id).json == {"state": "SUCCESS", "result": "file:///etc/passwd"}
    api.clear_faults()
    api.inject("other-url", options=Options(location="http://192.0.2.1/x"))
    assert client.poll(task_id).json["result"] == "http://192.0.2.1/x"


def test_a_submission_can_be_answered_without_an_id(api: Sandbox, client: Client) -> None:
    api.inject("submit-without-id")
    assert client.submit().json == {"result": "QUEUED", "task_id": None}
    assert len(api.tasks) == 1


# --- JSON -------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["submit", "poll"])
def test_json_can_be_spoiled(api: Sandbox, client: Client, endpoint: str) -> None:
    def answer(name: str) -> Reply:
        api.inject(name, match=Match(endpoint=endpoint))
        reply = CALLS[endpoint](client)
        assert reply.status == 200
        return reply

    assert answer("odd-json").json == [42]
    assert answer("not-json").body == b"OK"
    huge = answer("huge-json")
    assert len(huge.body) > 2 * 1024 * 1024
    assert huge.json["padding"]
    truncated = answer("truncated-json")
    assert truncated.body.startswith(b"{")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(truncated.body)


# --- Content of files -------------------------------------------------------------------------

FILES: dict[str, Callable[[list[list[str]], list[list[str]]], object]] = {
    "extra-column": lambda right, got: (
        got[0] == [*right[0], "installs_aggr"] and [row[:-1] for row in got] == right
    ),
    "unknown-twins": lambda right, got: (
        got[0] == [*right[0], "installs_aggr", "installs_aggr"]
        and [row[:-2] for row in got] == right
    ),
    "unnamed-columns": lambda right, got: (
        got[0] == [*right[0], "", ""] and [row[:-2] for row in got] == right
    ),
    "bom-within": lambda right, got: (
        right[:-1] == got[:-1] and [f"\ufeff{right[-1][0]}", *right[-1][1:]] == got[-1]
    ),
    "missing-column": lambda right, got: (
        [row[:10] + row[11:] for row in right] == got and "conversions_aggr" not in got[0]
    ),
    "duplicate-column": lambda right, got: [[*row, row[2]] for row in right] == got,
    "reversed-columns": lambda right, got: [row[::-1] for row in right] == got,
    "bad-cell": lambda right, got: [*right[:-1], with_cell(right[-1], "clicks_aggr", "abc")] == got,
    "short-row": lambda right, got: [*right[:-1], right[-1][:-1]] == got,
    "long-row": lambda right, got: [*right[:-1], [*right[-1], "surplus"]] == got,
    "row-outside-window": lambda right, got: (
        [*right[:-1], with_cell(right[-1], "time", "2024-03-04 00:00")] == got
    ),
    "off-grid-row": lambda right, got: (
        [*right[:-1], with_cell(right[-1], "time", "2024-03-03 05:00")] == got
    ),
    "quoted": lambda right, got: (
        right[:-1] == got[:-1]
        and cell(got[-1], "aff_sub_id") == 'a,b;"c"'
        and {"\n", "\r", "\u2028", ","} <= set(cell(got[-1], "campaign"))
    ),
    "blank-lines": lambda right, got: list(chain(*([row, []] for row in right))) == got,
}
BYTES: dict[str, Callable[[bytes, bytes], object]] = {
    "invalid-utf8": lambda right, got: b"caf\xe9" in got and right[:200] == got[:200],
    "nul": lambda right, got: b"nu\x00l" in got and right[:200] == got[:200],
    "crlf": lambda right, got: right.replace(b"\n", b"\r\n") == got,
    "bom": lambda right, got: b"\xef\xbb\xbf" + right == got,
    "utf16": lambda right, got: got[:1] in b"\xff\xfe" and got.decode("utf-16").encode() == right,
}


def right_and_spoiled(
    api: Sandbox, client: Client, name: str, interval: str = "daily"
) -> tuple[bytes, bytes]:
    task_id = client.export(sorting="time", interval=interval)
    right = client.download(task_id).body
    api.inject(name)
    first, second = client.download(task_id).body, client.download(task_id).body
    assert first == second, "a file stays as it is"
    return right, first


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_the_wrong_rows(api: Sandbox, client: Client, name: str) -> None:
    right, got = right_and_spoiled(api, client, name)
    assert FILES[name](table_of(right), table_of(got))


@pytest.mark.parametrize("name", BYTES)
def test_a_file_has_the_wrong_bytes(api: Sandbox, client: Client, name: str) -> None:
    assert BYTES[name](*right_and_spoiled(api, client, name))


@pytest.mark.parametrize(
    ("name", "interval", "text"),
    [
        ("row-outside-window", "hourly", "2024-03-04 00:00"),
        ("row-outside-window", "monthly", "2024-04-01 00:00"),
        ("off-grid-row", "monthly", "2024-03-02 00:00"),
    ],
)
def test_a_row_leaves_window_or_grid_of_its_interval(
    api: Sandbox, client: Client, name: str, interval: str, text: str
) -> None:
    got = table_of(right_and_spoiled(api, client, name, interval=interval)[1])
    assert cell(got[-1], "time") == text


def test_a_row_leaves_the_grid_of_hours(api: Sandbox, client: Client) -> None:
    got = table_of(right_and_spoiled(api, client, "off-grid-row", interval="hourly")[1])
    assert cell(got[-1], "time")[-3:] == ":30"


def test_the_bad_cell_can_be_chosen(api: Sandbox, client: Client) -> None:
    api.inject("bad-cell", options=Options(column="cost_aggr", cell="nan"))
    got = table_of(client.download(client.export(sorting="time")).body)
    assert cell(got[-1], "cost_aggr") == "nan"


@pytest.mark.parametrize("interval", ["hourly", "daily", "monthly"])
def test_an_empty_file_gets_a_row_to_spoil(api: Sandbox, client: Client, interval: str) -> None:
    api.inject("bad-cell", count=None)
    ahead = {"start_date": "2025-01-02", "stop_date": "2025-01-02", "interval": interval}
    got = table_of(client.download(client.export(**ahead)).body)
    assert (len(got), cell(got[1], "clicks_aggr")) == (2, "abc")
    bare = table_of(client.download(client.export(**ahead, csv_headers=False)).body)
    assert bare == got[1:]


# --- Bodies in place of a file ----------------------------------------------------------------


@pytest.mark.parametrize("name", DISGUISES)
def test_a_download_is_something_else(api: Sandbox, client: Client, name: str) -> None:
    task_id = client.export()
    api.inject(name, match=Match(endpoint="download"))
    answer = client.download(task_id)
    start, content_type = DISGUISES[name]
    assert answer.status == 200
    assert answer.headers["Content-Type"] == content_type
    assert answer.body[: max(len(start), 1)] == start
    assert client.download(task_id).body.startswith(b"aff_sub_id,")


def test_a_zip_holds_the_file(api: Sandbox, client: Client) -> None:
    task_id = client.export()
    api.inject("zip-body")
    archive = zipfile.ZipFile(io.BytesIO(client.download(task_id).body))
    assert archive.read("report.csv") == client.download(task_id).body


def test_a_file_ends_in_the_middle_of_a_row(api: Sandbox, client: Client) -> None:
    task_id = client.export()
    api.inject("cut-mid-row")
    cut, right = client.download(task_id), client.download(task_id)
    assert right.body.startswith(cut.body)
    assert not cut.body.endswith(b"\n")
    assert int(cut.headers["Content-Length"]) == len(cut.body)
    assert 1 <= len(table_of(cut.body)[-1]) < len(COLUMNS)


def test_a_file_ends_inside_a_quote(api: Sandbox, client: Client) -> None:
    task_id = client.export()
    api.inject("cut-open-quote")
    cut = client.download(task_id).body
    assert cut.endswith(b',"and then')
    with pytest.raises(csv.Error):
        list(csv.reader(io.StringIO(cut.decode(), newline=""), strict=True))


# --- Compression ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "encoding", "members"),
    [
        ("gzip", "gzip", 1),
        ("gzip-multi-member", "gzip", 2),
        ("gzip-file", None, 1),
        ("gzip-file-multi-member", None, 2),
    ],
)
def test_a_file_is_compressed(
    api: Sandbox, client: Client, name: str, encoding: str | None, members: int
) -> None:
    task_id = client.export()
    api.inject(name)
    packed, right = client.download(task_id), client.download(task_id)
    assert packed.headers["Content-Encoding"] == encoding
    assert gzip.decompress(packed.body) == right.body
    first = zlib.decompressobj(wbits=31)
    first.decompress(packed.body)
    assert first.eof
    assert bool(first.unused_data) == (members == 2)


@pytest.mark.parametrize("name", ["cut-gzip", "cut-gzip-member"])
def test_a_compressed_file_lacks_its_end(api: Sandbox, client: Client, name: str) -> None:
    api.inject(name)
    packed = client.download(client.export())
    assert int(packed.headers["Content-Length"]) == len(packed.body)
    with pytest.raises(EOFError):
        gzip.decompress(packed.body)
    first = zlib.decompressobj(wbits=31)
    first.decompress(packed.body)
    assert first.eof == (name == "cut-gzip-member")


# --- The way through the net ------------------------------------------------------------------


def test_an_answer_can_get_lost_after_the_task_was_made(api: Sandbox, client: Client) -> None:
    api.inject("submit-lost")
    with pytest.raises(RemoteDisconnected):
        client.submit()
    assert len(api.tasks) == 1
    assert api.requests[-1].status == 0


@pytest.mark.parametrize("endpoint", CALLS)
@pytest.mark.parametrize("name", ["lost", "silence"])
def test_any_answer_can_get_lost(api: Sandbox, client: Client, name: str, endpoint: str) -> None:
    options = Options(pause_seconds=0.05)
    api.inject(name, match=Match(endpoint=endpoint), options=options)
    with pytest.raises(RemoteDisconnected):
        CALLS[endpoint](client)


def travel(api: Sandbox, client: Client, name: str, pause: float = 0) -> tuple[bytes, bytes, bytes]:
    """Download a file rightly and wrongly; give the right body, and the wrong head and body."""
    task_id = client.export()
    right = client.download(task_id).body
    url = client.file_url(task_id)
    options = Options(pause_seconds=pause)
    api.inject(name, match=Match(endpoint="download"), options=options)
    return right, *head_and_body(client.raw("GET", url))


def test_fewer_bytes_arrive_than_announced(api: Sandbox, client: Client) -> None:
    right, head, got = travel(api, client, "cut")
    assert b"content-length: %d" % len(right) in head
    assert right.startswith(got)
    assert 0 < len(got) < len(right)


def test_a_json_answer_can_be_cut(api: Sandbox, client: Client) -> None:
    api.inject("cut")
    with pytest.raises(IncompleteRead):
        client.submit()


def test_a_cut_leaves_something_out_of_the_shortest_body(api: Sandbox, client: Client) -> None:
    api.inject("not-json")
    api.inject("cut")
    with pytest.raises(IncompleteRead):
        client.submit()


def test_a_chunk_is_not_whole(api: Sandbox, client: Client) -> None:
    _, head, got = travel(api, client, "cut-chunked")
    assert b"transfer-encoding: chunked" in head
    assert not got.endswith(b"0\r\n\r\n")


def test_a_body_comes_in_chunks(api: Sandbox, client: Client) -> None:
    right, head, got = travel(api, client, "chunked")
    assert b"content-length" not in head
    assert got == b"%x\r\n%b\r\n0\r\n\r\n" % (len(right), right)


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [("no-length", True), ("no-length-no-newline", False), ("cut-no-length", False)],
)
def test_a_body_ends_with_the_connection(
    api: Sandbox, client: Client, name: str, *, is_whole: bool
) -> None:
    right, head, got = travel(api, client, name)
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head
    assert right.startswith(got)
    assert (got == right) == is_whole
    assert (got + b"\n" == right) == (name == "no-length-no-newline")


def test_a_body_drips(api: Sandbox, client: Client) -> None:
    start = time.monotonic()
    right, _, got = travel(api, client, "drip", pause=0.0001)
    assert got == right
    assert time.monotonic() - start > len(right) * 0.0001


def test_headers_are_slow(api: Sandbox, client: Client) -> None:
    start = time.monotonic()
    right, _, got = travel(api, client, "slow-headers", pause=0.05)
    assert got == right
    assert time.monotonic() - start > 0.05


def test_a_body_stalls_and_breaks_off(api: Sandbox, client: Client) -> None:
    start = time.monotonic()
    right, _, got = travel(api, client, "stall", pause=0.05)
    assert len(got) < len(right)
    assert time.monotonic() - start > 0.05


def test_a_stop_ends_a_pause(api: Sandbox, client: Client) -> None:
    api.inject("silence")
    start = time.monotonic()
    stopping = Timer(0.05, api.stop)
    stopping.start()
    with pytest.raises(RemoteDisconnected):
        client.submit()
    stopping.join()
    assert time.monotonic() - start < 5


def test_a_connection_is_reset(api: Sandbox, client: Client) -> None:
    with pytest.raises(ConnectionResetError):
        travel(api, client, "reset")


# --- Which calls a fault strikes --------------------------------------------------------------

CAUSED_ABOVE = {
    *STATUSES, *REFUSED_DOWNLOADS, *TASK_STATES, *POLL_STATES, *DISGUISES, *FILES, *BYTES,
    "status-429-date", "submit-error-result", "redirect", "redirect-away", "redirect-loop",
    "task-404", "other-url", "submit-without-id", "odd-json", "not-json", "huge-json",
    "truncated-json", "cut-mid-row", "cut-open-quote", "gzip", "gzip-multi-member", "gzip-file",
    "gzip-file-multi-member", "cut-gzip", "cut-gzip-member", "submit-lost", "lost", "silence",
    "cut", "cut-chunked", "chunked", "no-length", "no-length-no-newline", "cut-no-length", "drip",
    "slow-headers", "stall", "reset", *test_limits.CAUSED, *test_task_faults.CAUSED,
}  # fmt: skip


def test_every_fault_of_the_table_is_caused_by_a_test() -> None:
    assert set(FAULTS) == CAUSED_ABOVE


@pytest.mark.parametrize(
    ("match", "statuses"),
    [
        (Match(), [500, 500]),
        (Match(first=date(2024, 3, 1)), [500, 200]),
        (Match(last=date(2024, 3, 3)), [500, 200]),
        (Match(day=date(2024, 3, 2)), [500, 200]),
        (Match(day=date(2024, 3, 9)), [200, 500]),
        (Match(interval="hourly"), [200, 500]),
        (Match(nth=2), [200, 500]),
        (Match(first=date(2024, 3, 9), nth=2), [200, 200]),
        (Match(task_id="another"), [200, 200]),
    ],
    ids=str,
)
def test_a_fault_strikes_the_calls_that_match(
    api: Sandbox, client: Client, match: Match, statuses: list[int]
) -> None:
    api.inject("status-500", count=None, match=match)
    other = {"start_date": "2024-03-09", "stop_date": "2024-03-09", "interval": "hourly"}
    assert [client.submit().status, client.submit(**other).status] == statuses


def test_a_fault_on_certain_days_spares_a_submission_that_makes_no_sense(
    api: Sandbox, client: Client
) -> None:
    api.inject("status-500", match=Match(day=date(2024, 3, 1)))
    assert client.submit_body(b"{}").status == 400
    api.inject("status-500")
    assert client.submit_body(b"{}").status == 500


def test_a_fault_can_strike_one_task(api: Sandbox, client: Client) -> None:
    tasks = [client.export(), client.export()]
    api.inject("task-failure", count=None, match=Match(task_id=tasks[1]))
    assert [client.poll(task).json["state"] for task in tasks] == ["SUCCESS", "FAILURE"]


def test_a_fault_strikes_as_often_as_ordered(api: Sandbox, client: Client) -> None:
    injection = api.inject("status-503", count=2)
    assert api.faults == {"status-503": 2}
    assert [client.submit().status for _ in range(3)] == [503, 503, 200]
    assert injection.hits == 2
    assert api.faults == {}


def test_faults_without_a_count_strike_until_they_are_cleared(api: Sandbox, client: Client) -> None:
    api.inject("status-503", count=None)
    assert [client.submit().status for _ in range(3)] == [503] * 3
    assert api.faults == {"status-503": None}
    api.clear_faults()
    assert client.submit().status == 200


def test_faults_of_one_kind_strike_one_after_another(api: Sandbox, client: Client) -> None:
    for name in ("status-500", "status-429", "status-502"):
        api.inject(name)
    assert [client.submit().status for _ in range(4)] == [500, 429, 502, 200]


def test_faults_of_different_kinds_strike_together(api: Sandbox, client: Client) -> None:
    task_id = client.export(sorting="time")
    url = client.file_url(task_id)
    for name in ("bad-cell", "gzip", "chunked"):
        api.inject(name, match=Match(endpoint="download"))
    answer = client.call("GET", url)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    got = table_of(gzip.decompress(answer.body))
    assert cell(got[-1], "clicks_aggr") == "abc"


def test_refusals_are_left_as_they_are_by_faults_of_content(api: Sandbox, client: Client) -> None:
    api.inject("odd-json")
    assert client.submit_body(b"{}").json["detail"]
    assert client.submit(**WINDOW).json == [42]


@pytest.mark.parametrize(
    ("name", "endpoint"), [("no-such-fault", None), ("stuck", "download"), ("drip", "upload")]
)
def test_a_fault_that_cannot_strike_is_an_error(
    api: Sandbox, name: str, endpoint: str | None
) -> None:
    with pytest.raises(BadInjectionError):
        api.inject(name, match=Match(endpoint=endpoint))
