"""A life of the tap, drawn from a seed: runs with accidents over months, then calm."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from tap_advexport.sync.run import Machine
from tests.laws.simulation import chances, habits
from tests.laws.simulation.api import Api
from tests.laws.simulation.clock import VirtualClock
from tests.laws.simulation.endings import Ending
from tests.laws.simulation.expectations import SKEW, Allowed, Due, days_of, due
from tests.laws.simulation.fate import Fate
from tests.laws.simulation.faults import Faults
from tests.laws.simulation.figures import Figures
from tests.laws.simulation.laws import Laws
from tests.laws.simulation.network import Network
from tests.laws.simulation.process import Pipe, run_tap
from tests.laws.simulation.target import Target
from tests.laws.simulation.warehouse import Warehouse
from tests.laws.simulation.workers import VirtualWorkers

if TYPE_CHECKING:
    from tests.laws.simulation.process import Ended, Message

logger = logging.getLogger(__name__)

DAY: Final = timedelta(days=1)
HOUR: Final = 3600.0
SIGINT: Final = 2
SIGTERM: Final = 15


@dataclass(slots=True)
class Account:
    """What came of a life.

    Attributes:
        digest: of every request and every line: the same for the same seed.
    """

    runs: int = 0
    requests: int = 0
    messages: int = 0
    kills: int = 0
    signals: int = 0
    days: float = 0.0
    faults: list[str] = field(default_factory=list)
    digest: str = ""


class SeedFailedError(AssertionError):
    """A seed whose life broke a law."""

    def __init__(self, seed: int, run: int, reason: BaseException) -> None:
        super().__init__(
            f"seed {seed}, run {run}: {type(reason).__name__}: {reason}\n"
            f"replay with: python -m tests.laws.simulation --first {seed} --seeds 1 --verbose"
        )


def live(
    seed: int, kinds: frozenset[str] = frozenset(), *, is_apart: bool | None = None
) -> Account:
    """Live the life of a seed.

    Args:
        kinds: the only faults that may come; none: all.
        is_apart: whether the target flushes its streams apart; None: drawn.

    Raises:
        SeedFailedError: it broke a law.
    """
    life = Life(seed, kinds, is_apart=is_apart)
    try:
        return life.live()
    except Exception as reason:
        raise SeedFailedError(seed, life.account.runs, reason) from reason


class Life:
    """One account, its warehouse, and whoever runs the tap."""

    def __init__(self, seed: int, kinds: frozenset[str], *, is_apart: bool | None) -> None:
        self._kinds = kinds
        random = self._random = Random(seed)
        zone = random.choice(chances.ZONES)
        begin = datetime(2024, 1, 1, tzinfo=UTC) + random.random() * 600 * DAY
        self._clock = VirtualClock(begin)
        self._maturity_days = random.choice([0, 1, 2, 3, 5])
        figures = Figures(str(seed), ZoneInfo(zone), maturity_days=self._maturity_days)
        self._api = Api(figures, random, habits.draw(random), ZoneInfo(zone))
        self._warehouse = Warehouse()
        self._laws = Laws(
            self._api,
            self._warehouse,
            ZoneInfo(zone),
            has_skew=random.random() < 0.1,
            is_apart=random.random() < 0.25 if is_apart is None else is_apart,
        )
        self._settings = chances.first_settings(
            random, begin.date(), zone, maturity_days=self._maturity_days
        )
        # Settings that somebody set for one run stay until that run has succeeded.
        self._is_owed = False
        self._due_last: dict[str, Due] = {}
        self._hash = hashlib.sha256()
        self.account = Account()

    def live(self) -> Account:
        """Live it.

        Raises:
            LawBrokenError: and anything that the tap raises and should not.
        """
        begin = self._clock.seconds
        for _ in range(self._random.randrange(1, 5)):
            if not self._is_owed:
                self._change_settings()
            self._edit_state()
            self._hurt_days()
            self._run(is_calm=False)
            self._pass_time()
            if self._random.random() < 0.25:
                self._run_elsewhere()
                self._pass_time()
        self._calm()
        self.account.days = (self._clock.seconds - begin) / 86400
        self.account.digest = self._hash.hexdigest()[:16]
        return self.account

    def _calm(self) -> None:
        """Everything works again: the next run brings all, and later ones keep it so."""
        self._api.bad_periods.clear()
        self._clock.skew = timedelta()
        if self._is_owed:
            self._run_calmly()
        self._settings = replace(self._settings, refresh=None, end_date=None)
        self._run_calmly()
        if self._random.random() < 0.5:
            days = self._settings.lookback_days + 1 + self._random.randrange(5)
            self._clock.pass_seconds(days * 24 * HOUR)
            self._run_calmly()
        self._run_calmly()
        for interval, report in self._due_last.items():
            if report.wanted:
                now = self._clock.true_now()
                wanted = days_of(*report.wanted)
                kept = [day for day in wanted if self._api.is_kept(interval, day, now)]
                self._laws.at_the_end(interval, kept)

    def _run_calmly(self) -> None:
        self._run(is_calm=True)
        # What an API allows once in a time is allowed again.
        self._clock.pass_seconds(60)

    def _run_elsewhere(self) -> None:
        """A second pipeline, or a full refresh that is cut off: its state comes from nowhere, and
        goes nowhere.
        """
        settings, state, lineage = self._settings, self._warehouse.state, self._laws.lineage
        random = self._random
        self._settings = replace(
            settings,
            refresh=None,
            end_date=None,
            window_days=random.choice([1, 3, 7]),
            start_date=settings.start_date + random.randrange(3) * DAY,
        )
        self._warehouse.state, self._laws.lineage = {}, set()
        self._run(is_calm=False, is_elsewhere=True)
        self._settings, self._warehouse.state = settings, state
        self._laws.lineage = lineage

    # What happens between runs.

    def _pass_time(self) -> None:
        random = self._random
        scale = random.choice(
            [60.0, 5 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 72 * HOUR, 500 * HOUR]
        )
        self._clock.pass_seconds(scale * (0.2 + random.random()))

    def _change_settings(self) -> None:
        """Somebody turns a knob or two."""
        # A day that is over for the tap too, however wrong its clock is.
        sure = (self._clock.true_now() - SKEW).astimezone(self._laws.zone).date() - DAY
        self._settings = chances.changed_settings(
            self._random, self._settings, today=self._today(), last_over=sure
        )

    def _edit_state(self) -> None:
        """Somebody sets a bookmark back."""
        bookmarks = self._warehouse.state.get("bookmarks", {})
        for stream in sorted(bookmarks):
            value = bookmarks[stream]["replication_key_value"]
            if value and self._random.random() < 0.04:
                back = date.fromisoformat(value) - self._random.randrange(9) * DAY
                edited = {**bookmarks[stream], "replication_key_value": back.isoformat()}
                bookmarks = {**bookmarks, stream: edited}
        self._warehouse.state = {"bookmarks": bookmarks} if bookmarks else {}

    def _hurt_days(self) -> None:
        """Some days' files have an invalid row, for a while."""
        if self._random.random() < 0.15:
            interval = self._random.choice(sorted(self._settings.reports))
            day = self._today() - self._random.randrange(1, 12) * DAY
            period = day.replace(day=1) if interval == "monthly" else day
            until = self._clock.true_now() + self._random.choice([0.02, 1.0, 3.0]) * DAY
            self._api.bad_periods[interval, period] = until

    def _today(self) -> date:
        return self._clock.now().astimezone(self._laws.zone).date()

    # One run.

    def _due(self, interval: str) -> Due:
        state = self._warehouse.state.get("bookmarks", {})
        bookmark = state.get(f"report_{interval}") or {}
        return due(bookmark, self._settings, interval, self._clock.now())

    def _run(self, *, is_calm: bool, is_elsewhere: bool = False) -> None:
        self.account.runs += 1
        settings, random = self._settings, self._random
        if self._laws.has_skew and not is_calm and random.random() < 0.5:
            self._clock.skew = timedelta(seconds=random.choice([-200, -5, 5, 200]))
        fate = Fate() if is_calm else chances.fate(random)
        faults = Faults(random) if is_calm else chances.faults(random, self._kinds)
        allowed = Allowed(settings, {each: self._due(each) for each in sorted(settings.reports)})
        self._due_last = allowed.due
        self._laws.start_run(settings.lookback_days)
        network = Network(
            api=self._api,
            clock=self._clock,
            random=random,
            faults=faults,
            fate=fate,
            allowed=allowed,
            run=self.account.runs,
        )
        is_rough = not is_calm
        mortality = 0.3 if self._laws.is_apart else 0.05
        pipe = Pipe(
            fate,
            self._clock,
            line_seconds=1.5 if is_rough and random.random() < 0.05 else 0.0,
            dies_at=random.randrange(120) if is_rough and random.random() < mortality else None,
            on_period=lambda record: _emitted(allowed, record),
            is_known=self._warehouse.has_period_of,
        )
        logger.info("run %d at %s: %s; %s", self.account.runs, self._clock.now(), settings, fate)
        ended = run_tap(
            settings.config(),
            self._warehouse.state,
            settings.reports,
            pipe=pipe,
            fate=fate,
            machine=Machine(
                clock=self._clock,
                random=Random(random.random()).random,
                new_workers=lambda: VirtualWorkers(self._clock, fate),
                adapter=network,
                is_virtual=True,
            ),
        )
        logger.info("exit code %s after %d steps, %s", ended.code, fate.steps, faults.struck)
        self._note(network, pipe, fate, faults, ended)
        target = Target(self._warehouse, self._laws, random)
        is_unknown = target.take(pipe, fate, run=self.account.runs - 1, is_elsewhere=is_elsewhere)
        Ending(
            api=self._api,
            clock=self._clock,
            settings=settings,
            state=self._warehouse.state,
            pipe=pipe,
            fate=fate,
            faults=faults,
            allowed=allowed,
            is_calm=is_calm,
        ).check(ended)
        if not is_elsewhere:
            # Whoever runs a target that has stored rows and passed nothing on runs the same again.
            self._is_owed = ended.code != 0 and (is_unknown or self._is_owed)

    def _note(self, network: Network, pipe: Pipe, fate: Fate, faults: Faults, ended: Ended) -> None:
        account = self.account
        account.requests += faults.requests
        account.messages += len(pipe.messages)
        account.kills += ended.code is None
        account.signals += fate.first_signal is not None
        account.faults += faults.struck or []
        for line in (*network.trace, repr(ended.code)):
            self._hash.update(line.encode())
        for message in pipe.messages:
            # The SDK's own records carry the time of the machine.
            self._hash.update(repr({**message, "time_extracted": None}).encode())


def _emitted(allowed: Allowed, record: Message) -> None:
    allowed.emitted[record["report"]].add(date.fromisoformat(record["period"]))
