"""What a library's exception means, in words without what it carries, and what mends it."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any, cast

import pytest
import requests
import urllib3

from tap_advexport.api.faults import (
    NO_BUNDLE,
    NOT_TRUSTED,
    NOT_TRUSTED_ADVICE,
    fault_of,
    has_arrived,
    is_lasting,
    proxy_variable,
    setup_advice,
)

SECRET = "https://h/f?s1gnature"
POOL = cast("Any", None)


def wrapped(inner: Exception) -> Exception:
    """An exception as the libraries wrap it: as a reason, an argument, a cause."""
    retries = urllib3.exceptions.MaxRetryError(POOL, SECRET, inner)
    outer = ValueError(SECRET)
    outer.__cause__ = requests.ConnectionError(retries, request=POOL)
    return outer


REFUSED = urllib3.exceptions.NewConnectionError(POOL, SECRET)
REFUSED.__cause__ = ConnectionRefusedError(111, "Connection refused")
UNKNOWN_HOST = urllib3.exceptions.NewConnectionError(POOL, SECRET)
UNKNOWN_HOST.__cause__ = socket.gaierror(-2, SECRET)
PROXY = urllib3.exceptions.ProxyError(SECRET, ConnectionRefusedError(111, SECRET))
TUNNEL = urllib3.exceptions.ProxyError(SECRET, OSError("Tunnel connection failed: 407 Who?"))
SILENCE = urllib3.exceptions.ReadTimeoutError(POOL, SECRET, SECRET)
NO_SOCKS = requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")
BUNDLE = OSError(f"Could not find a suitable TLS CA certificate bundle, invalid path: {SECRET}")


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (REFUSED, "the connection is refused"),
        (UNKNOWN_HOST, "the host's name cannot be resolved"),
        (PROXY, "the proxy does not connect"),
        (TUNNEL, "the proxy wants a user name and a password (HTTP 407)"),
        (NO_SOCKS, "a SOCKS proxy needs the package PySocks"),
        (ssl.SSLCertVerificationError(1, SECRET), NOT_TRUSTED),
        (urllib3.exceptions.ConnectTimeoutError(SECRET), "no connection within the time-out"),
        (
            urllib3.exceptions.ReadTimeoutError(POOL, SECRET, SECRET),
            "no answer within the time-out",
        ),
        (TimeoutError(SECRET), "no answer within the time-out"),
        (http.client.IncompleteRead(SECRET.encode()), "the answer was cut"),
        (
            http.client.RemoteDisconnected(SECRET),
            "the connection was closed without an answer",
        ),
        (requests.exceptions.InvalidURL(SECRET), "the URL is malformed"),
        (UnicodeError(SECRET), "the URL is malformed"),
        (OSError(113, "No route to host"), "the connection failed: No route to host"),
    ],
    ids=range(14),
)
def test_a_fault_is_told_in_words_of_its_own_however_deep_it_lies(
    fault: Exception, words: str, *, is_wrapped: bool
) -> None:
    assert fault_of(wrapped(fault) if is_wrapped else fault) == words


def test_a_fault_that_nobody_knows_is_told_by_its_kind_alone() -> None:
    assert fault_of(KeyError(SECRET)) == "the connection failed (KeyError)"
    # An error of the library may hold a URL in its text of the system's.
    assert (
        fault_of(requests.ConnectionError(5, SECRET)) == "the connection failed (ConnectionError)"
    )


def test_a_chain_that_bites_its_tail_has_an_end() -> None:
    first, second = OSError(), OSError()
    first.__cause__, second.__cause__ = second, first
    assert fault_of(first) == "the connection failed (OSError)"


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (PROXY, "check https_proxy, or name hosts to be reached without it in NO_PROXY"),
        (
            requests.exceptions.InvalidProxyURL(SECRET),
            "check https_proxy, or name hosts to be reached without it in NO_PROXY",
        ),
        (TUNNEL, "set https_proxy to http://USER:PASSWORD@HOST:PORT"),
        (NO_SOCKS, "https_proxy: install it beside the tap (pip install PySocks)"),
        (ssl.SSLCertVerificationError(1, SECRET), NOT_TRUSTED_ADVICE),
        (REFUSED, ""),
    ],
    ids=["proxy", "malformed", "password", "socks", "certificate", "refused"],
)
def test_what_mends_it_is_said_by_the_name_of_the_variable(fault: Exception, advice: str) -> None:
    assert setup_advice(fault, "https", {"https_proxy": "x", "ALL_PROXY": "y"}) == advice


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "HTTP_PROXY"),
        ({"http_proxy": "", "HTTPS_PROXY": "x"}, "HTTP_PROXY"),
        ({"HTTP_PROXY": "x", "all_proxy": "y"}, "HTTP_PROXY"),
        ({"http_proxy": "x", "HTTP_PROXY": "y"}, "http_proxy"),
        ({"ALL_PROXY": "x"}, "ALL_PROXY"),
    ],
)
def test_the_variable_of_a_proxy_is_the_one_that_is_read(
    environment: dict[str, str], name: str
) -> None:
    assert proxy_variable("http", environment) == name


def test_only_what_a_person_has_to_mend_is_lasting() -> None:
    assert fault_of(BUNDLE) == NO_BUNDLE
    lasting = [BUNDLE, NO_SOCKS, TUNNEL, requests.exceptions.InvalidProxyURL(SECRET)]
    passing = [PROXY, REFUSED, TimeoutError(), ssl.SSLCertVerificationError(1, SECRET)]
    assert [is_lasting(each) for each in lasting] == [True] * 4
    assert [is_lasting(each) for each in passing] == [False] * 4


def test_a_request_has_arrived_unless_it_has_surely_not() -> None:
    assert not any(has_arrived(wrapped(each)) for each in (REFUSED, UNKNOWN_HOST, PROXY, TUNNEL))
    assert not has_arrived(ssl.SSLCertVerificationError(1, SECRET))
    assert has_arrived(wrapped(SILENCE))
    assert has_arrived(ConnectionResetError(104, "Connection reset by peer"))
