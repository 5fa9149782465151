"""Bugs planted into the tap, one at a time: the simulation has to find each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from tap_advexport import windows
from tap_advexport.api.bodies import BodyReader
from tap_advexport.coverage import plan
from tap_advexport.coverage import transitions as coverage
from tap_advexport.coverage.settling import Rules
from tap_advexport.exports import policy as exports
from tap_advexport.records.csv_table import Table
from tap_advexport.sync.engine import ReportSync
from tap_advexport.windows import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import date, datetime

    from tap_advexport.coverage.state import Coverage, Sent
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

    def halves(window: DateWindow, *, interval: Interval) -> tuple[DateWindow, ...] | None:
        parts = true_halves(window, interval=interval)
        if parts is None or parts[1].days == 1:
            return parts
        second = parts[1]
        return parts[0], type(window)(second.first + DAY, second.last)

    return swapped(exports, "halves", halves)


def sent_kept_through_a_run() -> AbstractContextManager[None]:
    """STATE goes on saying what was sent of periods whose rows are overwritten."""

    return swapped(coverage, "forget_sent", lambda before, _: before)


@contextmanager
def sent_forgotten_export_by_export() -> Iterator[None]:
    """What was sent of a period leaves STATE right before its rows, not at the start of the run.

    Right where a target stores rows and STATEs in order; others may hold rows of an export and
    pass on a STATE from before it.
    """
    true_emit = ReportSync._emit

    def overwriting(before: Coverage, periods: list[date], rules: Rules) -> Coverage:
        forgot = coverage.overwriting(before, periods, rules)
        return replace(forgot, sent=before.sent)

    def emit(self: ReportSync[Any], ready: Ready, destination: Destination[Any]) -> Iterator[Any]:
        periods = [period.first for period in ready.converted.periods]
        self.coverage = coverage.forget_sent(self.coverage, periods)
        destination.commit(self.bookmark())
        return true_emit(self, ready, destination)

    with swapped(plan, "overwriting", overwriting), swapped(ReportSync, "_emit", emit):
        yield


def settled_a_day_early() -> AbstractContextManager[None]:
    """A day is taken to be settled one day before its lookback is over."""
    true_settled_by = Rules.settled_by

    def settled_by(self: Rules, exported_at: datetime) -> tuple[DateWindow, ...]:
        return true_settled_by(self, exported_at + DAY)

    return swapped(Rules, "settled_by", settled_by)


def cut_file_accepted() -> AbstractContextManager[None]:
    """A file without a line end at its end is taken for whole, although nothing proves it."""
    return swapped(Table, "_refuse_cut_end", lambda *_: None)


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


@contextmanager
def version_of_the_export() -> Iterator[None]:
    """A period's version says which export it came in, and not which figures it has.

    What was sent is still told apart by the figures, as in the first edition of the join.
    """
    figures: dict[str, str] = {}
    true_emit = ReportSync._emit

    def emit(self: ReportSync[Any], ready: Ready, destination: Destination[Any]) -> Iterator[Any]:
        periods = []
        for period in ready.converted.periods:
            version = sha256(f"{ready.task.task_id} {period.first}".encode()).hexdigest()[:32]
            figures[version] = period.version
            periods.append(replace(period, version=version))
        converted = replace(ready.converted, periods=tuple(periods))
        return true_emit(self, replace(ready, converted=converted), destination)

    def unchanged(self: ReportSync[Any], ready: Ready) -> dict[date, Sent]:
        at = ready.task.submitted_at
        return {
            period.first: known
            for period in ready.converted.periods
            if (known := self._plan.known.get(period.first))
            and figures.get(known.version) == figures[period.version]
            and not coverage.is_final(period.first, at, ready.window, self._rules)
        }

    with swapped(ReportSync, "_emit", emit), swapped(ReportSync, "_unchanged", unchanged):
        yield


def late_task_taken_for_gone() -> AbstractContextManager[None]:
    """A 404 right after the submission of a task is taken for its end."""
    return swapped(exports, "VISIBLE_WITHIN_SECONDS", 0.0)


Plant = Callable[[], "AbstractContextManager[None]"]

_CUTS: Final = frozenset({"cut open end", "cut length"})


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, and the lives that it is looked for in.

    Attributes:
        kinds: the only faults that come; none: all.
        is_apart: whether targets flush their streams apart; None: some do.
        first: the seed of the first life; the less often a bug shows, the nearer to one that does.
    """

    plant: Plant
    kinds: frozenset[str] = frozenset()
    is_apart: bool | None = None
    first: int = 0


PLANTED: Final[Mapping[str, Bug]] = {
    "STATE before rows": Bug(state_before_rows),
    "adoption without window check": Bug(adoption_without_window_check, first=30),
    "a split drops the middle day": Bug(
        split_that_drops_the_middle_day, frozenset({"task failure"})
    ),
    "sent is kept through a run": Bug(sent_kept_through_a_run, first=45),
    "sent is forgotten export by export": Bug(
        sent_forgotten_export_by_export, is_apart=True, first=250
    ),
    "settled a day early": Bug(settled_a_day_early),
    "a cut file is accepted": Bug(cut_file_accepted, _CUTS),
    "settled while overwritten": Bug(settled_while_overwritten, is_apart=True, first=80),
    "a length is not checked": Bug(length_not_checked, _CUTS),
    "a task that is late is taken for gone": Bug(late_task_taken_for_gone),
    "a version is of the export": Bug(version_of_the_export),
}
