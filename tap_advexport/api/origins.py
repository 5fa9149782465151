"""URLs: which ones the tap may follow, which belong to the API, and how requests write them."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from msgspec import Struct

_PORTS: Final = {"http": 80, "https": 443}
# Printable ASCII stays as the API wrote it, because signatures cover the text.
_AS_WRITTEN: Final = "".join(map(chr, range(0x21, 0x7F)))
_HEAD: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


class UrlRefused(Exception):  # noqa: N818 - a verdict; the client turns it into an error
    """A URL must not be followed; the text says why, without the URL."""


class Origin(Struct, frozen=True):
    """Scheme, host and port. Only the origin of the API may see the token."""

    scheme: str
    host: str
    port: int

    @property
    def is_plain(self) -> bool:
        """Whether requests to it are not encrypted."""
        return self.scheme == "http"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def literal_url(url: str, base: str) -> str:
    """Return a URL for a request, byte for byte as an answer gave it.

    Only blanks and non-ASCII characters, which no request can hold, are percent-encoded.

    Args:
        url: the URL in the answer; a path is on the origin of `base`, and `//host/path` has its
            scheme.
        base: the URL that was requested.

    Raises:
        UrlRefused: the URL holds control characters.
    """
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in url):  # noqa: PLR2004 - ASCII
        msg = "the URL holds blanks or control characters"
        raise UrlRefused(msg)
    if url.startswith("//"):
        url = f"{base.partition(':')[0]}:{url}"
    elif url.startswith("/"):
        url = _head(base) + url
    head = _head(url)
    return head + quote(url[len(head) :], safe=_AS_WRITTEN, errors="replace")


def redirected_url(url: str, location: str) -> str:
    """Return the URL that a redirect leads to, as the answer wrote it.

    Raises:
        UrlRefused: the URL holds control characters.
    """
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    if not _head(location) and not location.startswith("/"):
        with suppress(ValueError):
            location = urljoin(url, location)
    return literal_url(location, url)


def request_target(url: str) -> str:
    """Return the path and query of a URL exactly as written."""
    target = url[len(_head(url)) :].partition("#")[0]
    return target if target.startswith("/") else f"/{target}"


def checked_origin(url: str, *, is_http_allowed: bool) -> Origin:
    """Return the origin of a URL that may be followed.

    Args:
        url: the URL, as the API or a redirect gave it.
        is_http_allowed: whether the URL may be http, as it may if the API's own URL is.

    Raises:
        UrlRefused: the scheme is not allowed, or the URL has a user name, a password, blanks or
            control characters, or is malformed.
    """
    if " " in url or not url.isprintable():
        msg = "the URL holds blanks or control characters"
        raise UrlRefused(msg)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        msg = "the URL is malformed"
        raise UrlRefused(msg) from None
    if parts.scheme not in _PORTS:
        due = "https or http" if is_http_allowed else "https"
        msg = f"the URL's scheme is {parts.scheme[:20] or 'missing'}, and must be {due}"
        raise UrlRefused(msg)
    if parts.scheme == "http" and not is_http_allowed:
        msg = "the URL is http, and the API is https: a downgrade is refused"
        raise UrlRefused(msg)
    if parts.username is not None or parts.password is not None:
        msg = "the URL holds a user name or password"
        raise UrlRefused(msg)
    if not host or "\\" in parts.netloc:
        msg = "the URL is malformed"
        raise UrlRefused(msg)
    return Origin(parts.scheme, host.lower(), port or _PORTS[parts.scheme])


def _head(url: str) -> str:
    """Return the scheme and host of a URL, or an empty text if it has none."""
    match = _HEAD.match(url)
    return match[0] if match else ""
