"""Chunks, headers and hints as they are written, and URLs as they are given."""

from __future__ import annotations

import gc
import itertools
import logging

import pytest

from tap_advexport.api.bodies import Downloaded
from tap_advexport.errors import CutFileError, RequestError
from tests.support.client_calls import CSV, SIGNATURE, error_of, fetch, serving, state
from tests.support.wire import Asked, Close, chunked, head, reply

ODD_TARGETS = [
    "/f?X-Signature=a%7Eb%2dc%2Fd",
    "/f/[1]|^{2}?a=[b]&c=|",
    "/a/../b/./c//d?",
    "/f?a=1&&b=?c=/d",
    "/f;p=1?q='\"<>`\\",
]


@pytest.mark.parametrize("target", ODD_TARGETS)
def test_a_url_is_asked_for_byte_for_byte(target: str) -> None:
    with serving(reply(CSV)) as (server, client):
        assert fetch(client, f"{server.origin}{target}#part")[0] == CSV
        assert [asked.target for asked in server.requests] == [target]


@pytest.mark.parametrize("target", ODD_TARGETS)
def test_so_is_the_url_of_a_redirect(target: str) -> None:
    locations = [target]

    def answer(asked: Asked) -> bytes:
        is_first = asked.target == "/first"
        return reply(code=302, Location=locations.pop()) if is_first else reply(CSV)

    with serving(answer) as (server, client):
        fetch(client, f"{server.origin}/first")
        locations.append(f"{server.origin}{target}")
        fetch(client, f"{server.origin}/first")
        assert [asked.target for asked in server.requests][1::2] == [target, target]


@pytest.mark.parametrize(
    ("target", "sent"), [("/a b?c d", "/a%20b?c%20d"), ("/\u00e9?\u20ac", "/%C3%A9?%E2%82%AC")]
)
def test_only_what_no_request_holds_is_encoded(target: str, sent: str) -> None:
    with serving(reply(CSV)) as (server, client):
        fetch(client, f" {server.origin}{target} ".strip())
        assert server.requests[0].target == sent


@pytest.mark.parametrize(
    "rest",
    [
        b"0",
        b"000",
        b"0000000",
        b"0x0\r\n\r\n",
        b"-0\r\n\r\n",
        b"+0\r\n\r\n",
        b"0_0\r\n\r\n",
        b" 0\r\n\r\n",
        b"\r\n\r\n",
        b"0\r;\r\n\r\n",
        b"",
        b"8\r\n" + CSV,
        b"8\r\n" + CSV + b"XY0\r\n\r\n",
        b"6\r\n" + CSV + b"0\r\n\r\n",
        b"8" * 70_000 + b"\r\n",
    ],
)
def test_chunks_end_with_a_whole_last_chunk_or_are_cut(rest: bytes) -> None:
    answer = Close(chunked(CSV).removesuffix(b"0\r\n\r\n") + rest)
    with serving(answer) as (server, client):
        error = error_of(lambda: fetch(client, f"{server.origin}/f?{SIGNATURE}"))
        assert isinstance(error, CutFileError)


@pytest.mark.parametrize(
    "rest",
    [
        b"0\r\n\r\n",
        b"0\r\n",
        b"0\n\n",
        b"00000000\r\n\r\n",
        b"0;last=1\r\n\r\n",
        b"0 \r\n\r\n",
        b"0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
        b"00A ; x=y\r\n1234567\r\n\n\r\n0\r\n\r\n",
        b"0\r\nX-Sum",
    ],
)
def test_chunks_may_be_written_in_several_ways(rest: bytes) -> None:
    answer = Close(chunked(CSV).removesuffix(b"0\r\n\r\n") + rest)
    with serving(answer) as (server, client):
        body, downloaded = fetch(client, f"{server.origin}/f")
    assert body.startswith(CSV)
    assert downloaded == Downloaded(len(body), is_end_proven=True)


def test_a_connection_is_used_again_after_chunks() -> None:
    with serving(chunked(CSV, CSV * 30_000)) as (server, client):
        for _ in range(3):
            assert fetch(client, f"{server.origin}/f")[0] == CSV * 30_001
        assert server.connections == 1


def answer_with(lines: bytes, body: bytes = CSV) -> Close:
    return Close(b"HTTP/1.1 200 Whatever\r\n" + lines + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    "before",
    [
        b"no colon",
        b"X-A: a\rb",
        b"X-\xe9: a",
        b": nameless",
        b"two words: a",
        b" continues nothing",
        b"no colon\r\n and goes on",
        b"X-A: a\r\n b\r\n\tc",
        b"\x00: a",
        b"HTTP/1.1 200 again",
    ],
)
def test_a_line_that_is_no_header_hides_no_length_and_no_log_shows_it(
    before: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lines = before + b"\r\nContent-Length: 8"
    with serving(answer_with(lines)) as (server, client):
        assert fetch(client, f"{server.origin}/f") == (CSV, Downloaded(8, is_end_proven=True))
    with serving(answer_with(lines, CSV[:4])) as (server, client):
        assert isinstance(error_of(lambda: fetch(client, f"{server.origin}/f")), CutFileError)
    assert "parse headers" not in caplog.text


def test_a_blank_before_a_colon_hides_no_length() -> None:
    with serving(answer_with(b"Content-Length : 8", CSV[:4])) as (server, client):
        assert isinstance(error_of(lambda: fetch(client, f"{server.origin}/f")), CutFileError)


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t "])
def test_a_blank_behind_a_value_belongs_to_no_header(blank: bytes) -> None:
    """RFC 9112, section 5: optional whitespace may follow the value."""
    [_, body] = chunked(CSV).split(b"\r\n\r\n", 1)
    lines = b"Transfer-Encoding: chunked" + blank
    with serving(answer_with(lines, body)) as (server, client):
        assert fetch(client, f"{server.origin}/f") == (CSV, Downloaded(8, is_end_proven=True))
    with serving(answer_with(lines, body[:-5])) as (server, client):
        assert isinstance(error_of(lambda: fetch(client, f"{server.origin}/f")), CutFileError)


def test_a_folded_line_of_blanks_does_not_end_the_head() -> None:
    for blanks in (b" ", b"\t ", b" \r"):
        lines = b"X-Note: a\r\n" + blanks + b"\r\nContent-Length: 8"
        with serving(answer_with(lines)) as (server, client):
            assert fetch(client, f"{server.origin}/f") == (CSV, Downloaded(8, is_end_proven=True))


def test_chunks_that_are_told_on_a_folded_line_are_no_file() -> None:
    [_, body] = chunked(CSV).split(b"\r\n\r\n", 1)
    with serving(answer_with(b"Transfer-Encoding:\r\n chunked", body)) as (server, client):
        assert "transfer encoding" in str(error_of(lambda: fetch(client, f"{server.origin}/f")))


@pytest.mark.parametrize("line", [b"no colon\r\n", b"X: y\r\n"])
def test_headers_without_an_end_are_given_up(line: bytes) -> None:
    wire = itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(line * 100, 10_000))
    with serving(Close(wire)) as (_, client):
        assert isinstance(error_of(lambda: client.poll("t")), RequestError)


@pytest.mark.parametrize("early", [100, 102, 103, 199])
def test_what_comes_before_the_answer_is_passed_over(early: int) -> None:
    hint = head(early, Link="</f>; rel=preload")
    with serving(lambda _: hint * 2 + reply(CSV)) as (server, client):
        for _ in range(2):
            assert fetch(client, f"{server.origin}/f") == (CSV, Downloaded(8, is_end_proven=True))
        assert server.connections == 1


def test_hints_without_an_end_are_given_up() -> None:
    with serving(Close(head(103) * 100)) as (_, client):
        assert isinstance(error_of(lambda: client.poll("t")), RequestError)


def test_the_thousandth_request_costs_as_much_as_the_first() -> None:
    with serving(state("PENDING")) as (_, client):
        client.poll("task-1")
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(1000):
            client.poll("task-1")
        gc.collect()
        # The server keeps each request as three objects; a class has dozens.
        assert len(gc.get_objects()) - before < 5000
