"""Which URLs the tap may follow, and which of them are the API's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


class UrlRefused(Exception):  # noqa: N818 - a verdict; the client turns it into an error
    """A URL that is not to be followed; the text says why, without the URL."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port: what may see the token."""

    scheme: str
    host: str
    port: int

    @property
    def is_plain(self) -> bool:
        """Nothing is encrypted on the way there."""
        return self.scheme == "http"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def checked_origin(url: str, *, is_http_allowed: bool) -> Origin:
    """The origin of a URL that may be followed.

    Args:
        url: as the API or a redirect gave it.
        is_http_allowed: the API itself is spoken to without encryption.

    Raises:
        UrlRefused: another scheme, http where https is due, user names, blanks, or malformed.
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
    if not host or "\\" in url:
        msg = "the URL is malformed"
        raise UrlRefused(msg)
    return Origin(parts.scheme, host.lower(), port or _PORTS[parts.scheme])
