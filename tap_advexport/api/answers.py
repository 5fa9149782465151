"""Parses the API's answers as documented, and no more strictly than that."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from datetime import datetime

_T = TypeVar("_T")

# Task states (API, "Ask for its state"). SUCCESS and PENDING are documented; the others are
# states that a task queue of this kind can report.
UNFINISHED_STATES: Final = frozenset({"PENDING", "STARTED", "RETRY"})
FAILED_STATES: Final = frozenset({"FAILURE", "REVOKED"})
# Look only at the beginning of a page: markup that is never closed takes quadratic time.
_MARKUP_LETTERS: Final = 4096
_MARKUP: Final = re.compile(
    r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^<>]*>", re.DOTALL | re.IGNORECASE
)


class AnswerError(ValueError):
    """An answer is not as documented."""


class SubmitAnswer(Struct):
    """Answer to a submission (API, "Demand an export")."""

    result: str
    task_id: str | int | None = None

    @property
    def is_queued(self) -> bool:
        """Whether the API accepted the window."""
        return self.result.upper() == "QUEUED"

    @property
    def is_refused(self) -> bool:
        """Whether the API refused the window and created no task."""
        return self.result.upper() == "ERROR" or (not self.is_queued and self.task_id is None)


class PollAnswer(Struct):
    """Answer to a poll (API, "Ask for its state"). While a task runs, `result` can be anything."""

    state: str
    result: object = None


class Unfinished(Struct, frozen=True):
    """The task is not finished. `is_known`: its state is one that task queues report."""

    state: str
    is_known: bool


# A dataclass, as a Struct cannot hide its fields.
@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """The task is finished; `url` is the URL of its file, if the answer has one. It is a secret."""

    url: str | None


class FailedTask(Struct, frozen=True):
    """The task failed; `reason` is what the API says about it, or empty."""

    state: str
    reason: str


def _decode(body: bytes, type: type[_T]) -> _T:  # noqa: A002 - as msgspec names it
    return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8), type=type)


def parse_submit_answer(body: bytes) -> tuple[SubmitAnswer, str]:
    """Parse the answer to a submission; return it with the text of its undocumented fields.

    The text is empty if the API accepted the window.

    Raises:
        AnswerError: the answer is not as documented.
    """
    try:
        answer = _decode(body, type=SubmitAnswer)
        rest = {} if answer.is_queued else _decode(body, type=dict[str, object])
        told = {key: rest[key] for key in rest if key not in {"result", "task_id"}}
        return answer, reason_of(told)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AnswerError from None


def names_no_task(body: bytes) -> bool:
    """Return whether an answer to a submission is a JSON object about something else."""
    try:
        answer = _decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return not answer.keys() & {"result", "task_id"}


def parse_poll_answer(body: bytes) -> Unfinished | Finished | FailedTask:
    """Parse the answer to a poll.

    Raises:
        AnswerError: the answer is not as documented.
    """
    try:
        return _polled(_decode(body, type=PollAnswer))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AnswerError from None


def _polled(answer: PollAnswer) -> Unfinished | Finished | FailedTask:
    state = answer.state.strip().upper()
    if state in FAILED_STATES:
        return FailedTask(state, reason_of(answer.result))
    if state != "SUCCESS":
        return Unfinished(answer.state.strip() or "''", is_known=state in UNFINISHED_STATES)
    if answer.result is None or isinstance(answer.result, str):
        return Finished((answer.result or "").strip() or None)
    return FailedTask(state, f"its result is no URL: {reason_of(answer.result)}")


def reason_of(said: object) -> str:
    """Return what an answer says about a failure as one text; task queues answer with objects."""
    if not said:
        return ""
    match said:
        case str():
            return said
        case {"exc_type": str(kind), **rest}:
            return ": ".join(part for part in (kind, reason_of(rest.get("exc_message"))) if part)
        case [only]:
            return reason_of(only)
        case {"detail": str(text)} | {"message": str(text)} | {"error": str(text)}:
            return text
        case _:
            return json.dumps(said, ensure_ascii=False, default=str)


def text_of(body: bytes) -> str:
    """Return the text of an answer; in UTF-16, secrets would not be found between the NULs."""
    return body.decode("utf-8", "replace").replace("\0", "")


def words_of(text: str) -> str:
    """Return the text of an answer, without the JSON around one message or the markup of a page."""
    text = text.strip().removeprefix("\ufeff")
    if text.startswith("<"):
        return " ".join(_MARKUP.sub(" ", text[:_MARKUP_LETTERS]).split()) or text
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return text
    match said:
        case {"detail": str(words)} | {"message": str(words)} | {"error": str(words)} if (
            len(said) == 1 and words.strip()
        ):
            return words
    return text


def retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds of a `Retry-After` (seconds or a date), or None if it is invalid."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def is_page(text: str) -> bool:
    """Return whether an answer is an HTML page."""
    start = text.lstrip("\ufeff \t\r\n")[:200].lower()
    return start.startswith(("<!doctype html", "<html", "<head", "<body"))
