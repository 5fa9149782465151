"""Bugs planted into the tap, one at a time: the simulation has to find each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tap_advexport import windows
from tap_advexport.api.bodies import BodyReader
from tap_advexport.coverage import plan
from tap_advexport.coverage import transitions as coverage
from tap_advexport.coverage.state import Coverage, Rules
from tap_advexport.exports import policy as exports
from tap_advexport.records.csv_table import Table
from tap_advexport.sync.engine import ReportSync
from tap_advexport.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import date, datetime

    from tap_advexport.exports.job import Ready
    from tap_advexport.reports import Interval
    from tap_advexport.sync.destination import Destination
    from tap_advexport.windows import DateWindow


@contextmanager
def swapped(owner: object, name: str, replacement: object) -> Iterator[None]:
    """Put something else into an object's place for a while."""
    before = getattr(owner, name)
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        setattr(owner, name, before)


def state_before_rows() -> AbstractContextManager[None]:
    """The STATE that covers an export goes out before its rows."""
    true_emit = ReportSync._emit

    def emit(self: ReportSync[Any], ready: Ready, destination: Destination[Any]) -> Iterator[Any]:
        written = list(true_emit(self, ready, _Silent(destination)))
        assert not written
        destination.commit(self.bookmark())
        return true_emit(self, ready, destination)

    return swapped(ReportSync, "_emit", emit)


class _Silent:
    """Takes rows and periods and writes none."""

    def __init__(self, destination: Destination[Any]) -> None:
        self.check = destination.check

    def write_rows(self, *_: object) -> Iterator[Any]:
        return iter(())

    def write_periods(self, *_: object) -> Iterator[Any]:
        return iter(())

    def commit(self, bookmark: dict[str, object]) -> None:
        pass


def adoption_without_window_check() -> AbstractContextManager[None]:
    """A task of an earlier run is taken over, whatever its days are."""
    return swapped(plan, "_is_due_whole", lambda *_: True)


def split_that_drops_the_middle_day() -> AbstractContextManager[None]:
    """The two halves of a window of three days and more lack the day between them."""
    true_halves = windows.halves

    def halves(window: DateWindow, *, interval: Interval) -> tuple[DateWindow, DateWindow] | None:
        parts = true_halves(window, interval=interval)
        if parts is None or parts[1].days == 1:
            return parts
        second = parts[1]
        return parts[0], type(window)(second.first + DAY, second.last)

    return swapped(exports, "halves", halves)


def sent_not_forgotten() -> AbstractContextManager[None]:
    """What was sent of a period is not forgotten before its rows are overwritten."""

    return swapped(coverage, "forget_sent", lambda before, _: before)


def settled_a_day_early() -> AbstractContextManager[None]:
    """A day is taken to be settled one day before its lookback is over."""
    true_settled_by = Rules.settled_by

    def settled_by(self: Rules, exported_at: datetime) -> tuple[DateWindow, ...]:
        return true_settled_by(self, exported_at + DAY)

    return swapped(Rules, "settled_by", settled_by)


def cut_file_accepted() -> AbstractContextManager[None]:
    """A file without a line end at its end is taken for whole, although nothing proves it."""
    return swapped(Table, "_refuse_cut_end", lambda _: None)


def settled_while_overwritten() -> AbstractContextManager[None]:
    """Settled days stay settled in STATE while their rows are overwritten."""

    def overwriting(before: Coverage, periods: list[date], rules: Rules) -> Coverage:
        del rules
        return coverage.forget_sent(before, periods)

    return swapped(plan, "overwriting", overwriting)


def length_not_checked() -> AbstractContextManager[None]:
    """A download is whole when the connection says so, whatever its Content-Length."""

    def is_end_proven(*args: object) -> bool:
        del args
        return True

    return swapped(BodyReader, "_is_end_proven", is_end_proven)


Plant = Callable[[], "AbstractContextManager[None]"]

_CUTS: Final = frozenset({"cut open end", "cut length"})

# Each with the only faults that are to come while it is looked for: none means all.
PLANTED: Final[Mapping[str, tuple[Plant, frozenset[str]]]] = {
    "STATE before rows": (state_before_rows, frozenset()),
    "adoption without window check": (adoption_without_window_check, frozenset()),
    "a split drops the middle day": (split_that_drops_the_middle_day, frozenset({"task failure"})),
    "sent is not forgotten": (sent_not_forgotten, frozenset()),
    "settled a day early": (settled_a_day_early, frozenset()),
    "a cut file is accepted": (cut_file_accepted, _CUTS),
    "settled while overwritten": (settled_while_overwritten, frozenset()),
    "a length is not checked": (length_not_checked, _CUTS),
}
