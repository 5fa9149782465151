"""How far the exports of one report are, and how that is said in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the exports of one report are, at a moment.

    Attributes:
        report: its label.
        queued: exports that wait for their turn.
        running: exports that are tasks on the API, or about to be.
        downloading: exports whose file is coming.
        checking: exports whose rows are being verified.
        emitting: exports that are whole and valid, and go out or wait for that.
        emitted: exports that are out.
        days_done: days of the exports that are out or have failed.
        days_failed: those that have failed.
        days_total: days of all exports of this run.
        rows: rows sent so far.
        seconds: how long this report's exports have been under way.
        oldest_task_seconds: age of the oldest task that has not finished, if there is one.
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
        """Rows sent per second, since the first export was demanded."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if it goes on like this; None before the first day is done."""
        if not self.days_done:
            return None
        return self.seconds / self.days_done * (self.days_total - self.days_done)

    def exports(self) -> str:
        """Where the exports are, without those of which there are none."""
        age = self.oldest_task_seconds
        oldest = "" if age is None else f" (the oldest for {duration(age)})"
        counts = (
            (self.queued, "queued"),
            (self.running, f"running{oldest}"),
            (self.downloading, "downloading"),
            (self.checking, "being checked"),
            (self.emitting, "going out"),
            (self.emitted, "done"),
        )
        shown = [f"{count} {what}" for count, what in counts if count]
        return ", ".join(shown) or "none"

    def line(self) -> str:
        """All of it in one line, for a log."""
        return "; ".join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        yield f"report {self.report}: exports {self.exports()}"
        failed = f" ({self.days_failed} failed)" if self.days_failed else ""
        yield f"days {self.days_done} of {self.days_total}{failed}"
        yield f"{self.rows} rows"
        if self.seconds_left is not None:
            yield f"about {duration(self.seconds_left)} left"


def duration(seconds: float) -> str:
    """A span of time as a person says it: 12 s, 4 min 10 s, 3 h 05 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
