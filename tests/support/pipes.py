"""Pipes as tests read them."""

from __future__ import annotations

import os
from contextlib import suppress


def drained(descriptor: int) -> bytes:
    """All that lies in a channel whose writer is done."""
    os.set_blocking(descriptor, False)
    found = bytearray()
    with suppress(BlockingIOError):
        while data := os.read(descriptor, 1 << 20):
            found += data
    return bytes(found)
