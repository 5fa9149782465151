"""The days that the API refuses, and when to stop submitting older ones.

Windows are submitted newest first. An API that does not keep old data refuses all days before some
date. So after several refusals in a row, older windows are not submitted. A single refused day
among good ones costs only that day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from tap_advexport.exports.policy import MOST_SINGLE
from tap_advexport.windows import DAY, DateWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from tap_advexport.errors import ExportError
    from tap_advexport.exports.policy import Export

# After this many refusals in a row, and so many more since they have taught, of windows that were
# not split, older ones are not submitted.
HANDFUL: Final = 7
HANDFUL_MORE: Final = 2
# So many windows refused as a whole teach although they lie apart.
WHOLE_WINDOWS: Final = 5
# After so many side by side, the next window is submitted in single periods.
ROW: Final = 3
# So many refused days side by side teach although their window may have others that work.
LONG_ROW: Final = 14
# A task that fails is no refusal in the API's words, so it takes a month of such days to teach.
LONG_ROW_OF_FAILURES: Final = 31
# These may come from a quota that newer days have used up, not from the age of the days.
QUOTAS: Final = frozenset({"HTTP 402", "HTTP 403", "HTTP 429"})
# The state of a task that failed; the API did not refuse it.
FAILURE: Final = "FAILURE"
FAILS: Final = "the API cannot make this report"
REFUSES: Final = "the API refuses these days"


class Refused(Struct, frozen=True):
    """Days that the API refuses, and what it said."""

    window: DateWindow
    kind: str
    said: str
    advice: str


class Refusals(Struct):
    """Collects the refusals of one report's windows, and learns from them.

    Attributes:
        _is_taught: a whole window was refused, or a long row of days, in this report; or an
            earlier report had nothing but refusals.
        _row: the days refused last, side by side and in the same way.
        _pieces: in how many refusals they were.
        _in_a_row: how many refusals there were since an older window came.
        _whole_in_a_row: how many of them were of a whole window.
    """

    _is_taught: bool = False
    _refused: list[Refused] = field(default_factory=list)
    _row: DateWindow | None = None
    _pieces: int = 0
    _in_a_row: int = 0
    _whole_in_a_row: int = 0
    _since_taught: int = 0
    _oldest_success: date | None = None
    _oldest_submitted: date | None = None

    @property
    def has_ended(self) -> bool:
        """Whether to stop submitting days that are older than those refused last."""
        return self._since_taught >= HANDFUL_MORE and self._in_a_row >= HANDFUL

    @property
    def oldest(self) -> DateWindow | None:
        """The oldest days that were refused."""
        return min((each.window for each in self._refused), default=None)

    def is_taught(self, export: Export, kind: str) -> bool:
        """Return whether a refused window is not worth splitting, as newer ones were not.

        A part of a window is worth it: one refused day costs one day.
        """
        last = self._refused[-1] if self._refused else None
        is_next = last is None or (last.kind == kind and export.window < last.window)
        is_wanted_whole = export.part_of is None or self._pieces >= LONG_ROW
        return self._is_taught and is_next and is_wanted_whole

    def refused_beside(self, window: DateWindow, kind: str) -> int:
        """Return how many refusals in the same way a refused window continues, side by side."""
        is_next = self._row is not None and self._row.first - window.last == DAY
        is_same = bool(self._refused) and self._refused[-1].kind == kind != FAILURE
        return self._pieces if is_next and is_same else 0

    def is_to_be_taken_apart(self, export: Export, kind: str) -> bool:
        """Return whether a window is most likely refused in most of its parts, but not in all."""
        is_open = export.task is None and not self.is_taught(export, kind)
        is_short = export.window.days <= MOST_SINGLE
        return is_open and is_short and self.refused_beside(export.window, kind) >= ROW

    def add(self, export: Export, error: ExportError, advice: str = "") -> None:
        """Note that the API refuses a window that is not split any further; `advice` if known."""
        window, kind = export.window, error.refusal
        if self._refused and self._refused[-1].kind != kind:
            self._forget()
        self._refused.append(Refused(window, kind, error.said, advice or error.advice))
        if self._row and _touch(window, self._row):
            self._row = DateWindow(
                min(window.first, self._row.first), max(window.last, self._row.last)
            )
        else:
            self._row, self._pieces = window, 0
        self._pieces += 1
        self._in_a_row += 1
        is_whole = self._row.covers(export.part_of or window)
        self._whole_in_a_row += is_whole
        if kind == FAILURE:
            # They come out of order, as tasks end when they will.
            self._is_taught |= self._in_a_row >= LONG_ROW_OF_FAILURES
        elif (is_whole and self._pieces > 1) or self._whole_in_a_row >= WHOLE_WINDOWS:
            self._is_taught = True
        else:
            self._is_taught |= self._pieces >= LONG_ROW
        self._since_taught += self._is_taught
        if self._oldest_submitted and window.last > self._oldest_submitted:
            self._forget()

    def add_unasked(self, windows: Iterable[DateWindow]) -> None:
        """Add older windows that are not submitted, with the reason of the last refusal."""
        last = self._refused[-1]
        self._refused += [Refused(window, last.kind, last.said, last.advice) for window in windows]

    def succeeded(self, window: DateWindow, *, is_adopted: bool = False) -> None:
        """Note that a window succeeded. If it is older than the refused ones, age is no reason."""
        if not is_adopted:
            # Tasks of an earlier run may bring its oldest days before newer ones are submitted.
            self._oldest_submitted = min(self._oldest_submitted or window.first, window.first)
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
        if refused.advice or refused.kind == FAILURE:
            return refused.advice
        if self._oldest_success and refused.window.last < self._oldest_success:
            return f"newer days work: set start_date to {refused.window.last + DAY}"
        return ""

    def _forget(self) -> None:
        self._row = None
        self._pieces = self._in_a_row = self._whole_in_a_row = self._since_taught = 0
        self._is_taught = False


def _touch(one: DateWindow, other: DateWindow) -> bool:
    return DAY in {one.first - other.last, other.first - one.last}
