"""Decides what to do after each kind of error of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

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
from tap_advexport.windows import halves, single_periods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow, Task

# How often a task is polled for another URL after the last file was not a whole CSV.
FRESH_URLS_PER_TASK: Final = 2
# How long a task may be unknown after its submission, or its URL and file missing after SUCCESS.
VISIBLE_WITHIN_SECONDS: Final = 120.0
# With growing pauses, this many submissions take longer than a task of ours stays unseen.
SUBMISSIONS_SOON: Final = 15
# While tasks of ours are unfinished, the 429 of this number is a limit on tasks: without a
# `Retry-After`, and where the answer told how long to wait.
ASKS_UNTIL_LIMIT: Final = 2
ASKS_UNTIL_LIMIT_IF_TOLD: Final = 5
# Longer windows are halved, however many of their days may be refused.
MOST_SINGLE: Final = 14
# If no request worked before, a faulty proxy or certificate store ends the run after these tries.
SETUP_TRIES: Final = 2
ERROR_RESULT: Final = "ERROR"
_FORBIDDEN: Final = 403


class Export(Struct, frozen=True):
    """The export of one window, and what has happened to it so far.

    Attributes:
        window: its days.
        task: the current task, if any.
        is_adopted: the task was submitted by an earlier run.
        submissions: how often the window was submitted in this run.
        tries: how often the current request was sent, without the tries that do not count.
        polls_again: how often in a row the task or its file was not visible, or its submission
            was refused because of a task that may exist.
        fresh_urls: how often the task was polled for another URL because a file was wrong.
        had_invalid_row: a file with an invalid row was seen before, so the next one is final.
        had_invalid_header: the same of an invalid header.
        part_of: the window as it was planned, if this is a part of it.
        limited_by: the words in which it was refused while other tasks of ours were open.
    """

    window: DateWindow
    task: Task | None = None
    is_adopted: bool = False
    submissions: int = 0
    tries: int = 0
    polls_again: int = 0
    fresh_urls: int = 0
    had_invalid_row: bool = False
    had_invalid_header: bool = False
    part_of: DateWindow | None = None
    limited_by: str = ""

    def with_task(self, task: Task) -> Export:
        """Return the export with a task that the API has just accepted."""
        return replace(self, task=task, is_adopted=False, tries=0, polls_again=0, fresh_urls=0)


class RetryPolicy(Struct, frozen=True):
    """How often requests and exports are tried."""

    request_attempts: int
    export_attempts: int
    interval: Interval

    def attempts(self, error: RequestError) -> int:
        """Return how often to send a request: less often if each try may create another task."""
        if error.is_accepted:
            # Retry once in any case: the answer may have been cut on its way.
            return min(self.request_attempts, max(2, self.export_attempts))
        return self.request_attempts


class Situation(Struct, frozen=True):
    """What is known besides the export itself when an error occurs.

    Attributes:
        is_crowded: other tasks of ours are unfinished, or other submissions are in flight.
        may_be_crowded: a task of ours that is not known to be open may be the reason of a refusal.
        is_limited: the API is known to accept fewer tasks at once than are configured.
        has_answered: the API, or a host of files, has answered a request of this run.
        refused_beside: in how many refusals of the same kind the next newer days were.
        is_taught: a whole newer window was refused so; this one is not worth splitting.
        seconds_submitted: how long ago the export's task was accepted.
        seconds_finished: how long ago the export's task was first found finished.
        asks: how often the current request was sent, including tries that do not count.
        seconds_asking: how long ago the current request was first sent.
        export_timeout_seconds: how long a throttled request is sent again at most.
    """

    is_crowded: bool = False
    may_be_crowded: bool = False
    is_limited: bool = False
    has_answered: bool = True
    refused_beside: int = 0
    is_taught: bool = False
    seconds_submitted: float = 0.0
    seconds_finished: float = 0.0
    asks: int = 1
    seconds_asking: float = 0.0
    export_timeout_seconds: float = float("inf")


class _GoOn(Struct, frozen=True):
    """Go on with an export, in which the error is already noted."""

    export: Export


class RetryRequest(_GoOn, frozen=True):
    """Send the same request again, after a pause."""


class PollAgain(_GoOn, frozen=True):
    """Poll the task again, after a pause, until it or its file is visible."""


class SubmitLater(_GoOn, frozen=True):
    """Submit the window when a task of ours has ended: the API accepts no more tasks now."""


class SubmitSoon(_GoOn, frozen=True):
    """Submit the window again after a pause: a task of ours may still count as unfinished."""


class SubmitAgain(_GoOn, frozen=True):
    """Give the task up and submit the same window again."""


class Split(Struct, frozen=True):
    """Give the window up and submit its parts."""

    parts: tuple[Export, ...]


class Refuse(Struct, frozen=True):
    """The window's days fail in this run, because the API refuses them."""


class GiveUp(Struct, frozen=True):
    """The window's days fail in this run. If `keeps_task`, the next run may adopt its task."""

    keeps_task: bool


class EndRun(Struct, frozen=True):
    """End the run with this error, because nothing else can work either."""

    error: TapAdvexportError


Step: TypeAlias = (
    RetryRequest
    | PollAgain
    | SubmitLater
    | SubmitSoon
    | SubmitAgain
    | Split
    | Refuse
    | GiveUp
    | EndRun
)


def after_failure(  # noqa: PLR0911 - one for each kind of error
    export: Export, error: TapAdvexportError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    """Decide the next step after an error of an export."""
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
        # Poll for another URL once in any case: this one may have expired meanwhile.
        return export.polls_again == 0 or situation.seconds_finished < VISIBLE_WITHIN_SECONDS
    return False


def _after_refused_token(export: Export, error: AuthorizationError, situation: Situation) -> Step:
    if error.status == _FORBIDDEN and export.is_adopted:
        return _submit_again(export)
    if error.status == _FORBIDDEN and situation.is_crowded:
        # While other tasks are open, this may be a limit on tasks instead of a refused token.
        return _submit_later(export)
    return EndRun(error)


def _after_request(
    export: Export, error: RequestError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    is_submission = export.task is None
    if error.is_setup and not situation.has_answered and export.tries >= SETUP_TRIES:
        return EndRun(ConfigError(error.with_advice()))
    is_over = error.is_throttled and (
        situation.seconds_asking >= situation.export_timeout_seconds
        or (situation.is_taught and export.tries > 0)
    )
    if (error.is_throttled or error.names_no_task) and is_submission and situation.is_crowded:
        # One 429 may be a brief overload, unless a limit on tasks is known, or no try is left. Some
        # APIs tell a limit with a 200.
        enough = ASKS_UNTIL_LIMIT if error.retry_after_seconds is None else ASKS_UNTIL_LIMIT_IF_TOLD
        is_last = is_over or export.tries >= retry_policy.attempts(error)
        if error.names_no_task or situation.is_limited or situation.asks >= enough or is_last:
            return _submit_later(export)
    if error.names_no_task and is_submission and _may_be_refused_for_now(export, situation):
        return _submit_soon(export)
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
    if _may_be_refused_for_now(export, situation):
        return _submit_soon(export)
    if error.refusal == ERROR_RESULT:
        return _submit_or_split(export, error, retry_policy, situation)
    return _split(export, error, retry_policy, situation)


def _after_invalid_file(export: Export, error: InvalidFileError, retry_policy: RetryPolicy) -> Step:
    if isinstance(error, InvalidHeaderError):
        if not export.had_invalid_header:
            return _submit_again(replace(export, had_invalid_header=True))
        days = f"{retry_policy.interval} {export.window}"
        return EndRun(InvalidHeaderError(f"{days}: {error.with_advice()}"))
    if not export.had_invalid_row:
        return _submit_again(replace(export, had_invalid_row=True))
    return _split(export, error, retry_policy, Situation())


def _submit_or_split(
    export: Export, error: ExportError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    # A single refusal beside it may have been one of a moment, too.
    is_expected = situation.is_taught or situation.refused_beside > 1
    is_known_refusal = bool(error.refusal) and is_expected
    if export.submissions < retry_policy.export_attempts and not is_known_refusal:
        return _submit_again(export)
    return _split(export, error, retry_policy, situation)


def _submit_again(export: Export) -> SubmitAgain:
    # Without a task, the count is of submissions that were refused for now: the patience is used.
    again = export.polls_again if export.task is None else 0
    return SubmitAgain(replace(export, task=None, is_adopted=False, tries=0, polls_again=again))


def _submit_later(export: Export) -> SubmitLater:
    submissions = export.submissions - 1
    return SubmitLater(replace(export, tries=0, submissions=submissions, polls_again=0))


def _may_be_refused_for_now(export: Export, situation: Situation) -> bool:
    # Bounded by count too: each submission whose answer is lost renews what may exist.
    return situation.may_be_crowded and export.polls_again < SUBMISSIONS_SOON


def _submit_soon(export: Export) -> SubmitSoon:
    again = export.polls_again + 1
    submissions = export.submissions - 1
    return SubmitSoon(replace(export, tries=0, submissions=submissions, polls_again=again))


def _split(
    export: Export, error: ExportError, retry_policy: RetryPolicy, situation: Situation
) -> Step:
    is_refused = bool(error.refusal)
    parts = halves(export.window, interval=retry_policy.interval)
    if parts is None or (is_refused and situation.is_taught):
        return Refuse() if is_refused else GiveUp(keeps_task=False)
    if is_refused and situation.refused_beside and export.window.days <= MOST_SINGLE:
        # Most likely all of it is refused, and halves of halves would be refused as well.
        return Split(in_single_periods(export, retry_policy.interval))
    return Split(_as_exports(export, parts))


def in_single_periods(export: Export, interval: Interval) -> tuple[Export, ...]:
    """Split the window of an export into its periods."""
    return _as_exports(export, single_periods(export.window, interval=interval))


def _as_exports(export: Export, parts: Sequence[DateWindow]) -> tuple[Export, ...]:
    part_of = export.part_of or export.window
    return tuple(Export(window=part, part_of=part_of) for part in parts)
