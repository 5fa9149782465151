"""Describes network faults in a few words, which never hold a URL, and how to fix them."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING, Final

import requests
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOT_TRUSTED: Final = "the host's certificate is not trusted"
NO_BUNDLE: Final = "the CA bundle that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names cannot be read"
NOT_TRUSTED_ADVICE: Final = (
    "check the machine's certificates (SSL_CERT_FILE, or a bundle in REQUESTS_CA_BUNDLE) and a "
    "proxy that may stand between"
)
_WANTS_PASSWORD: Final = "the proxy wants a user name and a password (HTTP 407)"  # noqa: S105 - words
_NO_SOCKS: Final = "a SOCKS proxy needs the package PySocks"
_PROXY: Final = "the proxy does not connect"

# In order of priority: the first type that is found anywhere in the exception chain counts.
_WORDS: Final = (
    (urllib3.exceptions.ProxyError, _PROXY),
    (urllib3.exceptions.NameResolutionError, "the host's name cannot be resolved"),
    (socket.gaierror, "the host's name cannot be resolved"),
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
    (requests.exceptions.InvalidProxyURL, "the proxy's URL is malformed"),
    (requests.exceptions.InvalidURL, "the URL is malformed"),
    (requests.exceptions.InvalidSchema, "the URL's scheme is not one to follow"),
    (UnicodeError, "the URL is malformed"),
)
# After these, the request has not left the machine, or has not passed a proxy.
_NOT_ARRIVED: Final = (
    urllib3.exceptions.ProxyError,
    urllib3.exceptions.NameResolutionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NewConnectionError,
    socket.gaierror,
    ConnectionRefusedError,
    ssl.SSLCertVerificationError,
)


def fault_of(fault: BaseException) -> str:
    """Describe a library's exception in a few words, without the data that it holds."""
    if is_without_bundle(fault):
        return NO_BUNDLE
    if _says(fault, "SOCKS support"):
        return _NO_SOCKS
    if _says(fault, "Tunnel connection failed: 407"):
        return _WANTS_PASSWORD
    chain = list(_chain(fault))
    for kind, words in _WORDS:
        if any(_is(link, kind) for link in chain):
            return words
    for link in chain:
        if isinstance(link, OSError) and link.strerror and not _is_library(link):
            return f"the connection failed: {link.strerror}"
    return f"the connection failed ({type(fault).__name__})"


def setup_advice(fault: BaseException, scheme: str, environment: Mapping[str, str]) -> str:
    """Return how to fix the proxy or the trusted certificates; empty if they are not the cause."""
    words = fault_of(fault)
    variable = proxy_variable(scheme, environment)
    if words == _NO_SOCKS:
        return f"{variable}: install it beside the tap (pip install PySocks)"
    if words == _WANTS_PASSWORD:
        return password_advice(scheme, environment)
    if words in {_PROXY, "the proxy's URL is malformed"}:
        return f"check {variable}, or name hosts to be reached without it in NO_PROXY"
    return NOT_TRUSTED_ADVICE if words == NOT_TRUSTED else ""


def password_advice(scheme: str, environment: Mapping[str, str]) -> str:
    """Return advice on where to set the password of a proxy."""
    return f"set {proxy_variable(scheme, environment)} to http://USER:PASSWORD@HOST:PORT"


def proxy_variable(scheme: str, environment: Mapping[str, str]) -> str:
    """Return the name of the variable that sets the proxy for a URL scheme."""
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        if environment.get(name):
            return name
    return f"{scheme.upper()}_PROXY"


def is_lasting(fault: BaseException) -> bool:
    """Return whether retrying cannot help until someone has fixed the setup."""
    lasting = {NO_BUNDLE, _NO_SOCKS, _WANTS_PASSWORD, "the proxy's URL is malformed"}
    return fault_of(fault) in lasting


def has_arrived(fault: BaseException) -> bool:
    """Return whether the request may have reached the API anyway."""
    return not any(isinstance(link, _NOT_ARRIVED) for link in _chain(fault))


def is_without_bundle(fault: BaseException) -> bool:
    """Return whether the file of trusted certificates is missing, so that no request can work."""
    return type(fault) is OSError and "CA certificate bundle" in str(fault)


def _says(fault: BaseException, words: str) -> bool:
    return any(words in str(link) for link in _chain(fault))


def _is(link: BaseException, kind: type[BaseException]) -> bool:
    # A refused connection is not a time-out, although urllib3 derives its class from one.
    is_refused = isinstance(link, urllib3.exceptions.NewConnectionError)
    is_time_out = kind is urllib3.exceptions.ConnectTimeoutError
    return isinstance(link, kind) and not (is_refused and is_time_out)


def _is_library(link: BaseException) -> bool:
    return isinstance(link, requests.RequestException | urllib3.exceptions.HTTPError)


def _chain(fault: BaseException) -> Iterator[BaseException]:
    """Yield the exception and all that it wraps: its causes, contexts, reasons and arguments."""
    waiting, seen = [fault], set[int]()
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        wrapped = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]
