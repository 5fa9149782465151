"""How many tasks an API takes at once, and how far apart, as its refusals teach."""

from __future__ import annotations

import pytest

from tap_advexport.exports.limits import (
    BELIEVED_AFTER,
    ENDED_AT_LIMIT_SECONDS,
    ENDED_SECONDS,
    FIRST_PROBE_SECONDS,
    MAX_SPAN_SECONDS,
    MIN_SPAN_SECONDS,
    PROBE_GROWTH,
    REFUSED_AFTER_END,
    SPAN_SHRINKS_TO,
    UNSEEN_FACTOR,
    UNSEEN_SECONDS,
    SubmissionPace,
    TaskLimit,
    UnseenTasks,
)


def test_the_limit_is_what_was_open_and_one_more_after_each_success() -> None:
    limit = TaskLimit(4)
    assert (limit.at(0), limit.is_learned) == (4, False)
    limit.refused(2, 0, may_be_rate=False)
    assert (limit.at(10**6), limit.is_learned) == (2, True)
    limit.succeeded()
    assert limit.at(10**6) == 3
    limit.succeeded()
    assert (limit.at(10**6), limit.is_learned) == (4, False)
    limit.succeeded()
    assert limit.at(10**6) == 4


def test_one_task_may_always_be_open() -> None:
    limit = TaskLimit(4)
    limit.refused(0, 0, may_be_rate=False)
    assert limit.at(0) == 1


def test_what_may_be_a_rate_is_probed_without_a_success_more_and_more_seldom() -> None:
    limit = TaskLimit(8)
    now = 0.0
    for pause in (FIRST_PROBE_SECONDS, PROBE_GROWTH * FIRST_PROBE_SECONDS):
        limit.refused(1, now, may_be_rate=True)
        assert limit.probe_at == now + pause
        assert limit.at(now + pause - 1) == 1
        now += pause
        assert limit.at(now) == limit.at(now) == 2


def test_submissions_keep_the_distance_that_was_learned_and_close_up_again() -> None:
    pace = SubmissionPace()
    pace.accepted(100)
    assert pace.opens_at == 100
    pace.refused(is_told=False)
    pace.refused(is_told=False)
    pace.accepted(170)
    assert pace.opens_at == 240
    pace.accepted(240)
    assert pace.opens_at == 303
    for number in range(60):
        pace.accepted(1000 + number)
    assert pace.opens_at == 1059


def test_a_distance_that_is_as_long_as_can_be_is_learned() -> None:
    pace = SubmissionPace()
    pace.accepted(0)
    pace.refused(is_told=False)
    pace.refused(is_told=False)
    pace.accepted(MAX_SPAN_SECONDS)
    assert pace.opens_at == 2 * MAX_SPAN_SECONDS


@pytest.mark.parametrize(("span", "after"), [(1.05, 0.0), (MIN_SPAN_SECONDS / SPAN_SHRINKS_TO, 1)])
def test_no_distance_of_less_than_a_second_is_kept(span: float, after: float) -> None:
    pace = SubmissionPace()
    pace.accepted(0)
    pace.refused(is_told=False)
    pace.refused(is_told=False)
    pace.accepted(span)
    pace.accepted(100)
    assert pace.opens_at == 100 + after


def test_nothing_is_learned_from_a_single_429() -> None:
    """It may have come in a moment of overload, after a task of many minutes."""
    pace = SubmissionPace()
    for moment in (0, 500, 1000):
        pace.accepted(moment)
        assert pace.opens_at == moment
        pace.refused(is_told=False)


def test_a_429_that_says_how_long_to_wait_is_a_limit_at_once() -> None:
    pace = SubmissionPace()
    pace.accepted(0)
    pace.refused(is_told=True)
    pace.accepted(60)
    assert pace.opens_at == 120


def test_nothing_is_learned_from_the_first_submission_nor_after_a_long_time() -> None:
    pace = SubmissionPace()
    pace.refused(is_told=False)
    pace.refused(is_told=False)
    pace.accepted(50)
    assert pace.opens_at == 50
    pace.refused(is_told=False)
    pace.refused(is_told=False)
    pace.accepted(51 + MAX_SPAN_SECONDS)
    assert pace.opens_at == 51 + MAX_SPAN_SECONDS


def test_a_task_that_nobody_sees_may_refuse_for_two_minutes() -> None:
    tasks = UnseenTasks()
    assert not tasks.may_refuse("busy", 0)
    tasks.may_exist(0)
    assert tasks.may_refuse("busy", UNSEEN_SECONDS - 1)
    assert not tasks.may_refuse("busy", UNSEEN_SECONDS)


def test_a_task_that_nobody_sees_may_take_twice_as_long_as_those_of_this_run() -> None:
    tasks = UnseenTasks()
    tasks.may_exist(0)
    tasks.ended(0, took=UNSEEN_SECONDS)
    assert tasks.seconds == UNSEEN_FACTOR * UNSEEN_SECONDS
    assert tasks.is_possible(tasks.seconds - 1)
    assert tasks.may_refuse("busy", tasks.seconds - 1)
    assert not tasks.is_possible(tasks.seconds)
    tasks.ended(0, took=1)
    tasks.ended(0)
    assert tasks.seconds == UNSEEN_FACTOR * UNSEEN_SECONDS


def test_words_after_which_the_window_was_accepted_are_those_of_a_limit() -> None:
    tasks = UnseenTasks()
    assert not tasks.is_limit("busy")
    tasks.prove_limit("busy")
    tasks.prove_limit("")
    assert tasks.is_limit("busy")
    assert not tasks.is_limit("")


def test_a_task_that_has_just_ended_may_refuse_and_longer_in_the_words_of_a_limit() -> None:
    tasks = UnseenTasks()
    tasks.ended(0)
    assert tasks.may_refuse("busy", ENDED_SECONDS - 1)
    assert not tasks.may_refuse("busy", ENDED_SECONDS)
    tasks.limited("busy")
    assert tasks.may_refuse("busy", ENDED_AT_LIMIT_SECONDS - 1)
    assert not tasks.may_refuse("", ENDED_SECONDS)


def test_words_that_had_no_such_reason_once_are_a_refusal_from_then_on() -> None:
    tasks = UnseenTasks()
    tasks.limited("too old")
    tasks.refused("too old", 100)
    tasks.limited("too old")
    assert tasks.is_refusal("too old")
    assert not tasks.is_refusal("busy")
    tasks.ended(0)
    assert tasks.may_refuse("too old", ENDED_SECONDS - 1)
    assert not tasks.may_refuse("too old", ENDED_SECONDS)
    tasks.may_exist(0)
    assert tasks.may_refuse("too old", UNSEEN_SECONDS - 1)


def test_words_that_were_a_refusal_several_times_are_believed_whatever_may_exist() -> None:
    tasks = UnseenTasks()
    tasks.may_exist(100)
    for _ in range(BELIEVED_AFTER):
        assert tasks.may_refuse("too old", 100)
        tasks.refused("too old", 100)
    assert not tasks.may_refuse("too old", 100)
    assert tasks.may_refuse("busy", 100)
    tasks.ended(100)
    assert tasks.may_refuse("too old", 100)


def test_a_refusal_that_nothing_else_can_explain_is_no_proof_against_a_lost_answer() -> None:
    """An API that says ERROR to a bad day says so too while a task that nobody sees is running."""
    tasks = UnseenTasks()
    tasks.may_exist(100 - UNSEEN_SECONDS)
    for _ in range(3 * BELIEVED_AFTER):
        tasks.refused("ERROR", 100, refused_before=REFUSED_AFTER_END)
    assert tasks.is_refusal("ERROR")
    tasks.may_exist(200)
    assert tasks.may_refuse("ERROR", 200 + UNSEEN_SECONDS - 1)


def test_words_that_were_waited_for_in_vain_are_believed() -> None:
    tasks = UnseenTasks()
    for _ in range(BELIEVED_AFTER):
        tasks.may_exist(100)
        assert tasks.may_refuse("down", 100)
        tasks.refused("down", 100 + UNSEEN_SECONDS, refused_before=REFUSED_AFTER_END + 1)
    tasks.may_exist(300)
    assert not tasks.may_refuse("down", 300)
