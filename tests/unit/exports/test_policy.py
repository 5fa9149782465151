"""What follows from each thing that can go wrong with an export: one decision at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tap_advexport.errors import (
    AuthorizationError,
    ConfigError,
    CutFileError,
    FileError,
    FileNotFoundYetError,
    InvalidHeaderError,
    InvalidRowError,
    NoUrlYetError,
    OutputError,
    RejectedError,
    RequestError,
    TapAdvexportError,
    TaskError,
    TaskNotFoundError,
)
from tap_advexport.exports.policy import (
    ASKS_UNTIL_LIMIT_IF_TOLD,
    FRESH_URLS_PER_TASK,
    MOST_SINGLE,
    SETUP_TRIES,
    SUBMISSIONS_SOON,
    VISIBLE_WITHIN_SECONDS,
    EndRun,
    Export,
    GiveUp,
    PollAgain,
    Refuse,
    RetryPolicy,
    RetryRequest,
    Situation,
    Split,
    Step,
    SubmitAgain,
    SubmitLater,
    SubmitSoon,
    after_failure,
    in_single_periods,
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


ALONE = Situation()
CROWDED = Situation(is_crowded=True)


def after(export: Export, error: TapAdvexportError, situation: Situation = ALONE) -> Step:
    return after_failure(export, error, RETRY_POLICY, situation)


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


def test_a_submission_out_of_tries_has_no_task_to_keep() -> None:
    assert after(Export(WEEK, tries=4), RequestError("no answer")) == GiveUp(keeps_task=False)


@pytest.mark.parametrize("retry_after", [None, 5.0])
def test_a_429_is_sent_again_then_tasks_of_ours_are_awaited(retry_after: float | None) -> None:
    export = Export(WEEK, submissions=1, tries=1)
    error = RequestError("429", is_throttled=True, retry_after_seconds=retry_after)
    assert after(export, error, CROWDED) == RetryRequest(export)
    step = after(export, error, replace(CROWDED, asks=2))
    # A server that says how long to wait may be overloaded, up to some point.
    later: Step = SubmitLater(Export(WEEK))
    assert step == (later if retry_after is None else RetryRequest(export))
    assert after(export, error, replace(CROWDED, asks=ASKS_UNTIL_LIMIT_IF_TOLD)) == later
    step = after(export, error, replace(CROWDED, asks=ASKS_UNTIL_LIMIT_IF_TOLD - 1))
    assert step == (later if retry_after is None else RetryRequest(export))
    assert after(export, error, replace(CROWDED, is_limited=True)) == later
    assert after(export, error, replace(ALONE, asks=2)) == RetryRequest(export)


def test_a_429_at_the_only_try_awaits_tasks_of_ours() -> None:
    export = Export(WEEK, submissions=1, tries=4)
    error = RequestError("429", is_throttled=True)
    assert after(export, error, CROWDED) == SubmitLater(Export(WEEK))
    assert after(export, error, ALONE) == Refuse()


def test_a_429_that_lasts_as_long_as_an_export_may_fails_the_window() -> None:
    error = RequestError("429", is_throttled=True)
    lasting = Situation(seconds_asking=100, export_timeout_seconds=100)
    assert after(UNDER_WAY, error, lasting) == GiveUp(keeps_task=True)
    window = Export(WEEK, submissions=1, tries=1)
    assert after(window, error, lasting) == Refuse()
    assert after(window, error, replace(lasting, has_answered=False)) == GiveUp(keeps_task=False)
    assert after(window, error, Situation(is_taught=True)) == Refuse()
    unused = replace(window, tries=0)
    assert after(unused, error, Situation(is_taught=True)) == RetryRequest(unused)
    assert after(UNDER_WAY, RequestError("500"), lasting) == RetryRequest(UNDER_WAY)


def test_a_proxy_that_never_worked_ends_the_run_at_the_second_try() -> None:
    error = RequestError("the proxy does not connect", is_setup=True, advice="check HTTPS_PROXY")
    mute = Situation(has_answered=False)
    export = replace(UNDER_WAY, tries=SETUP_TRIES - 1)
    assert after(export, error, mute) == RetryRequest(export)
    export = replace(UNDER_WAY, tries=SETUP_TRIES)
    assert after(export, error) == RetryRequest(export)
    step = after(export, error, mute)
    assert isinstance(step, EndRun)
    assert str(step.error) == "the proxy does not connect; check HTTPS_PROXY"


# --- Refusals ---------------------------------------------------------------------------------

BAD_REQUEST = RejectedError("HTTP 400", refusal="HTTP 400")
ERROR = RejectedError("ERROR", refusal="ERROR")
FORBIDDEN = AuthorizationError("HTTP 403", status=403)


@pytest.mark.parametrize("error", [BAD_REQUEST, ERROR, FORBIDDEN], ids=["400", "ERROR", "403"])
def test_a_refusal_while_tasks_of_ours_are_unfinished_means_later(error: TapAdvexportError) -> None:
    export = Export(WEEK, submissions=3, tries=1, polls_again=2)
    assert after(export, error, CROWDED) == SubmitLater(Export(WEEK, submissions=2))


def test_a_refusal_that_an_unseen_task_may_explain_means_soon_and_costs_no_submission() -> None:
    export = Export(WEEK, submissions=3, tries=1, polls_again=2)
    step = after(export, BAD_REQUEST, Situation(may_be_crowded=True))
    assert step == SubmitSoon(Export(WEEK, submissions=2, polls_again=3))


def test_a_window_waits_for_an_unseen_task_for_so_many_submissions() -> None:
    crowded = Situation(may_be_crowded=True)
    last = Export(WEEK, submissions=1, polls_again=SUBMISSIONS_SOON - 1)
    assert isinstance(after(last, BAD_REQUEST, crowded), SubmitSoon)
    assert isinstance(
        after(replace(last, polls_again=SUBMISSIONS_SOON), BAD_REQUEST, crowded), Split
    )


def test_the_single_period_of_a_month_is_the_month() -> None:
    month = Export(DateWindow(date(2024, 3, 1), date(2024, 3, 31)))
    assert in_single_periods(month, Interval.MONTHLY) == (replace(month, part_of=month.window),)


def test_a_401_ends_the_run_whatever_is_unfinished() -> None:
    error = AuthorizationError("HTTP 401", status=401)
    assert after(Export(WEEK, tries=1), error, CROWDED) == EndRun(error)


def test_a_refused_range_is_split_down_to_the_period() -> None:
    step = after(Export(WEEK, submissions=1, tries=1), BAD_REQUEST)
    assert parts(step) == ["2024-03-01..2024-03-03", "2024-03-04..2024-03-07"]
    assert after(Export(DAY, submissions=1, tries=1), BAD_REQUEST) == Refuse()


def test_one_more_of_a_row_of_refusals_is_neither_split_nor_tried_again() -> None:
    taught = Situation(is_taught=True)
    for error in (BAD_REQUEST, ERROR):
        assert after(Export(WEEK, submissions=1, tries=1), error, taught) == Refuse()
    failed = TaskError("FAILURE", refusal="FAILURE")
    assert after(UNDER_WAY, failed, taught) == Refuse()
    assert isinstance(after(UNDER_WAY, TaskError("stuck"), taught), SubmitAgain)


def test_an_error_result_is_tried_again_before_the_window_is_split() -> None:
    assert after(Export(WEEK, submissions=2), ERROR) == SubmitAgain(Export(WEEK, submissions=2))
    assert isinstance(after(Export(WEEK, submissions=3), ERROR), Split)
    assert after(Export(DAY, submissions=3), ERROR) == Refuse()


# --- Tasks ------------------------------------------------------------------------------------


def test_a_failed_task_is_submitted_again_and_its_window_split_when_that_is_in_vain() -> None:
    export = UNDER_WAY
    for submissions in (1, 2):
        step = after(replace(export, submissions=submissions), TaskError("FAILURE"))
        assert step == SubmitAgain(replace(export, submissions=submissions, task=None, tries=0))
    step = after(replace(export, submissions=3), TaskError("FAILURE"))
    assert parts(step) == ["2024-03-01..2024-03-03", "2024-03-04..2024-03-07"]


def test_the_parts_of_a_split_begin_afresh() -> None:
    step = after(replace(UNDER_WAY, submissions=3, had_invalid_row=True), TaskError("FAILURE"))
    assert isinstance(step, Split)
    assert step.parts == tuple(Export(part.window, part_of=WEEK) for part in step.parts)
    part = replace(UNDER_WAY, window=step.parts[0].window, submissions=3, part_of=WEEK)
    again = after(part, TaskError("FAILURE"))
    assert isinstance(again, Split)
    assert {part.part_of for part in again.parts} == {WEEK}


def test_what_continues_a_row_of_refused_days_is_split_into_single_ones() -> None:
    beside = Situation(refused_beside=1)
    step = after(Export(WEEK, submissions=1, tries=1), BAD_REQUEST, beside)
    assert parts(step) == [f"2024-03-0{number}" for number in range(1, 8)]
    # One refusal of a moment may stand beside another; two hardly.
    assert isinstance(after(Export(WEEK, submissions=1), ERROR, beside), SubmitAgain)
    row = Situation(refused_beside=2)
    assert len(parts(after(Export(WEEK, submissions=1), ERROR, row))) == 7
    # Windows of more than two weeks are halved all the same.
    for days, count in ((MOST_SINGLE, MOST_SINGLE), (MOST_SINGLE + 1, 2)):
        window = DateWindow(date(2024, 3, 1), date(2024, 3, days))
        assert len(parts(after(Export(window, submissions=1, tries=1), BAD_REQUEST, row))) == count
    # What fails in another way than by a refusal is halved.
    assert len(parts(after(replace(UNDER_WAY, submissions=3), TaskError("stuck"), row))) == 2


def test_a_single_period_is_given_up_with_its_task() -> None:
    day = Export(DAY, submissions=3, task=TASK)
    assert after(day, TaskError("FAILURE")) == GiveUp(keeps_task=False)
    monthly = replace(RETRY_POLICY, interval=Interval.MONTHLY)
    month = replace(UNDER_WAY, submissions=3)
    assert after_failure(month, TaskError("FAILURE"), monthly, ALONE) == GiveUp(keeps_task=False)


@pytest.mark.parametrize(
    "error", [AuthorizationError("no", status=403), TaskError("HTTP 404"), TaskError("FAILURE")]
)
def test_an_adopted_task_that_is_refused_or_unknown_is_submitted_again(
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


@pytest.mark.parametrize(
    ("export", "seconds", "is_awaited"),
    [
        (UNDER_WAY, 0, True),
        (UNDER_WAY, VISIBLE_WITHIN_SECONDS - 1, True),
        (UNDER_WAY, VISIBLE_WITHIN_SECONDS, False),
        (replace(UNDER_WAY, is_adopted=True), 0, False),
    ],
)
def test_a_task_that_is_unknown_is_awaited_for_two_minutes_if_it_is_ours(
    export: Export, seconds: float, *, is_awaited: bool
) -> None:
    step = after(export, TaskNotFoundError("404"), Situation(seconds_submitted=seconds))
    expected = PollAgain(replace(export, tries=0, polls_again=1))
    assert step == expected if is_awaited else isinstance(step, SubmitAgain)


def test_a_task_without_a_url_is_polled_for_two_minutes_then_submitted_again() -> None:
    error = NoUrlYetError("no URL")
    young, old = Situation(seconds_finished=119), Situation(seconds_finished=120)
    step = after_failure(UNDER_WAY, error, RETRY_POLICY, young)
    assert step == PollAgain(replace(UNDER_WAY, tries=0, polls_again=1))
    assert isinstance(after_failure(UNDER_WAY, error, RETRY_POLICY, old), SubmitAgain)


def test_another_task_begins_with_a_clean_record() -> None:
    tried = replace(UNDER_WAY, tries=3, fresh_urls=1, polls_again=2, had_invalid_row=True)
    tried = replace(tried, is_adopted=True)
    assert tried.with_task(TASK) == Export(WEEK, submissions=1, task=TASK, had_invalid_row=True)


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


def test_a_file_that_is_not_there_is_awaited_for_two_minutes_and_at_least_once() -> None:
    error = FileNotFoundYetError("403")
    young, old = Situation(seconds_finished=119), Situation(seconds_finished=120)
    once = replace(UNDER_WAY, tries=0, polls_again=1)
    assert after(UNDER_WAY, error, old) == PollAgain(once)
    assert after(once, error, young) == PollAgain(replace(once, polls_again=2))
    assert isinstance(after(once, error, old), SubmitAgain)


def test_an_invalid_row_is_submitted_again_once_and_then_split_down_to_the_period() -> None:
    error = InvalidRowError("line 2")
    step = after(UNDER_WAY, error)
    assert isinstance(step, SubmitAgain)
    again = step.export.with_task(TASK)
    assert parts(after(again, error)) == ["2024-03-01..2024-03-03", "2024-03-04..2024-03-07"]
    assert after(replace(again, window=DAY), error) == GiveUp(keeps_task=False)


def test_an_invalid_header_is_submitted_again_once_and_then_ends_the_run() -> None:
    error = InvalidHeaderError("a column is missing")
    step = after(UNDER_WAY, error)
    assert isinstance(step, SubmitAgain)
    step = after(step.export.with_task(TASK), error)
    assert isinstance(step, EndRun)
    assert isinstance(step.error, InvalidHeaderError)
    assert str(step.error).startswith("daily 2024-")
    assert str(step.error).endswith(": a column is missing")


def test_an_invalid_header_after_an_invalid_row_is_submitted_again_too() -> None:
    header = InvalidHeaderError("a column is missing")
    step = after(UNDER_WAY, InvalidRowError("line 2"))
    assert isinstance(step, SubmitAgain)
    step = after(step.export.with_task(TASK), header)
    assert isinstance(step, SubmitAgain)
    assert isinstance(after(step.export.with_task(TASK), header), EndRun)


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
            case SubmitLater() | SubmitSoon():
                raise AssertionError("nothing else is unfinished")
            case GiveUp() | Refuse():
                failed.append(export.window)
            case EndRun():
                return
    days_of = [window.first.toordinal() + n for window in failed for n in range(window.days)]
    assert sorted(days_of) == [date(2024, 3, 1).toordinal() + n for n in range(days)]
