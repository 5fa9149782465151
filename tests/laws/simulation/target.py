"""A target: it takes what a run wrote into the warehouse, also when it dies in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from tests.laws.simulation.laws import Laws, row_in
from tests.laws.simulation.warehouse import PERIODS, VERSION, Warehouse

if TYPE_CHECKING:
    from random import Random

    from tests.laws.simulation.fate import Fate
    from tests.laws.simulation.laws import Row
    from tests.laws.simulation.process import Message, Pipe
    from tests.laws.simulation.warehouse import Key


@dataclass(frozen=True, slots=True)
class Target:
    """Of one run."""

    _warehouse: Warehouse
    _laws: Laws
    _random: Random

    def take(self, pipe: Pipe, fate: Fate, *, run: int, is_elsewhere: bool) -> bool:
        """Take what it got: all of it, or a part when somebody died.

        Tells whether rows were stored of which no STATE knows.

        Args:
            run: the number of the run.
            is_elsewhere: the state of the run is thrown away.
        """
        messages = pipe.messages
        has_died = fate.is_dead or pipe.is_closed()
        if has_died and messages and self._random.random() < 0.5:
            messages = messages[: self._random.randrange(len(messages) + 1)]
        if has_died and self._laws.is_apart:
            messages = self._flushed_apart(messages)
        is_unknown = is_elsewhere or (
            self._laws.is_apart and not any(m["type"] == "STATE" for m in messages)
        )
        unknown = self._laws.overwritten(messages) if is_unknown else set()
        before = self._in_force() if is_unknown else {}
        schemas: set[str] = set()
        for message in messages:
            if self._warehouse.take(message, schemas, run):
                is_cut = fate.first_signal is not None and message is pipe.messages[-1]
                self._laws.at_state(is_cut=is_cut)
        self._warehouse.unknown |= unknown | self._mixed(before)
        if is_unknown:
            self._warehouse.unknown |= self._ahead_of_rows(messages)
        self._laws.at_rest()
        return is_unknown

    def _in_force(self) -> dict[Key, tuple[str, list[Row]]]:
        warehouse = self._warehouse
        return {
            key: (period[VERSION], sorted(map(row_in, warehouse.in_force(key))))
            for key, period in warehouse.periods.items()
        }

    def _mixed(self, before: dict[Key, tuple[str, list[Row]]]) -> set[Key]:
        """Rows that come as often as before and are others.

        Where the same dimensions come twice, and the file has them the other way round, a part of
        an export can put one row in the place of both.
        """
        return {
            key
            for key, (version, rows) in before.items()
            if len(now := self._warehouse.of_version(key, version)) == len(rows)
            and sorted(map(row_in, now)) != rows
        }

    def _ahead_of_rows(self, messages: list[Message]) -> set[Key]:
        """The periods whose row of report_periods was flushed, and not all of its rows."""
        keys: set[Key] = set()
        for message in messages:
            if message["type"] == "RECORD" and message["stream"] == PERIODS:
                record = message["record"]
                key = record["report"], date.fromisoformat(record["period"])
                if len(self._warehouse.of_version(key, record[VERSION])) != record["row_count"]:
                    keys.add(key)
        return keys

    def _flushed_apart(self, messages: list[Message]) -> list[Message]:
        """What a target holds that died, when it flushes one stream after the other.

        It passes a STATE on after it has flushed everything before it; behind the last one of
        these it may have flushed any part of any stream.
        """
        at_states = [n for n, message in enumerate(messages) if message["type"] == "STATE"]
        upto = self._random.choice([-1, *at_states])
        flushed = messages[: upto + 1]
        rest = [m for m in messages[upto + 1 :] if m["type"] != "STATE"]
        for stream in sorted({message["stream"] for message in rest}):
            of_stream = [message for message in rest if message["stream"] == stream]
            flushed += of_stream[: self._random.randrange(len(of_stream) + 1)]
        return flushed
