"""The progress of a report's exports and the result of one window, with their texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tap_advexport.windows import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_advexport.windows import DateWindow


class Progress(Struct, frozen=True):
    """The progress of one report's exports at a moment.

    Attributes:
        report: the label of the report.
        queued: exports that wait for their turn.
        running: exports that are tasks on the API, or about to be.
        downloading: exports whose file is being downloaded.
        checking: exports whose rows are being verified.
        emitting: exports that are whole and valid, and are being written or wait for it.
        emitted: exports that were written.
        days_done: days of the exports that were written or have failed.
        days_failed: days of the exports that have failed.
        days_total: days of all exports of this run.
        rows: rows sent so far.
        seconds: how many seconds this report's exports have been under way.
        oldest_task_seconds: age of the oldest unfinished task; None if there is none.
    """

    report: str
    queued: int
    running: int
    downloading: int
    checking: int
    emitting: int
    emitted: int
    days_done: int
    days_failed: int
    days_total: int
    rows: int
    seconds: float
    oldest_task_seconds: float | None = None

    @property
    def rows_per_second(self) -> float:
        """Rows sent per second since this report's exports began."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds left at the current rate; None before the first day is done."""
        if not self.days_done:
            return None
        return self.seconds / self.days_done * (self.days_total - self.days_done)

    def exports(self) -> str:
        """Return how many exports are in each phase, without phases that have none."""
        age = self.oldest_task_seconds
        oldest = "" if age is None else f" (oldest {duration(age)})"
        counts = (
            (self.queued, "queued"),
            (self.running, f"running{oldest}"),
            (self.downloading, "downloading"),
            (self.checking, "checking"),
            (self.emitting, "sending"),
            (self.emitted, "done"),
        )
        shown = [f"{count} {what}" for count, what in counts if count]
        return ", ".join(shown) or "none"

    def line(self) -> str:
        """Return the whole progress as one log line."""
        return "; ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        yield f"report {self.report}: exports {self.exports()}"
        failed = f" ({self.days_failed} failed)" if self.days_failed else ""
        yield f"days {self.days_done} of {self.days_total}{failed}"
        yield counted(self.rows, "row")
        if self.seconds_left is not None:
            yield f"about {duration(self.seconds_left)} left"


class WindowDone(Struct, frozen=True):
    """The result of an export that was written.

    Attributes:
        rows: how many rows were sent; the rest of `row_count` is unchanged.
        unchanged: how many of the `periods` are unchanged.
    """

    stream: str
    window: DateWindow
    rows: int
    row_count: int
    unchanged: int
    periods: int

    def __str__(self) -> str:
        rows = counted(self.rows, "row")
        return f"{self.stream}: {self.window} is done, {rows} sent{self._unchanged()}"

    def short_line(self) -> str:
        """Return a short line for a person at the terminal."""
        rows = f"{self.rows:,} rows" if self.row_count else "no rows"
        return f"{_days(self.window):>24}  {rows:>14}{self._unchanged()}"

    def _unchanged(self) -> str:
        return f", {self.unchanged} of {self.periods} periods unchanged" if self.unchanged else ""

    def fields(self) -> dict[str, object]:
        """Return the values by name, for logs that machines read."""
        return {
            "stream": self.stream,
            "first": self.window.first.isoformat(),
            "last": self.window.last.isoformat(),
            "rows_sent": self.rows,
            "rows": self.row_count,
            "periods": self.periods,
            "periods_unchanged": self.unchanged,
        }


def _days(window: DateWindow) -> str:
    """Return days as people write them: 12-18 Sep 2024, 28 Sep - 4 Oct 2024."""
    first, last = window.first, window.last
    end = f"{last.day} {MONTHS[last.month - 1]} {last.year}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}-{end}"
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {MONTHS[first.month - 1]}{year} - {end}"


def counted(count: int, unit: str) -> str:
    """Return a number with its unit: 1 day, 12 days."""
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def duration(seconds: float) -> str:
    """Return a duration as people write it: 12 s, 4 min 10 s, 3 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
