"""`row_key`, the identity of a row: a hash over the dimensions that the API groups by.

docs/row-key.md has the rule, test vectors and SQL that recomputes it. Changing the rule is a
breaking change.
"""

from __future__ import annotations

import hashlib
import struct
from itertools import repeat
from typing import TYPE_CHECKING, Final

from tap_advexport.records.caches import Cache
from tap_advexport.records.cells import integer_text
from tap_advexport.records.netstrings import netstring, netstrings
from tap_advexport.reports import COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_advexport.reports import Interval

# The dimensions that the API groups by, in the order in which they enter `row_key`: `time`, then
# the one that is not cached, then the others. `campaign` is left out because it is a label that can
# be renamed; metrics do not identify a row.
KEY_DIMENSIONS: Final = (
    "time",
    "aff_sub_id",
    "campaign_id",
    "country",
    "creative_id",
    "app_id",
    "name_os",
    "version_os",
    "lang",
    "publisher_id",
)
ROW_KEY_VERSION: Final = "1"

HASH_BYTES: Final = hashlib.sha256().digest_size
# The bytes of a hash that form the key, which is written with two hexadecimal digits per byte.
KEY_BYTES: Final = 16
_KEY_DIGITS: Final = 2 * KEY_BYTES

# The second dimension has nearly as many distinct values as rows, so it is not cached.
_TIME, _UNCACHED, *_CACHED = KEY_DIMENSIONS
_LENGTHS: Final = tuple(b"%d:" % length for length in range(1024))


class KeyImages:
    """Builds the bytes whose hash is a row's key."""

    def __init__(self, interval: Interval) -> None:
        head = netstrings(ROW_KEY_VERSION, interval)
        makers = {column.name: _maker(column.kind) for column in COLUMNS}
        self._heads = Cache(lambda time: head + netstring(time))
        self._parts = {name: Cache(makers[name]) for name in _CACHED}

    def read(self, columns: Mapping[str, Sequence[str]]) -> list[bytes]:
        """Return the image of each row's dimensions, without the number of a repetition.

        Raises:
            InvalidCellError: a cell breaks its column's grammar.
        """
        heads = self._heads.read(columns[_TIME])
        texts = list(map(str.encode, columns[_UNCACHED]))
        parts = [cache.read(columns[name]) for name, cache in self._parts.items()]
        pieces = zip(heads, _lengths(texts), texts, repeat(b","), *parts)
        return list(map(b"".join, pieces))


def row_keys(joined_hashes: bytes) -> list[bytes]:
    """Return the digits of each row's key, from the joined hashes of all rows."""
    count = len(joined_hashes) // HASH_BYTES
    rest = 2 * HASH_BYTES - _KEY_DIGITS
    return list(struct.unpack(f"{_KEY_DIGITS}s{rest}x" * count, joined_hashes.hex().encode()))


def repeated_row_key(image: bytes, number: int) -> bytes:
    """Return the digits of the key of a row's n-th repetition."""
    return hashlib.sha256(image + netstring(str(number))).hexdigest()[:_KEY_DIGITS].encode()


def _maker(kind: Kind) -> Callable[[str], bytes]:
    if kind is Kind.INTEGER:
        return lambda cell: netstring(integer_text(cell))
    return netstring


def _lengths(texts: Sequence[bytes]) -> list[bytes]:
    try:
        return list(map(_LENGTHS.__getitem__, map(len, texts)))
    except IndexError:
        return [b"%d:" % len(text) for text in texts]
