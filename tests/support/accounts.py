"""The whole tap in this process, over HTTP against an account of the sandbox, on one clock."""

from __future__ import annotations

import io
import json
import random
import signal
from collections import Counter
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tap_advexport.clock import SystemClock
from tap_advexport.sync.run import Machine
from tap_advexport.tap import TapAdvexport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from advexport_sandbox import Interval, Sandbox

METRICS = ("clicks_aggr", "conversions_aggr", "campaign_id", "country", "creative_id")


@dataclass
class Wall:
    """One clock for the tap and the API, that goes on by `step` whenever somebody looks."""

    moment: datetime
    step: timedelta = timedelta()
    looks: list[datetime] = field(default_factory=list)

    def __call__(self) -> datetime:
        self.looks.append(self.moment)
        self.moment += self.step
        return self.looks[-1]


class TapClock(SystemClock):
    """The tap's clocks: seconds pass as they do, the date is that of the wall."""

    def __init__(self, wall: Wall) -> None:
        self._wall = wall

    def now(self) -> datetime:
        return self._wall()


@dataclass(frozen=True)
class Output:
    """What a run of the tap wrote."""

    messages: list[dict[str, Any]]
    summary: str

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    def days(self, report: str = "daily") -> list[str]:
        periods = self.records("report_periods")
        return sorted(each["period"] for each in periods if each["report"] == report)

    @property
    def state(self) -> dict[str, Any]:
        last = [message["value"] for message in self.messages if message["type"] == "STATE"][-1]
        assert isinstance(last, dict)
        return last

    def bookmark(self, stream: str = "report_daily") -> dict[str, Any]:
        found = self.state["bookmarks"][stream]
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Account:
    """An account of the API in some time zone, and the tap that reads it."""

    sandbox: Sandbox
    wall: Wall
    zone: str
    # What pauses are drawn with; always 0 is none.
    chance: Callable[[], float] = random.random

    def tap(
        self, start: str, *streams: str, state: dict[str, Any] | None = None, **settings: object
    ) -> TapAdvexport:
        """The tap, ready to begin."""
        config = {
            "auth_token": self.sandbox.token,
            "api_url": self.sandbox.url,
            "start_date": start,
            "timezone": self.zone,
            "poll_interval_seconds": 0.05,
            **settings,
        }
        selected = {*(streams or ("report_daily",)), "report_periods"}
        machine = Machine(clock=TapClock(self.wall), random=self.chance)
        with handlers_of_signals():
            catalog = TapAdvexport(config=config, validate_config=False).catalog_dict
            for stream in catalog["streams"]:
                [root] = [entry for entry in stream["metadata"] if not entry["breadcrumb"]]
                root["metadata"]["selected"] = stream["tap_stream_id"] in selected
            return TapAdvexport(config=config, catalog=catalog, state=state, machine=machine)

    def run(
        self, start: str, *streams: str, state: dict[str, Any] | None = None, **settings: object
    ) -> Output:
        """Run it to its end."""
        tap = self.tap(start, *streams, state=state, **settings)
        printed = io.StringIO()
        with handlers_of_signals(), redirect_stdout(printed):
            tap.sync_all()
        messages = [json.loads(line) for line in printed.getvalue().splitlines()]
        return Output(messages, tap.run.tally.line(tap.run.seconds()))

    def truth(self, interval: Interval, first: str, last: str) -> list[dict[str, str]]:
        return self.sandbox.truth(interval, date.fromisoformat(first), date.fromisoformat(last))


def bare(records: Iterable[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """Records by what the API says of them: the wall-clock time, without an offset."""
    return Counter(
        (each["time"][:16].replace("T", " "), *(str(each[name]) for name in METRICS))
        for each in records
    )


def true(rows: Iterable[dict[str, str]]) -> Counter[tuple[str, ...]]:
    return Counter((row["time"], *(row[name] for name in METRICS)) for row in rows)


def dates(first: str, last: str) -> list[str]:
    begin = date.fromisoformat(first)
    length = (date.fromisoformat(last) - begin).days + 1
    return [(begin + timedelta(days=n)).isoformat() for n in range(length)]


@contextmanager
def handlers_of_signals() -> Iterator[None]:
    """The SDK sets its own in whatever process it is in."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
