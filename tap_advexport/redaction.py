"""What may be shown of texts that can hold the token or a signed URL."""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import urlsplit

LONGEST_EXCERPT: Final = 200

# A query may hold apostrophes, and in a log also quotation marks.
_URL_SECRETS = re.compile(r"(?i)\b(https?://)(?:[^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)[?#][^\s\"<>]*")
_QUERY = re.compile(r"\?[^\s\"<>]+")
_LOGGED_QUERY = re.compile(r"\?\S*")
_UNPRINTABLE = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def redact(text: str, secret: str = "") -> str:
    """Take the token and every URL's user, query and fragment out of a text, on one line."""
    if secret:
        text = text.replace(secret, "***")
    text = _URL_SECRETS.sub(r"\1\2?***", text)
    text = _UNPRINTABLE.sub(" ", text).strip()
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )


def excerpt(text: str, secret: str = "") -> str:
    """The redacted beginning of what a server sent, for a message."""
    # Cut generously first: redacting a whole document would be work for nothing.
    shown = redact(text[: 20 * LONGEST_EXCERPT], secret)
    shown = _QUERY.sub("?***", shown)
    return shown if len(shown) <= LONGEST_EXCERPT else shown[: LONGEST_EXCERPT - 3] + "..."


def place_of(url: str) -> str:
    """Scheme, host and path of a URL, as a message may show them."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a malformed URL"
    return redact(f"{parts.scheme}://{host}{port}{parts.path}")


class _QueryFilter(logging.Filter):
    """Takes queries out of what the HTTP library logs: a download URL's query is its signature."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; never drop it."""
        record.msg = _LOGGED_QUERY.sub("?***", record.getMessage())
        record.args = ()
        return True


def guard_logs() -> None:
    """Keep signed URLs out of the logs of the libraries beneath, at every level."""
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.connection", "requests"):
        logger = logging.getLogger(name)
        if not any(isinstance(found, _QueryFilter) for found in logger.filters):
            logger.addFilter(_QueryFilter())
