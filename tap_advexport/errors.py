"""Every error of the tap, as one tree, grouped by what is to be done.

TapAdvexportError
├── UserError            one line for the person, exit code 1
│   ├── ConfigError          a setting is wrong
│   ├── StateError           the state is not one of ours
│   ├── CatalogError         the catalog asks for what the tap cannot do
│   ├── AuthorizationError   the API answers 401 or 403
│   ├── OutputError          stdout or the spool cannot be written
│   ├── MachineError         the machine lacks threads or memory
│   └── IncompleteError      days failed, or the API does not work
└── ExportError          one export did not work
    ├── RequestError         one HTTP request got no usable answer: try the request again
    ├── RejectedError        the API refuses a submission (4xx, ERROR): later, or split
    ├── TaskError            the task failed, vanished or timed out: submit again, then split
    │   ├── TaskNotFoundError    it is unknown: not visible yet, or gone
    │   └── NoUrlYetError        it is finished, and names no download URL
    ├── FileError            the file is not a CSV, or cut: fresh URL, then submit again
    │   ├── FileNotFoundYetError nothing lies there: not visible yet, or expired
    │   └── CutFileError         the file ends before its end
    └── InvalidFileError     the file is whole and wrong: submit again once
        ├── InvalidHeaderError   its header: the run fails then
        └── InvalidRowError      one of its rows: the window is split then
"""

from __future__ import annotations

from typing import Final

# What a person can do about files and answers that stay wrong.
SUPPORT: Final = "if it stays, give this line to the API's support"


class TapAdvexportError(Exception):
    """Whatever the tap raises on purpose."""


class UserError(TapAdvexportError):
    """What a person has to mend; its text is one line that says how."""


class ConfigError(UserError):
    """A setting is missing or wrong; the text names it and never prints a secret."""


class StateError(UserError):
    """The state is not one that this tap wrote, or was edited into one that makes no sense."""


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
    """The machine lacks what every run needs: threads, or memory."""

    @classmethod
    def of(cls, error: BaseException) -> MachineError | None:
        """The one line about what Python raises when something lacks; None of any other error."""
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
    """The run ends without all the days that were wanted."""


class ExportError(TapAdvexportError):
    """One export did not work; the text says what was attempted and what came back.

    Attributes:
        advice: what a person can do about it when trying again does not help; may be empty.
        refusal: how the API itself refuses these days, if it does: `HTTP 400`, `ERROR`, `FAILURE`.
        said: the API's answer in its own words.
    """

    def __init__(
        self, message: str, *, advice: str = "", refusal: str = "", said: str = ""
    ) -> None:
        super().__init__(message)
        self.advice = advice
        self.refusal = refusal
        self.said = said

    def of_task(self, shown: str) -> ExportError:
        """The same about the file of a task."""
        return type(self)(f"task {shown}: {self}", advice=self.advice or SUPPORT)

    def with_advice(self) -> str:
        """The text, and what a person can do about it."""
        return f"{self}; {self.advice}" if self.advice else str(self)


class RequestError(ExportError):
    """One HTTP request got no usable answer, and the same request may get one later.

    Attributes:
        retry_after_seconds: the pause the server asked for, if it did.
        is_throttled: the answer was 429, which concerns every request of the tap.
        has_arrived: whether the API may have got the request all the same.
        is_accepted: a submission was answered with success, in words that nobody understands: each
            try may make one more task.
        is_setup: the fault lies on this side: a proxy, the trusted certificates.
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
        # An API that has answered otherwise before tells a quota so.
        self.refusal = "HTTP 429" if is_throttled else ""
        self.retry_after_seconds = retry_after_seconds
        self.is_throttled = is_throttled
        self.has_arrived = has_arrived and not is_throttled
        self.is_setup = is_setup
        self.is_accepted = is_accepted


class RejectedError(ExportError):
    """The API refuses a submission itself: a 4xx, or the result ERROR."""


class TaskError(ExportError):
    """The task failed, was revoked, vanished, or took too long."""


class TaskNotFoundError(TaskError):
    """The API does not know the task (404, or 403 for a token that works)."""


class NoUrlYetError(TaskError):
    """The task is finished, and its answer names no download URL: not yet, or never."""


class FileError(ExportError):
    """The download URL gives no CSV: expired, missing, an error page, or another format."""


class FileNotFoundYetError(FileError):
    """Nothing lies at the download URL (401, 403, 404, 410): not yet, or not any more."""


class CutFileError(FileError):
    """The file ends before its end."""


class InvalidFileError(ExportError):
    """The file is whole, and what it holds breaks the API's documentation."""


class InvalidHeaderError(InvalidFileError):
    """A column is missing or stands there twice."""


class InvalidRowError(InvalidFileError):
    """A row is invalid; the text names the file's line, the column and the cell."""
