"""How long the tap waits, with chance given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_advexport.exports.pacing import PollSchedule, Throttle, poll_again_pause, retry_pause


@pytest.mark.parametrize(
    ("tries", "longest"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (6, 16), (7, 30), (8, 30), (10**9, 30)]
)
def test_pauses_between_tries_double_up_to_half_a_minute(tries: int, longest: float) -> None:
    assert retry_pause(tries, random=lambda: 1.0) == longest


def test_pauses_have_full_jitter() -> None:
    assert retry_pause(5, random=lambda: 0.0) == 0
    assert retry_pause(5, random=lambda: 0.25) == 2


@pytest.mark.parametrize(
    ("times", "pause"), [(1, 0.25), (2, 0.5), (3, 1), (7, 16), (8, 30), (10**9, 30)]
)
def test_what_is_not_visible_yet_is_polled_at_twice_the_distance(times: int, pause: float) -> None:
    assert poll_again_pause(times) == pause


def test_what_the_server_asks_for_comes_on_top_and_is_capped_at_ten_minutes() -> None:
    assert retry_pause(1, random=lambda: 0.0, retry_after_seconds=7) == 7
    assert retry_pause(2, random=lambda: 0.5, retry_after_seconds=7) == 7.5
    assert retry_pause(1, random=lambda: 0.0, retry_after_seconds=86400) == 600


def refused(throttle: Throttle, now: float, sent_at: float, retry_after: float | None) -> None:
    throttle.refused(now, sent_at=sent_at, retry_after_seconds=retry_after, random=lambda: 1.0)


def test_refusals_of_requests_that_were_sent_together_are_one() -> None:
    throttle = Throttle(4)
    for now in (10.0, 10.1, 10.2, 10.3):
        refused(throttle, now, 9.9, None)
    assert throttle.seconds_until_open(10.3) == pytest.approx(0.2)
    assert throttle.at_once == 1


def test_a_refusal_of_what_was_sent_after_the_pause_doubles_it() -> None:
    throttle = Throttle(4)
    refused(throttle, 10.0, 9.9, None)
    refused(throttle, 11.0, 10.5, None)
    assert throttle.seconds_until_open(11.0) == pytest.approx(1.0)


def test_the_longest_pause_that_the_server_asked_for_holds() -> None:
    throttle = Throttle(4)
    refused(throttle, 10.0, 9.9, 30)
    refused(throttle, 10.1, 9.9, 5)
    refused(throttle, 10.2, 9.9, None)
    assert throttle.seconds_until_open(10.2) == pytest.approx(30.3)


def test_after_the_pause_requests_go_out_one_then_two_then_all_at_once() -> None:
    throttle = Throttle(4)
    refused(throttle, 10.0, 9.9, None)
    found = []
    for _ in range(4):
        found.append(throttle.at_once)
        throttle.answered()
    assert found == [1, 2, 4, 4]


def test_a_late_refusal_after_a_full_recovery_waits_as_long_as_the_server_asks() -> None:
    throttle = Throttle(2)
    refused(throttle, 10.0, 9.9, None)
    for _ in range(3):
        throttle.answered()
    # Sent together with the first one, and answered long after it.
    refused(throttle, 12.0, 9.9, 30)
    assert throttle.seconds_until_open(12.0) == pytest.approx(30.5)


def test_after_a_full_recovery_the_next_refusal_counts_as_the_first() -> None:
    throttle = Throttle(2)
    refused(throttle, 10.0, 9.9, None)
    refused(throttle, 12.0, 11.9, None)
    for _ in range(3):
        throttle.answered()
    refused(throttle, 50.0, 49.0, None)
    assert throttle.seconds_until_open(50.0) == pytest.approx(0.5)


def test_each_good_answer_takes_back_one_refusal() -> None:
    throttle = Throttle(2)
    refused(throttle, 10.0, 9.9, None)
    refused(throttle, 12.0, 11.9, None)
    throttle.answered()
    refused(throttle, 50.0, 49.0, None)
    assert throttle.seconds_until_open(50.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("age", "pause"), [(0, 0.25), (1, 0.25), (5, 1), (60, 12), (300, 60), (9000, 60)]
)
def test_a_task_is_looked_at_after_a_fifth_of_its_age_within_bounds(
    age: float, pause: float
) -> None:
    assert PollSchedule(60.0).pause(age) == pause


def test_the_shortest_pause_gives_way_to_a_shorter_interval() -> None:
    assert PollSchedule(0.05).pause(0) == 0.05


def test_a_task_is_also_looked_at_when_the_last_one_was_done() -> None:
    times = PollSchedule(60.0)
    times.learn(90.0, 100.0)
    assert times.pause(80.0) == 15.0
    assert times.pause(95.0) == 5.0
    assert times.pause(97.9) == pytest.approx(2.1)
    assert times.pause(98.0) == pytest.approx(2.01)
    assert times.pause(100.0) == 20.0


@pytest.mark.parametrize(
    ("age", "pause"), [(90.0, 10.0), (95.0, 5.0), (100.0, 5.0), (110.0, 5.5), (118.0, 3.0)]
)
def test_finishes_that_do_not_agree_are_looked_for_in_small_steps(age: float, pause: float) -> None:
    times = PollSchedule(60.0)
    times.learn(50.0, 100.0)
    times.learn(100.0, 120.0)
    times.learn(100.0, 121.0)
    assert times.pause(age) == pytest.approx(pause, abs=0.02)


@given(
    ages=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)).map(sorted), max_size=3),
    interval=st.floats(0.01, 1e4),
    age=st.floats(0, 1e5),
)
def test_what_is_learnt_makes_looks_neither_later_nor_frantic(
    ages: list[list[float]], interval: float, age: float
) -> None:
    plain = PollSchedule(interval).pause(age)
    times = PollSchedule(interval)
    for unfinished, finished in ages:
        times.learn(unfinished, finished)
    pause = times.pause(age)
    assert min(0.01, plain) <= pause <= plain


def test_an_api_that_takes_one_request_a_second_is_slowed_down_to_and_not_given_up() -> None:
    """Every answer that is good draws the next 429, and the pauses must not grow for ever."""
    throttle, now, good_at = Throttle(8), 0.0, [-1.0]
    while now < 60:
        now += throttle.seconds_until_open(now)
        for _ in range(throttle.at_once):
            if now - good_at[-1] >= 1:
                good_at.append(now)
                throttle.answered()
            else:
                refused(throttle, now, now, None)
        now += 0.05
    assert len(good_at) > 20
