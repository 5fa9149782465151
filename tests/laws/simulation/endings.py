"""What must hold of how a run ends: its exit code, what it brought, and how often it asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from tap_advexport.exports.policy import MOST_SINGLE
from tests.laws.simulation.expectations import Allowed, days_of
from tests.laws.simulation.fate import Fate, LawBrokenError
from tests.laws.simulation.faults import FATAL, REFUSALS, Faults

if TYPE_CHECKING:
    from tests.laws.simulation.api import Api
    from tests.laws.simulation.clock import VirtualClock
    from tests.laws.simulation.process import Ended, Pipe
    from tests.laws.simulation.settings import RunSettings

# Submissions of one report's run that are refused by an API that does not keep all days: with
# windows of a week. Longer ones are taken apart into more days, up to two weeks, in each of two
# gaps. A task of an earlier run that may still fill a limit is waited for, and so is each of its
# own that has just ended.
MOST_REFUSED: Final = 30
WAITING: Final = 12
# Submissions of one report's run to an API that refuses them all.
MOST_IN_VAIN: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A run that is over.

    Attributes:
        state: what the target passed on last.
        is_calm: nothing befell it.
    """

    api: Api
    clock: VirtualClock
    settings: RunSettings
    state: dict[str, Any]
    pipe: Pipe
    fate: Fate
    faults: Faults
    allowed: Allowed
    is_calm: bool

    def check(self, ended: Ended) -> None:
        """Check it, unless it was killed.

        Raises:
            LawBrokenError: it should have ended in another way.
        """
        if ended.code is None:
            return
        if not ended.taps:
            raise LawBrokenError("the tap did not begin: its own state, or a setting, was refused")
        lost = self._lost()
        self._check_code(ended.code, is_excused=self._is_excused or bool(lost))
        if not lost and not self._is_limited:
            self._check_single(ended.code)
        self._check_requests()
        if self.is_calm and ended.code and not lost:
            raise LawBrokenError(f"a calm run ends with {ended.code}")
        if self.pipe.is_closed():
            return
        if self.pipe.messages and self.pipe.messages[-1]["type"] not in {"STATE", "SCHEMA"}:
            raise LawBrokenError("the last message is no STATE")
        if ended.code == 0 or self.is_calm:
            self._check_complete(lost)

    @property
    def _is_excused(self) -> bool:
        return self.faults.has_struck or bool(self.api.bad_periods)

    @property
    def _is_limited(self) -> bool:
        habits = self.api.habits
        return habits.max_unfinished is not None or bool(habits.period)

    def _lost(self) -> set[tuple[str, date]]:
        """The days that were due, and that the API does not keep."""
        now = self.clock.true_now()
        return {
            (interval, day)
            for interval, report in self.allowed.due.items()
            for day in report.days
            if not self.api.is_kept(interval, day, now)
        }

    def _check_code(self, code: int, *, is_excused: bool) -> None:
        pipe, signum = self.pipe, self.fate.first_signal
        if signum:
            possible = {0, 128 + signum, *([1] if is_excused or pipe.is_closed() else [])}
        elif pipe.was_refused:
            possible = {1}
        else:
            # A reader may go after the last message, which is known or not when the run ends.
            possible = {0, 1} if is_excused or pipe.is_closed() else {0}
        if code not in possible:
            raise LawBrokenError(f"the exit code is {code}, and not one of {possible}")
        struck = self.faults.struck or ()
        if self.faults.refused_from is not None and "http 401" in struck and code == 0:
            raise LawBrokenError("the token is refused and the exit code 0")

    def _check_single(self, code: int) -> None:
        """One fault alone ends nothing.

        But for where tasks are counted: one whose id got lost is among those that are unfinished.
        """
        faults = self.faults
        is_survivable = faults.single_at is not None and not FATAL & set(faults.struck or ())
        is_alone = is_survivable and not self.api.bad_periods and not self.pipe.is_closed()
        if is_alone and code == 1:
            raise LawBrokenError(f"one fault, {faults.struck}, ends the run with {code}")

    def _check_requests(self) -> None:
        """An API that does not work, or refuses, is not asked for ever."""
        allowed, faults, settings = self.allowed, self.faults, self.settings
        reports = len(allowed.due)
        longer = min(max(settings.window_days, 7), MOST_SINGLE) - 7
        most_refused = MOST_REFUSED + WAITING + 2 * longer
        if self.is_calm and not self._is_limited and allowed.refused > most_refused * reports:
            raise LawBrokenError(f"{allowed.refused} submissions of a calm run were refused")
        adopted = sum(len(report.adopted) for report in allowed.due.values())
        # One task that was adopted and works lets the run go on to its end.
        is_refused = faults.down in REFUSALS or (faults.error_results and not adopted)
        # Tasks whose ids got lost are unfinished, and may be one too many for what comes next.
        is_refused = is_refused or (faults.down is not None and allowed.refused > 0)
        if is_refused and allowed.submissions > MOST_IN_VAIN * reports:
            raise LawBrokenError(f"{allowed.submissions} submissions to an API that refuses all")
        if faults.down and not is_refused:
            # So many exports fail for good while others are begun; adopted tasks are polled too.
            bound = 2 * settings.max_concurrent_exports + adopted
            bound *= settings.request_attempts * reports
            if faults.requests > bound:
                raise LawBrokenError(f"{faults.requests} requests to an API that is down: {bound}")

    def _check_complete(self, lost: set[tuple[str, date]]) -> None:
        """Exit code 0: everything that was due has come, and STATE covers all that was wanted.

        So it is too with a calm run that fails because of days that the API does not keep.
        """
        for interval, report in self.allowed.due.items():
            days = {day for day in report.days if (interval, day) not in lost}
            periods = {day.replace(day=1) if interval == "monthly" else day for day in days}
            if missing := periods - self.allowed.emitted[interval]:
                raise LawBrokenError(f"exit code 0 without {interval} {sorted(missing)}")
            bookmarks = self.state.get("bookmarks", {})
            bookmark = bookmarks.get(f"report_{interval}", {})
            covered: set[date] = set()
            for first, last, *_ in [*bookmark.get("settled", []), *bookmark.get("unsettled", [])]:
                covered.update(days_of(date.fromisoformat(first), date.fromisoformat(last)))
            gaps = set(days_of(*report.wanted)) - covered if report.wanted else set()
            if gaps := {day for day in gaps if (interval, day) not in lost}:
                raise LawBrokenError(f"exit code 0, and STATE lacks {interval} {sorted(gaps)}")
            if bookmark.get("pending"):
                raise LawBrokenError(f"exit code 0 with pending tasks of {interval}")
