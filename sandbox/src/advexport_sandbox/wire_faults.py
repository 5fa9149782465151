"""What can go wrong with one answer: its text, its encoding and its way through the net."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Answer, Ending, Framing

if TYPE_CHECKING:
    from collections.abc import Callable

    from advexport_sandbox.injections import Options

    Change = Callable[[Answer, Options], Answer]

_SHARE_OF_CUT = 0.6
_HUGE_BYTES = 2 * 1024 * 1024
_GZIP_HEADER = (("Content-Encoding", "gzip"),)


def say_state(state: str) -> Change:
    """Answer a poll with a state and no URL."""
    return say("application/json", json.dumps({"state": state, "result": None}).encode())


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


def lose(answer: Answer, _options: Options) -> Answer:
    """Close the connection without a word."""
    return replace(answer, is_silent=True, ending=Ending.CLOSE)


def hold_back(answer: Answer, options: Options) -> Answer:
    """Say nothing for some time, and close the connection."""
    return replace(lose(answer, options), head_pause_seconds=_pause(options, 30))


def cut(answer: Answer, _options: Options) -> Answer:
    """Close the connection before as many bytes have left as were announced."""
    return replace(answer, sent_share=_SHARE_OF_CUT, ending=Ending.CLOSE)


def cut_chunks(answer: Answer, options: Options) -> Answer:
    """Close the connection within a chunk."""
    return replace(cut(answer, options), framing=Framing.CHUNKED)


def reset(answer: Answer, options: Options) -> Answer:
    """Tear the connection down in the middle of the body."""
    return replace(cut(answer, options), ending=Ending.RESET)


def send_chunks(answer: Answer, _options: Options) -> Answer:
    """Send the whole body in chunks."""
    return replace(answer, framing=Framing.CHUNKED)


def send_until_close(answer: Answer, _options: Options) -> Answer:
    """Send the whole body without telling its length, and close."""
    return replace(answer, framing=Framing.CLOSE)


def send_until_close_unfinished(answer: Answer, _options: Options) -> Answer:
    """Do the same without the body's last line feed."""
    return replace(answer, framing=Framing.CLOSE, body=answer.body.removesuffix(b"\n"))


def cut_until_close(answer: Answer, _options: Options) -> Answer:
    """Send a part of the body without telling its length, and close."""
    return replace(answer, framing=Framing.CLOSE, sent_share=_SHARE_OF_CUT)


def drip(answer: Answer, options: Options) -> Answer:
    """Pause after each byte of the body."""
    return replace(answer, byte_pause_seconds=_pause(options, 0.001))


def slow_head(answer: Answer, options: Options) -> Answer:
    """Pause in the middle of the headers."""
    return replace(answer, head_pause_seconds=_pause(options, 0.2))


def stall(answer: Answer, options: Options) -> Answer:
    """Pause in the middle of the body, then close."""
    return replace(cut(answer, options), stall_seconds=_pause(options, 30))


# Takes the checksum, the length and some of the last block.
_GZIP_TAIL_BYTES = 24


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _last_row(body: bytes) -> tuple[bytes, bytes]:
    start = body.rfind(b"\n", 0, -1) + 1
    return body[:start], body[start:]


def _pause(options: Options, default: float) -> float:
    return default if options.pause_seconds is None else options.pause_seconds
