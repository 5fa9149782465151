"""What went wrong below HTTP, in a few words that never hold a URL."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING, Final

import requests
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_TRUSTED: Final = "the host's certificate is not trusted"
NO_BUNDLE: Final = "the CA bundle that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names cannot be read"

# In the order in which they are looked for: the first that is found anywhere in the chain.
_WORDS: Final = (
    (urllib3.exceptions.NameResolutionError, "the host's name cannot be resolved"),
    (socket.gaierror, "the host's name cannot be resolved"),
    (urllib3.exceptions.ProxyError, "the proxy does not connect"),
    (ConnectionRefusedError, "the connection is refused"),
    (ssl.SSLCertVerificationError, NOT_TRUSTED),
    (urllib3.exceptions.ConnectTimeoutError, "no connection within the time-out"),
    (requests.ConnectTimeout, "no connection within the time-out"),
    (urllib3.exceptions.ReadTimeoutError, "no answer within the time-out"),
    (requests.ReadTimeout, "no answer within the time-out"),
    (TimeoutError, "no answer within the time-out"),
    (urllib3.exceptions.IncompleteRead, "the answer was cut"),
    (http.client.IncompleteRead, "the answer was cut"),
    (http.client.RemoteDisconnected, "the connection was closed without an answer"),
    (requests.exceptions.ChunkedEncodingError, "the answer was cut"),
    (requests.TooManyRedirects, "redirected for ever"),
    (requests.exceptions.InvalidURL, "the URL is malformed"),
    (requests.exceptions.InvalidSchema, "the URL's scheme is not one to follow"),
    (UnicodeError, "the URL is malformed"),
)


def fault_of(fault: BaseException) -> str:
    """Say in a few words what a library's exception means, without what it carries."""
    if is_without_bundle(fault):
        return NO_BUNDLE
    chain = list(_chain(fault))
    for kind, words in _WORDS:
        if any(_is(link, kind) for link in chain):
            return words
    for link in chain:
        if isinstance(link, OSError) and link.strerror and not _is_library(link):
            return f"the connection failed: {link.strerror}"
    return f"the connection failed ({type(fault).__name__})"


def is_without_bundle(fault: BaseException) -> bool:
    """Whether the file of trusted certificates is missing, so that no request can work."""
    return type(fault) is OSError and "CA certificate bundle" in str(fault)


def _is(link: BaseException, kind: type[BaseException]) -> bool:
    # A refused connection is no time-out, though urllib3 derives the one from the other.
    is_refused = isinstance(link, urllib3.exceptions.NewConnectionError)
    is_time_out = kind is urllib3.exceptions.ConnectTimeoutError
    return isinstance(link, kind) and not (is_refused and is_time_out)


def _is_library(link: BaseException) -> bool:
    return isinstance(link, requests.RequestException | urllib3.exceptions.HTTPError)


def _chain(fault: BaseException) -> Iterator[BaseException]:
    """The exception and all that it wraps: its causes, contexts, reasons and arguments."""
    waiting, seen = [fault], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        wrapped = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]
