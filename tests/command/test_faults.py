"""Each fault of the sandbox, alone and in pairs, through the command: rows, days, exit code."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from advexport_sandbox import FAULTS, Endpoint, Injection, Match, Options, Sandbox, SandboxConfig
from tests.support.api_rows import emitted, typed
from tests.support.tap_process import Tap, Told, covered_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

FIRST, LAST = date(2024, 2, 1), date(2024, 2, 6)
DAYS = {f"2024-02-0{day}" for day in range(1, 7)}

# These strike when the API has more to do than it takes: see below.
LIMITS = {"limit-400", "limit-403", "limit-409", "limit-429", "limit-error"}
LOADED = {*LIMITS, "quota-403", "quota-429"}
# A task that is unknown may become visible within two minutes (test_recovery.py, in virtual time).
LASTING = {"task-404"}
CASES = [
    (fault.name, str(endpoint))
    for fault in FAULTS.values()
    for endpoint in sorted(fault.endpoints)
    if fault.name not in LOADED | LASTING | {"same-task-id"}
]
# One line, exit code 1, nothing else is asked for.
ENDS = {
    *itertools.product(["status-401"], ["submit", "poll"]),
    *itertools.product(["redirect", "redirect-loop"], ["submit"]),
    *itertools.product(["redirect-away"], ["submit", "poll"]),
}
# The file has one row of the fault's own making.
MADE_UP = {"quoted", "nul"}
# Most of a run is waiting, so that many go side by side.
SIDE_BY_SIDE = 8
CHUNKS = 10


@contextmanager
def place(folder: Path, latency: float = 0.0) -> Iterator[tuple[Sandbox, Tap]]:
    """A sandbox and a tap of their own."""
    folder.mkdir()
    config = SandboxConfig(
        now=datetime(2025, 1, 1, tzinfo=UTC), rows_per_day=6, repeat_share=0.1, latency=latency
    )
    with Sandbox(config) as sandbox:
        settings = {
            "auth_token": sandbox.token,
            "api_url": sandbox.url,
            "start_date": FIRST.isoformat(),
            "end_date": LAST.isoformat(),
            "window_days": 2,
            "poll_interval_seconds": 0.05,
            "export_timeout_seconds": 1.5,
            "request_timeout_seconds": 1,
        }
        yield sandbox, Tap(folder, settings)


Case = TypeVar("Case")


def check_all(
    cases: Sequence[Case],
    folder: Path,
    check: Callable[[Sandbox, Tap, Case], None],
    latency: float = 0.0,
) -> None:
    """Check cases side by side; the error names the case."""

    def check_one(numbered: tuple[int, Case]) -> None:
        number, case = numbered
        try:
            with place(folder / str(number), latency) as (sandbox, tap):
                check(sandbox, tap, case)
        except AssertionError as error:
            error.add_note(f"the case {case}")
            raise

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(check_one, enumerate(cases)))


def inject(
    sandbox: Sandbox, name: str, endpoint: str, count: int | None = 1, limit: int = 1
) -> Injection:
    options = Options(
        pause_seconds={"drip": 0.0005, "slow-headers": 0.1}.get(name, 30),
        retry_after=1 if name.startswith("status-429") else None,
        seconds=0.4,
        limit=limit,
    )
    return sandbox.inject(name, count, match=Match(endpoint=endpoint), options=options)


def held(told: Told) -> Counter[tuple[Any, ...]]:
    return Counter(map(emitted, told.records("report_daily")))


def assert_is_truth(told: Told, sandbox: Sandbox, name: str = "") -> None:
    truth = Counter(map(typed, sandbox.truth("daily", FIRST, LAST)))
    rows = held(told)
    if name in MADE_UP:
        assert (rows - truth).total() == (truth - rows).total() == 1
    else:
        assert rows == truth
    assert covered_days(told.state) == DAYS


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_fault_that_strikes_once(tmp_path: Path, chunk: int) -> None:
    check_all(CASES[chunk::CHUNKS], tmp_path, check_once)


def check_once(sandbox: Sandbox, tap: Tap, case: tuple[str, str]) -> None:
    name, endpoint = case
    injected = inject(sandbox, name, endpoint)
    told = tap.run_forked()
    assert injected.hits == 1
    told.assert_is_quiet()
    told.assert_states_are_true()
    if case in ENDS:
        assert told.code == 1
        assert len(told.errors) == 1, told.log
        assert "auth_token" in told.errors[0] or "api_url" in told.errors[0]
    else:
        assert told.code == 0, told.log
        assert_is_truth(told, sandbox, name)


FOR_EVER = [
    "submit-error-result",
    "status-429",
    "status-500",
    "status-404",
    "task-failure",
    "stuck",
    "html-body",
    "cut",
    "bad-cell",
    "missing-column",
    "lost",
    "not-json",
    "redirect-loop",
    "firewall-403",
    "limit-403",
    "limit-409",
    "limit-error",
    "quota-429",
    "retention-400",
    "no-data-body",
    "task-failure-object",
]


def test_a_fault_for_ever_ends_the_run_with_few_requests_and_one_line(tmp_path: Path) -> None:
    check_all(FOR_EVER, tmp_path, check_for_ever)


def check_for_ever(sandbox: Sandbox, tap: Tap, name: str) -> None:
    for endpoint in FAULTS[name].endpoints:
        inject(sandbox, name, endpoint, None, limit=0)
    told = tap.run_forked(
        start_date="2020-01-01",
        window_days=7,
        max_concurrent_exports=2,
        request_attempts=2,
        export_attempts=2,
        export_timeout_seconds=0.3,
    )
    told.assert_is_quiet()
    assert told.code == 1
    assert held(told).total() == 0
    assert covered_days(told.state if b"STATE" in told.out else {}) == set()
    asked = Counter(request.endpoint for request in sandbox.requests)
    assert sandbox.submissions <= 24
    # A task may be asked for a URL three times. Until it is finished, how often it is polled is a
    # matter of the machine, and at most six times in its third of a second.
    assert asked[Endpoint.DOWNLOAD] <= 3 * sandbox.submissions
    assert asked[Endpoint.POLL] <= 9 * sandbox.submissions
    lasting = [line for line in told.errors if "these days fail in this run" not in line]
    assert len(lasting) == 1, told.log


def test_one_task_at_a_time_brings_all_days_with_few_submissions_in_vain(tmp_path: Path) -> None:
    check_all(sorted(LIMITS), tmp_path, check_limit, latency=0.4)


def check_limit(sandbox: Sandbox, tap: Tap, name: str) -> None:
    injected = sandbox.inject(name, None, options=Options(limit=1))
    told = tap.run_forked(start_date="2023-12-20", window_days=7, export_timeout_seconds=30)
    assert told.code == 0, told.log
    assert len(covered_days(told.state)) == 49
    assert injected.hits > 0
    assert sandbox.submissions <= 3 * 7


def test_a_quota_fails_older_days_and_says_so(tmp_path: Path) -> None:
    check_all(["quota-403", "quota-429"], tmp_path, check_quota)


def check_quota(sandbox: Sandbox, tap: Tap, name: str) -> None:
    sandbox.inject(name, None, options=Options(limit=2))
    told = tap.run_forked(
        window_days=1, export_timeout_seconds=3, request_attempts=2, max_concurrent_exports=1
    )
    assert told.code == 1
    assert covered_days(told.state) == {"2024-02-05", "2024-02-06"}
    [line] = told.errors
    assert "Failed days: report daily, 2024-02-01..2024-02-04: the API refuses these days" in line
    assert "The daily number of reports is used up" in line
    assert "auth_token" not in told.log


def test_a_start_three_years_before_what_is_kept_brings_all_there_is(tmp_path: Path) -> None:
    with place(tmp_path / "one") as (sandbox, tap):
        # The sandbox lives on the first day of 2025.
        injected = sandbox.inject("retention-400", None, options=Options(days=60))
        told = tap.run_forked(start_date="2021-11-02", end_date="2024-12-31", window_days=7)
        assert told.code == 1
        assert min(covered_days(told.state)) == "2024-11-02"
        assert len(covered_days(told.state)) == 60
        assert 5 < injected.hits <= 30
        [line] = told.errors
        assert "Failed days: report daily, 2021-11-02..2024-11-01: the API refuses" in line
        assert "no data is kept before 2024-11-02" in line
        assert "newer days work: set start_date to 2024-11-02" in line


# What an API may do for ever and work: it is late, it allows little, it writes in its own way.
HABITS = [
    "late-task-404",
    "late-task-403",
    "late-url",
    "late-file-404",
    "late-file-403",
    *sorted(LIMITS),
    "rate-429",
    "same-task-id",
    "small-letters",
    "capital-letter",
    "url-odd",
    "url-blank",
    "url-path",
    "unknown-twins",
    "unnamed-columns",
]


@pytest.mark.parametrize("chunk", range(2))
def test_a_habit_of_the_api_costs_time_and_nothing_else(tmp_path: Path, chunk: int) -> None:
    check_all(HABITS[chunk::2], tmp_path, check_habit, latency=0.1)


def check_habit(sandbox: Sandbox, tap: Tap, name: str) -> None:
    for endpoint in FAULTS[name].endpoints:
        inject(sandbox, name, endpoint, None)
    patient: dict[str, Any] = {"export_timeout_seconds": 30, "request_timeout_seconds": 30}
    told = tap.run_forked(**patient)
    assert told.code == 0, told.log
    assert not told.errors
    told.assert_states_are_true()
    assert_is_truth(told, sandbox)
    assert len(sandbox.tasks) == 3
    # The same days once more, which is the same submissions.
    again = tap.run_forked(
        told.state,
        refresh_start_date=FIRST.isoformat(),
        refresh_end_date=LAST.isoformat(),
        **patient,
    )
    assert again.code == 0, again.log
    again.assert_states_are_true(told.state)
    assert_is_truth(again, sandbox)
    assert len(sandbox.tasks) == (3 if name == "same-task-id" else 6)


def pairs(count: int) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Some pairs of faults, drawn once and for all."""
    random = Random(4)
    one, other = CASES.copy(), CASES.copy()
    random.shuffle(one)
    random.shuffle(other)
    return list(zip(one, other, strict=True))[:count]


@pytest.mark.parametrize("chunk", range(3))
def test_two_faults_at_once_lose_nothing(tmp_path: Path, chunk: int) -> None:
    check_all(pairs(45)[chunk::3], tmp_path, check_pair)


def check_pair(sandbox: Sandbox, tap: Tap, pair: tuple[tuple[str, str], tuple[str, str]]) -> None:
    for name, endpoint in pair:
        inject(sandbox, name, endpoint, 2)
    told = tap.run_forked()
    told.assert_is_quiet()
    told.assert_states_are_true()
    assert told.code in {0, 1}
    state = told.state if b"STATE" in told.out else {}
    assert (told.code == 0) == (covered_days(state) == DAYS)
    sandbox.clear_faults()
    again = tap.run_forked(state or None)
    assert again.code == 0, again.log
    if not MADE_UP & {name for name, _ in pair}:
        assert_is_truth(Told(0, told.out + again.out, ""), sandbox)
