"""Sends single HTTP requests: where the token goes, which URLs to follow, which errors to raise."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.structures import CaseInsensitiveDict

from tap_advexport.api import faults
from tap_advexport.api.advice import (
    ANSWERED_BEFORE,
    CANNOT_BE_REACHED,
    NOT_THE_API,
    NOTHING_ANSWERS,
)
from tap_advexport.api.framing import FramedAdapter
from tap_advexport.api.origins import Origin, UrlRefused, checked_origin, redirected_url
from tap_advexport.errors import ConfigError, FileError, RequestError, TapAdvexportError

if TYPE_CHECKING:
    from requests.adapters import BaseAdapter

    from tap_advexport.redaction import Redactor

MAX_REDIRECTS: Final = 5
# Sockets count milliseconds in 32 bits. Nobody waits eleven days for an answer.
MAX_TIMEOUT_SECONDS: Final = 1e6
PROXY_SCHEMES: Final = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Session:
    """Sends requests for one account. Safe to use from several threads.

    Attributes:
        has_answered: whether the API has given a valid answer in this run.
    """

    def __init__(  # noqa: PLR0913 - what it needs to know of one account
        self,
        *,
        api_url: str,
        auth_token: str,
        user_agent: str,
        timeout_seconds: float,
        pool_size: int,
        redactor: Redactor,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self.origin = checked_origin(api_url, is_http_allowed=True)
        self._token = auth_token
        self._user_agent = user_agent
        seconds = min(timeout_seconds, MAX_TIMEOUT_SECONDS)
        self._timeout = (seconds, seconds)
        self._redactor = redactor
        self._adapter = adapter or FramedAdapter(
            pool_connections=pool_size, pool_maxsize=pool_size, max_retries=0
        )
        self.has_answered = False
        self._routes: dict[Origin, tuple[dict[str, str], bool | str]] = {}

    def close(self) -> None:
        """Close idle connections."""
        self._adapter.close()

    def send(
        self,
        what: str,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        encoding: str = "identity",
    ) -> requests.Response:
        """Send one request.

        Raises:
            ConfigError: no request can work until a setting or a variable is fixed.
            FileError: the URL must not be followed.
            RequestError: there is no answer.
        """
        is_ours = False
        proxies: dict[str, str] = {}
        try:
            origin = checked_origin(url, is_http_allowed=self.origin.is_plain)
            is_ours = origin == self.origin
            proxies, verify = self._route(origin, url)
            request = self._request(method, url, body, encoding, is_ours=is_ours)
            return self._adapter.send(
                request, stream=True, timeout=self._timeout, verify=verify, proxies=proxies
            )
        except UrlRefused as refused:
            error: TapAdvexportError = FileError(f"{what}: {refused}")
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            ValueError,
            OSError,
        ) as fault:
            error = self._error_of(what, fault, url, is_ours=is_ours)
        # Raise it here, so that the library's exception, which holds the URL, is not its context.
        raise error

    def follow(self, what: str, url: str, *, is_api: bool) -> requests.Response:
        """Send a GET and follow redirects by hand, so that only the API's origin gets the token.

        Raises:
            ConfigError, FileError, RequestError: as in `send`; also if a redirect leads away
                from the API, or after too many redirects.
        """
        for _ in range(MAX_REDIRECTS + 1):
            # A compressed file arrives sooner; it is spooled as it is, and decompressed when read.
            encoding = "identity" if is_api else "gzip"
            response = self.send(what, "GET", url, encoding=encoding)
            if response.status_code not in REDIRECTS:
                return response
            response.close()
            url = self.redirected(what, url, response, is_api=is_api)
            if is_api and not self._is_own(url):
                place = self._redactor.place_of(url)
                msg = f"api_url: {what} is redirected to {place}: set api_url to where the API is"
                raise ConfigError(msg)
        place = self._redactor.place_of(url)
        msg = f"{what}: redirected more than {MAX_REDIRECTS} times, at last to {place}"
        raise RequestError(msg) if is_api else FileError(msg)

    def redirected(self, what: str, url: str, response: requests.Response, *, is_api: bool) -> str:
        """Return the URL that a redirect leads to.

        Raises:
            RequestError, FileError: the redirect has no valid URL.
        """
        location = response.headers.get("Location", "")
        try:
            if location:
                return redirected_url(url, location)
            problem = "redirects and does not say where to"
        except UrlRefused as refused:
            problem = f"redirects, and {refused}"
        msg = f"{what}: HTTP {response.status_code} {problem}"
        raise RequestError(msg, advice=NOT_THE_API) if is_api else FileError(msg)

    def _is_own(self, url: str) -> bool:
        try:
            return checked_origin(url, is_http_allowed=True) == self.origin
        except UrlRefused:
            return False

    def _request(
        self, method: str, url: str, body: bytes | None, encoding: str, *, is_ours: bool
    ) -> requests.PreparedRequest:
        """Return the request to send. It is built by hand: the library would rewrite its URL."""
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": encoding,
        }
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        if is_ours:
            headers["Authorization"] = f"Token {self._token}"
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, body
        request.headers = CaseInsensitiveDict(headers)
        return request

    def _route(self, origin: Origin, url: str) -> tuple[dict[str, str], bool | str]:
        """Return the environment's proxies for a host, and the certificates to trust."""
        if origin not in self._routes:
            proxies = requests.utils.get_environ_proxies(url)
            _check_proxy(requests.utils.select_proxy(url, proxies) or "")
            bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
            self._routes[origin] = (proxies, bundle or True)
        return self._routes[origin]

    def _error_of(
        self, what: str, fault: Exception, url: str, *, is_ours: bool
    ) -> TapAdvexportError:
        said = faults.fault_of(fault)
        setup = faults.setup_advice(fault, url.partition(":")[0].lower(), os.environ)
        words = f"{what}: {self._redactor.redact(said)}"
        if faults.is_lasting(fault):
            return ConfigError(f"{words}; {setup}" if setup else words)
        if isinstance(fault, ValueError) and not is_ours:
            return FileError(words)
        of_api = ANSWERED_BEFORE if self.has_answered else NOTHING_ANSWERS
        advice = setup or (of_api if is_ours else CANNOT_BE_REACHED)
        return RequestError(
            words, advice=advice, has_arrived=faults.has_arrived(fault), is_setup=bool(setup)
        )


def _check_proxy(url: str) -> None:
    """Raise InvalidProxyURL for a proxy that cannot be one; the library would blame the request."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        is_url = bool(parts.hostname) and parts.port != 0 and parts.scheme in PROXY_SCHEMES
    except ValueError:
        is_url = False
    if url and not is_url:
        raise requests.exceptions.InvalidProxyURL
