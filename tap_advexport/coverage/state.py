"""The state of one report, as values: its days, what was sent of them, and its tasks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_advexport.coverage.ranges import union
from tap_advexport.windows import DateWindow, Task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Exported(DateWindow):
    """Days that are covered but not settled, and when their export was submitted (UTC)."""

    exported_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """The figures that the target holds of a period, and the export that they came from.

    Attributes:
        version: the identity of the figures, whichever export they come from (`period_version`).
    """

    export_id: str
    version: str
    exported_at: datetime


@dataclass(frozen=True, slots=True)
class Coverage:
    """The days and tasks of one report.

    Attributes:
        settled: sorted, disjoint, maximal; disjoint from `unsettled`.
        unsettled: sorted, disjoint; neighbours exported on the same local date are joined.
        sent: by the first day of the period; only for periods that have an unsettled day.
        pending: tasks whose rows are not emitted yet.
        shape: a digest of how the rows that `sent` describes were written; empty if not known.
    """

    settled: tuple[DateWindow, ...] = ()
    unsettled: tuple[Exported, ...] = ()
    sent: Mapping[date, Sent] = field(default_factory=dict)
    pending: tuple[Task, ...] = ()
    shape: str = ""

    def covered(self) -> tuple[DateWindow, ...]:
        """Return every day that was exported: sorted, disjoint, maximal."""
        return union((*self.settled, *self.unsettled))

    def last_gap_free(self) -> date | None:
        """Return the last day before the first gap: the bookmark that people and tools read."""
        covered = self.covered()
        return covered[0].last if covered else None
