"""What follows from each thing that can go wrong with an export: one decision at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.errors import (
    AuthorizationError,
    ConfigError,
    CutFileError,
    FileError,
    InvalidHeaderError,
    InvalidRowError,
    OutputError,
    RejectedError,
    RequestError,
    TapAdvexportError,
    TaskError,
)
from tap_advexport.exports.policy import (
    FRESH_URLS_PER_TASK,
    POLLS_FOR_A_URL,
    EndRun,
    Export,
    GiveUp,
    PollAgain,
    RetryPolicy,
    RetryRequest,
    Split,
    Step,
    SubmitAgain,
    after_failure,
    after_poll_without_url,
)
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task

WEEK = DateWindow(date(2024, 3, 1), date(2024, 3, 7))
DAY = DateWindow(date(2024, 3, 1), date(2024, 3, 1))
TASK = Task("task", WEEK, datetime(2024, 4, 2, tzinfo=UTC))
RETRY_POLICY = RetryPolicy(request_attempts=4, export_attempts=3, interval=Interval.DAILY)
UNDER_WAY = Export(WEEK, submissions=1, task=TASK, tries=1)
ERRORS: list[TapAdvexportError] = [
    RequestError("no answer"),
    RejectedError("HTTP 400"),
    TaskError("FAILURE"),
    FileError("HTML"),
    CutFileError("cut"),
    InvalidHeaderError("a column is missing"),
    InvalidRowError("line 2"),
    AuthorizationError("refused", status=401),
    AuthorizationError("refused", status=403),
    ConfigError("api_url"),
    OutputError("disk full"),
]


def after(export: Export, error: TapAdvexportError) -> Step:
    return after_failure(export, error, RETRY_POLICY)


def parts(step: Step) -> list[str]:
    assert isinstance(step, Split)
    return [str(part.window) for part in step.parts]


# --- One request ------------------------------------------------------------------------------


@pytest.mark.parametrize("tries", [1, 2, 3])
def test_a_request_without_an_answer_is_sent_again(tries: int) -> None:
    export = replace(UNDER_WAY, tries=tries)
    assert after(export, RequestError("no answer")) == RetryRequest(export)


def test_a_request_out_of_tries_fails_the_window_and_keeps_its_task() -> None:
    export = replace(UNDER_WAY, tries=4)
    assert after(export, RequestError("no answer")) == GiveUp(keeps_task=True)


def test_a_demand_out_of_tries_has_no_task_to_keep() -> None:
    assert after(Export(WEEK, tries=4), RequestError("no answer")) == GiveUp(keeps_task=False)


def test_a_refused_demand_fails_at_once_and_is_not_split() -> None:
    assert after(Export(WEEK, tries=1), RejectedError("HTTP 400")) == GiveUp(keeps_task=False)


# --- Tasks ------------------------------------------------------------------------------------


def test_a_failed_task_is_demanded_anew_and_its_window_split_when_that_is_in_vain() -> None:
    export = UNDER_WAY
    for submissions in (1, 2):
        step = after(replace(export, submissions=submissions), TaskError("FAILURE"))
        assert step == SubmitAgain(replace(export, submissions=submissions, task=None, tries=0))
    step = after(replace(export, submissions=3), TaskError("FAILURE"))
    assert parts(step) == ["2024-03-01..2024-03-03", "2024-03-04..2024-03-07"]


def test_the_parts_of_a_split_begin_afresh() -> None:
    step = after(replace(UNDER_WAY, submissions=3, had_invalid_file=True), TaskError("FAILURE"))
    assert isinstance(step, Split)
    assert step.parts == tuple(Export(part.window) for part in step.parts)


def test_a_single_period_is_given_up_with_its_task() -> None:
    day = Export(DAY, submissions=3, task=TASK)
    assert after(day, TaskError("FAILURE")) == GiveUp(keeps_task=False)
    monthly = replace(RETRY_POLICY, interval=Interval.MONTHLY)
    month = replace(UNDER_WAY, submissions=3)
    assert after_failure(month, TaskError("FAILURE"), monthly) == GiveUp(keeps_task=False)


@pytest.mark.parametrize(
    "error", [AuthorizationError("no", status=403), TaskError("HTTP 404"), TaskError("FAILURE")]
)
def test_an_adopted_task_that_is_refused_or_unknown_is_demanded_anew(
    error: TapAdvexportError,
) -> None:
    adopted = Export(WEEK, task=TASK, is_adopted=True, tries=1)
    assert after(adopted, error) == SubmitAgain(Export(WEEK))


@pytest.mark.parametrize(
    ("is_adopted", "status"), [(False, 401), (False, 403), (True, 401)], ids=str
)
def test_a_refused_token_ends_the_run(is_adopted: bool, status: int) -> None:  # noqa: FBT001
    error = AuthorizationError("refused", status=status)
    export = replace(UNDER_WAY, is_adopted=is_adopted)
    assert after(export, error) == EndRun(error)


def test_a_task_without_a_url_is_looked_at_a_few_times_then_demanded_anew() -> None:
    export, looks = UNDER_WAY, 0
    while isinstance(step := after_poll_without_url(export, RETRY_POLICY), PollAgain):
        export, looks = step.export, looks + 1
        assert (export.polls_without_url, export.tries) == (looks, 0)
    assert looks == POLLS_FOR_A_URL
    assert isinstance(step, SubmitAgain)


def test_another_task_begins_with_a_clean_record() -> None:
    tried = replace(UNDER_WAY, tries=3, fresh_urls=1, polls_without_url=2, had_invalid_file=True)
    assert tried.with_task(TASK) == Export(WEEK, submissions=1, task=TASK, had_invalid_file=True)


# --- Files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [FileError("HTML"), CutFileError("cut")])
def test_a_file_that_is_none_gets_fresh_urls_then_another_task(error: FileError) -> None:
    export, looks = UNDER_WAY, 0
    while isinstance(step := after(export, error), PollAgain):
        export, looks = step.export, looks + 1
        assert (export.task, export.fresh_urls, export.tries) == (TASK, looks, 0)
    assert looks == FRESH_URLS_PER_TASK
    assert isinstance(step, SubmitAgain)
    assert step.export.with_task(TASK).fresh_urls == 0


def test_an_invalid_row_is_demanded_anew_once_and_then_split_down_to_the_period() -> None:
    error = InvalidRowError("line 2")
    step = after(UNDER_WAY, error)
    assert isinstance(step, SubmitAgain)
    again = step.export.with_task(TASK)
    assert parts(after(again, error)) == ["2024-03-01..2024-03-03", "2024-03-04..2024-03-07"]
    assert after(replace(again, window=DAY), error) == GiveUp(keeps_task=False)


def test_an_invalid_header_is_demanded_anew_once_and_then_ends_the_run() -> None:
    error = InvalidHeaderError("a column is missing")
    step = after(UNDER_WAY, error)
    assert isinstance(step, SubmitAgain)
    assert after(step.export.with_task(TASK), error) == EndRun(error)


@pytest.mark.parametrize("error", [ConfigError("api_url"), OutputError("disk full")])
def test_what_concerns_all_exports_ends_the_run(error: TapAdvexportError) -> None:
    assert after(UNDER_WAY, error) == EndRun(error)


# --- Laws -------------------------------------------------------------------------------------


@given(
    errors=st.lists(st.sampled_from(ERRORS[:7]), min_size=300, max_size=300),
    days=st.integers(1, 9),
)
def test_whatever_goes_wrong_ends_and_loses_no_day(
    errors: list[TapAdvexportError], days: int
) -> None:
    """An export, followed through every error until nothing of it is left."""
    last = date(2024, 3, days)
    waiting, failed, asked = [Export(DateWindow(date(2024, 3, 1), last))], list[DateWindow](), 0
    while waiting:
        export = waiting.pop()
        asked += 1
        assert asked < 1000
        begins = not export.task and not export.tries
        export = replace(export, submissions=export.submissions + begins, tries=export.tries + 1)
        error = errors[asked % len(errors)]
        if not isinstance(error, RequestError | RejectedError):
            export = export.with_task(TASK) if not export.task else export
        match after(export, error):
            case RetryRequest(same) | PollAgain(same) | SubmitAgain(same):
                assert same.window == export.window
                waiting.append(same)
            case Split(found):
                waiting += found
            case GiveUp():
                failed.append(export.window)
            case EndRun():
                return
    days_of = [window.first.toordinal() + n for window in failed for n in range(window.days)]
    assert sorted(days_of) == [date(2024, 3, 1).toordinal() + n for n in range(days)]
