"""What can be wrong with the text or the encoding of one answer."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

from advexport_sandbox.effects import ANY, DOWNLOAD, JSON, POLL, SUBMIT, ChangeBody, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from advexport_sandbox.answers import Answer
    from advexport_sandbox.calls import Options

    Change = Callable[[Answer, Options], Answer]

_HUGE_BYTES = 2 * 1024 * 1024
_GZIP_HEADER = (("Content-Encoding", "gzip"),)

# Takes the checksum, the length and some of the last block.
_GZIP_TAIL_BYTES = 24


def say_state(state: str, result: object = None) -> Change:
    """Answer a poll with a state and no URL."""
    return say("application/json", json.dumps({"state": state, "result": result}).encode())


def change_letters(change: Callable[[str], str]) -> Change:
    """Write the words of state and result in other letters."""

    def change_answer(answer: Answer, _options: Options) -> Answer:
        content = json.loads(answer.body)
        word = "state" if "state" in content else "result"
        return replace(answer, body=json.dumps({**content, word: change(content[word])}).encode())

    return change_answer


def say(content_type: str, body: bytes) -> Change:
    """Replace the body by another."""

    def change(answer: Answer, _options: Options) -> Answer:
        return replace(answer, body=body, content_type=content_type)

    return change


def say_url(answer: Answer, options: Options) -> Answer:
    """Answer a poll with a URL that no client should follow."""
    content = {"state": "SUCCESS", "result": options.location or "file:///etc/passwd"}
    return replace(answer, body=json.dumps(content).encode())


def say_huge(answer: Answer, _options: Options) -> Answer:
    """Blow the JSON up; it stays valid."""
    content = {**json.loads(answer.body), "padding": "x" * _HUGE_BYTES}
    return replace(answer, body=json.dumps(content).encode())


def halve(answer: Answer, _options: Options) -> Answer:
    """Leave the second half of the body out, and hide it behind a matching length."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def zip_up(answer: Answer, _options: Options) -> Answer:
    """Put the file into a ZIP archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("report.csv", answer.body)
    return replace(answer, body=archive.getvalue(), content_type="application/zip")


def cut_row(answer: Answer, _options: Options) -> Answer:
    """End the body in the middle of its last row; its length is that of what is left."""
    rows, last = _last_row(answer.body)
    return replace(answer, body=rows + last[: len(last) // 2])


def cut_quote(answer: Answer, _options: Options) -> Answer:
    """End the body inside a quoted cell of its last row; its length is that of what is left."""
    rows, last = _last_row(answer.body)
    return replace(answer, body=rows + last.partition(b",")[0] + b',"and then')


def encode_gzip(answer: Answer, _options: Options) -> Answer:
    """Compress the body as HTTP does."""
    return replace(answer, body=_gzip(answer.body), headers=(*answer.headers, *_GZIP_HEADER))


def encode_members(answer: Answer, options: Options) -> Answer:
    """Compress the body as HTTP does, in two gzip members."""
    return replace(file_members(answer, options), headers=(*answer.headers, *_GZIP_HEADER))


def file_gzip(answer: Answer, _options: Options) -> Answer:
    """Make the file itself a gzip file."""
    return replace(answer, body=_gzip(answer.body), content_type="application/gzip")


def file_members(answer: Answer, _options: Options) -> Answer:
    """Make the file itself a gzip file of two members."""
    middle = answer.body.find(b"\n", len(answer.body) // 2) + 1
    body = _gzip(answer.body[:middle]) + _gzip(answer.body[middle:])
    return replace(answer, body=body)


def cut_after(first: Change) -> Change:
    """Change an answer, then leave the end of its body out; its length is that of what is left."""

    def change(answer: Answer, options: Options) -> Answer:
        changed = first(answer, options)
        return replace(changed, body=changed.body[:-_GZIP_TAIL_BYTES])

    return change


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _last_row(body: bytes) -> tuple[bytes, bytes]:
    start = body.rfind(b"\n", 0, -1) + 1
    return body[:start], body[start:]


TEXTS = (
    Fault("task-started", POLL, ChangeBody(say_state("STARTED")), "one poll says STARTED"),
    Fault(
        "task-started-object",
        POLL,
        ChangeBody(say_state("STARTED", {"pid": 4711, "hostname": "worker@one"})),
        "one poll says STARTED with Celery's object as its result",
    ),
    Fault("task-retry", POLL, ChangeBody(say_state("RETRY")), "one poll says RETRY"),
    Fault(
        "success-without-url",
        POLL,
        ChangeBody(say_state("SUCCESS")),
        "one poll says SUCCESS with null as its result",
    ),
    Fault(
        "small-letters",
        JSON,
        ChangeBody(change_letters(str.lower)),
        "the words of `state` and of a submission's `result` are in small letters",
    ),
    Fault(
        "capital-letter",
        JSON,
        ChangeBody(change_letters(str.capitalize)),
        "the same words have one capital letter",
    ),
    Fault(
        "other-url",
        POLL,
        ChangeBody(say_url),
        "one poll says SUCCESS with `location` (file:///etc/passwd) as its result",
    ),
    Fault(
        "submit-without-id",
        SUBMIT,
        ChangeBody(say("application/json", b'{"result": "QUEUED", "task_id": null}')),
        "the task is made, and its id kept secret",
    ),
    Fault(
        "odd-json",
        JSON,
        ChangeBody(say("application/json", b"[42]")),
        "JSON that is no object",
    ),
    Fault("truncated-json", JSON, ChangeBody(halve), "half of the JSON, whole as HTTP"),
    Fault("not-json", JSON, ChangeBody(say("text/plain", b"OK")), "the text OK"),
    Fault("huge-json", JSON, ChangeBody(say_huge), "the JSON with 2 MiB of padding"),
    Fault("empty-body", ANY, ChangeBody(say("text/csv", b"")), "200 and not a byte"),
    Fault(
        "html-body",
        ANY,
        ChangeBody(say("text/html", b"<!DOCTYPE html>\n<html>Please log in</html>\n")),
        "200 with a page of HTML",
    ),
    Fault(
        "json-body",
        DOWNLOAD,
        ChangeBody(say("application/json", b'{"detail": "Not ready."}')),
        "200 with JSON in place of the file",
    ),
    Fault(
        "xml-body",
        DOWNLOAD,
        ChangeBody(say("application/xml", b"<Error><Code>SlowDown</Code></Error>")),
        "200 with XML in place of the file",
    ),
    Fault(
        "no-data-body",
        DOWNLOAD,
        ChangeBody(say("text/plain", b"No data available for the selected period\n")),
        "200 with a sentence in place of the file",
    ),
    Fault("zip-body", DOWNLOAD, ChangeBody(zip_up), "the file in a ZIP archive"),
    Fault(
        "cut-mid-row",
        DOWNLOAD,
        ChangeBody(cut_row),
        "the body ends in the middle of its last row, with a length that fits",
    ),
    Fault(
        "cut-open-quote",
        DOWNLOAD,
        ChangeBody(cut_quote),
        "the body ends inside a quoted cell, with a length that fits",
    ),
    Fault("gzip", DOWNLOAD, ChangeBody(encode_gzip), "Content-Encoding gzip"),
    Fault(
        "gzip-multi-member",
        DOWNLOAD,
        ChangeBody(encode_members),
        "Content-Encoding gzip in two members",
    ),
    Fault(
        "gzip-file",
        DOWNLOAD,
        ChangeBody(file_gzip),
        "a gzip file without Content-Encoding",
    ),
    Fault(
        "gzip-file-multi-member",
        DOWNLOAD,
        ChangeBody(file_members),
        "a gzip file of two members without Content-Encoding",
    ),
    Fault(
        "cut-gzip",
        DOWNLOAD,
        ChangeBody(cut_after(encode_gzip)),
        "Content-Encoding gzip whose end is missing, with a length that fits",
    ),
    Fault(
        "cut-gzip-member",
        DOWNLOAD,
        ChangeBody(cut_after(encode_members)),
        "the same with a first member that is whole",
    ),
)
