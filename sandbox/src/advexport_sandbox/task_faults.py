"""What can become of a task, and how long it takes until it can be seen."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Answer, detail_answer, json_answer, storage_error
from advexport_sandbox.effects import (
    DOWNLOAD,
    POLL,
    SUBMIT,
    DelayFile,
    DelayTask,
    DelayUrl,
    Fault,
    Outcome,
    RepeatTask,
    WriteUrl,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from advexport_sandbox.calls import Call, Options

_FORBIDDEN = "You do not have permission to perform this action."
# What clients like to rewrite: `~` as text and as escape, escapes in small letters and of letters
# that need none, and what RFC 3986 has no place for.
_ODD = "~%7E%2d%c3%a9%41[1]|^"


def hide_task(status: int) -> Callable[[Call, Options], Answer]:
    """Say that there is no such task, or not for this client."""
    detail = "Not found." if status == HTTPStatus.NOT_FOUND else _FORBIDDEN
    return lambda _call, _options: detail_answer(status, detail)


def hide_url(_call: Call, _options: Options) -> Answer:
    """Say SUCCESS without a URL."""
    return json_answer({"state": "SUCCESS", "result": None})


def hide_file(status: int) -> Callable[[Call, Options], Answer]:
    """Say what a file store says of a file that it does not have."""
    code = "NoSuchKey" if status == HTTPStatus.NOT_FOUND else "AccessDenied"
    return lambda _call, _options: storage_error(status, code)


def has_twin(call: Call, _options: Options) -> bool:
    """Tell whether the same submission was accepted before."""
    return call.load is not None and call.load.has_twin


TASKS = (
    Fault("task-failure", POLL, Outcome("FAILURE"), "the task ends with the state FAILURE"),
    Fault(
        "task-failure-reason",
        POLL,
        Outcome("FAILURE", result="The report is too large."),
        "the task ends with the state FAILURE and a sentence as its result",
    ),
    Fault(
        "task-failure-object",
        POLL,
        Outcome(
            "FAILURE",
            result={
                "exc_type": "OperationalError",
                "exc_message": ["canceling statement due to statement timeout"],
                "exc_module": "django.db.utils",
            },
        ),
        "the task ends with the state FAILURE and Celery's object as its result",
    ),
    Fault("task-revoked", POLL, Outcome("REVOKED"), "the task ends with the state REVOKED"),
    Fault(
        "unknown-state",
        POLL,
        Outcome("HIBERNATING", is_sudden=True),
        "the task has a state that nobody knows, for ever",
    ),
    Fault("stuck", POLL, Outcome("PENDING"), "the task stays PENDING for ever"),
    Fault("task-404", POLL, Outcome(None, is_sudden=True), "the task is unknown from now on"),
    Fault(
        "late-task-404",
        POLL,
        DelayTask(hide_task(404)),
        "the task is answered with 404 for `seconds` (1) after its submission",
    ),
    Fault("late-task-403", POLL, DelayTask(hide_task(403)), "the same with 403"),
    Fault(
        "late-url",
        POLL,
        DelayUrl(hide_url),
        "SUCCESS comes with null as its result for `seconds` (1) after the end of the task",
    ),
    Fault(
        "late-file-404",
        DOWNLOAD,
        DelayFile(hide_file(404)),
        "the file is answered with 404 and XML for `seconds` (1) after the end of the task",
    ),
    Fault("late-file-403", DOWNLOAD, DelayFile(hide_file(403)), "the same with 403"),
    Fault(
        "same-task-id",
        SUBMIT,
        RepeatTask(),
        "a submission that was accepted before gets the same task id, whose file is renewed",
        has_twin,
    ),
    Fault(
        "url-odd",
        POLL,
        WriteUrl(_ODD),
        "the URL, signed over its own text, has `~`, `%7E`, `%2d`, `%41`, `[ ]`, `|` and `^` in it",
    ),
    Fault("url-blank", POLL, WriteUrl("%20"), "the URL has blanks in it, to be sent as `%20`"),
    Fault("url-path", POLL, WriteUrl(has_origin=False), "the URL is a path of the API's origin"),
)
