"""What is read of an answer's body: how much, how long, packed or cut."""

from __future__ import annotations

import gzip
import io
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tap_advexport.api.answers import Unfinished
from tap_advexport.api.bodies import Downloaded
from tap_advexport.errors import CutFileError, FileError, RequestError
from tests.support.client_calls import (
    CSV,
    PACKED,
    SIGNATURE,
    Answer,
    error_of,
    fetch,
    serving,
    state,
)
from tests.support.wire import Close, Wire, chunked, head, reply

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("answer", "is_end_proven"),
    [
        (reply(CSV), True),
        (chunked(CSV[:3], CSV[3:]), True),
        (Close(head() + CSV), False),
        (reply(PACKED, Content_Encoding="gzip"), True),
        (reply(PACKED, Content_Encoding="gzip, identity"), True),
        (reply(CSV, Content_Encoding="aws-chunked"), True),
        (reply(PACKED, Content_Encoding="aws-chunked,gzip"), True),
        (reply(CSV, Content_Encoding="utf-8"), True),
    ],
    ids=["length", "chunks", "neither", "gzip", "and none", "upload", "upload of gzip", "charset"],
)
def test_a_file_is_spooled_byte_for_byte(answer: Answer, is_end_proven: bool) -> None:  # noqa: FBT001
    with serving(answer) as (server, client):
        body, downloaded = fetch(client, f"{server.origin}/f")
    assert body in {CSV, PACKED}
    assert downloaded == Downloaded(len(body), is_end_proven=is_end_proven)


def test_a_length_given_twice_is_one() -> None:
    with serving(Close(head(Content_Length="8, 8") + CSV)) as (server, client):
        assert fetch(client, f"{server.origin}/f") == (CSV, Downloaded(8, is_end_proven=True))


@pytest.mark.parametrize("length", ["8, 9", "eight", "", "-1", "8.0", "+8", "٨"])
def test_a_length_that_is_none_proves_nothing(length: str) -> None:
    with serving(Close(head(Content_Length=length) + CSV)) as (server, client):
        error = error_of(lambda: fetch(client, f"{server.origin}/f"))
        assert isinstance(error, CutFileError | RequestError)


@pytest.mark.parametrize("coding", ["gzip, chunked", "identity, chunked", "gzip", "x"])
def test_a_transfer_encoding_that_nobody_undoes_proves_nothing(coding: str) -> None:
    with serving(Close(head(Transfer_Encoding=coding) + CSV)) as (server, client):
        error = error_of(lambda: fetch(client, f"{server.origin}/f"))
        assert "transfer encoding" in str(error)
        assert isinstance(error, FileError)


def test_no_transfer_encoding_is_as_good_as_none() -> None:
    answer = head(Transfer_Encoding="identity", Content_Length=len(CSV)) + CSV
    with serving(Close(answer)) as (server, client):
        assert fetch(client, f"{server.origin}/f") == (CSV, Downloaded(8, is_end_proven=True))


@pytest.mark.parametrize("of", ["0-7/12", "4-11/12", "1-8/8"])
def test_a_part_of_a_file_is_no_file(of: str) -> None:
    with serving(reply(CSV, Content_Range=f"bytes {of}")) as (server, client):
        assert isinstance(error_of(lambda: fetch(client, f"{server.origin}/f")), CutFileError)


@pytest.mark.parametrize("of", ["bytes 0-7/8", "bytes 0-7/*", "rows 0-1/2", ""])
def test_a_range_that_is_all_of_a_file_is_a_file(of: str) -> None:
    with serving(reply(CSV, Content_Range=of)) as (server, client):
        assert fetch(client, f"{server.origin}/f")[0] == CSV


def test_an_answer_that_has_no_end_is_read_to_its_limit_only() -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        yield head() + b'{"state": "'
        for _ in range(10_000):
            sent.append(1)
            yield b"x" * 65536

    with serving(lambda _: Close(endless())) as (_, client):
        tracemalloc.start()
        assert isinstance(error_of(lambda: client.poll("t")), RequestError)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8 << 20
    assert len(sent) < 1000


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_an_answer_that_is_packed_although_nobody_asked_for_it_is_read(encoding: str) -> None:
    body = gzip.compress(b'{"state": "PENDING", "result": null}')
    with serving(reply(body, Content_Encoding=encoding)) as (_, client):
        assert client.poll("t") == Unfinished("PENDING", is_known=True)


def test_answers_of_the_api_are_not_asked_for_packed_and_files_are() -> None:
    with serving(state("PENDING")) as (server, client):
        client.poll("t")
        fetch(client, f"{server.origin}/f")
    assert [asked.headers["accept-encoding"] for asked in server.requests] == ["identity", "gzip"]


def test_a_packed_answer_that_swells_is_bounded() -> None:
    bomb = gzip.compress(b'{"state": "' + bytes(200 << 20))
    with serving(reply(bomb, Content_Encoding="gzip")) as (_, client):
        tracemalloc.start()
        assert isinstance(error_of(lambda: client.poll("t")), RequestError)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize(
    "body", [b"\x1f\x8bno", gzip.compress(b'{"state": "PENDING"}')[:-15]], ids=["bad", "cut"]
)
def test_a_packed_answer_that_is_damaged_is_asked_for_again(body: bytes) -> None:
    with serving(reply(body, Content_Encoding="gzip")) as (_, client):
        assert type(error_of(lambda: client.poll("t"))) is RequestError


@pytest.mark.parametrize(
    "answer",
    [
        Close(head(Content_Length=100) + CSV),
        Close(chunked(CSV)[:-5]),
        Close(chunked(CSV)[:-8]),
        Close(head(Transfer_Encoding="chunked") + b"zz\r\n" + CSV),
        Close(head(Transfer_Encoding="chunked") + b"8\r\nab"),
    ],
    ids=["short", "no last chunk", "within a chunk", "no chunk", "short chunk"],
)
def test_a_file_that_ends_before_its_end_is_cut(answer: Close) -> None:
    with serving(answer) as (server, client):
        error = error_of(lambda: fetch(client, f"{server.origin}/f?{SIGNATURE}"))
        assert isinstance(error, CutFileError)


def test_a_bomb_costs_no_memory_while_it_is_downloaded() -> None:
    bomb = gzip.compress(bytes(300 << 20), compresslevel=1)
    with serving(reply(bomb, Content_Encoding="gzip")) as (server, client):
        tracemalloc.start()
        client.download(f"{server.origin}/f", io.BytesIO())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 3 * len(bomb) + (4 << 20)


def dripping(server: Wire, start: bytes, piece: bytes, pause_seconds: float) -> Iterator[bytes]:
    yield start
    while server.pause(pause_seconds):
        yield piece


@pytest.mark.parametrize("call", ["poll", "download"])
def test_a_body_that_drips_is_given_up_after_about_a_time_out(call: str) -> None:
    with serving(b"", timeout_seconds=0.4) as (server, client):
        server.handler = lambda _: Close(dripping(server, head() + b"{", b" ", 0.05))
        url = f"{server.origin}/f"
        began = time.monotonic()
        error = error_of(lambda: client.poll("t") if call == "poll" else fetch(client, url))
        assert time.monotonic() - began < 2
        assert isinstance(error, RequestError | CutFileError)


def test_an_error_page_that_drips_is_given_up_and_the_status_counts() -> None:
    with serving(b"", timeout_seconds=0.3) as (server, client):
        server.handler = lambda _: Close(dripping(server, head(500) + b"No", b"!", 0.05))
        began = time.monotonic()
        assert "HTTP 500" in str(error_of(lambda: client.poll("t")))
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("answer", [b"", head()[:20], head(Content_Length=10)])
def test_a_server_that_falls_silent_is_given_up_after_a_time_out(answer: bytes) -> None:
    with serving(b"", timeout_seconds=0.3) as (server, client):
        server.handler = lambda _: Close(dripping(server, answer, b"", 5))
        began = time.monotonic()
        error = error_of(lambda: client.poll("t"))
        assert isinstance(error, RequestError)
        assert time.monotonic() - began < 2


def test_a_download_that_is_called_off_ends_at_the_next_piece() -> None:
    with serving(b"") as (server, client):
        server.handler = lambda _: Close(dripping(server, head(), b"x" * 70_000, 0.01))
        error = error_of(
            lambda: client.download(f"{server.origin}/f", io.BytesIO(), is_cancelled=lambda: True)
        )
        assert isinstance(error, CutFileError)
