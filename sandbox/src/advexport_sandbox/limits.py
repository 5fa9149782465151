"""What an API allows: tasks at once, submissions per time, days back."""

from __future__ import annotations

from datetime import date, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from advexport_sandbox.answers import Answer, detail_answer, json_answer
from advexport_sandbox.effects import SUBMIT, Fault, Refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from advexport_sandbox.calls import Call, Options

_TASKS_AT_ONCE = 1
_SECONDS_BETWEEN = 60
_SUBMISSIONS_A_DAY = 10
_DAYS_BACK = 90


def is_over_limit(call: Call, options: Options) -> bool:
    """Tell whether as many tasks as allowed are not over."""
    limit = _TASKS_AT_ONCE if options.limit is None else options.limit
    return call.load is not None and call.load.unfinished >= limit


def is_too_soon(call: Call, options: Options) -> bool:
    """Tell whether the last accepted submission was a moment ago."""
    seconds = _SECONDS_BETWEEN if options.seconds is None else options.seconds
    return call.load is not None and call.load.idle_seconds < seconds


def is_over_quota(call: Call, options: Options) -> bool:
    """Tell whether as many submissions as allowed were accepted today."""
    limit = _SUBMISSIONS_A_DAY if options.limit is None else options.limit
    return call.load is not None and call.load.accepted_today >= limit


def is_too_old(call: Call, options: Options) -> bool:
    """Tell whether a day of the submission is not kept any more."""
    if call.load is None or call.submission is None:
        return False
    return call.submission.first < _first_day_kept(call.load.today, options)


def refuse_limit(status: int) -> Callable[[Call, Options], Answer]:
    """Say that too many tasks are not over."""
    return _refuse(status, "You already have a report in progress. Try again when it is finished.")


def refuse_limit_as_error(_call: Call, _options: Options) -> Answer:
    """Say ERROR and no more."""
    return json_answer({"result": "ERROR", "task_id": None})


def refuse_quota(status: int) -> Callable[[Call, Options], Answer]:
    """Say that there were too many submissions today."""
    return _refuse(status, "The daily number of reports is used up.")


def refuse_rate(call: Call, options: Options) -> Answer:
    """Say that submissions come too fast, and not when the next one may come."""
    return _refuse(HTTPStatus.TOO_MANY_REQUESTS, "Request was throttled.")(call, options)


def refuse_age(call: Call, options: Options) -> Answer:
    """Say which day is the first that is kept."""
    today = call.load.today if call.load else date.max
    first = _first_day_kept(today, options)
    return detail_answer(HTTPStatus.BAD_REQUEST, f"start_date: no data is kept before {first}")


def _first_day_kept(today: date, options: Options) -> date:
    return today - timedelta(days=_DAYS_BACK if options.days is None else options.days)


def _refuse(status: int, detail: str) -> Callable[[Call, Options], Answer]:
    def answer(_call: Call, options: Options) -> Answer:
        retry_after = options.retry_after
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        return detail_answer(status, detail, headers=headers)

    return answer


def _limits() -> Iterable[Fault]:
    while_many = "while `limit` (1) tasks are not over"
    for status in (400, 403, 409, 429):
        yield Fault(
            f"limit-{status}",
            SUBMIT,
            Refuse(refuse_limit(status)),
            f"answers {status} {while_many}",
            is_over_limit,
        )
    yield Fault(
        "limit-error",
        SUBMIT,
        Refuse(refuse_limit_as_error),
        f"answers 200 with the result ERROR {while_many}",
        is_over_limit,
    )
    for status in (403, 429):
        yield Fault(
            f"quota-{status}",
            SUBMIT,
            Refuse(refuse_quota(status)),
            f"answers {status} when `limit` (10) submissions were accepted on the same day",
            is_over_quota,
        )


LIMITS = (
    *_limits(),
    Fault(
        "rate-429",
        SUBMIT,
        Refuse(refuse_rate),
        "answers 429 until `seconds` (60) after the last accepted submission",
        is_too_soon,
    ),
    Fault(
        "retention-400",
        SUBMIT,
        Refuse(refuse_age),
        "answers 400 to a submission of days that are more than `days` (90) before today",
        is_too_old,
    ),
)
