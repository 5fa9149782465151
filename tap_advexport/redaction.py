"""What may be shown of texts that can hold the token, a signed URL or a password."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, urlsplit

MAX_EXCERPT: Final = 200
MAX_QUOTED: Final = 60
# A shorter beginning of the token gives nothing away, and a shorter token is in words of ours.
MIN_SECRET_LENGTH: Final = 3

# A query may hold apostrophes, and in a log also quotation marks.
_URL: Final = re.compile(
    r"(?i)\b([a-z][a-z0-9+.-]*://)([^\s/?#\"'<>]*@)?([^\s?#\"'<>]*)([?#][^\s\"<>]*)?"
)
# The declaration of an XML document is none.
_QUERY: Final = re.compile(r"(?<!<)\?[^\s\"<>]+")
# In a cell a question mark can be one, so that only what looks like a query is taken for it.
_LIKE_A_QUERY: Final = re.compile(r"\?[^\s\"<>?=]*=[^\s\"<>]*")
_UNPRINTABLE: Final = re.compile(r"[^\S ]+|[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Redactor:
    """Shows texts without the token that it knows, and without URLs' users and queries."""

    def __init__(self, secret: str = "") -> None:
        # In a URL the token may be written in percent-encoding.
        written = {secret, quote(secret, safe="")} if len(secret) >= MIN_SECRET_LENGTH else set()
        self._secrets = sorted(written, key=len, reverse=True)
        self._writings = re.compile("".join(map(_writings, secret))) if written else None

    def __repr__(self) -> str:
        return "Redactor(***)"

    def redact(self, text: str) -> str:
        """A text on one printable line."""
        text = _URL.sub(_without_user_and_query, self.without_token(text))
        text = _UNPRINTABLE.sub(" ", text).strip()
        if text.isprintable():
            return text
        return "".join(
            letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
        )

    def excerpt(self, text: str, length: int = MAX_EXCERPT) -> str:
        """The beginning of a text on one printable line; cut only when all secrets are out."""
        shown = self.redact(self._beginning(text, 20 * length))
        shown = _QUERY.sub("?***", shown)
        return shown if len(shown) <= length else f"{shown[: length - 3]}..."

    def place_of(self, url: str) -> str:
        """Scheme, host and path of a URL."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "a malformed URL"
        if not parts.scheme:
            return "a URL without a scheme"
        return self.excerpt(f"{parts.scheme}://{host}{port}{parts.path}")

    def without_token(self, text: str) -> str:
        """A message without the token, also where the message cut it short (`...`)."""
        if self._writings is not None:
            text = self._writings.sub("***", text)
        for secret in self._secrets:
            text = text.replace(secret, "***")
            if secret[:MIN_SECRET_LENGTH] not in text:
                continue
            for length in reversed(range(MIN_SECRET_LENGTH + 1, len(secret))):
                text = re.sub(re.escape(secret[:length]) + r"(?=['\"]?\.\.\.)", "***", text)
        return text

    def _beginning(self, text: str, length: int) -> str:
        """Cut a long text, since redacting a whole document would be work for nothing."""
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
    """The beginning of a text that cannot hold the token, on one printable line."""
    return _PLAIN.excerpt(text, length)


def quoted(text: str) -> str:
    """The beginning of a file's text as a quoted literal: what is unprintable is escaped."""
    # Cut generously first: a cell can be as long as a book.
    text = _URL.sub(_without_user_and_query, text[: 100 * MAX_QUOTED])
    text = _LIKE_A_QUERY.sub("?***", text)
    literal = repr(text[:MAX_QUOTED])
    is_cut = len(text) > MAX_QUOTED or len(literal) > 2 * MAX_QUOTED
    return f"{literal[: 2 * MAX_QUOTED]}..." if is_cut else literal


def _writings(letter: str) -> str:
    """A pattern for a letter as it is, and as JSON, HTML or a URL may write it."""
    code = ord(letter)
    escaped = rf"\\+u{code:04x}|%{code:02x}|&#x0*{code:x};|&#0*{code};"
    return rf"(?:\\*{re.escape(letter)}|(?i:{escaped}))"


def _without_user_and_query(url: re.Match[str]) -> str:
    scheme, _, rest, query = url.groups()
    return f"{scheme}{rest}?***" if query else f"{scheme}{rest}"
