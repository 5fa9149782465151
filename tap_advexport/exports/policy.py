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
from tap_advexport.windows import DateWindow, halves

if TYPE_CHECKING:
    from datetime import datetime

    from tap_advexport.reports import Interval

FRESH_URLS_PER_TASK: Final = 2
LOOKS_FOR_A_URL: Final = 5


@dataclass(frozen=True, slots=True)
class Task:
    """A task that the API has accepted."""

    task_id: str
    submitted_at: datetime
    is_adopted: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """One window on its way through the API, and what it has been through.

    Attributes:
        window: its days.
        demands: how often it was demanded.
        task: the task that is under way, if any.
        tries: how often the request under way was sent.
        fresh_urls: how often this task was asked for a fresh download URL.
        empty_looks: how often this task was found finished without a download URL.
        had_invalid_file: a whole and invalid file was seen before, so the next one is final.
    """

    window: DateWindow
    demands: int = 0
    task: Task | None = None
    tries: int = 0
    fresh_urls: int = 0
    empty_looks: int = 0
    had_invalid_file: bool = False

    def demanded(self, task: Task) -> Export:
        """The API accepted a demand (or an earlier run's task is adopted)."""
        return replace(self, task=task, tries=0, fresh_urls=0, empty_looks=0)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often things are tried."""

    request_attempts: int
    export_attempts: int
    interval: Interval


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send the same request once more, after a pause."""

    export: Export


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Ask for the task's state once more, for (another) download URL."""

    export: Export


@dataclass(frozen=True, slots=True)
class DemandAnew:
    """Give the task up and demand the same window again."""

    export: Export


@dataclass(frozen=True, slots=True)
class Split:
    """Give the window up and demand its parts, in order."""

    parts: tuple[Export, ...]


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The window's days fail in this run. `keeps_task`: the next run may adopt its task."""

    keeps_task: bool


@dataclass(frozen=True, slots=True)
class EndRun:
    """Nothing else can work either: end the run with this error."""

    error: TapAdvexportError


Step: TypeAlias = SendAgain | LookAgain | DemandAnew | Split | GiveUp | EndRun


def after_failure(  # noqa: PLR0911 - one for each kind of error
    export: Export, error: TapAdvexportError, patience: Patience
) -> Step:
    """Decide what follows from an error of an export."""
    match error:
        case RequestError():
            return _after_request(export, patience)
        case RejectedError():
            return GiveUp(keeps_task=False)
        case InvalidHeaderError() if export.had_invalid_file:
            return EndRun(error)
        case InvalidFileError():
            return _after_invalid_file(export, patience)
        case FileError() if export.fresh_urls < FRESH_URLS_PER_TASK:
            return LookAgain(replace(export, tries=0, fresh_urls=export.fresh_urls + 1))
        case AuthorizationError() if _is_adopted(export) and error.status == 403:  # noqa: PLR2004
            return _demand_anew(export)
        case ExportError():
            return _demand_or_split(export, patience)
        case _:
            return EndRun(error)


def after_empty_look(export: Export, patience: Patience) -> Step:
    """Decide what follows when a task is finished and names no download URL."""
    if export.empty_looks < LOOKS_FOR_A_URL:
        return LookAgain(replace(export, tries=0, empty_looks=export.empty_looks + 1))
    return _demand_or_split(export, patience)


def _after_request(export: Export, patience: Patience) -> Step:
    if export.tries < patience.request_attempts:
        return SendAgain(export)
    return GiveUp(keeps_task=export.task is not None)


def _after_invalid_file(export: Export, patience: Patience) -> Step:
    if not export.had_invalid_file:
        return _demand_anew(replace(export, had_invalid_file=True))
    return _split(export, patience)


def _demand_or_split(export: Export, patience: Patience) -> Step:
    if export.demands < patience.export_attempts:
        return _demand_anew(export)
    return _split(export, patience)


def _demand_anew(export: Export) -> DemandAnew:
    return DemandAnew(replace(export, task=None, tries=0))


def _split(export: Export, patience: Patience) -> Step:
    parts = halves(export.window, interval=patience.interval)
    if parts is None:
        return GiveUp(keeps_task=False)
    return Split(tuple(Export(window=part) for part in parts))


def _is_adopted(export: Export) -> bool:
    return export.task is not None and export.task.is_adopted
