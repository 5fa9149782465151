"""Lives through many seeds, quietly and quickly."""

from __future__ import annotations

import gc
import logging
import os
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.laws.simulation.life import Account, SeedFailedError, live
from tests.support.accounts import handlers_of_signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - names are made by tempfile


def live_all(
    seeds: Iterable[int], *, is_verbose: bool = False
) -> tuple[list[tuple[int, Account]], list[str]]:
    """Live through some seeds; returns what came of them, and the failures."""
    accounts: list[tuple[int, Account]] = []
    failures: list[str] = []
    with quick(), handlers_of_signals(), nullcontext() if is_verbose else silence():
        for seed in seeds:
            try:
                accounts.append((seed, live(seed)))
            except SeedFailedError as failure:
                failures.append(str(failure))
        # What killed runs have left open is closed here, and not while somebody else runs.
        gc.collect()
    return accounts, failures


@contextmanager
def silence() -> Iterator[None]:
    """Switch the logs off: much of a life's time would go into them."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def quick() -> Iterator[None]:
    """Spools in memory, and no environment: `requests` reads all of it for every request."""
    variables, folder = dict(os.environ), tempfile.tempdir
    os.environ.clear()
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        tempfile.tempdir = str(SHARED_MEMORY)
    try:
        yield
    finally:
        os.environ.update(variables)
        tempfile.tempdir = folder
