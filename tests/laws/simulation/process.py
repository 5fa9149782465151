"""One process of the tap: as the command runs it, without the command line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from tap_advexport.command import run_to_the_end
from tap_advexport.singer.messages import MessageWriter
from tap_advexport.singer.stdout import OutputClosed, WriteInterrupted
from tap_advexport.tap import TapAdvexport
from tests.laws.simulation.api import SIGNATURE
from tests.laws.simulation.fate import Killed, LawBrokenError
from tests.laws.simulation.network import TOKEN
from tests.laws.simulation.warehouse import INTERVALS, PERIODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_advexport.sync.run import Machine
    from tests.laws.simulation.clock import VirtualClock
    from tests.laws.simulation.fate import Fate

Message = dict[str, Any]

_SECRETS: Final = (TOKEN.encode(), SIGNATURE.encode())


class Pipe(MessageWriter):
    """The tap's stdout, and how far the target has read it.

    Attributes:
        messages: all that was written, in order.
        dies_at: the target dies when so many lines were written, if it does.
        on_period: told of every row of report_periods that was written.
        is_known: whether the period of a row came in an earlier run.
    """

    def __init__(  # noqa: PLR0913 - whatever may befall it
        self,
        fate: Fate,
        clock: VirtualClock,
        *,
        line_seconds: float,
        dies_at: int | None,
        on_period: Callable[[Message], None],
        is_known: Callable[[Message], bool],
    ) -> None:
        super().__init__()
        self.messages: list[Message] = []
        self.dies_at = dies_at
        self.was_refused = False
        self._fate = fate
        self._clock = clock
        self._line_seconds = line_seconds
        self._on_period = on_period
        self._is_known = is_known

    @override
    def write_lines(self, lines: bytes) -> None:
        self.is_state_last = False
        if not lines.endswith(b"\n"):
            raise LawBrokenError(f"a line without an end: {lines[-80:]!r}")
        for line in lines[:-1].split(b"\n"):
            self._fate.step()
            self._clock.pass_seconds(self._line_seconds)
            if self._is_over():
                raise WriteInterrupted
            if self.is_closed():
                self.was_refused = True
                raise OutputClosed
            self._keep(line)

    @override
    def is_closed(self) -> bool:
        return self.dies_at is not None and len(self.messages) >= self.dies_at

    def _keep(self, line: bytes) -> None:
        if any(secret in line for secret in _SECRETS):
            raise LawBrokenError(f"a secret is written: {line!r}")
        message = json.loads(line, parse_float=str)
        if message["type"] == "RECORD" and message["stream"] != PERIODS:
            self._fate.step_to_row(is_rewrite=self._is_known(message))
        self.messages.append(message)
        if message.get("stream") == PERIODS and message["type"] == "RECORD":
            self._on_period(message["record"])


@dataclass(slots=True)
class Ended:
    """How a run ended: with an exit code, or killed."""

    code: int | None
    taps: list[TapAdvexport] = field(default_factory=list)


def run_tap(  # noqa: PLR0913 - all that a process has
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    reports: frozenset[str],
    *,
    pipe: Pipe,
    machine: Machine,
    fate: Fate,
) -> Ended:
    """Run the tap to its end, whatever that is."""
    started: list[TapAdvexport] = []

    def begin() -> None:
        tap = TapAdvexport(
            config=config,
            catalog=_catalog(reports),
            state=dict(state),
            message_writer=pipe,
            machine=machine,
        )
        started.append(tap)
        tap.has_begun = True
        fate.on_signal = tap.run.interrupt
        tap.sync_all()

    try:
        return Ended(run_to_the_end(begin, started), started)
    except Killed:
        return Ended(None, started)


@cache
def _catalog(reports: frozenset[str]) -> dict[str, Any]:
    """A catalog that selects these reports."""
    config = {"auth_token": TOKEN, "start_date": "2024-01-01"}
    catalog = TapAdvexport(config=config).catalog_dict
    for stream in catalog["streams"]:
        interval = INTERVALS.get(stream["tap_stream_id"])
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = interval is None or interval in reports
    return catalog
