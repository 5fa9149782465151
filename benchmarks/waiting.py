"""How much longer a backfill takes than the API's tasks, with a clock that moves by itself."""

from __future__ import annotations

from tests.laws.test_waiting import AT_ONCE, LATENCIES, backfill, ideal_seconds
from tests.support import runner_fakes

EXPORTS = 120


def measure_waiting() -> list[tuple[float, float, float]]:
    """Seconds of a task, how many times the ideal a run takes, and looks at a task."""
    # Tasks of an hour are looked at for longer than any test does.
    runner_fakes.MOST_CALLS = 10**6
    found = []
    for latency in LATENCIES:
        result = backfill([latency] * EXPORTS)
        ratio = result.seconds / ideal_seconds([latency] * EXPORTS, AT_ONCE)
        found.append((latency, ratio, sum(result.looks) / EXPORTS))
    return found
