"""Faults that a test has ordered: which, how often, and on which calls."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from advexport_sandbox.calls import Call, Match, Options
    from advexport_sandbox.effects import Fault

Effect = TypeVar("Effect")


@dataclass(frozen=True, slots=True)
class ActiveFault(Generic[Effect]):
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
        if self.left == 0 or call.endpoint not in self.fault.endpoints:
            return False
        if not self.match.fits(call) or not self.fault.applies(call, self.options):
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

    def take(self, kind: type[Effect], call: Call) -> ActiveFault[Effect] | None:
        """Find the oldest order with this kind of effect that strikes this call."""
        with self._lock:
            for order in self._orders:
                effect = order.fault.effect
                if isinstance(effect, kind) and order.strikes(call):
                    return ActiveFault(effect, order.options)
        return None
