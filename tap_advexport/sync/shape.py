"""What is written of the figures, and what tells that it is written otherwise than before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tap_advexport.records.convert import SpoolFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

# Rows of equal figures are another output when this changes.
SCHEMA_VERSION: Final = 2
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Shape:
    """How a report's rows are written.

    Attributes:
        columns: those that are written, in canonical order, `row_key` always among them.
        settings: whatever else makes another output of equal figures (stream maps, the time
            zone), as JSON values.
        spool_format: what the destination reads. The rows are the same.
    """

    columns: tuple[str, ...]
    settings: Mapping[str, object]
    spool_format: SpoolFormat = SpoolFormat.LINES

    @property
    def digest(self) -> str:
        """16 hexadecimal digits: `shape` in the state."""
        parts = [SCHEMA_VERSION, self.columns, self.settings]
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
