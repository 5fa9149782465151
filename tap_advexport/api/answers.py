"""What the API's answers say, read as documented and not one bit more strictly."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

# Task states (API, "Ask for its state"). SUCCESS and PENDING are documented; the others are what a
# task queue of this shape can answer.
UNFINISHED_STATES: Final = frozenset({"PENDING", "STARTED", "RETRY"})
FAILED_STATES: Final = frozenset({"FAILURE", "REVOKED"})
# More of a page is not looked at: what is opened and never closed costs the square of its length.
_MARKUP_LETTERS: Final = 4096
_MARKUP: Final = re.compile(
    r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^<>]*>", re.DOTALL | re.IGNORECASE
)


class AnswerError(ValueError):
    """An answer is not as documented."""


class SubmitAnswer(msgspec.Struct):
    """Answer to a submission (API, "Demand an export")."""

    result: str
    task_id: str | int | None = None

    @property
    def is_queued(self) -> bool:
        """Whether the API took the window."""
        return self.result.upper() == "QUEUED"

    @property
    def is_refused(self) -> bool:
        """Whether it did not, and made no task."""
        return self.result.upper() == "ERROR" or (not self.is_queued and self.task_id is None)


class PollAnswer(msgspec.Struct):
    """Answer to a poll (API, "Ask for its state"). While a task runs, `result` can be anything."""

    state: str
    result: object = None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The task goes on. `is_known`: its state is one that a task queue goes through."""

    state: str
    is_known: bool


@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """The task is done; `url` is where its file lies, if the answer named one. A secret."""

    url: str | None


@dataclass(frozen=True, slots=True)
class FailedTask:
    """The task failed; `reason` is what the API says of it, if anything."""

    state: str
    reason: str


def parse_submit_answer(body: bytes) -> tuple[SubmitAnswer, str]:
    """Give the answer to a submission, and what it says beside what is documented.

    Raises:
        AnswerError: it is not as documented.
    """
    try:
        answer = msgspec.json.decode(body, type=SubmitAnswer)
        rest = {} if answer.is_queued else msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AnswerError from None
    return answer, reason_of({key: rest[key] for key in rest if key not in {"result", "task_id"}})


def parse_poll_answer(body: bytes) -> Unfinished | Finished | FailedTask:
    """Give the state of a task.

    Raises:
        AnswerError: it is not as documented.
    """
    try:
        answer = msgspec.json.decode(body, type=PollAnswer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AnswerError from None
    state = answer.state.upper()
    if state in FAILED_STATES:
        return FailedTask(state, reason_of(answer.result))
    if state != "SUCCESS":
        return Unfinished(answer.state, is_known=state in UNFINISHED_STATES)
    if answer.result is None or isinstance(answer.result, str):
        return Finished((answer.result or "").strip() or None)
    return FailedTask(state, f"its result is no URL: {reason_of(answer.result)}")


def reason_of(said: object) -> str:
    """Give what an answer says of a failure in one text; task queues answer objects."""
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


def words_of(text: str) -> str:
    """Give what an answer says, without the JSON around one sentence or the markup of a page."""
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
    """Give the seconds that a `Retry-After` asks for, as seconds or as a date; None if neither."""
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
    """Tell whether an answer is a page for people."""
    start = text.lstrip("\ufeff \t\r\n")[:200].lower()
    return start.startswith(("<!doctype html", "<html", "<head", "<body"))
