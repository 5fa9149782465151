"""Removes secrets from texts that may hold the token, a signed URL or a password."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_plus, urlsplit

MAX_EXCERPT: Final = 200
MAX_QUOTED: Final = 60
# A shorter prefix of the token reveals nothing, and a shorter token may occur in our own words.
MIN_SECRET_LENGTH: Final = 3
# A shorter value in the query of a URL is no signature, and may be an ordinary word.
MIN_VALUE_LENGTH: Final = 6
# So many small letters are no word.
MIN_LETTERS_LENGTH: Final = 16
# The patterns of a longer secret would take long; nobody shows more of one.
MAX_SECRET_LENGTH: Final = 1000

# A query may hold apostrophes. (For logs, `api.log_filter` also includes quotation marks.)
_URL: Final = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]*://)([^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)([?#][^\s\"<>]*)?"
)
# An XML declaration (`<?xml ...?>`) is not a query.
_QUERY: Final = re.compile(r"(?i)(?<!<)(?:\?|\\+u003f|%3f)[^\s\"<>]+")
# Words that repeat a query without its question mark, or behind a blank in it.
_PAIRS: Final = re.compile(r"[^\s\"<>?&]*&[^\s\"<>=&]+=[^\s\"<>]*")
# A cell can hold an ordinary question mark: only `?` with a later `=` counts as a query.
_LIKE_A_QUERY: Final = re.compile(r"\?[^\s\"<>?=]*=[^\s\"<>]*")
_WORD: Final = re.compile(r"[a-z/._-]*")
_TIME: Final = re.compile(r"[0-9:TZ.+ -]+")
_SHORTENED: Final = re.compile(r"['\"]?\.\.\.")
_UNPRINTABLE: Final = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Redactor:
    """Removes the given secrets from texts, and users, passwords and queries from their URLs."""

    def __init__(self, *secrets: str) -> None:
        self._known = sorted(
            {each for each in secrets if len(each) >= MIN_SECRET_LENGTH}, key=len, reverse=True
        )
        # In a URL the token may be percent-encoded.
        self._secrets = [text for each in self._known for text in (each, quote(each, safe=""))]
        patterns = ["".join(map(_writings, each)) for each in self._known]
        self._writings = re.compile("|".join(patterns)) if patterns else None

    def __repr__(self) -> str:
        return "Redactor(***)"

    def redact(self, text: str) -> str:
        """Return a text on one printable line, without secrets."""
        text = _URL.sub(_without_user_and_query, self.without_secrets(text))
        text = _UNPRINTABLE.sub(" ", text).strip()
        if text.isprintable():
            return text
        return "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
        )

    def excerpt(self, text: str, length: int = MAX_EXCERPT) -> str:
        """Return the beginning of a text on one printable line; remove secrets before the cut."""
        shown = self.redact(self._beginning(text, 20 * length))
        shown = _PAIRS.sub("***", _QUERY.sub("?***", shown))
        return shown if len(shown) <= length else f"{shown[: length - 3]}..."

    def place_of(self, url: str) -> str:
        """Return the scheme, host, port and path of a URL."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "a malformed URL"
        if not parts.scheme:
            return "a URL without a scheme"
        return self.excerpt(f"{parts.scheme}://{host}{port}{parts.path}")

    def for_url(self, url: str) -> Redactor:
        """Return a redactor that also removes the query of a URL, and each value in it.

        A storage repeats the signature of a URL in what it says of it.
        """
        query = url.partition("?")[2].partition("#")[0]
        values = [each.partition("=")[2] for each in query.split("&")]
        found = {query, *values, *map(unquote_plus, values)}
        return Redactor(
            *self._known, *(text[:MAX_SECRET_LENGTH] for text in found if _is_key(text))
        )

    def without_secrets(self, text: str) -> str:
        """Return a text without the secrets, also where the text has shortened one (`...`)."""
        if self._writings is not None:
            text = self._writings.sub("***", text)
        for secret in self._secrets:
            text = _without_beginnings(text.replace(secret, "***"), secret)
        return text

    def _beginning(self, text: str, length: int) -> str:
        """Cut a long text, because redacting a whole document takes long.

        A part of the token at the cut is removed.
        """
        if len(text) <= length:
            return text
        text = text[:length]
        for secret in self._secrets:
            for cut in reversed(range(MIN_SECRET_LENGTH + 1, len(secret))):
                if text.endswith(secret[:cut]):
                    return text[:-cut]
        return text


_PLAIN: Final = Redactor()


def excerpt(text: str, length: int = MAX_EXCERPT) -> str:
    """Return the beginning of a text that cannot hold the token, on one printable line."""
    return _PLAIN.excerpt(text, length)


def quoted(text: str) -> str:
    """Quote the beginning of a text from a file; unprintable characters are escaped."""
    # Cut roughly before redacting: a cell can be as long as a book.
    text = _URL.sub(_without_user_and_query, text[: 100 * MAX_QUOTED])
    text = _LIKE_A_QUERY.sub("?***", text)
    literal = repr(text[:MAX_QUOTED])
    is_cut = len(text) > MAX_QUOTED or len(literal) > 2 * MAX_QUOTED
    return f"{literal[: 2 * MAX_QUOTED]}..." if is_cut else literal


def _is_key(value: str) -> bool:
    """Return whether a value of a query may be a signature or a key, and not a word or a time."""
    if _WORD.fullmatch(value):
        return len(value) >= MIN_LETTERS_LENGTH
    return len(value) >= MIN_VALUE_LENGTH and not _TIME.fullmatch(value)


def _without_beginnings(text: str, secret: str) -> str:
    """Remove the beginning of a secret wherever a text is shortened behind it."""
    for cut in reversed([match.start() for match in _SHORTENED.finditer(text)]):
        for length in reversed(range(MIN_SECRET_LENGTH + 1, min(len(secret), cut + 1))):
            if text.endswith(secret[:length], 0, cut):
                text = f"{text[: cut - length]}***{text[cut:]}"
                break
    return text


def _writings(letter: str) -> str:
    """Return a pattern for a character, plain or as JSON, HTML or a URL may escape it."""
    code = ord(letter)
    escaped = rf"\\+u{code:04x}|%{code:02x}|&#x0*{code:x};|&#0*{code};"
    return rf"(?:\\*{re.escape(letter)}|(?i:{escaped}))"


def _without_user_and_query(url: re.Match[str]) -> str:
    scheme, _, rest, query = url.groups()
    return f"{scheme}{rest}?***" if query else f"{scheme}{rest}"
