"""How the figures are written, with a digest that changes when they are written differently."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from tap_advexport.records.convert import SpoolFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

# A change of this number means that equal figures are written differently.
SCHEMA_VERSION: Final = 2
_DIGITS: Final = 16


class Shape(Struct, frozen=True):
    """How a report's rows are written.

    Attributes:
        columns: the columns to write, in canonical order; `row_key` is always one of them.
        settings: everything else that changes the output of equal figures (stream maps, the time
            zone), as JSON values.
        spool_format: the format that the destination reads. It does not change the rows.
    """

    columns: tuple[str, ...]
    settings: Mapping[str, object]
    spool_format: SpoolFormat = SpoolFormat.LINES

    @property
    def digest(self) -> str:
        """The 16 hexadecimal digits that the state keeps as `shape`."""
        parts = [SCHEMA_VERSION, self.columns, self.settings]
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
