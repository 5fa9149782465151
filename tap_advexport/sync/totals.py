"""The totals and failures of a run, for its summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from tap_advexport.progress.words import counted
from tap_advexport.windows import DAY, DateWindow

if TYPE_CHECKING:
    from collections.abc import Iterable

# The parts of a reason that differ from window to window: names, quoted text, markup, numbers.
_VARIES: Final = re.compile(
    r"\b(?:task|from) [^\s,;)]+|(?:\bb|(?<!\w))['\"<{\[].*|(?<!HTTP )(?<!\S)\S*\d\S*", re.DOTALL
)


class FailedDays(Struct, frozen=True):
    """Days of a report that failed in this run, why, and what the user can do about it."""

    report: str
    window: DateWindow
    reason: str
    advice: str = ""

    def __str__(self) -> str:
        text = f"report {self.report}, {self.window}: {self.reason}"
        return f"{text}; {self.advice}" if self.advice else text

    def fields(self) -> dict[str, object]:
        """Return the values by name, for logs that machines read."""
        return {
            "report": self.report,
            "first": self.window.first.isoformat(),
            "last": self.window.last.isoformat(),
            "days": self.window.days,
            "reason": self.reason,
            "advice": self.advice,
        }


class RunTotals(Struct):
    """The totals of a run.

    Attributes:
        rows_not_sent: rows that the target already holds.
        byte_count: bytes downloaded, as received.
        days_missing: days of the range that are not covered at the end.
    """

    exports: int = 0
    rows: int = 0
    rows_not_sent: int = 0
    byte_count: int = 0
    days_covered: int = 0
    days_unsettled: int = 0
    days_failed: int = 0
    days_missing: int = 0
    seconds_waiting: float = 0.0

    def fields(self, seconds: float) -> dict[str, object]:
        """Return the totals by name, of a run that took `seconds`."""
        return {
            "exports": self.exports,
            "rows_sent": self.rows,
            "rows_not_sent": self.rows_not_sent,
            "bytes_downloaded": self.byte_count,
            "days_covered": self.days_covered,
            "days_unsettled": self.days_unsettled,
            "days_failed": self.days_failed,
            "days_missing": self.days_missing,
            "seconds_waiting": round(self.seconds_waiting, 3),
            "seconds_working": round(max(0.0, seconds - self.seconds_waiting), 3),
        }

    def line(self, seconds: float) -> str:
        """Return the totals in one line for people, of a run that took `seconds`."""
        return (
            f"{counted(self.exports, 'export')}, {counted(self.rows, 'row')} sent, "
            f"{counted(self.rows_not_sent, 'unchanged row')} not sent, "
            f"{counted(self.byte_count, 'byte')} downloaded, "
            f"{counted(self.days_covered, 'day')} covered, "
            f"{self.days_unsettled} of them unsettled, "
            f"{counted(self.days_failed, 'day')} failed, {self.seconds_waiting:.1f} s waiting, "
            f"{max(0.0, seconds - self.seconds_waiting):.1f} s working"
        )


def failed_ranges(failures: Iterable[FailedDays]) -> list[FailedDays]:
    """Merge adjacent days of a report that failed for the same cause; return them in order."""
    found: list[FailedDays] = []
    for failed in sorted(failures, key=lambda each: (each.report, each.window)):
        last = found[-1] if found else None
        if last and last.report == failed.report and _continues(last, failed):
            window = DateWindow(last.window.first, failed.window.last)
            # Keep the reason of the newer days: they were tried first, and with the whole window.
            found[-1] = replace(failed, window=window)
        else:
            found.append(failed)
    return found


def _continues(one: FailedDays, other: FailedDays) -> bool:
    is_next = (other.window.first - one.window.last) <= DAY
    return is_next and cause_of(one.reason) == cause_of(other.reason)


def cause_of(reason: str) -> str:
    """Return a reason without what differs between windows: days, task, URL, quoted text."""
    return _VARIES.sub("", reason)
