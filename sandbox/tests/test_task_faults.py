"""What comes late, what is said in other words, and URLs that are signed to the letter."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pytest

from advexport_sandbox import Clock, Match, Options, Sandbox, SandboxConfig
from sandbox.tests.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2024, 4, 2, 3, tzinfo=UTC)
LATE_TASKS = {"late-task-404": 404, "late-task-403": 403}
LATE_FILES = {"late-file-404": (404, b"NoSuchKey"), "late-file-403": (403, b"AccessDenied")}
LETTERS = {
    "small-letters": ("queued", "success"),
    "capital-letter": ("Queued", "Success"),
}
CAUSED = {
    *LATE_TASKS, *LATE_FILES, *LETTERS, "late-url", "url-odd", "url-blank", "url-path",
    "task-failure-reason", "task-failure-object", "task-started-object", "no-data-body",
}  # fmt: skip


@contextmanager
def slow_api() -> Iterator[tuple[Sandbox, Client]]:
    """An API whose tasks run a minute of a clock that a test moves."""
    clock = Clock(NOW, monotonic=lambda: 0)
    with Sandbox(SandboxConfig(latency=60, rows_per_day=5), clock=clock) as sandbox:
        yield sandbox, Client(sandbox)


@pytest.mark.parametrize("name", LATE_TASKS)
def test_a_task_cannot_be_seen_for_some_time_after_its_submission(name: str) -> None:
    with slow_api() as (api, client):
        api.inject(name, options=Options(seconds=5))
        late, other = client.export(), client.export()
        for _ in range(2):
            assert client.poll(late).status == LATE_TASKS[name]
            assert client.poll(late).json["detail"]
        assert client.poll(other).status == 200
        api.advance(seconds=5)
        assert client.poll(late).json["state"] == "PENDING"


def test_success_comes_before_its_url() -> None:
    with slow_api() as (api, client):
        api.inject("late-url", options=Options(seconds=5))
        task_id = client.export()
        assert client.poll(task_id).json["state"] == "PENDING"
        api.advance(seconds=61)
        assert client.poll(task_id).json == {"state": "SUCCESS", "result": None}
        api.advance(seconds=4)
        assert client.poll(task_id).json["result"].startswith("http://")


@pytest.mark.parametrize("name", LATE_FILES)
def test_a_file_cannot_be_had_for_some_time_after_success(name: str) -> None:
    with slow_api() as (api, client):
        api.inject(name)
        task_id = client.export()
        api.advance(seconds=60)
        status, code = LATE_FILES[name]
        url = client.file_url(task_id)
        for _ in range(2):
            refused = client.call("GET", url)
            assert (refused.status, refused.headers["Content-Type"]) == (status, "application/xml")
            assert code in refused.body
        api.advance(seconds=1)
        assert client.call("GET", url).body.startswith(b"aff_sub_id,")


@pytest.mark.parametrize("name", LETTERS)
def test_words_can_be_in_other_letters(api: Sandbox, client: Client, name: str) -> None:
    queued, success = LETTERS[name]
    api.inject(name, count=None)
    submitted = client.submit().json
    assert submitted["result"] == queued
    polled = client.poll(submitted["task_id"]).json
    assert polled["state"] == success
    assert client.call("GET", polled["result"]).status == 200


@pytest.mark.parametrize("name", ["task-failure-reason", "task-failure-object"])
def test_a_failure_can_have_a_reason(api: Sandbox, client: Client, name: str) -> None:
    api.inject(name)
    failed = client.poll(client.export()).json
    assert failed["state"] == "FAILURE"
    reason = failed["result"]
    assert reason["exc_message"] if name == "task-failure-object" else reason.endswith(".")


def test_a_task_that_runs_can_have_an_object_as_its_result(api: Sandbox, client: Client) -> None:
    api.inject("task-started-object")
    task_id = client.export()
    started = client.poll(task_id).json
    assert (started["state"], started["result"]["pid"]) == ("STARTED", 4711)
    assert client.poll(task_id).json["state"] == "SUCCESS"


def test_a_download_can_be_a_sentence(api: Sandbox, client: Client) -> None:
    task_id = client.export()
    api.inject("no-data-body")
    assert client.download(task_id).body.startswith(b"No data")
    assert client.download(task_id).body.startswith(b"aff_sub_id,")


REWRITTEN: dict[str, Callable[[str], str]] = {
    "an escape is resolved": lambda target: target.replace("%7E", "~"),
    "an escape of a letter is resolved": lambda target: target.replace("%41", "A"),
    "an escape is written in capitals": lambda target: target.replace("%2d", "%2D"),
    "a tilde is escaped": lambda target: target.replace("~", "%7E"),
    "brackets are escaped": lambda target: target.replace("[", "%5B").replace("]", "%5D"),
    "a bar is escaped": lambda target: target.replace("|", "%7C"),
    "a caret is escaped": lambda target: target.replace("^", "%5E"),
    "all is resolved and escaped": lambda target: quote(unquote(target), safe="/?&=."),
}


def test_a_signed_url_has_odd_letters_and_opens_its_file(api: Sandbox, client: Client) -> None:
    api.inject("url-odd")
    target = urlsplit(client.file_url(client.export()))
    for part in (target.path, target.query):
        assert "~%7E%2d%c3%a9%41[1]|^" in part
    opened = client.call("GET", f"{api.origin}{target.path}?{target.query}")
    assert opened.body.startswith(b"aff_sub_id,")


@pytest.mark.parametrize("rewrite", REWRITTEN.values(), ids=REWRITTEN)
@pytest.mark.parametrize("place", ["path", "query"])
def test_a_signed_url_opens_nothing_when_a_letter_is_rewritten(
    api: Sandbox, client: Client, rewrite: Callable[[str], str], place: str
) -> None:
    api.inject("url-odd")
    url = urlsplit(client.file_url(client.export()))
    parts = {"path": url.path, "query": url.query}
    changed = {**parts, place: rewrite(parts[place])}
    assert changed != parts
    refused = client.call("GET", f"{api.origin}{changed['path']}?{changed['query']}")
    assert refused.status == 403


def test_a_url_can_have_blanks(api: Sandbox, client: Client) -> None:
    api.inject("url-blank")
    url = client.file_url(client.export())
    assert " " in urlsplit(url).path
    assert " " in urlsplit(url).query
    assert client.call("GET", url.replace(" ", "%20")).status == 200
    assert client.call("GET", url.replace(" ", "+")).status == 403


def test_a_url_can_be_a_path(api: Sandbox, client: Client) -> None:
    api.inject("url-path")
    path = client.file_url(client.export())
    assert path.startswith("/files/")
    assert client.call("GET", api.origin + path).status == 200


def test_a_file_on_the_origin_of_the_api_may_be_asked_for_with_the_token() -> None:
    with Sandbox(SandboxConfig(files_host="localhost")) as api:
        client = Client(api)
        api.inject("url-path", match=Match(endpoint="poll"))
        url = api.origin + client.file_url(client.export())
        assert client.call("GET", url, headers={"Authorization": "Token x"}).status == 200
