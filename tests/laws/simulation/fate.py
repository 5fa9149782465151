"""What ends a run before its time: a kill, a signal, a target that dies. Counted in steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Killed(BaseException):
    """kill -9: nothing of the process happens any more."""


class LawBrokenError(AssertionError):
    """The simulation found what must not be."""


@dataclass(slots=True)
class Fate:
    """What befalls one run at which of its steps (a line written, a request, a wait).

    Attributes:
        kill_at: the step that does not happen any more.
        kill_at_row: the row of a report that is not written any more.
        kill_at_rewrite: the same, of those whose period came in an earlier run.
        signals: signals by the step before which they come.
        most_steps: a run that takes more goes round in circles.
    """

    kill_at: int | None = None
    kill_at_row: int | None = None
    kill_at_rewrite: int | None = None
    signals: dict[int, int] = field(default_factory=dict)
    most_steps: int = 60_000
    on_signal: Callable[[int], None] = lambda _: None
    steps: int = 0
    rows: int = 0
    rewrites: int = 0
    is_dead: bool = False
    first_signal: int | None = None

    def step(self) -> None:
        """Take a step, unless the process is dead by now."""
        if self.is_dead:
            raise Killed
        self.steps += 1
        if self.steps == self.kill_at:
            self.is_dead = True
            raise Killed
        if signum := self.signals.pop(self.steps, None):
            self.first_signal = self.first_signal or signum
            self.on_signal(signum)
        if self.steps > self.most_steps:
            msg = f"the run has not ended after {self.most_steps} steps"
            raise LawBrokenError(msg)

    def step_to_row(self, *, is_rewrite: bool) -> None:
        """A row of a report is about to be written."""
        self.rows += 1
        self.rewrites += is_rewrite
        is_last = is_rewrite and self.rewrites == self.kill_at_rewrite
        if is_last or self.rows == self.kill_at_row:
            self.is_dead = True
            raise Killed
