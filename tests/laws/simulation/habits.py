"""How an API is that works: late, limited, short of memory. It is so in every run of a life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

# Over HTTP, and what else may say "too many".
REFUSALS: Final = ("400", "403", "409", "429", "error")
HIDDEN: Final = (404, 403)


@dataclass(frozen=True, slots=True)
class Habits:
    """What an API does that is no fault.

    Attributes:
        task_lag: how long after its submission a task cannot be seen.
        url_lag: how long after its end a task has no URL.
        file_lag: how long after its end a task's file cannot be seen.
        hidden_as: the status of what cannot be seen yet.
        max_unfinished: so many tasks may be unfinished at once.
        refused_as: how a submission is told that there are too many.
        period: the time between two accepted submissions.
        kept_days: the days before today that can be exported.
        repeats_ids: the same submission gets the same task id, with its file renewed.
        letters: how words are written.
        has_objects: `result` is an object where there is no URL.
    """

    task_lag: timedelta = timedelta()
    url_lag: timedelta = timedelta()
    file_lag: timedelta = timedelta()
    hidden_as: int = 404
    max_unfinished: int | None = None
    refused_as: str = "429"
    period: timedelta = timedelta()
    kept_days: int | None = None
    repeats_ids: bool = False
    letters: str = "upper"
    has_objects: bool = False

    def said(self, word: str) -> str:
        """A word of the API in its own letters."""
        return {"upper": word, "lower": word.lower(), "title": word.capitalize()}[self.letters]


def draw(random: Random) -> Habits:
    """The habits of one API: often none."""
    if random.random() < 0.4:
        return Habits()

    def lag() -> timedelta:
        return timedelta(seconds=random.choice([0, 0, 0, 0.3, 2, 30]))

    is_limited = random.random() < 0.35
    return Habits(
        task_lag=lag(),
        url_lag=lag(),
        file_lag=lag(),
        hidden_as=random.choice(HIDDEN),
        max_unfinished=random.choice([1, 1, 2]) if is_limited else None,
        refused_as=random.choice(REFUSALS),
        period=timedelta(seconds=random.choice([2, 10])) if random.random() < 0.1 else timedelta(),
        kept_days=random.randrange(3, 25) if random.random() < 0.25 else None,
        repeats_ids=random.random() < 0.25,
        letters=random.choice(["upper", "upper", "lower", "title"]),
        has_objects=random.random() < 0.3,
    )
