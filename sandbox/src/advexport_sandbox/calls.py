"""Calls of the API, and what a test says about a fault: which calls it strikes, and its details."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advexport_sandbox.answers import Endpoint, Request
    from advexport_sandbox.submissions import Interval, Submission


class BadInjectionError(ValueError):
    """An order of a fault that makes no sense."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the API has to do when a submission comes.

    Args:
        today: The API's date.
        unfinished: Number of tasks that are not over.
        accepted_today: Number of submissions that were accepted on this date.
        idle_seconds: Time since the last accepted submission.
        has_twin: The same submission was accepted before.
    """

    today: date
    unfinished: int
    accepted_today: int
    idle_seconds: float
    has_twin: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API, and what is known of the export that it is about."""

    endpoint: Endpoint
    request: Request
    submission: Submission | None = None
    task_id: str | None = None
    load: Load | None = None


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
            and self._fits_submission(call.submission)
        )

    def _fits_submission(self, submission: Submission | None) -> bool:
        if submission is None:
            return (self.interval, self.first, self.last, self.day) == (None, None, None, None)
        return (
            self.interval in {None, submission.interval}
            and self.first in {None, submission.first}
            and self.last in {None, submission.last}
            and (self.day is None or submission.first <= self.day <= submission.last)
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
        seconds: How long something is late, or the time between two submissions.
        limit: How many tasks or submissions there may be.
        days: How many days before today can be exported.
    """

    retry_after: int | str | None = None
    pause_seconds: float | None = None
    location: str | None = None
    column: str | None = None
    cell: str | None = None
    seconds: float | None = None
    limit: int | None = None
    days: int | None = None


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
