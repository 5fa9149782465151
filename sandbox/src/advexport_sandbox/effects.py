"""What a fault does, and on which calls: the columns of the table of faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from advexport_sandbox.answers import Answer
    from advexport_sandbox.calls import Call, Options
    from advexport_sandbox.submissions import Submission

SUBMIT = frozenset({Endpoint.SUBMIT})
POLL = frozenset({Endpoint.POLL})
DOWNLOAD = frozenset({Endpoint.DOWNLOAD})
JSON = SUBMIT | POLL
ANY = JSON | DOWNLOAD


def _always(_call: Call, _options: Options) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answers in the API's place, which does nothing."""

    answer: Callable[[Call, Options], Answer]


@dataclass(frozen=True, slots=True)
class Delay:
    """Answers in the place of what is not there yet, for `seconds`."""

    answer: Callable[[Call, Options], Answer]


class DelayTask(Delay):
    """Hides a task for some time after its submission."""


class DelayUrl(Delay):
    """Hides a download URL for some time after the end of the task."""


class DelayFile(Delay):
    """Hides a file for some time after the end of the task."""


@dataclass(frozen=True, slots=True)
class RepeatTask:
    """Gives the task of an identical submission again, with a file of now."""


@dataclass(frozen=True, slots=True)
class WriteUrl:
    """Writes a download URL in its own way.

    Args:
        odd: Stands in the path and in the query, as part of what is signed.
        has_origin: Whether the URL is more than a path.
    """

    odd: str = ""
    has_origin: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Decides how a task ends, for ever, from the first poll that it strikes.

    Args:
        state: What polls say; None is that there is no such task.
        is_sudden: Says so before the task's time is over.
        result: What polls give as the result.
    """

    state: str | None
    is_sudden: bool = False
    result: object = None

    @property
    def is_final(self) -> bool:
        """Whether nothing can come of the task any more."""
        return self.state in {None, "FAILURE", "REVOKED"}


@dataclass(frozen=True, slots=True)
class ChangeFile:
    """Changes a task's file for ever, from the first download that it strikes."""

    change: Callable[[bytes, Submission, Options], bytes]


@dataclass(frozen=True, slots=True)
class ChangeBody:
    """Changes what one answer says."""

    change: Callable[[Answer, Options], Answer]


@dataclass(frozen=True, slots=True)
class ChangeTransport:
    """Changes how one answer travels."""

    change: Callable[[Answer, Options], Answer]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row of the table. Faults with different kinds of effect can strike the same call.

    Args:
        applies: Which calls it can strike at all.
    """

    name: str
    endpoints: frozenset[Endpoint]
    effect: (
        Refuse | Delay | RepeatTask | WriteUrl | Outcome | ChangeFile | ChangeBody | ChangeTransport
    )
    about: str
    applies: Callable[[Call, Options], bool] = _always
