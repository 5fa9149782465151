"""The errors of the tap as one tree, grouped by what to do about them.

TapAdvexportError
├── UserError            one line for the user, exit code 1
│   ├── ConfigError          a setting is wrong
│   ├── StateError           the state is not one that this tap wrote
│   ├── CatalogError         the catalog asks for something the tap cannot do
│   ├── AuthorizationError   the API answers 401 or 403
│   ├── OutputError          stdout or the spool cannot be written
│   ├── MachineError         the machine lacks threads or memory
│   └── IncompleteError      days failed, or the API does not work
└── ExportError          one export failed
    ├── RequestError         one HTTP request got no usable answer: send it again
    ├── RejectedError        the API refuses a submission (4xx, ERROR): submit later, or split
    ├── TaskError            the task failed, vanished or timed out: submit again, then split
    │   ├── TaskNotFoundError    the API does not know it: not visible yet, or gone
    │   └── NoUrlYetError        it is finished, but there is no download URL
    ├── FileError            not a CSV, or truncated: get a fresh URL, then submit again
    │   ├── FileNotFoundYetError no file at the URL: not visible yet, or expired
    │   └── CutFileError         the file is truncated
    └── InvalidFileError     the file is complete but invalid: submit again once
        ├── InvalidHeaderError   invalid header: the second time, the run fails
        └── InvalidRowError      invalid row: the second time, the window is split
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Advice for files and answers that stay wrong.
SUPPORT: Final = "if it stays, give this line to the API's support"


class TapAdvexportError(Exception):
    """Base class of all errors that the tap raises on purpose."""


class UserError(TapAdvexportError):
    """An error that the user has to fix; its text is one line that says how."""


class ConfigError(UserError):
    """A setting is missing or wrong; the text names it and never shows a secret."""


class StateError(UserError):
    """The state was not written by this tap, or was edited so that it makes no sense."""


class CatalogError(UserError):
    """The catalog asks for something that the tap cannot do."""


class AuthorizationError(UserError):
    """The API refuses the token.

    Attributes:
        status: the HTTP status, 401 or 403.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class OutputError(UserError):
    """Stdout, a batch file or the spool cannot be written."""


class MachineError(UserError):
    """The machine has too few threads or too little memory for a run."""

    @classmethod
    def of(cls, error: BaseException) -> MachineError | None:
        """Return the error for a lack of memory or threads; None for any other error."""
        if isinstance(error, MemoryError):
            what = "no memory is left"
        elif isinstance(error, RuntimeError) and "start new thread" in str(error):
            what = "no thread can be started"
        else:
            return None
        return cls(
            f"the machine: {what}; allow for more (ulimit -v, -u), or lower max_concurrent_exports"
        )


class IncompleteError(UserError):
    """The run ended without all wanted days, or a check of the coverage found problems."""


class ExportError(TapAdvexportError):
    """One export failed; the text says what was attempted and what came back.

    Attributes:
        advice: what the user can do when retrying does not help; may be empty.
        refusal: how the API refuses these days: `HTTP 400`, `ERROR`, `FAILURE`; may be empty.
        said: the API's answer in its own words.
    """

    def __init__(
        self, message: str, *, advice: str = "", refusal: str = "", said: str = ""
    ) -> None:
        super().__init__(message)
        self.advice = advice
        self.refusal = refusal
        self.said = said

    def rewrite(self, rewritten: Callable[[str], str]) -> None:
        """Replace every text by what the function makes of it."""
        self.args = (rewritten(str(self)),)
        self.advice, self.said = rewritten(self.advice), rewritten(self.said)

    def of_task(self, shown: str) -> ExportError:
        """Return an error of the same type whose text also names the task of the file."""
        return type(self)(f"task {shown}: {self}", advice=self.advice or SUPPORT)

    def with_advice(self) -> str:
        """Return the text, followed by the advice if there is any."""
        return f"{self}; {self.advice}" if self.advice else str(self)


class RequestError(ExportError):
    """One HTTP request got no usable answer; the same request may get one later.

    Attributes:
        retry_after_seconds: the pause that the server asked for, if any.
        is_throttled: the answer was 429, which applies to every request of the tap.
        has_arrived: whether the API may have received the request anyway.
        is_accepted: a submission was answered with success, but the answer is not usable: each
            attempt may create another task.
        names_no_task: a submission was answered with a JSON object about something else.
        is_setup: the fault is on this side: a proxy, or the trusted certificates.
    """

    def __init__(  # noqa: PLR0913 - all that decides about trying again
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        is_throttled: bool = False,
        has_arrived: bool = True,
        is_setup: bool = False,
        is_accepted: bool = False,
        advice: str = "",
        said: str = "",
    ) -> None:
        super().__init__(message, advice=advice, said=said)
        # When the API has answered other requests, a 429 that persists means a quota.
        self.refusal = "HTTP 429" if is_throttled else ""
        self.retry_after_seconds = retry_after_seconds
        self.is_throttled = is_throttled
        self.has_arrived = has_arrived and not is_throttled
        self.is_setup = is_setup
        self.is_accepted = is_accepted
        self.names_no_task = False


class RejectedError(ExportError):
    """The API refuses a submission itself: a 4xx, or the result ERROR."""


class TaskError(ExportError):
    """The task failed, was revoked, vanished, or took too long."""


class TaskNotFoundError(TaskError):
    """The API does not know the task (404, or 403 with a token that works)."""


class NoUrlYetError(TaskError):
    """The task is finished, but the answer has no download URL: not yet, or never."""


class FileError(ExportError):
    """The download URL returns no CSV: expired, missing, an error page, or another format."""


class FileNotFoundYetError(FileError):
    """There is no file at the download URL (401, 403, 404, 410): not yet, or no longer."""


class CutFileError(FileError):
    """The file is truncated."""


class InvalidFileError(ExportError):
    """The file is complete, but its content contradicts the API's documentation."""


class InvalidHeaderError(InvalidFileError):
    """A column is missing from the header, or is there twice."""


class InvalidRowError(InvalidFileError):
    """A row is invalid; the text names the line of the file, the column and the cell."""
