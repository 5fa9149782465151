"""What may be shown of texts that can hold the token or a signed URL."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

LONGEST_EXCERPT: Final = 200
# What is shorter than this gives nothing away, as a beginning of the token or as a token.
SHORTEST_SECRET: Final = 4

# A query may hold apostrophes, and in a log also quotation marks.
_URL_SECRETS = re.compile(r"(?i)\b(https?://)(?:[^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)[?#][^\s\"<>]*")
_QUERY = re.compile(r"\?[^\s\"<>]+")
# In a cell a question mark can be one, so that only what looks like a query is taken for it.
_LIKE_A_QUERY = re.compile(r"\?[^\s\"<>?=]*=[^\s\"<>]*")
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


def without_queries(text: str) -> str:
    """A text of a file without the users and queries of the URLs in it."""
    return _LIKE_A_QUERY.sub("?***", _URL_SECRETS.sub(r"\1\2?***", text))


def without_secret(text: str, secret: str) -> str:
    """Take the token out of a message, also where the message cut it short (`...`)."""
    if len(secret) < SHORTEST_SECRET or secret[:SHORTEST_SECRET] not in text:
        return text
    text = text.replace(secret, "***")
    for length in reversed(range(SHORTEST_SECRET, len(secret))):
        text = re.sub(re.escape(secret[:length]) + r"(?=['\"]?\.\.\.)", "***", text)
    return text


def place_of(url: str) -> str:
    """Scheme, host and path of a URL, as a message may show them."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a malformed URL"
    if not parts.scheme:
        return "a URL without a scheme"
    return excerpt(f"{parts.scheme}://{host}{port}{parts.path}")
