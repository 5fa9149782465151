"""Lives through any number of seeds: python -m tests.laws.simulation --seeds 1000 --first 0."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.laws.simulation.seeds import live_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.laws.simulation.life import Account

CHUNK = 50
TASKS_OF_A_PROCESS = 40
PROGRESS_EVERY = 5000


def main() -> int:
    """Run the command; the exit code is 1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.laws.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    parser.add_argument("--verbose", action="store_true", help="show the tap's logs")
    parser.add_argument("--digests", action="store_true", help="print what tells replays apart")
    args = parser.parse_args()
    if args.verbose:
        logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    began = time.monotonic()
    chunks = [
        range(at, min(at + CHUNK, args.first + args.seeds))
        for at in range(args.first, args.first + args.seeds, CHUNK)
    ]
    failed = 0
    total: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    lived = 0
    for accounts, failures in _results(chunks, args.jobs, is_verbose=args.verbose):
        lived += len(accounts) + len(failures)
        if lived % PROGRESS_EVERY == 0:
            print(f"{lived} seeds lived, {failed} failed", file=sys.stderr, flush=True)  # noqa: T201
        for failure in failures:
            print(failure, flush=True)  # noqa: T201
        failed += len(failures)
        for seed, account in accounts:
            if args.digests:
                print(seed, account.digest)  # noqa: T201
            total.update(_sums(account))
            faults.update(account.faults)
    print(f"{args.seeds} seeds, {failed} failed; {dict(total)}")  # noqa: T201
    took = f"{time.monotonic() - began:.1f} s; {dict(faults.most_common())}"
    print(took, file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


def _results(
    chunks: list[range], jobs: int, *, is_verbose: bool
) -> Iterator[tuple[list[tuple[int, Account]], list[str]]]:
    if jobs == 1:
        for chunk in chunks:
            yield live_all(chunk, is_verbose=is_verbose)
        return
    # Not ProcessPoolExecutor: with max_tasks_per_child that of Python 3.11 waits for ever at times.
    with get_context("spawn").Pool(jobs, maxtasksperchild=TASKS_OF_A_PROCESS) as pool:
        yield from pool.imap(live_all, chunks)
        # Not ended by `terminate`, which waits for ever for a process that is amid a take.
        pool.close()
        pool.join()


def _sums(account: Account) -> dict[str, int]:
    return {
        "runs": account.runs,
        "requests": account.requests,
        "messages": account.messages,
        "kills": account.kills,
        "signals": account.signals,
        "days": round(account.days),
    }


if __name__ == "__main__":
    sys.exit(main())
