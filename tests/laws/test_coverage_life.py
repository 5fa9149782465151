"""The life of a state: runs that end well or badly, days that pass, settings and hands that change.

A ledger keeps the same account day by day, the slow and obvious way, and a target keeps what really
reached it. Whatever happens, the three agree.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tap_advexport.coverage.bookmark import parse_bookmark, render_bookmark
from tap_advexport.coverage.plan import plan
from tap_advexport.coverage.settling import Rules
from tap_advexport.coverage.state import Coverage, Sent
from tap_advexport.coverage.transitions import dropped, emitted, is_final, submitted
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task, halves, periods
from tests.support.days import wanted_in

ONE_DAY: Final = timedelta(days=1)
# A refreshed day: exported when it began, which is too early to settle it, whatever the lookback.
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
# Days around a clock change, and around the date that Apia never had.
BIRTHS: Final = {
    "UTC": datetime(2024, 2, 20, 3, tzinfo=UTC),
    "Europe/Berlin": datetime(2024, 3, 28, 22, 30, tzinfo=UTC),
    "America/Sao_Paulo": datetime(2018, 10, 30, 3, tzinfo=UTC),
    "Pacific/Apia": datetime(2011, 12, 27, 9, 30, tzinfo=UTC),
}


def days_of(*windows: DateWindow) -> list[date]:
    return [w.first + timedelta(days=n) for w in windows for n in range(w.days)]


def month(day: date) -> tuple[int, int]:
    return day.year, day.month


def key(day: date, interval: Interval) -> date:
    return day.replace(day=1) if interval is Interval.MONTHLY else day


@dataclass
class Ledger:
    """The state day by day: None where a day is settled, else when it was exported."""

    days: dict[date, datetime | None] = field(default_factory=dict)
    sent: dict[date, str] = field(default_factory=dict)
    pending: dict[str, tuple[DateWindow, datetime]] = field(default_factory=dict)

    def bookmark(self) -> date | None:
        last = min(self.days, default=None)
        while last is not None and last + ONE_DAY in self.days:
            last += ONE_DAY
        return last

    def load(self, rules: Rules, edited_to: date | None, start: date) -> set[date]:
        """Read it again, its bookmark edited or not; returns the days claimed by hand."""
        self.prune(rules)
        claimed: set[date] = set()
        old = self.bookmark()
        if edited_to and old and edited_to < old:
            self.forget({day for day in self.days if day > edited_to}, rules, edited_to)
        elif edited_to:
            first = old + ONE_DAY if old else key(start, rules.interval)
            midnight = datetime.combine(
                min(edited_to, rules.today) + ONE_DAY, datetime.min.time(), rules.zone
            ).astimezone(UTC)
            while first <= min(edited_to, rules.today):
                if first not in self.days:
                    self.days[first] = min(midnight, rules.now)
                    claimed.add(first)
                first += ONE_DAY
        for day, at in list(self.days.items()):
            if day > rules.today or (at is None and day == rules.today):
                del self.days[day]
            elif at and settles(at, day, rules):
                self.days[day] = None
        self.prune(rules)
        return claimed

    def prune(self, rules: Rules) -> None:
        alive = {key(day, rules.interval) for day, at in self.days.items() if at}
        self.sent = {each: export for each, export in self.sent.items() if each in alive}

    def forget(self, days: set[date], rules: Rules, after: date) -> None:
        for day in days:
            del self.days[day]
        months = {key(day, rules.interval) for day in days}
        self.sent = {each: export for each, export in self.sent.items() if each not in months}
        self.pending = {
            task: (window, at)
            for task, (window, at) in self.pending.items()
            if window.last <= after
            and not {key(day, rules.interval) for day in days_of(window)} & months
        }

    def refresh(self, span: DateWindow, rules: Rules) -> None:
        for day in days_of(span):
            if day in self.days:
                self.days[day] = BEGINNING
        keys = {key(day, rules.interval) for day in days_of(span)}
        self.sent = {each: export for each, export in self.sent.items() if each not in keys}
        self.pending = {
            task: (window, at)
            for task, (window, at) in self.pending.items()
            if not {key(day, rules.interval) for day in days_of(window)} & keys
        }

    def doubt(self, exported: list[DateWindow], rules: Rules) -> None:
        """Of what a run exports nothing is known until it is out, and no day is settled."""
        keys = {key(day, rules.interval) for each in exported for day in days_of(each)}
        for day in self.days:
            if key(day, rules.interval) in keys:
                self.days[day] = BEGINNING
        self.sent = {each: export for each, export in self.sent.items() if each not in keys}

    def due(self, span: DateWindow, rules: Rules) -> set[date]:
        return {
            day
            for day in days_of(span)
            if self.days.get(day, BEGINNING) or not settles(rules.now, day, rules)
        }

    def adoptable(self, span: DateWindow, due: set[date], rules: Rules) -> set[str]:
        adopted: dict[str, DateWindow] = {}
        for task, (window, at) in sorted(
            self.pending.items(), key=lambda item: -item[1][1].timestamp()
        ):
            if rules.interval is Interval.MONTHLY:
                whole = {day for day in days_of(span) if month(day) == month(window.first)}
                fits = set(days_of(window)) == whole and bool(whole & due)
            else:
                fits = set(days_of(window)) <= due
            is_free = not any(window.overlaps(other) for other in adopted.values())
            if fits and is_free and rules.now - at < ONE_DAY:
                adopted[task] = window
        return set(adopted)

    def export(self, window: DateWindow, at: datetime, rules: Rules) -> None:
        if rules.interval is Interval.MONTHLY:
            months = {month(day) for day in days_of(window)}
            self.days = {day: was for day, was in self.days.items() if month(day) not in months}
        for day in days_of(window):
            self.days[day] = None if settles(at, day, rules) else at

    def agrees_with(self, coverage: Coverage, rules: Rules) -> None:
        assert days_of(*coverage.covered()) == sorted(self.days)
        assert days_of(*coverage.settled) == sorted(day for day, at in self.days.items() if not at)
        for each in coverage.unsettled:
            for day in days_of(each):
                at = self.days[day]
                assert at is not None
                if at is BEGINNING or at == BEGINNING:
                    assert each.exported_at.astimezone(rules.zone).date() <= day
                else:
                    assert each.exported_at <= at
                    assert local(each.exported_at, rules) == local(at, rules)
        assert {day: entry.export_id for day, entry in coverage.sent.items()} == self.sent
        tasks = {each.task_id: (each.window, each.submitted_at) for each in coverage.pending}
        assert tasks == self.pending


def local(moment: datetime, rules: Rules) -> date:
    return moment.astimezone(rules.zone).date()


def settles(moment: datetime, day: date, rules: Rules) -> bool:
    if moment == BEGINNING:
        return False
    return (local(moment, rules) - day).days >= 1 + rules.lookback_days


@dataclass
class Target:
    """What reached the target: exports by day, and by period the one whose rows it holds."""

    exports: dict[date, list[datetime]] = field(default_factory=dict)
    latest: dict[date, DateWindow] = field(default_factory=dict)
    held: dict[date, str] = field(default_factory=dict)

    def receive(self, rows: Rows, interval: Interval) -> None:
        for day in days_of(rows.window):
            self.exports.setdefault(day, []).append(rows.exported_at)
        for period in periods(rows.window, interval=interval):
            self.latest[period] = rows.window
        self.held.update(rows.held)


@dataclass
class Rows:
    """The rows of one export, or the proof that they are those that the target holds."""

    window: DateWindow
    exported_at: datetime
    held: dict[date, str]


@dataclass
class Message:
    """A STATE, and the ledger as it stood then."""

    text: str
    ledger: Ledger


some_steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["submit", "submit", "submit", "emit", "emit", "again", "split", "give up"]
        ),
        st.integers(0, 9),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=9,
)


class Life(RuleBasedStateMachine):
    """Either a run is on (`running` are its rules) or the machine rests between two."""

    @initialize(
        interval=st.sampled_from([Interval.DAILY, Interval.DAILY, Interval.MONTHLY]),
        zone=st.sampled_from(sorted(BIRTHS)),
    )
    def birth(self, interval: Interval, zone: str) -> None:
        self.interval, self.zone, self.now = interval, ZoneInfo(zone), BIRTHS[zone]
        self.born = self.now.date()
        self.text = "{}"
        self.ledger = Ledger()
        self.target = Target()
        self.claimed: set[date] = set()
        self.edited_to: date | None = None
        self.lowest_lookback = 10**6
        self.tasks = 0
        self.running: Rules | None = None

    # --- between runs ---

    @precondition(lambda self: self.running is None)
    @rule(hours=st.sampled_from([7, 24, 24, 24, 30, 24 * 3, 24 * 12, 24 * 33]))
    def time_passes(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @precondition(lambda self: self.running is None and self.edited_to is None)
    @rule(days=st.integers(-12, 12).filter(bool))
    def bookmark_is_edited(self, days: int) -> None:
        value = json.loads(self.text)
        old = value.get("replication_key_value")
        self.edited_to = (date.fromisoformat(old) if old else self.born) + timedelta(days=days)
        value["replication_key_value"] = self.edited_to.isoformat()
        self.text = json.dumps(value)

    @precondition(lambda self: self.running is None)
    @rule(
        start=st.integers(-40, 25),
        end=st.none() | st.integers(-20, 30),
        include_today=st.booleans(),
        lookback_days=st.sampled_from([0, 1, 3, 10, 10, 25]),
        window_days=st.sampled_from([1, 3, 7, 50]),
        refresh=st.none() | st.none() | st.tuples(st.integers(0, 40), st.integers(1, 9)),
        steps=some_steps,
    )
    def run_starts(  # noqa: PLR0913, PLR0917 - every setting that can change between two runs
        self,
        start: int,
        end: int | None,
        lookback_days: int,
        window_days: int,
        refresh: tuple[int, int] | None,
        steps: list[tuple[str, int, int]],
        *,
        include_today: bool,
    ) -> None:
        rules = Rules(self.interval, self.zone, self.now, lookback_days)
        start_date = self.born + timedelta(days=start)
        end_date = None if end is None else max(start_date, self.born + timedelta(days=end))
        self.load(rules, start_date)
        span = wanted_in(rules, start_date, end_date, include_today=include_today)
        again = None
        if span and refresh:
            days = days_of(span)[refresh[0] : refresh[0] + refresh[1]]
            again = DateWindow(days[0], days[-1]) if days else None
        self.plan(span, rules, window_days, again)
        self.run_goes_on(steps)

    def load(self, rules: Rules, start_date: date) -> None:
        self.lowest_lookback = min(self.lowest_lookback, rules.lookback_days)
        self.coverage = parse_bookmark(json.loads(self.text), start_date=start_date, rules=rules)
        self.claimed |= self.ledger.load(rules, self.edited_to, start_date)
        self.edited_to = None
        self.ledger.agrees_with(self.coverage, rules)
        for period, entry in self.coverage.sent.items():
            assert self.target.held[period] == entry.export_id

    def plan(
        self, span: DateWindow | None, rules: Rules, window_days: int, refresh: DateWindow | None
    ) -> None:
        planned = plan(self.coverage, span, rules, window_days, refresh)
        if refresh:
            self.ledger.refresh(refresh, rules)
        due = self.ledger.due(span, rules) if span else set()
        adopted = self.ledger.adoptable(span, due, rules) if span else set()
        self.ledger.pending = {
            task: each for task, each in self.ledger.pending.items() if task in adopted
        }
        if span and self.interval is Interval.MONTHLY:
            for day in set(days_of(span)) - self.ledger.days.keys():
                self.ledger.sent.pop(key(day, self.interval), None)
            cut_off = {month(day) for day in due}
            for day in self.ledger.days.keys() - set(days_of(span)):
                if month(day) in cut_off:
                    del self.ledger.days[day]
            self.ledger.prune(rules)
        self.check_windows(span, due, [task.window for task in planned.adopted], planned.windows)
        assert max((each.days for each in planned.windows), default=0) <= max(window_days, 31)
        if self.interval is not Interval.MONTHLY:
            assert all(each.days <= window_days for each in planned.windows)
        self.ledger.doubt([task.window for task in planned.adopted] + list(planned.windows), rules)
        self.known = planned.known
        self.begin(rules, planned.coverage, list(planned.windows))
        self.write_state()

    def check_windows(
        self,
        span: DateWindow | None,
        due: set[date],
        adopted: list[DateWindow],
        windows: tuple[DateWindow, ...],
    ) -> None:
        """Every due day is brought once, and with it nothing but the rest of its month."""
        brought = sorted(days_of(*adopted, *windows))
        if span and self.interval is Interval.MONTHLY:
            months = {month(day) for day in due}
            assert brought == [day for day in days_of(span) if month(day) in months]
            assert len(adopted) + len(windows) == len(months)
        else:
            assert brought == sorted(due)
        assert list(windows) == sorted(windows, reverse=True)

    def begin(self, rules: Rules, coverage: Coverage, queue: list[DateWindow]) -> None:
        self.running, self.coverage, self.queue = rules, coverage, queue
        self.live = deepcopy(self.target)
        self.log: list[Rows | Message] = []

    # --- during a run ---

    @precondition(lambda self: self.running is not None)
    @rule(steps=some_steps)
    def run_goes_on(self, steps: list[tuple[str, int, int]]) -> None:
        for step, pick, figures in steps:
            pending = self.coverage.pending
            if step == "submit" and self.queue:
                self.now += timedelta(minutes=7 * pick)
                self.submit(self.queue.pop(0))
            elif step == "emit" and pending:
                self.emit(pending[pick % len(pending)], figures)
            elif step != "submit" and pending:
                self.fail(pending[pick % len(pending)], step)

    def submit(self, window: DateWindow) -> None:
        self.tasks += 1
        task = Task(f"task {self.tasks}", window, self.now)
        self.coverage = submitted(self.coverage, task)
        self.ledger.pending[task.task_id] = (window, self.now)
        self.write_state()

    def fail(self, task: Task, then: str) -> None:
        self.coverage = dropped(self.coverage, task.task_id)
        del self.ledger.pending[task.task_id]
        parts = halves(task.window, interval=self.interval)
        if then == "again":
            self.queue.append(task.window)
        elif then == "split" and parts:
            self.queue += parts
        self.write_state()

    def emit(self, task: Task, figures: int) -> None:
        """Rows that differ from those last sent, or that settle their period, go out."""
        rules = self.running
        assert rules
        window, at = task.window, task.submitted_at
        told: dict[date, Sent] = {}
        for period in periods(window, interval=self.interval):
            digest, old = "ab"[figures * period.day // 2 % 2], self.known.get(period)
            final = is_final(period, at, window, rules)
            is_same = old and old.version == digest and not final
            told[period] = old if old and is_same else Sent(task.task_id, digest, at)
        changed = [p for p, entry in told.items() if entry.export_id == task.task_id]
        rows = Rows(window, at, dict.fromkeys(changed, task.task_id))
        self.log.append(rows)
        self.live.receive(rows, self.interval)
        self.coverage = emitted(self.coverage, task, told, rules)
        del self.ledger.pending[task.task_id]
        self.ledger.export(window, at, rules)
        self.ledger.sent |= {period: entry.export_id for period, entry in told.items()}
        self.ledger.prune(rules)
        self.write_state()

    def write_state(self) -> None:
        assert self.running
        self.check()
        text = json.dumps(render_bookmark(self.coverage, self.running))
        self.log.append(Message(text, deepcopy(self.ledger)))

    @precondition(lambda self: self.running is not None)
    @rule(data=st.data())
    def run_dies(self, data: st.DataObject) -> None:
        """Any STATE may be the last one kept, and any rows may have arrived by then.

        But for one case: without a STATE of this run, no rows of it (what the audit is for).
        """
        states = [n for n, each in enumerate(self.log) if isinstance(each, Message)]
        kept = data.draw(st.sampled_from([*reversed(states), -1]))
        arrived = len(self.log) if kept >= 0 else 0
        self.end(kept, data.draw(st.integers(kept + 1, arrived)))

    def run_is_stopped(self) -> None:
        self.end(len(self.log) - 1, len(self.log))

    @precondition(lambda self: self.running is not None)
    @rule(figures=st.integers(0, 2), is_last_first=st.booleans())
    def run_finishes(self, figures: int, *, is_last_first: bool) -> None:
        while self.queue:
            self.submit(self.queue.pop(0))
        for task in self.coverage.pending[:: -1 if is_last_first else 1]:
            self.emit(task, figures)
        self.run_is_stopped()

    def end(self, kept: int, arrived: int) -> None:
        """The target has the rows before `arrived`; the next run starts from the STATE `kept`."""
        for each in self.log[:arrived]:
            if isinstance(each, Rows):
                self.target.receive(each, self.interval)
        message = self.log[kept] if 0 <= kept < len(self.log) else None
        if isinstance(message, Message):
            self.text, self.ledger = message.text, deepcopy(message.ledger)
        else:
            self.back_to_the_first_state()
        self.running = None

    def back_to_the_first_state(self) -> None:
        """No STATE of this run was kept: the old text stands, whatever was edited into it."""
        self.text, self.ledger, self.edited_to = self.before

    @precondition(lambda self: self.running is None)
    @invariant()
    def a_resting_state_is_remembered(self) -> None:
        self.before = self.text, deepcopy(self.ledger), self.edited_to

    # --- what holds whenever a STATE can be written ---

    def check(self) -> None:
        assert self.running
        self.ledger.agrees_with(self.coverage, self.running)
        self.every_covered_day_was_emitted()
        self.every_settled_day_was_emitted_after_its_lookback()
        self.what_was_sent_is_what_the_target_holds()
        self.days_exported_together_are_one_range()

    def every_covered_day_was_emitted(self) -> None:
        for day in self.ledger.days.keys() - self.claimed:
            assert self.live.exports[day]
            assert day in self.live.latest[key(day, self.interval)]

    def every_settled_day_was_emitted_after_its_lookback(self) -> None:
        assert self.running
        for day in set(days_of(*self.coverage.settled)) - self.claimed:
            last = max(local(at, self.running) for at in self.live.exports[day])
            assert (last - day).days > self.lowest_lookback

    def what_was_sent_is_what_the_target_holds(self) -> None:
        for period, entry in self.coverage.sent.items():
            assert self.live.held[period] == entry.export_id

    def days_exported_together_are_one_range(self) -> None:
        assert self.running
        ranges = 0
        before: tuple[date, date | None] | None = None
        for day, at in sorted(self.ledger.days.items()):
            group = day if at == BEGINNING else at and local(at, self.running)
            ranges += before != (day - ONE_DAY, group)
            before = day, group
        assert len(self.coverage.settled) + len(self.coverage.unsettled) <= ranges

    def teardown(self) -> None:
        """However its life was: two more runs bring every day that is wanted, and settle it."""
        if not hasattr(self, "born"):
            return
        if self.running:
            self.run_is_stopped()
        self.whole_run()
        self.now += timedelta(days=5)
        span = self.whole_run()
        old = {day for day in days_of(span) if (local(self.now, self.last) - day).days > 3}
        assert old <= set(days_of(*self.coverage.settled))
        assert old <= self.target.exports.keys() | self.claimed
        assert set(days_of(span)) <= self.ledger.days.keys()
        self.load(self.last, span.first)
        again = plan(self.coverage, span, self.last, 7)
        unsettled = sorted(set(days_of(span)) - old)
        if self.interval is Interval.DAILY:
            assert days_of(*again.windows) == unsettled
            assert not again.adopted
            assert len(self.coverage.settled) == 1 or min(self.ledger.days) < span.first

    def whole_run(self) -> DateWindow:
        self.a_resting_state_is_remembered()
        self.last = Rules(self.interval, self.zone, self.now, 3)
        start_date = self.born - timedelta(days=45)
        self.load(self.last, start_date)
        span = wanted_in(self.last, start_date)
        assert span
        self.plan(span, self.last, 7, None)
        self.run_finishes(figures=0, is_last_first=True)
        return span


Life.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLife = Life.TestCase
