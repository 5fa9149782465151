"""What to do after each thing that can go wrong with an export."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from tap_advexport.errors import (
    AuthorizationError,
    ConfigError,
    ExportError,
    FileError,
    FileNotFoundYetError,
    InvalidFileError,
    InvalidHeaderError,
    NoUrlYetError,
    RejectedError,
    RequestError,
    TapAdvexportError,
    TaskNotFoundError,
)
from tap_advexport.windows import halves

if TYPE_CHECKING:
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow, Task

# A URL is asked for so often when what lies at the one before is no whole CSV file.
FRESH_URLS_PER_TASK: Final = 2
# How long a task may be unknown after its submission, or its URL and file missing after SUCCESS.
VISIBLE_WITHIN_SECONDS: Final = 120.0
# A proxy or a certificate store that never worked is not waited for.
SETUP_TRIES: Final = 2
ERROR_RESULT: Final = "ERROR"
_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True)
class Export:
    """One window on its way through the API, and what it has been through.

    Attributes:
        window: its days.
        task: the task that is under way, if any.
        is_adopted: that task is one of an earlier run.
        submissions: how often it was submitted in this run.
        tries: how often the request under way was sent, as far as that counts.
        polls_again: how often in a row the task or its file was not visible.
        fresh_urls: how often this task was asked for a URL because a file was wrong.
        had_invalid_file: a whole and invalid file was seen before, so the next one is final.
    """

    window: DateWindow
    task: Task | None = None
    is_adopted: bool = False
    submissions: int = 0
    tries: int = 0
    polls_again: int = 0
    fresh_urls: int = 0
    had_invalid_file: bool = False

    def with_task(self, task: Task) -> Export:
        """Go on with a task that the API has just accepted."""
        return replace(self, task=task, is_adopted=False, tries=0, polls_again=0, fresh_urls=0)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often things are tried."""

    request_attempts: int
    export_attempts: int
    interval: Interval

    def attempts(self, error: RequestError) -> int:
        """How often a request is sent: less often when each time may make a task more."""
        if error.is_accepted:
            # Once more in any case: an answer may be cut on its way.
            return min(self.request_attempts, max(2, self.export_attempts))
        return self.request_attempts


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known beside the export when something goes wrong with it.

    Attributes:
        is_crowded: other tasks of ours are unfinished, or submissions under way.
        is_limited: the API is known to run fewer tasks at once than it was given.
        has_answered: the API, or a host of files, has answered a request of this run.
        is_taught: the next newer days were refused in the same way, in all of their parts.
        seconds_submitted: how long ago its task was accepted.
        seconds_finished: how long ago its task was first found finished.
        asks: how often the request under way was sent, whether that counts or not.
        seconds_asking: since when that goes on.
        export_timeout_seconds: how long that may go on.
    """

    is_crowded: bool = False
    is_limited: bool = False
    has_answered: bool = True
    is_taught: bool = False
    seconds_submitted: float = 0.0
    seconds_finished: float = 0.0
    asks: int = 1
    seconds_asking: float = 0.0
    export_timeout_seconds: float = float("inf")


@dataclass(frozen=True)
class _GoOn:
    """Go on with an export, which knows of what has happened."""

    export: Export


class RetryRequest(_GoOn):
    """Send the same request once more, after a pause."""


class PollAgain(_GoOn):
    """Poll the task once more, after a pause, until it or its file is visible."""


class SubmitLater(_GoOn):
    """Submit the window when a task of ours has ended: the API takes no more of them now."""


class SubmitAgain(_GoOn):
    """Give the task up and submit the same window again."""


@dataclass(frozen=True, slots=True)
class Split:
    """Give the window up and submit its parts."""

    parts: tuple[Export, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The window's days fail in this run, because the API refuses them in its own words."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The window's days fail in this run. `keeps_task`: the next run may adopt its task."""

    keeps_task: bool


@dataclass(frozen=True, slots=True)
class EndRun:
    """Nothing else can work either: end the run with this error."""

    error: TapAdvexportError


Step: TypeAlias = (
    RetryRequest | PollAgain | SubmitLater | SubmitAgain | Split | Refuse | GiveUp | EndRun
)


def after_failure(  # noqa: PLR0911 - one for each kind of error
    export: Export, error: TapAdvexportError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    """Decide what follows from an error of an export."""
    match error:
        case RequestError():
            return _after_request(export, error, retry_policy, situation)
        case RejectedError():
            return _after_rejection(export, error, retry_policy, situation)
        case InvalidFileError():
            return _after_invalid_file(export, error, retry_policy)
        case AuthorizationError():
            return _after_refused_token(export, error, situation)
        case ExportError() if _may_become_visible(export, error, situation):
            return PollAgain(replace(export, tries=0, polls_again=export.polls_again + 1))
        case FileError() if export.fresh_urls < FRESH_URLS_PER_TASK and not isinstance(
            error, FileNotFoundYetError
        ):
            return PollAgain(replace(export, tries=0, fresh_urls=export.fresh_urls + 1))
        case ExportError():
            return _submit_or_split(export, error, retry_policy, situation)
        case _:
            return EndRun(error)


def _may_become_visible(export: Export, error: ExportError, situation: Situation) -> bool:
    if isinstance(error, TaskNotFoundError):
        return not export.is_adopted and situation.seconds_submitted < VISIBLE_WITHIN_SECONDS
    if isinstance(error, NoUrlYetError):
        return situation.seconds_finished < VISIBLE_WITHIN_SECONDS
    if isinstance(error, FileNotFoundYetError):
        # A URL that has expired meanwhile gets one successor in any case.
        return export.polls_again == 0 or situation.seconds_finished < VISIBLE_WITHIN_SECONDS
    return False


def _after_refused_token(export: Export, error: AuthorizationError, situation: Situation) -> Step:
    if error.status == _FORBIDDEN and export.is_adopted:
        return _submit_again(export)
    if error.status == _FORBIDDEN and situation.is_crowded:
        # Until another submission is answered, this may as well be a limit on tasks.
        return _submit_later(export)
    return EndRun(error)


def _after_request(
    export: Export, error: RequestError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    is_submission = export.task is None
    if error.is_setup and not situation.has_answered and export.tries >= SETUP_TRIES:
        return EndRun(ConfigError(error.with_advice()))
    if error.is_throttled and is_submission and situation.is_crowded:
        # Once is a moment's overload; twice, or where a limit is known, it is a limit on tasks.
        has_asked_twice = situation.asks > 1 and error.retry_after_seconds is None
        if situation.is_limited or has_asked_twice:
            return _submit_later(export)
    is_over = error.is_throttled and (
        situation.seconds_asking >= situation.export_timeout_seconds
        or (situation.is_taught and export.tries > 0)
    )
    if export.tries < retry_policy.attempts(error) and not is_over:
        return RetryRequest(export)
    if error.is_throttled and is_submission and situation.has_answered:
        return Refuse()
    return GiveUp(keeps_task=not is_submission)


def _after_rejection(
    export: Export, error: RejectedError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    if situation.is_crowded:
        return _submit_later(export)
    if error.refusal == ERROR_RESULT:
        return _submit_or_split(export, error, retry_policy, situation)
    return _split(export, error, retry_policy, situation)


def _after_invalid_file(export: Export, error: InvalidFileError, retry_policy: RetryPolicy) -> Step:
    if not export.had_invalid_file:
        return _submit_again(replace(export, had_invalid_file=True))
    if isinstance(error, InvalidHeaderError):
        days = f"{retry_policy.interval} {export.window}"
        return EndRun(InvalidHeaderError(f"{days}: {error.with_advice()}"))
    return _split(export, error, retry_policy, Situation())


def _submit_or_split(
    export: Export, error: ExportError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    is_known_refusal = bool(error.refusal) and situation.is_taught
    if export.submissions < retry_policy.export_attempts and not is_known_refusal:
        return _submit_again(export)
    return _split(export, error, retry_policy, situation)


def _submit_again(export: Export) -> SubmitAgain:
    return SubmitAgain(replace(export, task=None, is_adopted=False, tries=0, polls_again=0))


def _submit_later(export: Export) -> SubmitLater:
    return SubmitLater(replace(export, tries=0, submissions=export.submissions - 1))


def _split(
    export: Export, error: ExportError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    is_refused = bool(error.refusal)
    parts = halves(export.window, interval=retry_policy.interval)
    if parts is None or (is_refused and situation.is_taught):
        return Refuse() if is_refused else GiveUp(keeps_task=False)
    return Split(tuple(Export(window=part) for part in parts))
