"""Netstrings (`<bytes>:<text>,`): texts in a row that can be read in one way only."""

from __future__ import annotations


def netstring(text: str) -> bytes:
    """Give one netstring; the length is that of the text's UTF-8."""
    data = text.encode()
    return b"%d:%b," % (len(data), data)


def netstrings(*texts: str) -> bytes:
    """Give netstrings one after another."""
    return b"".join(map(netstring, texts))
