"""`period_version`, the identity of a period's figures: a hash over the cells of its rows.

docs/period-version.md has the rule, test vectors and a program that recomputes it. Changing the
rule is a breaking change.
"""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING, Final

from tap_advexport.records.netstrings import netstrings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from hashlib import _Hash

_RULE_VERSION: Final = "1"
# The cells that the image of a row's key does not hold as the API wrote them, followed by the
# label. Only the label can contain a comma, and it comes last.
_NUMBERS: Final = (
    "clicks_aggr",
    "campaign_id",
    "cost_aggr",
    "cr",
    "conversions_aggr",
    "publisher_id",
)
_LABEL: Final = "campaign"

_update: Final = type(hashlib.sha256()).update
digest_of: Final = type(hashlib.sha256()).digest

_MODULUS: Final = 1 << 256
_VERSION_DIGITS: Final = 32


def row_hashes(key_hashers: Sequence[_Hash], columns: Mapping[str, Sequence[str]]) -> list[bytes]:
    """Return the hash of all cells of each row. The hashers cannot be used again.

    Args:
        key_hashers: one hasher per row, already fed with the image of the row's key.
        columns: the cells, all of them valid.
    """
    cells = zip(*(columns[name] for name in (*_NUMBERS, _LABEL)), strict=True)
    rests = map(str.encode, map(",".join, cells))
    deque(map(_update, key_hashers, rests), maxlen=0)
    return list(map(digest_of, key_hashers))


def hash_sum(hashes: Iterable[bytes]) -> int:
    """Return the sum of row hashes; sums of parts of a period add up to that of the period."""
    return sum(map(int.from_bytes, hashes))


def period_version(row_count: int, total: int) -> str:
    """Return the version of a period with `row_count` rows, whose hashes add up to `total`."""
    image = netstrings(_RULE_VERSION, str(row_count), f"{total % _MODULUS:064x}")
    return hashlib.sha256(image).hexdigest()[:_VERSION_DIGITS]
