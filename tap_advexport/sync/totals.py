"""What a run did and what failed, for its summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_advexport.windows import DateWindow


@dataclass(frozen=True, slots=True)
class FailedDays:
    """Days of a report that failed in this run, and why."""

    report: str
    window: DateWindow
    reason: str

    def __str__(self) -> str:
        return f"report {self.report}, {self.window}: {self.reason}"


@dataclass(slots=True)
class RunTotals:
    """What the run did.

    Attributes:
        rows_not_sent: rows that the target holds already.
        byte_count: bytes downloaded, as they came.
    """

    exports: int = 0
    rows: int = 0
    rows_not_sent: int = 0
    byte_count: int = 0
    days_covered: int = 0
    days_unsettled: int = 0
    days_failed: int = 0
    seconds_waiting: float = 0.0

    def line(self, seconds: float) -> str:
        """The summary, the last log line of a run that took so many seconds."""
        return (
            f"Summary: {self.exports} exports, {self.rows} rows sent, {self.rows_not_sent} "
            f"unchanged rows not sent, {self.byte_count} bytes downloaded, "
            f"{self.days_covered} days covered, {self.days_unsettled} of them unsettled, "
            f"{self.days_failed} days failed, {self.seconds_waiting:.1f} s waiting, "
            f"{max(0.0, seconds - self.seconds_waiting):.1f} s working"
        )
