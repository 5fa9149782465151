"""Real runs of the command against the sandbox, with random faults, kills and lost output.

    scripts/soak --lives 500

Each life is one run: faults are drawn, the process may be killed at any moment, and of what it
wrote only a part may have reached the warehouse. The API has habits of its own that never stop: it
is late, it takes one report at a time, it gives an id again. Now and then somebody else loads the
same figures into the same warehouse, with no state. The law, when the faults have stopped: the
warehouse, joined with `report_periods`, is the API's truth, row for row; and at no time was a
request made that the rules forbid.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from advexport_sandbox import FAULTS, Interval, Match, Options, Sandbox, SandboxConfig
from tests.support.tap_process import COMMAND, Forked

if TYPE_CHECKING:
    from collections.abc import Iterable

STREAMS = {f"report_{interval.value}": interval for interval in Interval}
# So many lives have a whole process; the others are forks of one that has imported everything.
REAL_EVERY = 4
# These files have a valid row that is none of the API's truth.
MADE_UP = {"quoted", "nul"}
# A task that nobody knows any more is asked for through two minutes, as one that is late: that
# takes the virtual time of the simulation.
TAKES_MINUTES = {"task-404"}
LEFT_OUT = MADE_UP | TAKES_MINUTES
# What an API does that works, for all lives of a warehouse.
HABITS = {
    "late-task-404": Options(seconds=0.4),
    "late-task-403": Options(seconds=0.2),
    "late-url": Options(seconds=0.3),
    "late-file-404": Options(seconds=0.3),
    "late-file-403": Options(seconds=0.3),
    "limit-400": Options(limit=2),
    "limit-403": Options(limit=2),
    "limit-409": Options(limit=1),
    "limit-429": Options(limit=1),
    "limit-error": Options(limit=2),
    "rate-429": Options(seconds=0.1),
    "same-task-id": Options(),
    "small-letters": Options(),
    "url-odd": Options(),
    "url-blank": Options(),
    "url-path": Options(),
}
MOST_HABITS = 3
SHARE_KILLED = 0.5
SHARE_INTERRUPTED = 0.15
SHARE_OUTPUT_LOST = 0.3
SHARE_ELSEWHERE = 0.7
LONGEST_LIFE_SECONDS = 90
DAYS = 24
LOOKBACK_DAYS = 7
MATURING_DAYS = 6
TEXTS = ("aff_sub_id", "campaign", "country", "creative_id", "app_id", "name_os", "version_os")
COLUMNS = (*TEXTS, "lang", "campaign_id", "publisher_id", "clicks_aggr", "conversions_aggr")


def clock() -> datetime:
    """The real clock, which the command reads too."""
    return datetime.now(UTC)  # noqa: TID251 - there is no other for processes


@dataclass
class Warehouse:
    """What an upserting target holds, and the last STATE that it passed on."""

    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    periods: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    state: dict[str, Any] | None = None

    def load(self, lines: list[bytes], random: Random) -> None:
        """Take what arrived: all before the last STATE, and anything or nothing behind it."""
        messages = [json.loads(line, parse_float=Decimal) for line in lines]
        last = max((n for n, m in enumerate(messages) if m["type"] == "STATE"), default=-1)
        if last >= 0:
            self.state = json.loads(lines[last])["value"]
        for message in messages[: last + 1]:
            self._take(message)
        # Targets flush streams apart, so a part of each may be in.
        behind = [m for m in messages[last + 1 :] if m["type"] == "RECORD"]
        for stream in sorted({message["stream"] for message in behind}):
            of_stream = [message for message in behind if message["stream"] == stream]
            for message in of_stream[: random.choice([0, len(of_stream), random.randrange(9**9)])]:
                self._take(message)

    def true_rows(self, stream: str, report: str) -> list[dict[str, Any]]:
        """The query of the README."""
        return [
            row
            for row in self.rows.get(stream, {}).values()
            if (period := self.periods.get((report, row["report_date"])))
            and period["period_version"] == row["period_version"]
        ]

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] != "RECORD":
            return
        record = message["record"]
        if message["stream"] == "report_periods":
            self.periods[record["report"], record["period"]] = record
        else:
            self.rows.setdefault(message["stream"], {})[record["row_key"]] = record


class Soak:
    """Lives of one warehouse, drawn from a seed."""

    def __init__(self, sandbox: Sandbox, folder: Path, seed: int) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.random = Random(seed)
        self.seed = seed
        self.warehouse = Warehouse()
        self.endings: Counter[str] = Counter()
        self.is_abreast = False
        self.start = clock().date() - timedelta(days=DAYS)
        self._began_at = clock()
        self.habits = self.random.sample(sorted(HABITS), self.random.randrange(MOST_HABITS + 1))
        self._set_habits()
        self._catalog = self._save("catalog", _catalog())

    def run(self, lives: int) -> None:
        """Live through faults, then without any until all is there, and check the law."""
        for number in range(lives):
            self._live(number)
            if self.is_abreast and self.random.random() < SHARE_ELSEWHERE:
                self._live_elsewhere(number)
        self._set_habits()
        for number in range(lives, lives + 5):
            # A task that is adopted brings the figures of its own time.
            is_fresh = not _pending(self.warehouse.state)
            if self._live(number, is_calm=True) == 0 and is_fresh:
                break
        else:
            raise AssertionError(f"{self}: without faults, days are still missing")
        self.check_truth()

    def __str__(self) -> str:
        state = json.dumps(self.warehouse.state)
        return f"soak of seed {self.seed}, habits {self.habits}, state {state}"

    def check_truth(self) -> None:
        """The law, once a run has ended with exit code 0."""
        last = clock().date() - timedelta(days=1)
        for stream, interval in STREAMS.items():
            first = self.start.replace(day=1) if interval is Interval.MONTHLY else self.start
            truth = Counter(map(_typed, self.sandbox.truth(interval, first, last)))
            rows = self.warehouse.true_rows(stream, interval.value)
            held = Counter(map(_held, rows))
            assert held == truth, f"{stream}: {held - truth} held, {truth - held} lack; {self}"
            self._check_totals(interval.value, rows)

    def _check_totals(self, report: str, rows: list[dict[str, Any]]) -> None:
        counts = Counter(row["report_date"] for row in rows)
        for (of_report, period), row in self.warehouse.periods.items():
            if of_report == report:
                assert row["row_count"] == counts[period], f"{self}: {report} {period}"

    # One life.

    def _live_elsewhere(self, number: int) -> None:
        """Somebody loads the figures that are there already, and throws the state away."""
        state, self.warehouse.state = self.warehouse.state, None
        self._live(number, is_new=False)
        self.warehouse.state = state

    def _live(self, number: int, *, is_calm: bool = False, is_new: bool = True) -> int:
        random = self.random
        if not is_calm:
            self._draw_faults()
        if not is_calm and is_new:
            # The API's figures go on, and now and then go back to what they were.
            self.sandbox.set_now(self._began_at + timedelta(days=random.uniform(0, 5)))
        seen = len(self.sandbox.requests)
        settled = _settled(self.warehouse.state)
        lines, code, log = self._process(number, is_calm=is_calm)
        arrived = lines
        if not is_calm and random.random() < SHARE_OUTPUT_LOST:
            arrived = lines[: random.randrange(len(lines) + 1)]
        self.warehouse.load(arrived, random)
        # The warehouse has what the API says now, and the state knows it.
        self.is_abreast = code == 0 and arrived is lines
        self.endings[str(code)] += 1
        assert "Traceback" not in log, f"{self}: {log}"
        # SIGTERM itself ends a process that has not even begun.
        early = set[int]() if lines else {-signal.SIGTERM}
        assert code in {0, 1, 143, -signal.SIGKILL} | early, f"{self}: {code}: {log}"
        self._check_requests(seen, settled)
        return code

    def _set_habits(self) -> None:
        self.sandbox.clear_faults()
        for name in self.habits:
            self.sandbox.inject(name, None, options=HABITS[name])

    def _draw_faults(self) -> None:
        random = self.random
        self._set_habits()
        for _ in range(random.choice([0, 1, 1, 2, 3, 5])):
            fault = random.choice([f for f in FAULTS.values() if f.name not in LEFT_OUT])
            endpoint = random.choice(sorted(fault.endpoints))
            pause_seconds = 0.002 if fault.name == "drip" else random.choice([0.1, 3])
            self.sandbox.inject(
                fault.name,
                random.choice([1, 1, 2, 3, 6]),
                match=Match(endpoint=endpoint, nth=random.choice([1, 1, 2, 4])),
                options=Options(
                    retry_after=random.choice([0, 1]) if "status" in fault.name else None,
                    pause_seconds=pause_seconds,
                    seconds=random.choice([0.1, 1]),
                    days=random.randrange(3, DAYS),
                    limit=random.randrange(1, 4),
                ),
            )

    def _process(self, number: int, *, is_calm: bool) -> tuple[list[bytes], int, str]:
        random = self.random
        signum = 0
        if not is_calm and (chance := random.random()) < SHARE_KILLED + SHARE_INTERRUPTED:
            signum = signal.SIGKILL if chance < SHARE_KILLED else signal.SIGTERM
        # At a moment, or at a message.
        after_seconds = random.uniform(0.05, 2.5) if random.random() < 0.5 else None
        after_lines = random.choice([1, 5, random.randrange(1, 3000)])
        pause_seconds = random.choice([0, 0, 0.001])
        log = self.folder / f"log-{number}"
        process = self._started(log, is_forked=number % REAL_EVERY != 0)
        assert process.stdout
        guard = threading.Timer(LONGEST_LIFE_SECONDS, process.kill)
        guard.start()
        timer = threading.Timer(after_seconds or 0, lambda: process.send_signal(signum))
        if signum and after_seconds is not None:
            timer.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if signum and after_seconds is None and len(lines) == after_lines:
                process.send_signal(signum)
            time.sleep(pause_seconds if len(lines) % 50 == 0 else 0)
        timer.cancel()
        code = process.wait()
        process.stdout.close()
        was_hung = not guard.is_alive()
        guard.cancel()
        assert not was_hung, f"{self}: a run that hangs: {log.read_text()}"
        # What a kill cuts, nobody takes for a message.
        if lines and not lines[-1].endswith(b"\n"):
            assert code == -signal.SIGKILL, f"{self}: a torn line: {lines[-1][:200]!r}"
            lines.pop()
        return lines, code, log.read_text()

    def _started(self, log: Path, *, is_forked: bool) -> subprocess.Popen[bytes] | Forked:
        arguments = self._arguments(self.random)
        if is_forked:
            return Forked(arguments, log)
        environment = os.environ | {"PYTHONUNBUFFERED": self.random.choice(["", "1"])}
        with log.open("wb") as file:
            return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=file, env=environment)

    def _arguments(self, random: Random) -> list[str]:
        config = {
            "auth_token": self.sandbox.token,
            "api_url": self.sandbox.url,
            "start_date": self.start.isoformat(),
            "lookback_days": LOOKBACK_DAYS,
            "window_days": random.choice([1, 2, 5, 9]),
            "max_concurrent_exports": random.choice([1, 3, 6]),
            "sorting": random.choice(["time", "time", "campaign"]),
            "skip_unchanged": random.choice([True, True, False]),
            "poll_interval_seconds": 0.1,
            "export_timeout_seconds": 2,
            "export_attempts": 2,
            "request_timeout_seconds": 2,
            "request_attempts": 3,
        }
        arguments = [*COMMAND, "--config", self._save("config", config), "--catalog", self._catalog]
        if self.warehouse.state is None:
            return arguments
        return [*arguments, "--state", self._save("state", self.warehouse.state)]

    def _save(self, name: str, value: object) -> str:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(value))
        return str(path)

    def _check_requests(self, seen: int, settled: dict[str, set[date]]) -> None:
        today = clock().date()
        for request in self.sandbox.requests[seen:]:
            # A kill can cut a request.
            if request.method == "POST" and request.body.endswith(b"}"):
                submission = json.loads(request.body)
                days = _days(submission["start_date"], submission["stop_date"])
                assert max(days) < today, f"{self}: {submission}"
                assert min(days) >= self.start.replace(day=1), f"{self}: {submission}"
                if submission["interval"] != "monthly":
                    assert min(days) >= self.start, f"{self}: {submission}"
                    again = days & settled[f"report_{submission['interval']}"]
                    assert not again, f"{self}: settled days were exported again: {again}"
            # A URL that is a path is on the API's own origin.
            if request.endpoint == "download" and request.headers["Host"].startswith("localhost"):
                assert "Authorization" not in request.headers, f"{self}: the token left the API"


def _catalog() -> dict[str, Any]:
    found = subprocess.run([*COMMAND, "--discover"], capture_output=True, check=True)
    catalog: dict[str, Any] = json.loads(found.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = True
    return catalog


def _pending(state: dict[str, Any] | None) -> list[Any]:
    bookmarks = (state or {}).get("bookmarks", {})
    return [task for bookmark in bookmarks.values() for task in bookmark.get("pending", [])]


def _settled(state: dict[str, Any] | None) -> dict[str, set[date]]:
    bookmarks = (state or {}).get("bookmarks", {})
    return {
        stream: {
            day
            for first, last in bookmarks.get(stream, {}).get("settled", [])
            for day in _days(first, last)
        }
        for stream in STREAMS
    }


def _days(first: str, last: str) -> set[date]:
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return {start + timedelta(days=n) for n in range((end - start).days + 1)}


def _typed(row: dict[str, str]) -> tuple[Any, ...]:
    texts = [row[name] for name in COLUMNS[:8]]
    integers = [int(row[name]) if row[name] else None for name in COLUMNS[8:]]
    cost = Decimal(row["cost_aggr"]) if row["cost_aggr"] else None
    return (row["time"].replace(" ", "T") + ":00+00:00", *texts, *integers, cost)


def _held(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["time"], *(row[name] for name in COLUMNS), row["cost_aggr"])


def soak(seed: int, lives: int, folder: Path) -> Counter[str]:
    """Run one soak, and tell how its lives ended, by exit code.

    Raises:
        AssertionError: the law is broken; the text names the seed.
    """
    config = SandboxConfig(
        seed=seed,
        now=clock(),
        rows_per_day=6,
        repeat_share=0.1,
        maturing_days=MATURING_DAYS,
        files_host="localhost",
        latency=0.1,
        tail_share=0.1,
    )
    with Sandbox(config) as sandbox:
        one = Soak(sandbox, folder, seed)
        one.run(lives)
        return one.endings


def main(arguments: Iterable[str] | None = None) -> None:
    """Run soaks of 25 lives each until there were enough of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the first 25 lives")
    options = parser.parse_args(None if arguments is None else list(arguments))
    began = time.monotonic()
    endings: Counter[str] = Counter()
    for number, start in enumerate(range(0, options.lives, 25)):
        with tempfile.TemporaryDirectory() as folder:
            lives = min(25, options.lives - start)
            endings += soak(options.seed + number, lives, Path(folder))
        sys.stderr.write(f"{start + lives} lives, {time.monotonic() - began:.0f} s: {endings}\n")


if __name__ == "__main__":
    main()
