"""The days that the API refuses, and when to stop submitting older ones.

Windows are submitted newest first. An API that does not keep old data refuses all days before some
date. So after several refusals in a row, older windows are not submitted. A single refused day
among good ones costs only that day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tap_advexport.windows import DAY, DateWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from tap_advexport.errors import ExportError

# After this many refusals in a row, of windows that were not split, older ones are not submitted.
HANDFUL: Final = 5
# These may come from a quota that newer days have used up, not from the age of the days.
QUOTAS: Final = frozenset({"HTTP 402", "HTTP 403", "HTTP 429"})
# The state of a task that failed; the API did not refuse it.
FAILURE: Final = "FAILURE"
FAILS: Final = "the API cannot make this report"
REFUSES: Final = "the API refuses these days"


@dataclass(frozen=True, slots=True)
class Refused:
    """Days that the API refuses, and what it said."""

    window: DateWindow
    kind: str
    said: str
    advice: str


@dataclass(slots=True)
class Refusals:
    """Collects the refusals of one report's windows, and learns from them.

    Attributes:
        _is_taught: there were refusals in a row, in this report or in an earlier one that had
            nothing else.
    """

    _is_taught: bool = False
    _refused: list[Refused] = field(default_factory=list)
    _in_a_row: int = 0
    _since_taught: int = 0
    _oldest_success: date | None = None

    @property
    def has_ended(self) -> bool:
        """Whether to stop submitting days that are older than those refused last."""
        return self._since_taught >= HANDFUL

    @property
    def oldest(self) -> DateWindow | None:
        """The oldest days that were refused."""
        return min((each.window for each in self._refused), default=None)

    def is_taught(self, window: DateWindow, kind: str) -> bool:
        """Return whether a refused window continues a row of refusals: splitting it is useless."""
        last = self._refused[-1] if self._refused else None
        is_next = last is None or (last.kind == kind and window < last.window)
        return self._is_taught and is_next

    def add(self, window: DateWindow, error: ExportError) -> None:
        """Note that the API refuses a window that is not split any further."""
        last = self._refused[-1] if self._refused else None
        self._refused.append(Refused(window, error.refusal, error.said, error.advice))
        if last is not None and last.kind != error.refusal:
            self._forget()
        self._since_taught += self._is_taught
        self._in_a_row += 1
        is_next = last is not None and _touch(window, last.window)
        if (self._in_a_row > 1 and is_next) or self._in_a_row >= HANDFUL:
            self._is_taught = True

    def add_unasked(self, windows: Iterable[DateWindow]) -> None:
        """Add older windows that are not submitted, with the reason of the last refusal."""
        last = self._refused[-1]
        self._refused += [Refused(window, last.kind, last.said, last.advice) for window in windows]

    def succeeded(self, window: DateWindow) -> None:
        """Note that a window succeeded. If it is older than the refused ones, age is no reason."""
        self._oldest_success = min(self._oldest_success or window.first, window.first)
        if not self._refused or window < self._refused[-1].window:
            self._forget()

    def ranges(self) -> Iterator[tuple[DateWindow, str, str]]:
        """Yield each range of refused days, oldest first, with reason and advice; forget them."""
        found: list[Refused] = []
        for each in sorted(self._refused, key=lambda refused: refused.window):
            if found and found[-1].kind == each.kind and _touch(found[-1].window, each.window):
                before = found.pop()
                window = DateWindow(before.window.first, each.window.last)
                found.append(Refused(window, before.kind, before.said, before.advice))
            else:
                found.append(each)
        self._refused.clear()
        for each in found:
            words = FAILS if each.kind == FAILURE else REFUSES
            yield each.window, f"{words}: {each.said}", self._advice(each)

    def _advice(self, refused: Refused) -> str:
        if refused.kind in QUOTAS:
            return "run again later"
        if refused.advice:
            return refused.advice
        if self._oldest_success and refused.window.last < self._oldest_success:
            return f"newer days work: set start_date to {refused.window.last + DAY}"
        return ""

    def _forget(self) -> None:
        self._in_a_row = self._since_taught = 0
        self._is_taught = False


def _touch(one: DateWindow, other: DateWindow) -> bool:
    return DAY in {one.first - other.last, other.first - one.last}
