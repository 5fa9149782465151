"""Decides which days are settled, and applies that rule to a state.

A day is settled when it was exported at least `lookback_days` whole days after it ended: its
figures do not change any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from tap_advexport.coverage.ranges import compact, is_adjacent, touching, union, within, without
from tap_advexport.coverage.state import Coverage, Exported
from tap_advexport.windows import DAY, DateWindow, Task, local_date, period_of, whole_second

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from tap_advexport.reports import Interval

# The clocks of machines that run the tap in turn may differ by this much. If they differ by more,
# a window may be submitted twice.
MAX_CLOCK_SKEW: Final = timedelta(minutes=5)
# With this lookback, only the days that a state lists as settled are settled when it is read.
AS_WRITTEN: Final = date.max.toordinal()


@dataclass(frozen=True, slots=True)
class Rules:
    """The values that decide whether a day is settled.

    Attributes:
        now: the start of the run, with a time zone.
        zone: the account's time zone; only its dates count, never the hours between two times.
    """

    interval: Interval
    zone: ZoneInfo
    now: datetime
    lookback_days: int

    @property
    def today(self) -> date:
        """The date in the account's time zone."""
        return local_date(self.now, self.zone)

    def settled_by(self, exported_at: datetime) -> tuple[DateWindow, ...]:
        """Return all days that an export submitted at that time settles, as one window or none."""
        # Use ordinals, as lookback_days has no upper limit and dates begin in the year 1.
        last = local_date(exported_at, self.zone).toordinal() - 1 - self.lookback_days
        return (DateWindow(date.min, date.fromordinal(last)),) if last >= 1 else ()


def settle(coverage: Coverage, rules: Rules) -> Coverage:
    """Apply `rules` to a coverage; this brings a loaded state up to date."""
    today = rules.today
    unsettled = [
        replace(each, exported_at=min(each.exported_at, rules.now))
        for each in within(coverage.unsettled, DateWindow(date.min, today))
    ]
    # A day that is not over cannot be settled: the clock of the run that wrote it was ahead.
    settled = list(within(coverage.settled, DateWindow(date.min, today - DAY)))
    settled += [each for item in unsettled for each in settled_part(item, item.exported_at, rules)]
    still = [each for item in unsettled for each in unsettled_part(item, item.exported_at, rules)]
    return counting(
        replace(
            coverage,
            settled=union(settled),
            unsettled=compact(still, join_in(rules)),
            pending=tuple(_on_this_clock(each, rules) for each in coverage.pending),
        ),
        rules,
    )


def settled_part(window: DateWindow, exported_at: datetime, rules: Rules) -> tuple[DateWindow, ...]:
    """Return the days of `window` that its export settles."""
    plain = (DateWindow(window.first, window.last),)
    return tuple(each for past in rules.settled_by(exported_at) for each in within(plain, past))


def unsettled_part(window: DateWindow, exported_at: datetime, rules: Rules) -> tuple[Exported, ...]:
    """Return the days of `window` that its export covers but does not settle."""
    whole = Exported(window.first, window.last, whole_second(exported_at))
    return without((whole,), rules.settled_by(exported_at))


def join_in(rules: Rules) -> Callable[[Exported, Exported], Exported | None]:
    """Return a function that joins neighbours exported on the same local date."""

    def join(one: Exported, other: Exported) -> Exported | None:
        dates = {local_date(each.exported_at, rules.zone) for each in (one, other)}
        if not is_adjacent(one, other) or len(dates) > 1:
            return None
        return Exported(one.first, other.last, min(one.exported_at, other.exported_at))

    return join


def counting(coverage: Coverage, rules: Rules) -> Coverage:
    """Forget what was sent of periods that are uncovered or settled."""
    return replace(
        coverage,
        sent={
            day: entry
            for day, entry in coverage.sent.items()
            if touching(coverage.unsettled, period_of(day, interval=rules.interval))
        },
    )


def _on_this_clock(task: Task, rules: Rules) -> Task:
    now = whole_second(rules.now)
    at = whole_second(task.submitted_at)
    return replace(task, submitted_at=now if now < at <= now + MAX_CLOCK_SKEW else at)
