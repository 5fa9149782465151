"""What is drawn for a life: its settings, what befalls its runs, and how they change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from tests.laws.simulation.fate import Fate
from tests.laws.simulation.faults import DOWN, FAULTS, Faults
from tests.laws.simulation.settings import RunSettings

if TYPE_CHECKING:
    from random import Random

DAY: Final = timedelta(days=1)
SIGINT: Final = 2
SIGTERM: Final = 15
ZONES: Final = (
    "UTC",
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
)
ALL_FAULTS: Final = tuple(dict.fromkeys(kind for kinds in FAULTS.values() for kind in kinds))


def first_settings(random: Random, today: date, zone: str, *, maturity_days: int) -> RunSettings:
    """The settings of a life's first run."""
    return RunSettings(
        start_date=today - random.randrange(1, 15) * DAY,
        timezone=zone,
        reports=some_reports(random),
        lookback_days=maturity_days + random.randrange(3),
        window_days=random.choice([1, 2, 3, 4, 7, 7, 31]),
        max_concurrent_exports=random.choice([1, 2, 3, 5]),
        include_today=random.random() < 0.3,
        export_attempts=random.choice([2, 3]),
        request_attempts=random.choice([2, 3, 5]),
        skip_unchanged=random.random() < 0.8,
        sorting=random.choice(["time", "time", "campaign"]),
    )


def changed_settings(
    random: Random, settings: RunSettings, *, today: date, last_over: date
) -> RunSettings:
    """Turn a knob or two.

    Args:
        last_over: a day that is over for certain.
    """
    now = replace(settings, refresh=None)
    if random.random() < 0.25:
        now = replace(now, lookback_days=random.choice([0, 1, 3, 6]))
    if random.random() < 0.15:
        now = replace(now, window_days=random.choice([1, 2, 4, 7, 9]))
    if random.random() < 0.15:
        shift = random.randrange(-8, 12)
        now = replace(now, start_date=min(now.start_date + shift * DAY, today))
    if random.random() < 0.15:
        now = replace(now, max_concurrent_exports=random.choice([1, 2, 4, 8]))
    if random.random() < 0.15:
        now = replace(now, skip_unchanged=not now.skip_unchanged)
    if random.random() < 0.1:
        now = replace(now, reports=some_reports(random))
    if random.random() < 0.1:
        now = replace(now, include_today=not now.include_today)
    end = now.start_date + random.randrange(25) * DAY if random.random() < 0.15 else None
    now = replace(now, end_date=end)
    if random.random() < 0.15:
        now = replace(
            now, refresh=_some_days(random, now.start_date, min(last_over, end or date.max))
        )
    return now


def some_reports(random: Random) -> frozenset[str]:
    """The reports that are selected."""
    return frozenset(
        random.choice(
            [("daily",), ("daily",), ("daily", "monthly"), ("monthly",), ("hourly", "daily")]
        )
    )


def _some_days(random: Random, first: date, last: date) -> tuple[date, date] | None:
    if last < first:
        return None
    start = first + random.randrange((last - first).days + 1) * DAY
    return start, start + random.randrange((last - start).days + 1) * DAY


def fate(random: Random) -> Fate:
    """What befalls a run, if anything."""
    drawn = Fate()
    if random.random() < 0.25:
        drawn.kill_at = int(2 ** (random.random() * 9))
    elif random.random() < 0.25:
        drawn.kill_at_row = random.randrange(1, 30)
    elif random.random() < 0.25:
        drawn.kill_at_rewrite = random.randrange(1, 9)
    elif random.random() < 0.2:
        at = int(2 ** (random.random() * 8))
        drawn.signals[at] = random.choice([SIGINT, SIGTERM])
        if random.random() < 0.3:
            drawn.signals[at + random.randrange(1, 9)] = SIGTERM
    return drawn


def faults(random: Random, kinds: frozenset[str]) -> Faults:
    """The faults of a run.

    Args:
        kinds: the only ones that may come; none: all.
    """
    if kinds:
        return Faults(random, rate=random.choice([0.1, 0.25, 0.6]), kinds=kinds)
    drawn = Faults(random)
    match random.randrange(20):
        case 0 | 1 | 2 | 3 | 4:
            pass
        case 5 | 6 | 7:
            drawn.single_at = random.randrange(1, 25)
        case 8:
            drawn.down = random.choice(DOWN)
        case 9:
            drawn.error_results = True
        case 10 if random.random() < 0.5:
            drawn.refused_from = random.randrange(1, 15)
        case number:
            drawn.rate = random.choice([0.02, 0.1, 0.1, 0.25, 0.6])
            if number > 15:
                drawn.kinds = frozenset(random.sample(ALL_FAULTS, random.randrange(1, 6)))
    return drawn
