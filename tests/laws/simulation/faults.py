"""What can go wrong with a request, and how often it does in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

# Of any request: the connection, the time, the load.
COMMON: Final = (
    "refused",
    "no name",
    "connect time-out",
    "proxy",
    "answer lost",
    "read time-out",
    "silence",
    "slow",
    "http 408",
    "http 429",
    "http 429 seconds",
    "http 429 date",
    "http 500",
    "http 502",
    "http 503 seconds",
    "http 503 date",
)
JSON_ANSWERS: Final = ("cut json", "html", "other shape", "endless", "odd gzip")
OF_TASKS: Final = (
    "task failure",
    "task revoked",
    "task stuck",
    "task unknown state",
    "task retry",
    "task vanishes",
    "task no url",
    "task never a url",
)
# The file is not there, is another one, or is cut: a fresh URL may help.
OF_DOWNLOADS: Final = (
    "http 401",
    "http 403",
    "http 404",
    "http 410",
    "html",
    "json",
    "xml",
    "zip",
    "no bytes",
    "cut length",
    "cut chunk",
    "cut between chunks",
    "cut open end",
    "cut gzip",
    "stored cut gzip",
    "stored cut quote",
    "damaged gzip",
    "reset",
    "drip",
    "endless drip",
    "redirect loop",
    "redirect to http",
    "http 204",
)
# The file is whole and wrong.
OF_FILES: Final = (
    "bad metric",
    "empty time",
    "ragged row",
    "row outside",
    "row off grid",
    "no utf-8",
    "mark within",
    "header lacks one",
    "header twice",
)
# Of a submission: by the API, or by what stands before it.
REFUSED: Final = ("http 400 refused", "http 403 refused", "http 404 refused", "http 409 refused")
FAULTS: Final = {
    "submit": (*COMMON, *JSON_ANSWERS, "error result", "no task id", *REFUSED, *OF_TASKS),
    "poll": (*COMMON, *JSON_ANSWERS, "http 403", "http 404", "redirect"),
    "download": (*COMMON, *OF_DOWNLOADS, *OF_FILES),
}
# One of these alone ends or fails something: no number of tries is to help.
FATAL: Final = frozenset(REFUSED)
# The API is down as one: every request meets the same.
REFUSALS: Final = ("http 400", "http 403", "http 404", "http 409")
DOWN: Final = (
    *REFUSALS,
    "refused",
    "answer lost",
    "http 500",
    "http 503 date",
    "http 429 seconds",
    "cut json",
    "html",
)


@dataclass(slots=True)
class Faults:
    """The faults of one run.

    Attributes:
        rate: how many of the requests meet one.
        kinds: which can come at all; empty: all.
        single_at: the number of the only request that meets one.
        down: what every request meets.
        refused_from: the number of the request from which on the token is refused.
        struck: those that came, in order.
    """

    random: Random
    rate: float = 0.0
    kinds: frozenset[str] = frozenset()
    single_at: int | None = None
    down: str | None = None
    error_results: bool = False
    refused_from: int | None = None
    requests: int = 0
    struck: list[str] | None = None

    def draw(self, call: str) -> str | None:
        """What the next request meets, if anything."""
        self.requests += 1
        fault = self._drawn(call)
        if fault:
            self.struck = [*(self.struck or []), fault]
        return fault

    @property
    def has_struck(self) -> bool:
        """Whether anything came."""
        return bool(self.struck)

    def _drawn(self, call: str) -> str | None:
        if self.refused_from is not None and self.requests >= self.refused_from:
            return "http 401" if call != "download" else None
        if self.down:
            return "http 500" if self.down in JSON_ANSWERS and call == "download" else self.down
        if self.error_results:
            return "error result" if call == "submit" else None
        if self.single_at is not None:
            if self.requests < self.single_at or self.struck:
                return None
        elif self.random.random() >= self.rate:
            return None
        possible = [kind for kind in FAULTS[call] if not self.kinds or kind in self.kinds]
        return self.random.choice(possible) if possible else None
