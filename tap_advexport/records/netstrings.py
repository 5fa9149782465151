"""Netstrings (`<bytes>:<text>,`): a sequence of texts that can be read in only one way."""

from __future__ import annotations


def netstring(text: str) -> bytes:
    """Return one netstring; its length counts the bytes of the text in UTF-8."""
    data = text.encode()
    return b"%d:%b," % (len(data), data)


def netstrings(*texts: str) -> bytes:
    """Return the netstrings of some texts, one after another."""
    return b"".join(map(netstring, texts))
