"""The life of an export: what to do after each thing that can go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tap_advexport.errors import (
    AuthorizationError,
    ExportError,
    FileError,
    InvalidFileError,
    InvalidHeaderError,
    RejectedError,
    RequestError,
    TapAdvexportError,
)
from tap_advexport.windows import halves

if TYPE_CHECKING:
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow, Task

FRESH_URLS_PER_TASK: Final = 2
POLLS_FOR_A_URL: Final = 5


@dataclass(frozen=True, slots=True)
class Export:
    """One window on its way through the API, and what it has been through.

    Attributes:
        window: its days.
        task: the task that is under way, if any.
        is_adopted: that task is one of an earlier run.
        submissions: how often it was submitted in this run.
        tries: how often the request under way was sent.
        fresh_urls: how often this task was asked for a fresh download URL.
        polls_without_url: how often this task was found finished without a download URL.
        had_invalid_file: a whole and invalid file was seen before, so the next one is final.
    """

    window: DateWindow
    task: Task | None = None
    is_adopted: bool = False
    submissions: int = 0
    tries: int = 0
    fresh_urls: int = 0
    polls_without_url: int = 0
    had_invalid_file: bool = False

    def with_task(self, task: Task) -> Export:
        """Go on with a task that the API has just accepted."""
        return replace(
            self, task=task, is_adopted=False, tries=0, fresh_urls=0, polls_without_url=0
        )


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often things are tried."""

    request_attempts: int
    export_attempts: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class RetryRequest:
    """Send the same request once more, after a pause."""

    export: Export


@dataclass(frozen=True, slots=True)
class PollAgain:
    """Poll the task once more, for (another) download URL."""

    export: Export


@dataclass(frozen=True, slots=True)
class SubmitAgain:
    """Give the task up and submit the same window again."""

    export: Export


@dataclass(frozen=True, slots=True)
class Split:
    """Give the window up and submit its parts."""

    parts: tuple[Export, ...]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The window's days fail in this run. `keeps_task`: the next run may adopt its task."""

    keeps_task: bool


@dataclass(frozen=True, slots=True)
class EndRun:
    """Nothing else can work either: end the run with this error."""

    error: TapAdvexportError


Step: TypeAlias = RetryRequest | PollAgain | SubmitAgain | Split | GiveUp | EndRun


def after_failure(  # noqa: PLR0911 - one for each kind of error
    export: Export, error: TapAdvexportError, retry_policy: RetryPolicy
) -> Step:
    """Decide what follows from an error of an export."""
    match error:
        case RequestError():
            return _after_request(export, retry_policy)
        case RejectedError():
            return GiveUp(keeps_task=False)
        case InvalidHeaderError() if export.had_invalid_file:
            return EndRun(error)
        case InvalidFileError():
            return _after_invalid_file(export, retry_policy)
        case FileError() if export.fresh_urls < FRESH_URLS_PER_TASK:
            return PollAgain(replace(export, tries=0, fresh_urls=export.fresh_urls + 1))
        case AuthorizationError() if export.is_adopted and error.status == 403:  # noqa: PLR2004
            return _submit_again(export)
        case ExportError():
            return _submit_or_split(export, retry_policy)
        case _:
            return EndRun(error)


def after_poll_without_url(export: Export, retry_policy: RetryPolicy) -> Step:
    """Decide what follows when a task is finished and names no download URL."""
    if export.polls_without_url < POLLS_FOR_A_URL:
        return PollAgain(replace(export, tries=0, polls_without_url=export.polls_without_url + 1))
    return _submit_or_split(export, retry_policy)


def _after_request(export: Export, retry_policy: RetryPolicy) -> Step:
    if export.tries < retry_policy.request_attempts:
        return RetryRequest(export)
    return GiveUp(keeps_task=export.task is not None)


def _after_invalid_file(export: Export, retry_policy: RetryPolicy) -> Step:
    if not export.had_invalid_file:
        return _submit_again(replace(export, had_invalid_file=True))
    return _split(export, retry_policy)


def _submit_or_split(export: Export, retry_policy: RetryPolicy) -> Step:
    if export.submissions < retry_policy.export_attempts:
        return _submit_again(export)
    return _split(export, retry_policy)


def _submit_again(export: Export) -> SubmitAgain:
    return SubmitAgain(replace(export, task=None, is_adopted=False, tries=0))


def _split(export: Export, retry_policy: RetryPolicy) -> Step:
    parts = halves(export.window, interval=retry_policy.interval)
    if parts is None:
        return GiveUp(keeps_task=False)
    return Split(tuple(Export(window=part) for part in parts))
