"""Faults that a test has ordered: which, how often, and on which calls."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advexport_sandbox.answers import Endpoint, Request
    from advexport_sandbox.demands import Demand, Interval
    from advexport_sandbox.faults import Fault

Effect = TypeVar("Effect")


class BadInjectionError(ValueError):
    """An order of a fault that makes no sense."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, and what is known of the export that it is about."""

    endpoint: Endpoint
    request: Request
    demand: Demand | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Which calls a fault befalls; None is any.

    Args:
        first: First day of the export.
        last: Last day of the export.
        day: A day that the export covers.
        nth: The fault waits for the n-th call that matches all else; 1 is the next one.
    """

    endpoint: Endpoint | str | None = None
    interval: Interval | str | None = None
    first: date | None = None
    last: date | None = None
    day: date | None = None
    task_id: str | None = None
    nth: int = 1

    def fits(self, call: Call) -> bool:
        """Tell whether all but `nth` is so."""
        return (
            self.endpoint in {None, call.endpoint}
            and self.task_id in {None, call.task_id}
            and self._fits_demand(call.demand)
        )

    def _fits_demand(self, demand: Demand | None) -> bool:
        if demand is None:
            return (self.interval, self.first, self.last, self.day) == (None, None, None, None)
        return (
            self.interval in {None, demand.interval}
            and self.first in {None, demand.first}
            and self.last in {None, demand.last}
            and (self.day is None or demand.first <= self.day <= demand.last)
        )


@dataclass(frozen=True, slots=True)
class Options:
    """Details of a fault; None is its own choice.

    Args:
        retry_after: The header of that name on refusals: seconds, or a text.
        pause_seconds: How long slow faults pause.
        location: Where redirects lead.
        column: The column of a bad cell.
        cell: The text of a bad cell.
    """

    retry_after: int | str | None = None
    pause_seconds: float | None = None
    location: str | None = None
    column: str | None = None
    cell: str | None = None


@dataclass(frozen=True, slots=True)
class Stroke(Generic[Effect]):
    """A fault that has struck."""

    effect: Effect
    options: Options


class Injection:
    """One order; `hits` counts what it has befallen."""

    def __init__(self, fault: Fault, count: int | None, match: Match, options: Options) -> None:
        self.fault = fault
        self.match = match
        self.options = options
        self.hits = 0
        self._count = count
        self._passes = match.nth - 1

    @property
    def left(self) -> int | None:
        """How often it will still strike; None is for ever."""
        return None if self._count is None else self._count - self.hits

    def strikes(self, call: Call) -> bool:
        """Decide about a call, and remember the decision."""
        if self.left == 0 or call.endpoint not in self.fault.endpoints or not self.match.fits(call):
            return False
        if self._passes:
            self._passes -= 1
            return False
        self.hits += 1
        return True


class Injections:
    """All orders, the oldest first."""

    def __init__(self) -> None:
        self._orders: list[Injection] = []
        self._lock = Lock()

    def add(self, injection: Injection) -> None:
        """Take an order."""
        with self._lock:
            self._orders.append(injection)

    def clear(self) -> None:
        """Forget all orders; tasks that are spoiled stay so."""
        with self._lock:
            self._orders.clear()

    def left(self) -> dict[str, int | None]:
        """Tell by name what will still strike, and how often."""
        return {order.fault.name: order.left for order in self._orders if order.left != 0}

    def take(self, kind: type[Effect], call: Call) -> Stroke[Effect] | None:
        """Find the oldest order with this kind of effect that strikes this call."""
        with self._lock:
            for order in self._orders:
                effect = order.fault.effect
                if isinstance(effect, kind) and order.strikes(call):
                    return Stroke(effect, order.options)
        return None


def parse_match(content: Mapping[str, object]) -> Match:
    """Read a match from JSON."""
    _check_names(content, Match)
    days = {
        name: date.fromisoformat(str(content[name]))
        for name in ("first", "last", "day")
        if content.get(name) is not None
    }
    return Match(**{**content, **days})  # type: ignore[arg-type]  # JSON of a test


def parse_options(content: Mapping[str, object]) -> Options:
    """Read options from JSON."""
    _check_names(content, Options)
    return Options(**content)  # type: ignore[arg-type]  # JSON of a test


def _check_names(content: Mapping[str, object], kind: type[Match | Options]) -> None:
    unknown = set(content) - {field.name for field in fields(kind)}
    if unknown:
        raise BadInjectionError(f"unknown field: {', '.join(sorted(unknown))}")
