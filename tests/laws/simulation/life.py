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
from tests.laws.simulation.api import Api
from tests.laws.simulation.clock import VirtualClock
from tests.laws.simulation.expectations import SKEW, Allowed, Due, days_of, due
from tests.laws.simulation.fate import Fate, LawBrokenError
from tests.laws.simulation.faults import DOWN, FATAL, FAULTS, Faults
from tests.laws.simulation.figures import Figures
from tests.laws.simulation.laws import Laws
from tests.laws.simulation.network import Network
from tests.laws.simulation.process import Pipe, run_tap
from tests.laws.simulation.settings import RunSettings
from tests.laws.simulation.warehouse import Warehouse
from tests.laws.simulation.workers import VirtualWorkers

if TYPE_CHECKING:
    from tests.laws.simulation.process import Ended, Message

logger = logging.getLogger(__name__)

DAY: Final = timedelta(days=1)
HOUR: Final = 3600.0
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


def live(seed: int, kinds: frozenset[str] = frozenset()) -> Account:
    """Live the life of a seed.

    Args:
        kinds: the only faults that may come; none: all.

    Raises:
        SeedFailedError: it broke a law.
    """
    life = Life(seed, kinds)
    try:
        return life.live()
    except Exception as reason:
        raise SeedFailedError(seed, life.account.runs, reason) from reason


class Life:
    """One account, its warehouse, and whoever runs the tap."""

    def __init__(self, seed: int, kinds: frozenset[str] = frozenset()) -> None:
        self._kinds = kinds
        random = self._random = Random(seed)
        zone = random.choice(ZONES)
        begin = datetime(2024, 1, 1, tzinfo=UTC) + random.random() * 600 * DAY
        self._clock = VirtualClock(begin)
        self._maturity_days = random.randrange(4)
        figures = Figures(str(seed), ZoneInfo(zone), maturity_days=self._maturity_days)
        self._api = Api(figures, random)
        self._warehouse = Warehouse()
        self._laws = Laws(
            self._api,
            self._warehouse,
            ZoneInfo(zone),
            has_skew=random.random() < 0.1,
            is_apart=random.random() < 0.2,
        )
        self._settings = RunSettings(
            start_date=begin.date() - random.randrange(1, 25) * DAY,
            timezone=zone,
            reports=self._some_reports(),
            lookback_days=self._maturity_days + random.randrange(3),
            window_days=random.choice([1, 2, 3, 5, 7, 10, 31]),
            max_concurrent_exports=random.choice([1, 2, 3, 5]),
            include_today=random.random() < 0.3,
            export_attempts=random.choice([2, 3]),
            request_attempts=random.choice([2, 3, 5]),
            skip_unchanged=random.random() < 0.8,
            sorting=random.choice(["time", "time", "campaign"]),
        )
        # Settings that somebody set for one run stay until that run has succeeded.
        self._is_owed = False
        self._adopted = 0
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
            self._change_settings()
            self._edit_state()
            self._hurt_days()
            self._run(is_calm=False)
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
            self._run(is_calm=True)
        self._settings = replace(self._settings, refresh=None, end_date=None)
        self._run(is_calm=True)
        if self._random.random() < 0.5:
            days = self._settings.lookback_days + 1 + self._random.randrange(5)
            self._clock.pass_seconds(days * 24 * HOUR)
            self._run(is_calm=True)
        self._run(is_calm=True)
        for interval, report in self._due_last.items():
            if report.wanted:
                self._laws.at_the_end(interval, days_of(*report.wanted))

    # What happens between runs.

    def _some_reports(self) -> frozenset[str]:
        return frozenset(
            self._random.choice(
                [("daily",), ("daily",), ("daily", "monthly"), ("monthly",), ("hourly", "daily")]
            )
        )

    def _pass_time(self) -> None:
        random = self._random
        scale = random.choice([60.0, HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 72 * HOUR, 500 * HOUR])
        self._clock.pass_seconds(scale * (0.2 + random.random()))

    def _change_settings(self) -> None:
        """Somebody turns a knob or two."""
        random, now = self._random, self._settings
        if self._is_owed:
            return
        now = replace(now, refresh=None)
        # A target that stores rows and loses their STATE mends settled days in a later run only if
        # they are still due in that.
        if random.random() < 0.25 and not self._laws.is_apart:
            now = replace(now, lookback_days=random.choice([0, 1, 3, 6]))
        if random.random() < 0.15:
            now = replace(now, window_days=random.choice([1, 2, 4, 7, 9]))
        if random.random() < 0.15:
            shift = random.randrange(-10, 15)
            now = replace(now, start_date=min(now.start_date + shift * DAY, self._today()))
        if random.random() < 0.15:
            now = replace(now, max_concurrent_exports=random.choice([1, 2, 4, 8]))
        if random.random() < 0.15:
            now = replace(now, skip_unchanged=not now.skip_unchanged)
        if random.random() < 0.1:
            now = replace(now, reports=self._some_reports())
        if random.random() < 0.1:
            now = replace(now, include_today=not now.include_today)
        end = now.start_date + random.randrange(40) * DAY if random.random() < 0.15 else None
        self._settings = replace(now, end_date=end)
        if random.random() < 0.15:
            self._refresh()

    def _refresh(self) -> None:
        now = self._settings
        # A day that is over for the tap too, however wrong its clock is.
        sure = (self._clock.true_now() - SKEW).astimezone(self._laws.zone).date() - DAY
        last = min(sure, now.end_date or date.max)
        days = (last - now.start_date).days
        if days >= 0:
            first = now.start_date + self._random.randrange(days + 1) * DAY
            until = first + self._random.randrange((last - first).days + 1) * DAY
            self._settings = replace(now, refresh=(first, until))

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

    def _run(self, *, is_calm: bool) -> None:
        self.account.runs += 1
        settings, random = self._settings, self._random
        if self._laws.has_skew and not is_calm and random.random() < 0.5:
            self._clock.skew = timedelta(seconds=random.choice([-200, -5, 5, 200]))
        fate = Fate() if is_calm else self._drawn_fate()
        faults = Faults(random) if is_calm else self._drawn_faults()
        allowed = Allowed(settings, {each: self._due(each) for each in sorted(settings.reports)})
        self._due_last = allowed.due
        self._adopted = sum(len(report.adopted) for report in allowed.due.values())
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
        pipe = Pipe(
            fate,
            self._clock,
            line_seconds=1.5 if is_rough and random.random() < 0.05 else 0.0,
            dies_at=random.randrange(120) if is_rough and random.random() < 0.05 else None,
            on_period=lambda record: _emitted(allowed, record),
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
        self._deliver(pipe, fate)
        self._check_end(ended, pipe, fate, faults, allowed, is_calm=is_calm)
        self._is_owed = self._is_owed_by(ended)

    def _is_owed_by(self, ended: Ended) -> bool:
        """A target that flushes its streams apart gets the same again after an accident."""
        return self._laws.is_apart and ended.code != 0

    def _drawn_fate(self) -> Fate:
        random = self._random
        fate = Fate()
        if random.random() < 0.25:
            fate.kill_at = int(2 ** (random.random() * 9))
        elif random.random() < 0.35:
            fate.kill_at_row = random.randrange(1, 30)
        elif random.random() < 0.2:
            at = int(2 ** (random.random() * 8))
            fate.signals[at] = random.choice([SIGINT, SIGTERM])
            if random.random() < 0.3:
                fate.signals[at + random.randrange(1, 9)] = SIGTERM
        return fate

    def _drawn_faults(self) -> Faults:
        random = self._random
        faults = Faults(random)
        match random.randrange(20):
            case 0 | 1 | 2 | 3 | 4:
                pass
            case 5 | 6 | 7:
                faults.single_at = random.randrange(1, 25)
            case 8:
                faults.down = random.choice(DOWN)
            case 9:
                faults.error_results = True
            case 10 if random.random() < 0.5:
                faults.refused_from = random.randrange(1, 15)
            case kind:
                faults.rate = random.choice([0.02, 0.1, 0.1, 0.25, 0.6])
                faults.kinds = self._kinds
                if kind > 15 and not self._kinds:
                    faults.kinds = frozenset(random.sample(ALL_FAULTS, random.randrange(1, 6)))
        return faults

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

    def _deliver(self, pipe: Pipe, fate: Fate) -> None:
        """The target takes what it got: all of it, or a part when somebody died."""
        messages = pipe.messages
        has_died = fate.is_dead or pipe.is_closed()
        if has_died and messages and self._random.random() < 0.5:
            messages = messages[: self._random.randrange(len(messages) + 1)]
        if has_died and self._laws.is_apart:
            messages = self._flushed_apart(messages)
        schemas: set[str] = set()
        for message in messages:
            if self._warehouse.take(message, schemas, self.account.runs - 1):
                is_cut = fate.first_signal is not None and message is pipe.messages[-1]
                self._laws.at_state(is_cut=is_cut)

    def _flushed_apart(self, messages: list[Message]) -> list[Message]:
        """What a target holds that died, when it flushes one stream after the other.

        It passes a STATE on after it has flushed everything before it; behind the last one of
        these it may have flushed any part of any stream.
        """
        at_states = [n for n, message in enumerate(messages) if message["type"] == "STATE"]
        upto = self._random.choice([-1, *at_states])
        flushed = messages[: upto + 1]
        rest = [m for m in messages[upto + 1 :] if m["type"] != "STATE"]
        for stream in sorted({message["stream"] for message in rest}):
            of_stream = [message for message in rest if message["stream"] == stream]
            flushed += of_stream[: self._random.randrange(len(of_stream) + 1)]
        return flushed

    def _check_end(  # noqa: PLR0913
        self,
        ended: Ended,
        pipe: Pipe,
        fate: Fate,
        faults: Faults,
        allowed: Allowed,
        *,
        is_calm: bool,
    ) -> None:
        if ended.code is None:
            return
        if not ended.taps:
            raise LawBrokenError("the tap did not begin: its own state, or a setting, was refused")
        self._check_code(ended.code, pipe, fate, faults)
        if is_calm and ended.code:
            raise LawBrokenError(f"a calm run ends with {ended.code}")
        if pipe.is_closed():
            return
        if pipe.messages and pipe.messages[-1]["type"] not in {"STATE", "SCHEMA"}:
            raise LawBrokenError("the last message is no STATE")
        if ended.code == 0:
            self._check_complete(allowed)

    def _check_code(self, code: int, pipe: Pipe, fate: Fate, faults: Faults) -> None:
        excused = faults.has_struck or bool(self._api.bad_periods)
        if fate.first_signal:
            possible = {0, 128 + fate.first_signal, *([1] if excused or pipe.is_closed() else [])}
        elif pipe.was_refused:
            possible = {1}
        else:
            possible = {0, 1} if excused else {0}
        if code not in possible:
            raise LawBrokenError(f"the exit code is {code}, and not one of {possible}")
        is_survivable = faults.single_at is not None and not FATAL & set(faults.struck or ())
        is_alone = is_survivable and not self._api.bad_periods and not pipe.is_closed()
        if is_alone and code == 1:
            raise LawBrokenError(f"one fault, {faults.struck}, ends the run with {code}")
        self._check_requests(faults)
        if faults.refused_from is not None and "http 401" in (faults.struck or ()) and code == 0:
            raise LawBrokenError("the token is refused and the exit code 0")

    def _check_requests(self, faults: Faults) -> None:
        """An API that is down is not asked for ever."""
        settings = self._settings
        most = settings.max_concurrent_exports
        if faults.down:
            # So many exports fail for good while others are begun; adopted tasks are looked at too.
            bound = (2 * most + self._adopted) * settings.request_attempts
        elif faults.error_results and not self._adopted:
            # One that was adopted and works lets the run go on to its end.
            levels = settings.window_days.bit_length() + 1
            # Once two days in a row are refused, a handful of windows more are asked for once.
            bound = settings.export_attempts * most * (2 + levels) + 6
        else:
            return
        bound *= len(settings.reports)
        if faults.requests > bound:
            raise LawBrokenError(f"{faults.requests} requests to an API that is down, over {bound}")

    def _check_complete(self, allowed: Allowed) -> None:
        """Exit code 0: everything that was due has come, and STATE covers all that was wanted."""
        for interval, report in allowed.due.items():
            periods = {day.replace(day=1) if interval == "monthly" else day for day in report.days}
            if missing := periods - allowed.emitted[interval]:
                raise LawBrokenError(f"exit code 0 without {interval} {sorted(missing)}")
            bookmarks = self._warehouse.state.get("bookmarks", {})
            bookmark = bookmarks.get(f"report_{interval}", {})
            covered: set[date] = set()
            for first, last, *_ in [*bookmark.get("settled", []), *bookmark.get("unsettled", [])]:
                covered.update(days_of(date.fromisoformat(first), date.fromisoformat(last)))
            if report.wanted and (gaps := set(days_of(*report.wanted)) - covered):
                raise LawBrokenError(f"exit code 0, and STATE lacks {interval} {sorted(gaps)}")
            if bookmark.get("pending"):
                raise LawBrokenError(f"exit code 0 with pending tasks of {interval}")


def _emitted(allowed: Allowed, record: Message) -> None:
    allowed.emitted[record["report"]].add(date.fromisoformat(record["period"]))
