"""Lives of the whole tap in virtual time, and bugs planted to see that they would be found."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.laws.simulation.bugs import PLANTED, Bug
from tests.laws.simulation.fate import LawBrokenError
from tests.laws.simulation.faults import FAULTS
from tests.laws.simulation.life import SeedFailedError, live
from tests.laws.simulation.seeds import live_all, quick, silence
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS: Final = 120
CHUNK: Final = 30
SEEDS_FOR_A_BUG: Final = 30

# A killed run leaves its spools open, as the operating system would close them.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _close_what_was_killed() -> Iterator[None]:
    """Spools of killed runs are closed here, where they are expected, and not amid another test."""
    yield
    gc.collect()


def test_a_reader_that_goes_after_the_last_message_breaks_no_law() -> None:
    assert live(8742).runs


def test_a_run_that_is_cut_amid_rows_alike_in_all_dimensions_marks_their_day() -> None:
    """Their keys have changed places since the export before, whose version they share."""
    assert live(48528).runs


@pytest.mark.parametrize("seed", [43523, 72452])
def test_long_windows_in_two_gaps_before_the_retention_cost_few_submissions_more(seed: int) -> None:
    assert live(seed).runs


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_life_breaks_a_law(first: int) -> None:
    accounts, failures = live_all(range(first, first + CHUNK))
    assert failures == []
    assert len(accounts) == CHUNK


def test_a_process_that_has_lived_can_be_ended() -> None:
    before = signal.getsignal(signal.SIGTERM)
    live_all(range(3))
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("call", FAULTS)
def test_each_fault_on_its_own_breaks_no_law(call: str) -> None:
    for number, kind in enumerate(FAULTS[call]):
        seeds = iter(range(10_000 + 50 * number, 10_050 + 50 * number))
        with silence(), quick():
            while kind not in live(next(seeds), frozenset({kind})).faults:
                pass


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    bug = PLANTED[name]
    with bug.plant(), silence(), quick():
        assert any(_fails(seed, bug) for seed in range(bug.first, bug.first + SEEDS_FOR_A_BUG))


def test_a_seed_replays_exactly_in_another_process() -> None:
    first, second = (_digests(hash_seed) for hash_seed in ("1", "2"))
    assert first == second
    assert len(first.splitlines()) == 10 + 1


def _fails(seed: int, bug: Bug) -> bool:
    try:
        live(seed, bug.kinds, is_apart=bug.is_apart)
    except SeedFailedError as failure:
        if not isinstance(failure.__cause__, LawBrokenError):
            raise  # a fault of the planting
        return True
    return False


def _digests(hash_seed: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.laws.simulation",
            "--seeds",
            "10",
            "--first",
            "50",
            "--digests",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=200,
    )
    return done.stdout
