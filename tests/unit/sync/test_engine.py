"""What one report's run does, told by what reaches its destination."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from advexport_sandbox import Match, Sandbox, SandboxConfig
from tap_advexport.errors import OutputError
from tap_advexport.reports import COLUMN_NAMES
from tap_advexport.singer.stdout import WriteInterrupted
from tap_advexport.sync.engine import ReportSync, coverage_of_bookmark
from tap_advexport.sync.run import Interrupted, Run
from tap_advexport.sync.shape import Shape
from tests.support.days import window
from tests.support.runs import DAILY, SHAPE, TODAY, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.sync.destination import PeriodRow


@dataclass
class Log:
    """A destination that notes what it is given, and yields the days of each export's rows."""

    events: list[tuple[str, Any]] = field(default_factory=list)

    def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[list[date]]:
        assert all(period.first in ready.window for period in periods)
        self.events.append(("rows", [period.first for period in periods if period.row_count]))
        yield [period.first for period in periods]

    def write_periods(self, rows: Sequence[PeriodRow]) -> Iterator[list[date]]:
        self.events.append(("periods", list(rows)))
        return iter(())

    def commit(self, bookmark: dict[str, object]) -> None:
        self.events.append(("commit", bookmark))

    def check(self) -> None:
        pass

    def of(self, kind: str) -> list[Any]:
        return [what for event, what in self.events if event == kind]


@pytest.fixture
def sandbox_config() -> SandboxConfig:
    return SandboxConfig(now=TODAY, rows_per_day=4, empty_day_share=0, seed=3)


def engine_of(run: Run, bookmark: object = None, shape: Shape = SHAPE) -> ReportSync[list[date]]:
    return ReportSync(run, DAILY, coverage_of_bookmark(bookmark, DAILY, run), shape)


def sync(run: Run, bookmark: object = None, shape: Shape = SHAPE) -> Log:
    log = Log()
    list(engine_of(run, bookmark, shape).items(log))
    run.close()
    return log


def days(first: str, last: str) -> list[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


def test_each_export_is_rows_then_periods_then_a_commit_that_covers_them(sandbox: Sandbox) -> None:
    log = sync(run_of(sandbox, max_concurrent_exports=1))
    kinds = [kind for kind, _ in log.events if kind != "commit"]
    assert kinds == ["rows", "periods"] * 4
    covered: set[date] = set()
    for kind, what in log.events:
        if kind == "periods":
            covered |= {row.period for row in what}
        if kind == "commit":
            ranges = [*what["settled"], *what["unsettled"]]
            said = {day for first, last, *_ in ranges for day in days(first, last)}
            assert said <= covered
    assert covered == set(days("2024-02-20", "2024-02-29"))
    assert not log.of("commit")[-1]["pending"]


def test_the_newest_days_come_first(sandbox: Sandbox) -> None:
    log = sync(run_of(sandbox, max_concurrent_exports=1))
    firsts = [rows[0].period for rows in log.of("periods")]
    assert firsts == sorted(firsts, reverse=True)


def test_what_a_destination_yields_reaches_whoever_drives_the_engine(sandbox: Sandbox) -> None:
    run = run_of(sandbox)
    engine = engine_of(run)
    found = [day for part in engine.items(Log()) for day in part]
    assert sorted(found) == days("2024-02-20", "2024-02-29")


def test_unchanged_periods_are_confirmed_without_their_rows(sandbox: Sandbox) -> None:
    first = sync(run_of(sandbox))
    bookmark = first.of("commit")[-1]
    later = TODAY + timedelta(hours=2)
    again = sync(run_of(sandbox, now=later), bookmark)
    assert [day for rows in again.of("rows") for day in rows] == []
    rows = {row.period: row for part in first.of("periods") for row in part}
    confirmed = [row for part in again.of("periods") for row in part]
    assert [row.period for row in confirmed] == days("2024-02-27", "2024-02-29")
    for row in confirmed:
        assert row.version == rows[row.period].version
        assert row.export_id == rows[row.period].export_id
        assert row.exported_at == rows[row.period].exported_at
        assert row.confirmed_at == later


def test_a_run_starts_with_a_commit_that_doubts_what_it_exports(sandbox: Sandbox) -> None:
    bookmark = sync(run_of(sandbox)).of("commit")[-1]
    assert [entry[0] for entry in bookmark["sent"]] == ["2024-02-27", "2024-02-28", "2024-02-29"]
    again = sync(run_of(sandbox, now=TODAY + timedelta(hours=2)), bookmark)
    kind, start = again.events[0]
    assert (kind, start["sent"]) == ("commit", [])
    assert again.of("commit")[-1]["sent"] == bookmark["sent"]


def test_rows_of_another_shape_go_out_again_under_the_same_version(sandbox: Sandbox) -> None:
    first = sync(run_of(sandbox))
    other = Shape((*COLUMN_NAMES[1:], "row_key"), {})
    later = run_of(sandbox, now=TODAY + timedelta(hours=2))
    again = sync(later, first.of("commit")[-1], other)
    found = sorted(day for rows in again.of("rows") for day in rows)
    assert found == days("2024-02-27", "2024-02-29")


@pytest.mark.parametrize("is_another", [False, True])
def test_settled_days_of_another_shape_are_told(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, *, is_another: bool
) -> None:
    """As where the state of one account is given to another, which would leave a gap for good."""
    bookmark = sync(run_of(sandbox)).of("commit")[-1]
    assert bookmark["settled"]
    settings = {"account": "south"} if is_another else {}
    sync(run_of(sandbox, now=TODAY + timedelta(hours=2)), bookmark, Shape(SHAPE.columns, settings))
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["account" in each for each in told] == [True] * is_another


def test_a_state_that_covers_days_ahead_is_told(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(sandbox)
    bookmark = {"settled": [["2024-01-01", "2024-06-30"]], "replication_key_value": "2024-06-30"}
    coverage = coverage_of_bookmark(bookmark, DAILY, run)
    assert coverage.settled == (window("2024-01-01", "2024-01-26"),)
    assert "report_daily: the state covers days that lie ahead" in caplog.text
    assert "days from 2024-01-27 on are exported again" in caplog.text


def test_the_export_that_settles_a_period_sends_it_whole(sandbox: Sandbox) -> None:
    bookmark = sync(run_of(sandbox)).of("commit")[-1]
    sandbox.advance(days=4)
    again = sync(run_of(sandbox, now=TODAY + timedelta(days=4), end_date="2024-02-29"), bookmark)
    assert sorted(day for rows in again.of("rows") for day in rows) == days(
        "2024-02-27", "2024-02-29"
    )
    last = again.of("commit")[-1]
    assert (last["settled"], last["unsettled"]) == ([["2024-02-20", "2024-02-29"]], [])


def test_failed_days_are_noted_and_the_others_kept(sandbox: Sandbox) -> None:
    bad = date(2024, 2, 24)
    sandbox.inject("bad-cell", count=None, match=Match(day=bad))
    run = run_of(sandbox)
    log = sync(run)
    assert [(each.window.first, each.window.last) for each in run.failures] == [(bad, bad)]
    covered = {row.period for rows in log.of("periods") for row in rows}
    assert covered == set(days("2024-02-20", "2024-02-29")) - {bad}
    assert run.tally.days_failed == 1


def test_an_interrupted_run_covers_nothing_that_is_not_out(sandbox: Sandbox) -> None:
    run = run_of(sandbox)
    engine = engine_of(run)
    run.interrupt(15)
    with pytest.raises(Interrupted):
        list(engine.items(Log()))
    assert engine.coverage.covered() == ()


@pytest.mark.parametrize("error", [WriteInterrupted(), OutputError("stdout: No space left")])
def test_tasks_that_were_submitted_while_rows_went_out_are_pending_however_that_ended(
    sandbox: Sandbox, error: BaseException
) -> None:
    class Ending(Log):
        def write_rows(self, ready: Ready, periods: Sequence[Period]) -> Iterator[list[date]]:
            yield from super().write_rows(ready, periods)
            deadline = time.monotonic() + 30
            while len(sandbox.tasks) < 3:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            run.interrupt(15)
            raise error

    run = run_of(sandbox, max_concurrent_exports=2, window_days=1)
    engine = engine_of(run)
    with pytest.raises(type(error)):
        list(engine.items(Ending()))
    submitted = {task.task_id for task in sandbox.tasks}
    assert {task.task_id for task in engine.coverage.pending} == submitted
    run.close()
