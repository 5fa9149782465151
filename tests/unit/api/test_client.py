"""The client over real HTTP: who sees the token, what is followed, bounded and shown."""

from __future__ import annotations

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tap_advexport.api.answers import Finished, Unfinished
from tap_advexport.api.client import ApiClient
from tap_advexport.api.log_filter import guard_logs
from tap_advexport.clock import SystemClock
from tap_advexport.errors import (
    SUPPORT,
    AuthorizationError,
    ConfigError,
    CutFileError,
    ExportError,
    FileError,
    FileNotFoundYetError,
    RejectedError,
    RequestError,
    TaskError,
    TaskNotFoundError,
)
from tests.support.client_calls import (
    API,
    CSV,
    SIGNATURE,
    TOKEN,
    Answer,
    assert_no_secret,
    client_of,
    error_of,
    fetch,
    queued,
    serving,
    state,
    submit,
)
from tests.support.wire import Asked, Close, Wire, chunked, head, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# --- The three calls --------------------------------------------------------------------------


def test_a_submission_is_the_documented_request() -> None:
    with serving(queued("id 7")) as (server, client):
        assert submit(client) == "id 7"
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", API)
    assert json.loads(asked.body) == {
        "start_date": "2024-03-01",
        "stop_date": "2024-03-07",
        "sorting": "time",
        "format": "csv",
        "csv_headers": True,
        "interval": "daily",
    }
    assert asked.headers["authorization"] == f"Token {TOKEN}"
    assert asked.headers["user-agent"] == "tap-advexport/test"


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_task_is_asked_for_behind_one_slash(slash: str) -> None:
    with Wire(lambda _: state("PENDING")) as server:
        client = client_of(f"{server.origin}/exports{slash}")
        assert client.poll("t1") == Unfinished("PENDING", is_known=True)
        client.close()
    assert server.requests[0].target == "/exports/t1"


@pytest.mark.parametrize(
    ("name", "shown", "is_known"),
    [
        ("STARTED", "STARTED", True),
        ("RETRY", "RETRY", True),
        (" PENDING\n", "PENDING", True),
        ("HIBERNATING", "HIBERNATING", False),
        ("", "''", False),
    ],
)
def test_states_on_the_way_are_unfinished(name: str, shown: str, *, is_known: bool) -> None:
    with serving(state(name)) as (_, client):
        assert client.poll("t") == Unfinished(shown, is_known=is_known)


@pytest.mark.parametrize("task_id", [".", ".."])
def test_a_task_of_a_state_that_no_url_can_name_is_gone(task_id: str) -> None:
    with serving(state("PENDING")) as (server, client):
        assert isinstance(error_of(lambda: client.poll(task_id)), TaskNotFoundError)
    assert not server.requests


@pytest.mark.parametrize("name", ["FAILURE", "REVOKED"])
def test_failed_states_are_errors_of_the_task(name: str) -> None:
    with serving(state(name)) as (_, client):
        assert type(error_of(lambda: client.poll("t"))) is TaskError


# --- Who sees the token -----------------------------------------------------------------------


def test_a_download_from_the_origin_of_the_api_gets_the_token() -> None:
    with serving(reply(CSV)) as (server, client):
        fetch(client, f"{server.origin}/files/1?signature={SIGNATURE}")
    assert server.requests[0].headers["authorization"] == f"Token {TOKEN}"


def test_no_other_origin_sees_the_token_not_even_another_port_or_name() -> None:
    with serving(b"") as (server, client), Wire(lambda _: reply(CSV)) as other:
        fetch(client, f"{other.origin}/f")
        server.handler = lambda _: reply(CSV)
        fetch(client, f"http://localhost:{server.port}/f")
    for asked in (*other.requests, *server.requests):
        assert TOKEN not in str(asked.headers)
        assert "authorization" not in asked.headers


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_loses_the_token_and_one_back_gets_it_again(code: int) -> None:
    with serving(b"") as (server, client), Wire(lambda _: b"") as other:
        server.handler = lambda asked: (
            reply(code=code, Location=f"{other.origin}/2") if asked.target == "/1" else reply(CSV)
        )
        other.handler = lambda _: reply(code=code, Location=f"{server.origin}/3")
        assert fetch(client, f"{server.origin}/1")[0] == CSV
    assert [asked.target for asked in server.requests] == ["/1", "/3"]
    assert all("authorization" in asked.headers for asked in server.requests)
    assert "authorization" not in other.requests[0].headers


def test_a_netrc_file_replaces_nothing_and_adds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(queued()) as (server, client), Wire(lambda _: reply(CSV)) as other:
        submit(client)
        fetch(client, f"{other.origin}/f")
    assert server.requests[0].headers["authorization"] == f"Token {TOKEN}"
    assert "authorization" not in other.requests[0].headers


def test_cookies_are_neither_kept_nor_sent() -> None:
    with serving(queued()) as (server, client), Wire(lambda _: b"") as other:
        server.handler = lambda _: queued().replace(
            b"\r\n\r\n", b"\r\nSet-Cookie: session=1; Path=/; Domain=127.0.0.1\r\n\r\n", 1
        )
        other.handler = lambda _: reply(CSV, Set_Cookie="other=2")
        submit(client)
        submit(client)
        fetch(client, f"{other.origin}/f")
        fetch(client, f"{other.origin}/f")
    assert all("cookie" not in asked.headers for asked in [*server.requests, *other.requests])


def test_a_url_that_is_a_path_is_on_the_origin_of_the_api() -> None:
    with serving(reply(CSV)) as (server, client):
        assert fetch(client, "/files/1.csv?sig=%7E")[0] == CSV
        [asked] = server.requests
    assert asked.target == "/files/1.csv?sig=%7E"
    assert asked.headers["authorization"] == f"Token {TOKEN}"


# --- What is not followed ---------------------------------------------------------------------

REFUSED_URLS = [
    "file:///etc/passwd",
    "ftp://127.0.0.1/f",
    "data:text/csv,a",
    "javascript:1",
    "//127.0.0.1/f",
    "",
    " ",
    "http://",
    "http://[::1/f",
    "http://[zz]/f",
    "http://127.0.0.1:99999/f",
    "http://127.0.0.1:port/f",
    f"http://user:{SIGNATURE}@127.0.0.1/f",
    "http://127.0.0.1/a\nHost: b",
    "http://127.0.0.1\\@evil/f",
    "http://\u2024/f",
    f"http://{'a' * 300}.example/f",
    "http://.example./f",
    "http://xn--/f",
    "http://\ud800/f",
]


@pytest.mark.parametrize("url", REFUSED_URLS, ids=range(len(REFUSED_URLS)))
def test_a_url_that_is_not_to_be_followed_is_refused_in_one_line(url: str) -> None:
    with serving(reply(CSV)) as (server, client):
        error = error_of(lambda: fetch(client, url))
        assert isinstance(error, FileError | RequestError)
        assert server.requests == []


@pytest.mark.parametrize("url", REFUSED_URLS, ids=range(len(REFUSED_URLS)))
def test_a_redirect_there_is_refused_as_well(url: str) -> None:
    location = url.encode("utf-8", "surrogatepass").decode("latin-1").replace("\n", "\r\n x")

    def answer(asked: Asked) -> bytes:
        return reply(code=302, Location=location) if asked.target == "/first" else reply(CSV)

    with serving(answer) as (server, client):
        is_refused = bool(urlsplit(url).scheme) if "[" not in url else True
        if is_refused:
            error = error_of(lambda: fetch(client, f"{server.origin}/first"))
            assert isinstance(error, FileError | RequestError)
        assert all(asked.target in {"/first", "/relative"} for asked in server.requests)


def test_http_is_refused_where_the_api_is_https() -> None:
    client = client_of("https://api.example/exports/")
    error = error_of(lambda: fetch(client, f"http://files.example/f?{SIGNATURE}"))
    assert "downgrade" in str(error)


@pytest.mark.parametrize("call", ["poll", "download"])
def test_a_loop_of_redirects_ends(call: str) -> None:
    with serving(lambda asked: reply(code=302, Location=asked.target)) as (server, client):
        url = f"{server.origin}/f"
        error = error_of(lambda: client.poll("t") if call == "poll" else fetch(client, url))
        assert "redirected more than" in str(error)
        assert len(server.requests) <= 10


@pytest.mark.parametrize("call", ["poll", "fetch"])
def test_a_redirect_to_nowhere_is_told(call: str) -> None:
    with serving(head(302, Content_Length=0)) as (server, client):
        ask = client.poll if call == "poll" else lambda _: fetch(client, f"{server.origin}/f")
        assert "does not say where" in str(error_of(lambda: ask("t")))
        assert len(server.requests) == 1


def test_the_body_of_a_redirect_is_not_read() -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        yield head(302, Location="/g")
        for _ in range(5_000):
            sent.append(1)
            yield b"x" * 65536

    with serving(lambda asked: Close(endless()) if asked.target == "/f" else reply(CSV)) as (
        server,
        client,
    ):
        assert fetch(client, f"{server.origin}/f")[0] == CSV
    assert len(sent) < 1000


def test_a_redirected_submission_says_what_api_url_should_be() -> None:
    with serving(reply(code=301, Location="/v2/exports/")) as (server, client):
        error = error_of(lambda: submit(client))
        assert isinstance(error, ConfigError)
        assert f"set api_url to {server.origin}/v2/exports/" in str(error)
        assert len(server.requests) == 1


@pytest.mark.parametrize("location", ["http://[", "http://evil.example/?x", "file:///x", "//a b"])
@pytest.mark.parametrize("call", ["submit", "poll"])
def test_an_api_that_redirects_away_is_an_error_of_the_setting(call: str, location: str) -> None:
    with serving(reply(code=302, Location=location)) as (_, client):
        error = error_of(lambda: submit(client) if call == "submit" else client.poll("t"))
        assert isinstance(error, ConfigError)
        assert "api_url" in str(error)


@pytest.mark.parametrize("code", [301, 307, 308, 404, 405])
def test_a_submission_to_a_url_without_its_last_slash_just_works(code: int) -> None:
    def answer(asked: Asked) -> bytes:
        if asked.target.endswith("/"):
            return queued("t")
        return reply(code=code, Location=f"{asked.target}/")

    with serving(answer) as (server, _):
        client = client_of(f"{server.origin}/exports")
        assert [submit(client), submit(client)] == ["t", "t"]
        targets = [asked.target for asked in server.requests]
        assert targets == ["/exports", "/exports/", "/exports/"]
        assert {asked.headers["authorization"] for asked in server.requests} == {f"Token {TOKEN}"}


def test_the_slash_is_found_after_polls_too_and_by_any_answer_that_accepts() -> None:
    """Tasks of an earlier run are polled before anything is submitted."""

    def answer(asked: Asked) -> bytes:
        if asked.method == "GET":
            return state("PENDING")
        if asked.target.endswith("/"):
            return reply(b'{"task_id": "t", "result": "QUEUED"}', code=201)
        return reply(code=404)

    with serving(answer) as (server, _):
        client = client_of(f"{server.origin}/exports")
        client.poll("of before")
        assert [submit(client), submit(client)] == ["t", "t"]
        targets = [asked.target for asked in server.requests if asked.method == "POST"]
        assert targets == ["/exports", "/exports/", "/exports/"]


def test_a_time_out_that_no_socket_can_count_is_as_good_as_none() -> None:
    with serving(queued("t")) as (server, _):
        assert submit(client_of(f"{server.origin}{API}", timeout_seconds=1e10)) == "t"


def test_submissions_at_once_all_find_the_slash() -> None:
    together = threading.Barrier(2, timeout=5)

    def answer(asked: Asked) -> bytes:
        if asked.target.endswith("/"):
            return queued("t")
        together.wait()
        return reply(code=404)

    with serving(answer) as (server, _), ThreadPoolExecutor(2) as threads:
        client = client_of(f"{server.origin}/exports")
        assert list(threads.map(submit, [client, client])) == ["t", "t"]


def test_where_there_is_nothing_with_a_slash_either_the_answer_is_told() -> None:
    with serving(reply(code=404)) as (server, _):
        error = error_of(lambda: submit(client_of(f"{server.origin}/exports")))
    assert "HTTP 404" in str(error)


def test_an_added_slash_is_followed_with_the_token() -> None:
    def answer(asked: Asked) -> bytes:
        if asked.target.endswith("/"):
            return state("PENDING")
        return reply(code=301, Location=asked.target + "/")

    with serving(answer) as (server, client):
        client.poll("t")
    assert server.requests[1].headers["authorization"] == f"Token {TOKEN}"


# --- Task ids ---------------------------------------------------------------------------------

ODD_IDS = [
    "../../admin",
    "..%2f..",
    "a/b",
    "a?b=c",
    "a#b",
    "%2e%2e",
    "...",
    "a b",
    "é€😀",
    "a\nb",
    "\x00",
    "@evil.example",
    ";x",
    "\\..\\..",
]


@pytest.mark.parametrize("task_id", ODD_IDS, ids=range(len(ODD_IDS)))
def test_an_odd_task_id_stays_one_segment_of_the_path(task_id: str) -> None:
    with serving(queued(task_id)) as (server, client):
        assert submit(client) == task_id
        server.handler = lambda _: state("PENDING")
        client.poll(task_id)
    target = server.requests[1].target
    assert target.startswith(API)
    segment = target.removeprefix(API)
    assert segment not in {"", ".", ".."}
    assert not set("/?#\\ \n") & set(segment)


@pytest.mark.parametrize("task_id", ["", ".", "..", None, TOKEN, f"task-{TOKEN}"])
def test_a_task_id_that_is_none_is_refused(task_id: str | None) -> None:
    with serving(queued(task_id)) as (_, client):
        error = error_of(lambda: submit(client))
    assert isinstance(error, RequestError)
    assert error.is_accepted
    assert "is not as documented: {" in str(error)
    # Whoever says QUEUED is the API.
    assert error.advice == SUPPORT


def test_a_task_id_may_be_a_number() -> None:
    with serving(reply(b'{"result": "QUEUED", "task_id": 12345678901234567890}')) as (_, client):
        assert submit(client) == "12345678901234567890"


@pytest.mark.parametrize(
    "answer",
    [
        b'{"result": "PENDING", "task_id": "t"}',
        b'{"task_id": "t"}',
        b'{"result": "QUEUED", "task_id": 1.5}',
        b'{"result": "QUEUED", "task_id": true}',
        b'{"result": "QUE',
        b"OK",
    ],
)
def test_an_answer_behind_which_may_be_a_task_is_no_refusal(answer: bytes) -> None:
    with serving(reply(answer)) as (_, client):
        error = error_of(lambda: submit(client))
        assert isinstance(error, RequestError)
        assert error.is_accepted
        polled = error_of(lambda: client.poll("t"))
        assert isinstance(polled, RequestError)
        assert not polled.is_accepted


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail": "Too old."}', "HTTP 400: Too old"),
        (b'{"detail": "Too old", "kept": 60}', 'HTTP 400: {"detail": "Too old", "kept": 60}'),
        (b'{"start_date": ["Too old."]}', 'HTTP 400: {"start_date": ["Too old."]}'),
        (
            b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><At>noon</At></Error>',
            "HTTP 400: AccessDenied noon",
        ),
        (
            b"<html><head><title>502</title><style>b { }</style></head><h1>nginx</h1>",
            "HTTP 400: 502 nginx",
        ),
        (b"[[[", "HTTP 400: [[["),
        (b"<3", "HTTP 400: <3"),
        (b" \n", "HTTP 400"),
    ],
)
def test_an_error_is_told_in_its_words_without_their_wrapping(body: bytes, words: str) -> None:
    with serving(reply(body, code=400)) as (_, client):
        error = error_of(lambda: submit(client))
    assert str(error) == f"submitting daily 2024-03-01..2024-03-07: {words}"


def test_an_api_that_has_answered_is_not_told_as_nothing_there() -> None:
    answers: list[Answer] = [queued("t"), Close(b"")]
    with serving(lambda _: answers.pop(0)) as (_, client):
        submit(client)
        error = error_of(lambda: client.poll("t"))
    assert isinstance(error, RequestError)
    assert error.advice.startswith("the API has answered before in this run")


def test_a_short_token_may_stand_in_a_task_id() -> None:
    with serving(queued("task-1")) as (server, _):
        client = ApiClient(
            api_url=server.origin + API,
            auth_token="t",
            user_agent="tap-advexport/test",
            timeout_seconds=5,
            pool_size=1,
            clock=SystemClock(),
        )
        assert submit(client) == "task-1"
        client.close()


# --- What comes back --------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["submit", "poll", "download"])
@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (400, (RejectedError, TaskError, FileError)),
        (401, (AuthorizationError, AuthorizationError, FileNotFoundYetError)),
        (403, (AuthorizationError, AuthorizationError, FileNotFoundYetError)),
        (404, (RejectedError, TaskNotFoundError, FileNotFoundYetError)),
        (408, (RequestError, RequestError, RequestError)),
        (410, (RejectedError, TaskError, FileNotFoundYetError)),
        (425, (RequestError, RequestError, RequestError)),
        (429, (RequestError, RequestError, RequestError)),
        (500, (RequestError, RequestError, RequestError)),
        (503, (RequestError, RequestError, RequestError)),
        (599, (RequestError, RequestError, RequestError)),
        (204, (RequestError, RequestError, FileError)),
        (304, (RequestError, RequestError, FileError)),
    ],
)
def test_each_status_is_an_error_by_what_is_to_be_done(
    call: str, code: int, kinds: tuple[type, ...]
) -> None:
    body = (
        f"No, {TOKEN}: http://h/f?{SIGNATURE}\r\n\x1b[31m".encode()
        if code not in {204, 304}
        else b""
    )
    with serving(reply(body, code=code)) as (server, client):
        calls: dict[str, Callable[[], object]] = {
            "submit": lambda: submit(client),
            "poll": lambda: client.poll("t"),
            "download": lambda: fetch(client, f"{server.origin}/f?{SIGNATURE}"),
        }
        error = error_of(calls[call])
        assert type(error) is kinds[list(calls).index(call)]
        if body:
            assert f"HTTP {code}: No, ***" in str(error)


PAGE = b"<!DOCTYPE html><html><title>Blocked by policy</title></html>"


@pytest.mark.parametrize("call", ["submit", "poll"])
@pytest.mark.parametrize("code", [401, 403])
def test_a_page_that_answers_403_is_told_as_a_page(call: str, code: int) -> None:
    with serving(reply(PAGE, code=code)) as (_, client):
        error = error_of(lambda: submit(client) if call == "submit" else client.poll("t"))
    assert isinstance(error, AuthorizationError)
    assert "a page answers and not the API" in str(error)
    assert "Blocked by policy" in str(error)
    assert "take the token" not in str(error)


@pytest.mark.parametrize("code", [200, 400, 401, 403])
def test_a_page_amid_a_run_is_not_blamed_on_api_url(code: int) -> None:
    answers = [queued(), state("PENDING"), reply(PAGE, code=code)]
    with serving(lambda _: answers.pop(0)) as (_, client):
        submit(client)
        client.poll("t")
        error = error_of(lambda: client.poll("t"))
    told = str(error) + (error.advice if isinstance(error, ExportError) else "")
    assert "has answered before in this run" in told
    assert "api_url" not in told


@pytest.mark.parametrize("code", [402, 403, 500])
def test_a_page_in_place_of_a_file_is_not_blamed_on_the_api(code: int) -> None:
    with serving(reply(PAGE, code=code)) as (server, client):
        error = error_of(lambda: fetch(client, f"{server.origin}/f"))
    assert isinstance(error, ExportError)
    assert "file" in error.advice
    assert "API" not in error.advice


@pytest.mark.parametrize("code", [200, 400])
def test_secrets_are_found_in_an_answer_in_utf_16(code: int) -> None:
    said = f'{{"token": "{TOKEN}", "url": "https://h/f?{SIGNATURE}"}}'.encode("utf-16")
    with serving(reply(said, code=code)) as (_, client):
        error = error_of(lambda: client.poll("t"))
    assert '"token": "***"' in str(error)
    assert_no_secret(str(error))


def test_a_403_blames_the_token_only_where_nothing_has_worked_with_it() -> None:
    answers = [reply(b"no", code=403), queued(), reply(b"quota", code=403), reply(code=404)]
    with serving(lambda _: answers.pop(0)) as (_, client):
        assert "take the token" in str(error_of(lambda: submit(client)))
        submit(client)
        error = error_of(lambda: submit(client))
        assert isinstance(error, RejectedError)
        assert (error.refusal, error.said) == ("HTTP 403", "HTTP 403: quota")
        missing = error_of(lambda: submit(client))
        assert isinstance(missing, RejectedError)
        assert not missing.advice


def test_the_words_of_the_api_reach_the_person() -> None:
    failure = {"state": "FAILURE", "result": {"exc_type": "E", "exc_message": "a shorter range"}}
    answers = [
        reply(b'{"result": "ERROR", "message": "quota of 5 exports a day"}'),
        reply(json.dumps(failure).encode()),
        reply(b""),
        reply(CSV, Content_Encoding="br"),
        reply(b"{}", Content_Encoding="br"),
    ]
    with serving(lambda _: answers.pop(0)) as (server, client):
        said = [
            str(error_of(call))
            for call in (
                lambda: submit(client),
                lambda: client.poll("t"),
                lambda: client.poll("t"),
                lambda: fetch(client, f"{server.origin}/f"),
                lambda: client.poll("t"),
            )
        ]
    for text, words in zip(
        said,
        (
            "the API answers ERROR: quota of 5 exports a day",
            "its state is FAILURE: E: a shorter range",
            "the answer (HTTP 200) is empty",
            "its Content-Encoding is br, which was not asked for",
            "the answer's Content-Encoding is br, which was not asked for",
        ),
        strict=True,
    ):
        assert text.endswith(words)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("7", 7, 7), ("0", 0, 0), ("9" * 24, 600, float("inf"))],
    ids=["seconds", "none", "for ever"],
)
def test_the_pause_that_a_server_asks_for_is_read(text: str, least: float, most: float) -> None:
    assert least <= pause_asked_for(text) <= most


@pytest.mark.parametrize(
    ("days", "least", "most"), [(0.01, 800, 864), (-1, 0, 0), (400, 600, float("inf"))]
)
def test_the_moment_that_a_server_asks_for_is_read(days: float, least: float, most: float) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - the client is given the real clock
    assert (
        least <= pause_asked_for(format_datetime(now + timedelta(days=days), usegmt=True)) <= most
    )


def pause_asked_for(text: str) -> float:
    with serving(reply(code=429, Retry_After=text)) as (_, client):
        error = error_of(lambda: client.poll("t"))
    assert isinstance(error, RequestError)
    assert error.is_throttled
    assert error.retry_after_seconds is not None
    return error.retry_after_seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-1",
        "1.5",
        "²",
        "Mon, 99 Foo 2024",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 99:99:99 GMT",
        "Mon, 01 Jan 2024 00:00:00 +9999999999",
        "Mon, 01 Jan 0000 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_a_retry_after_that_makes_no_sense_is_none(text: str) -> None:
    with serving(reply(code=503, Retry_After=text)) as (_, client):
        assert isinstance(error_of(lambda: client.poll("t")), RequestError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[42]",
        b"null",
        b'{"state": 1}',
        b'{"result": "QUEUED"',
        b'{"state": "\\ud800"}',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"state": "' + b"x" * (2 << 20) + b'"}',
        b"<html>Please log in</html>",
    ],
    ids=range(11),
)
def test_an_answer_that_is_not_as_documented_is_asked_for_again(body: bytes) -> None:
    with serving(reply(body)) as (_, client):
        assert type(error_of(lambda: client.poll("t"))) is RequestError
        assert type(error_of(lambda: submit(client))) is RequestError


# --- Connections ------------------------------------------------------------------------------


def test_one_connection_serves_all_calls_of_one_thread() -> None:
    def answer(asked: Asked) -> bytes:
        if asked.method == "POST":
            return queued()
        if asked.target.startswith(API):
            return (
                state("SUCCESS", "http://unused/") if asked.target[-1] == "t" else reply(code=404)
            )
        return {"/l": reply(CSV), "/c": chunked(CSV), "/e": reply(b"gone", code=410)}[asked.target]

    with serving(answer) as (server, client):
        for _ in range(3):
            submit(client)
            client.poll("t")
            fetch(client, f"{server.origin}/l")
            fetch(client, f"{server.origin}/c")
            error_of(lambda: fetch(client, f"{server.origin}/e"))
            error_of(lambda: client.poll("x"))
        assert len(server.requests) == 18
        assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again() -> None:
    with serving(lambda _: Close(state("PENDING"))) as (server, client):
        for _ in range(3):
            client.poll("t")
            server.pause(0.05)
        assert server.connections == 3


def test_a_closed_port_and_a_name_that_nobody_knows_are_told_in_a_few_words() -> None:
    with Wire(lambda _: b"") as server:
        gone = server.origin
    refused = error_of(lambda: client_of(gone + API, 1).poll("t"))
    assert "refused" in str(refused)
    unknown = error_of(lambda: client_of("http://nowhere.invalid/", 5).poll("t"))
    assert "the host's name cannot be resolved" in str(unknown)
    assert isinstance(refused, RequestError)
    assert isinstance(unknown, RequestError)


def test_ipv6_works_for_the_api_and_for_files() -> None:
    try:
        Wire(lambda _: b"", host="::1").__exit__(None, None, None)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(state("PENDING"), host="::1") as (server, client):
        client.poll("t")
        assert fetch(client, f"{server.origin}/f")[0]
    assert all(asked.headers["authorization"] for asked in server.requests)


# --- Secrets ----------------------------------------------------------------------------------


def test_neither_token_nor_signature_is_in_any_log_at_any_level(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard_logs()
    caplog.set_level(logging.DEBUG)
    answers: list[Answer] = [
        queued(),
        state("SUCCESS", f"http://files/f?{SIGNATURE}"),
        reply(CSV),
        reply(code=302, Location=f"/g?{SIGNATURE}"),
        reply(f"no {TOKEN} ?{SIGNATURE}".encode(), code=403),
        Close(head(Content_Length=9)),
        reply(code=500),
    ]
    with serving(lambda _: answers.pop(0)) as (server, client):
        submit(client)
        assert_no_secret(repr(client), repr(client.poll("t")))
        fetch(client, f"{server.origin}/f?{SIGNATURE}")
        error_of(lambda: fetch(client, f"{server.origin}/f?{SIGNATURE}#{SIGNATURE}"))
        error_of(lambda: fetch(client, f"{server.origin}/f?a={SIGNATURE}"))
        error_of(lambda: fetch(client, f"{server.origin}/f?a='{SIGNATURE}'"))
        assert not answers
    odd_header = f"HTTP/1.1 200 OK\r\nno colon, {TOKEN} ?{SIGNATURE}\r\n\r\n"
    with serving(Close(odd_header.encode() + CSV)) as (server, client):
        fetch(client, f"{server.origin}/f?{SIGNATURE}")
    with Wire(lambda _: reply(CSV)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin.replace("//", f"//user:{SIGNATURE}@"))
        client = client_of("http://api.invalid/")
        fetch(client, f"http://files.invalid/f?{SIGNATURE}")
        client.close()
    logging.getLogger("urllib3.connection").warning(
        "?%s", SIGNATURE, exc_info=ValueError(SIGNATURE)
    )
    assert "urllib3" in caplog.text
    assert_no_secret(caplog.text, *(repr(record.__dict__) for record in caplog.records))


SAID_OF_A_SIGNATURE = [
    b"<Error><Code>SignatureDoesNotMatch</Code><SignatureProvided>ab/cd+ef=g</SignatureProvided>",
    b"no file for X-Sig=ab%2Fcd%2Bef%3Dg&x=%2f",
    b"no file for http%3A%2F%2Fh%2Ff%3FX-Sig%3Dab%252Fcd%252Bef%253Dg",
    b'{"url": "ab\\/cd+ef=g"}',
]


@pytest.mark.parametrize("said", SAID_OF_A_SIGNATURE)
def test_what_a_storage_says_of_a_url_does_not_show_its_signature(said: bytes) -> None:
    query = "X-Sig=ab%2Fcd%2Bef%3Dg&x=%2f"
    for code in (400, 403, 500):
        with serving(reply(said, code=code)) as (server, client):
            told = error_of(lambda: fetch(client, f"{server.origin}/f?{query}"))
            assert "***" in str(told)
            assert "cd" not in str(told)
    # As when the answer is taken for a file, and the conversion says what it found.
    error = CutFileError(f"line 1 is {said.decode()!r}", advice="ask", said=said.decode())
    with serving(reply(CSV)) as (server, client):
        _, found = fetch(client, f"{server.origin}/f?{query}")
        client.clear(error, found.urls)
    assert "cd" not in f"{error} {error.said}"
    assert query not in repr(found)


def test_a_download_url_is_a_secret_also_as_a_value() -> None:
    assert SIGNATURE not in repr(Finished(f"https://files/f?{SIGNATURE}"))
