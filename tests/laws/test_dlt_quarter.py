"""Ninety days of loads by dlt, with failures and kills: after each day the tables are the truth."""

from __future__ import annotations

import os
from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from advexport_sandbox import Match
from tap_advexport.dlt import FailedDaysError, load
from tap_advexport.errors import IncompleteError
from tests.support.dlt_pipelines import Api, Cells, Place, new_api
from tests.support.warehouses import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.targets, pytest.mark.timeout(3600)]

DAYS: Final = int(os.environ.get("DLT_QUARTER_DAYS", "90"))
START: Final = "2024-01-10"
REPORTS: Final = ("daily", "monthly")
LOOKBACK_DAYS: Final = 10
WELL, OFF, KILLED, DAY_FAILS, API_DOWN, MOVED = range(6)
FATES: Final = {WELL: 8, OFF: 1, KILLED: 3, DAY_FAILS: 2, API_DOWN: 1, MOVED: 1}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url.replace("postgres@", "postgres:none@")


class Life:
    """What happens to a warehouse, day by day."""

    def __init__(self, place: Place, api: Api, seed: int) -> None:
        self._place, self._api, self._random = place, api, Random(seed)
        self._machine = "0"
        self.seen: set[int] = set()

    def live(self) -> None:
        """One day: what goes wrong, and what an operator does about it."""
        [fate] = self._random.choices([*FATES], [*FATES.values()])
        self.seen.add(fate)
        if fate == KILLED:
            self._be_killed()
        elif fate == DAY_FAILS:
            self._fail()
        elif fate == API_DOWN:
            self._be_down()
        elif fate == MOVED:
            self._machine = str(int(self._machine) + 1)
        if fate != OFF:
            self._load()
            for report in REPORTS:
                held = self._place.rows(f"report_{report}")
                assert held == self._api.truth(START, report), (self._api.wall.moment, fate)

    def _load(self) -> None:
        load(self._place.pipeline(machine=self._machine), self._api.source(START, **self._given()))

    def _given(self) -> dict[str, object]:
        return {"reports": REPORTS, "lookback_days": LOOKBACK_DAYS}

    def _be_killed(self) -> None:
        step, most = self._random.choice([("Extract", 4), ("Normalize", 3), ("Load", 6)])
        options = self._api.options(START, **self._given())
        nth = self._random.randint(1, most)
        self._place.killed_load(self._api, step, nth, options, self._machine)
        self._api.pass_days(1 / 48)

    def _fail(self) -> None:
        oldest = min(LOOKBACK_DAYS, (self._api.yesterday - date.fromisoformat(START)).days + 1)
        day = self._api.yesterday - timedelta(days=self._random.randrange(oldest))
        self._api.sandbox.inject("task-failure", count=None, match=Match(day=day))
        with pytest.raises(FailedDaysError):
            self._load()
        # All other days are there.
        held, truth = self._place.rows("report_daily"), self._api.truth(START)
        assert others(held, day) == others(truth, day)
        self._api.sandbox.clear_faults()

    def _be_down(self) -> None:
        before = self._place.rows("report_daily")
        self._api.sandbox.inject("status-503", count=None)
        source = self._api.source(START, **self._given(), request_attempts=1)
        with pytest.raises(IncompleteError):
            load(self._place.pipeline(machine=self._machine), source)
        assert self._place.rows("report_daily") == before
        self._api.sandbox.clear_faults()


def others(rows: Counter[Cells], day: date) -> Counter[Cells]:
    """The rows of all other days."""
    return Counter({row: n for row, n in rows.items() if row[0].date() != day})


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_after_every_day_of_a_quarter_the_tables_are_what_the_api_says(
    kind: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    place = Place(tmp_path, server if kind == "postgres" else "")
    with new_api("2024-01-15T03:00:00", rows_per_day=2, vanish_share=0.4) as api:
        life = Life(place, api, seed=5)
        load(place.pipeline(machine="0"), api.source(START, reports=REPORTS, lookback_days=10))
        for _ in range(DAYS):
            api.pass_days(1)
            life.live()
        assert DAYS < 90 or life.seen == set(FATES)
