"""An export in flight: what is known of it, its phase, and the events that it produces."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Protocol

from msgspec import Struct

from tap_advexport.api.answers import Finished, Unfinished
from tap_advexport.api.bodies import Downloaded
from tap_advexport.records.convert import Converted
from tap_advexport.windows import DateWindow, Task

if TYPE_CHECKING:
    from datetime import datetime

    from tap_advexport.errors import ExportError
    from tap_advexport.exports.policy import Export
    from tap_advexport.reports import Interval


class Submitted(Struct, frozen=True):
    """The API accepted the submission of a window."""

    task: Task


class Abandoned(Struct, frozen=True):
    """A task was given up; no later run will adopt it."""

    task: Task


class Failed(Struct, frozen=True):
    """The days of a window fail in this run. `advice` says what to do about it; may be empty."""

    window: DateWindow
    reason: str
    advice: str = ""


# A dataclass, as a Struct cannot hide a field.
@dataclass(frozen=True, slots=True)
class Ready:
    """An export whose file is whole and valid. Call `release` when its rows are emitted."""

    task: Task
    lines: BinaryIO
    converted: Converted
    byte_count: int
    release: Callable[[], None] = field(repr=False)

    @property
    def window(self) -> DateWindow:
        """The days of the export."""
        return self.task.window


class DownloadedFile(NamedTuple):
    """A downloaded file."""

    spool: BinaryIO
    download: Downloaded


class ConvertedFile(NamedTuple):
    """A file of record lines."""

    spool: BinaryIO
    converted: Converted


Answer = str | Unfinished | Finished | DownloadedFile | ConvertedFile
Event = Submitted | Abandoned | Failed | Ready


class Client(Protocol):
    """The three calls of the API."""

    def submit(self, window: DateWindow, *, interval: Interval, sorting: str) -> str:
        """Submit a window, and return the id of the task."""
        ...

    def poll(self, task_id: str) -> Unfinished | Finished:
        """Poll a task for its state."""
        ...

    def download(
        self, url: str, spool: BinaryIO, *, is_cancelled: Callable[[], bool]
    ) -> Downloaded:
        """Download a file into a spool."""
        ...

    def clear(self, error: ExportError, urls: Iterable[str]) -> None:
        """Remove the token, and the queries of a file's URLs, from an error about the file."""
        ...


# Turns a downloaded file into a spool of record lines.
Convert = Callable[[BinaryIO, Task, Downloaded], tuple[BinaryIO, Converted]]


class Phase(Enum):
    """The phases of an export in flight."""

    SUBMIT = auto()
    POLL = auto()
    DOWNLOAD = auto()
    CONVERT = auto()
    READY = auto()


AT_THE_API: Final = frozenset({Phase.SUBMIT, Phase.POLL, Phase.DOWNLOAD})


# A dataclass, as a Struct shows its fields, the URL too, to `rich` whatever its `__repr__` says.
@dataclass(slots=True)
class ExportJob:
    """An export in flight: its phase, and when it is due to go on.

    Attributes:
        began_at: when its task was submitted, on the monotonic clock; until then, when it began.
        waits_since: when this run began to wait for the task.
        unfinished_age: how old the task was when it was last found unfinished, in seconds.
        finished_at: when the task was first found finished.
        asks: how often the current request was sent; `asking_since` is when it was first sent.
        work: the number of the work in progress for this export, if any.
    """

    export: Export
    phase: Phase
    due_at: float
    began_at: float = 0.0
    waits_since: float = 0.0
    unfinished_age: float = 0.0
    finished_at: float | None = None
    asks: int = 0
    asking_since: float = 0.0
    work: int | None = None
    work_began_at: float = 0.0
    work_alive_at: float = 0.0
    submitting_at: datetime | None = None
    url: str | None = None
    download: Downloaded | None = None
    spool: BinaryIO | None = None
    is_released: bool = False

    @property
    def is_refused_for_now(self) -> bool:
        """Whether its submission is sent again until a task that may exist is gone."""
        return self.phase is Phase.SUBMIT and self.export.polls_again > 0

    @property
    def is_open(self) -> bool:
        """Whether the API has, or may have, an unfinished task of this export."""
        if self.phase is Phase.SUBMIT:
            return self.work is not None or self.is_refused_for_now
        return self.phase is Phase.POLL and self.finished_at is None

    def __repr__(self) -> str:
        return f"ExportJob({self.export.window}, {self.phase.name})"


def task_of(job: ExportJob) -> Task:
    """Return the task that the API has accepted for an export."""
    if job.export.task is None:
        msg = f"{job} has no task"
        raise AssertionError(msg)
    return job.export.task
