"""A quarter of daily runs against maturing figures, some failing and some killed: the warehouse is
what the API said, at every STATE, whoever loads it; and a quiet month costs next to nothing.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from advexport_sandbox import Clock, Interval, Sandbox, SandboxConfig
from tests.support.accounts import Account, Wall, bare, dates, true
from tests.support.pipelines import loader
from tests.support.places import Database, Rows, canonical, place_of
from tests.support.quarter import (
    DAYS,
    FATES,
    OFF,
    READER_GONE,
    REPORTS,
    TARGET_DIES,
    WEEK,
    Arrival,
    Key,
    Memory,
    Quarter,
    last_state,
    live_through,
    pending,
    restated,
)
from tests.support.warehouses import Dbt, Warehouse, run, run_audit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Quarter:
    return live_through(tmp_path_factory.mktemp("quarter"))


# --- Every STATE ---------------------------------------------------------------------------------


def test_at_every_state_of_a_quarter_the_warehouse_is_what_the_api_said(quarter: Quarter) -> None:
    memory = Memory(quarter.said)
    whole, left_half_way = 0, Counter[str]()
    for arrival in quarter.arrivals:
        memory.load(arrival)
        left_half_way[arrival.fate] += bool(memory.incomplete())
        if arrival.is_whole:
            whole += 1
            assert_is_truth(memory, quarter, arrival)
    assert memory.states > DAYS
    assert whole > DAYS // WEEK
    assert min(left_half_way[READER_GONE], left_half_way[TARGET_DIES]) > 0
    assert_is_eventful(quarter)


def assert_is_eventful(quarter: Quarter) -> None:
    """All that makes warehouses go wrong has happened, and each week has ended well."""
    assert {arrival.fate for arrival in quarter.arrivals} == set(FATES) - {OFF}
    assert len({arrival.day for arrival in quarter.arrivals}) < DAYS
    moved = restated(quarter)
    assert min(moved[each] for each in ("fewer rows", "more rows", "as many rows")) > WEEK
    assert any(pending(arrival.state) for arrival in quarter.arrivals)
    assert any(arrival.rows_not_sent for arrival in quarter.arrivals)
    assert all(week[-1].is_whole for week in quarter.weeks())


def assert_is_truth(memory: Memory, quarter: Quarter, arrival: Arrival) -> None:
    """The warehouse is what the API says now, every row of every day."""
    said = quarter.said[arrival.moment.isoformat()]
    assert not memory.incomplete()
    for report in REPORTS:
        days = {period for label, period in memory.periods if label == report}
        first, last = str(arrival.start), str(arrival.last_day)
        if report == "monthly":
            assert days == {day[:7] + "-01" for day in dates(first, last)}
        else:
            assert days == set(dates(first, last))
        wanted = Counter(
            row
            for (label, day), rows in said.items()
            if label == report and day in days
            for row in rows.elements()
        )
        assert memory.truth(report) == wanted


# --- Real warehouses -----------------------------------------------------------------------------


def batches(quarter: Quarter) -> list[list[Arrival]]:
    """The runs of each week, and a cut behind the killed run that left the most days half way."""
    memory, left = Memory(quarter.said), dict[int, int]()
    for number, arrival in enumerate(quarter.arrivals):
        memory.load(arrival)
        # In the first week a killed run may have left no table at all.
        left[number] = len(memory.incomplete()) if arrival.day >= WEEK else 0
    worst = max(left, key=lambda number: left[number])
    assert left[worst] > 1
    cut: list[list[Arrival]] = [[]]
    for number, arrival in enumerate(quarter.arrivals):
        cut[-1].append(arrival)
        if number == worst or arrival.day % WEEK == WEEK - 1:
            cut.append([])
    return [batch for batch in cut if batch]


def load(place: Database, folder: Path, batch: list[Arrival]) -> None:
    """Load what arrived of some runs, through the real target."""
    lines = [line for arrival in batch for line in arrival.lines]
    if not lines:
        return
    text = b"".join(lines).decode()
    done = run(loader(place.target, place, folder), text=text)
    passed_on = [json.loads(line) for line in done.stdout.splitlines()]
    # Whatever it passes on, the last is the last that it was given.
    assert passed_on[-1:] == [last_state(lines)][: len(passed_on[-1:])]


@cache
def variables(schema: str, start: date) -> dict[str, Any]:
    return {
        "advexport_reports": list(REPORTS),
        "advexport_schema": schema,
        "advexport_start_date": str(start),
    }


@pytest.mark.targets
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", ["target-duckdb", "target-postgres"])
def test_real_warehouses_hold_the_truth_all_through_the_quarter(
    quarter: Quarter, target: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        place = place_of(target, tmp_path, stack)
        assert isinstance(place, Database)
        memory = Memory(quarter.said)
        builds = 0
        for batch in batches(quarter):
            load(place, tmp_path, batch)
            for arrival in batch:
                memory.load(arrival)
            assert_holds_the_same(place, memory)
            dark = memory.incomplete()
            if dark:
                assert audited(place) == {f"{report} {period}" for report, period in dark}
            if not dark and batch[-1].day in {6 * WEEK - 1, DAYS - 1}:
                assert_models_are_the_truth(place, memory, quarter, batch[-1], tmp_path)
                builds += 1
        assert builds == 2
        assert_the_audit_names_a_day_with_a_deleted_row(place, memory)


def assert_holds_the_same(place: Database, memory: Memory) -> None:
    for report in REPORTS:
        assert_same(place.true_rows(report), true_rows(memory, report))


def true_rows(memory: Memory, report: str) -> Counter[tuple[str, ...]]:
    return Counter(
        canonical(row)
        for key in memory.periods
        if key[0] == report
        for row in memory.true_rows(key)
    )


def assert_same(rows: Rows, wanted: Counter[tuple[str, ...]]) -> None:
    held = Counter(map(canonical, rows))
    assert (wanted - held, held - wanted) == (Counter(), Counter())


def assert_models_are_the_truth(
    place: Database, memory: Memory, quarter: Quarter, arrival: Arrival, folder: Path
) -> None:
    """dbt builds and tests every model, and each holds what the API says now."""
    dbt = Dbt(place.url, folder, variables=variables(place.schema, arrival.start))
    assert set(dbt("build").values()) == {"success", "pass"}
    assert_is_truth(memory, quarter, arrival)
    for report in REPORTS:
        wanted = true_rows(memory, report)
        assert_same(place.query(f"select * from advexport.advexport_{report}"), wanted)  # noqa: S608  # ours
    assert {as_key(row) for row in place.query("select * from advexport.advexport_periods")} == {
        *memory.periods
    }
    first = str(arrival.start)
    code, printed, _ = run_audit(place.url, "--schema", place.schema, "--start-date", first)
    assert (code, printed) == (0, f"{len(memory.periods)} periods compared, 0 differ\n")


def as_key(row: dict[str, Any]) -> Key:
    return row["report"], row["period"]


def audited(place: Database) -> set[str]:
    """The report and period of each that the audit finds to differ; not those never loaded."""
    code, printed, error = run_audit(place.url, "--schema", place.schema)
    assert (code, error) == (1, "")
    found = (re.match(r"(\w+ [\d-]+) \((?!missing)", line) for line in printed.splitlines()[1:-1])
    return {match[1] for match in found if match}


def assert_the_audit_names_a_day_with_a_deleted_row(place: Database, memory: Memory) -> None:
    key = next(key for key in memory.periods if len(memory.true_rows(key)) > 1)
    row = memory.true_rows(key)[0]
    kind = "postgres" if place.target == "target-postgres" else "duckdb"
    warehouse = Warehouse(kind, place.url, append_only=False, reports=())
    delete = (
        f"delete from {place.schema}.report_{key[0]}"  # noqa: S608  # ours
        f" where row_key = '{row['row_key']}' and export_id = '{row['export_id']}'"
    )
    warehouse.query(delete, "select 1")
    assert audited(place) == {f"{key[0]} {key[1]}"}


# --- What a quiet day costs ----------------------------------------------------------------------


def test_of_31_days_that_are_read_in_steady_state_the_rows_of_4_are_sent() -> None:
    wall = Wall(datetime(2024, 3, 1, 3, tzinfo=UTC))
    # Yesterday is new, the two days before it have changed, and all others stand still.
    config = SandboxConfig(rows_per_day=20, empty_day_share=0, maturing_days=2)
    with Sandbox(config, clock=Clock(wall=wall)) as sandbox:
        account = Account(sandbox, wall, "UTC")
        output = account.run("2024-01-01")
        for _ in range(3):
            wall.moment += timedelta(days=1)
            output = account.run("2024-01-01", state=output.state)
            today = wall.moment.date()
            ago = [str(today - timedelta(days=n)) for n in range(32)]
            read, sent = sorted(ago[1:]), sorted([ago[1], ago[2], ago[3], ago[31]])
            assert output.days() == read
            rows = output.records("report_daily")
            assert sorted({row["report_date"] for row in rows}) == sent
            truth = account.truth(Interval.DAILY, read[0], read[-1])
            wanted = [row for row in truth if row["time"][:10] in sent]
            assert bare(rows) == true(wanted)
            not_sent = len(truth) - len(wanted)
            assert (
                f" {len(wanted)} rows sent, {not_sent} unchanged rows not sent," in output.summary
            )
            periods = output.records("report_periods")
            confirmed = [
                row["period"] for row in periods if row["exported_at"] < row["confirmed_at"]
            ]
            assert sorted(confirmed) == sorted({*read} - {*sent})
            [settled] = [row["period"] for row in periods if row["is_settled"]]
            assert settled == sent[0]
