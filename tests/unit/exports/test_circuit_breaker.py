"""When a whole run has seen enough of an API that does not work."""

from __future__ import annotations

import pytest

from tap_advexport.exports.circuit_breaker import SETBACKS_PER_ATTEMPT, CircuitBreaker


def test_an_api_is_broken_when_as_many_exports_failed_as_may_be_in_flight() -> None:
    assert not CircuitBreaker(failed=3).is_broken(4)
    assert CircuitBreaker(failed=4).is_broken(4)
    assert not CircuitBreaker(failed=400, succeeded=1).is_broken(4)


def test_one_export_at_a_time_that_is_invalid_is_no_broken_api() -> None:
    assert CircuitBreaker(failed=1).is_broken(1)
    assert not CircuitBreaker(failed=3, invalid=3).is_broken(1)
    assert CircuitBreaker(failed=4, invalid=4).is_broken(1)


@pytest.mark.parametrize(
    ("breaker", "is_probing"),
    [
        (CircuitBreaker(), False),
        (CircuitBreaker(setbacks=3), False),
        (CircuitBreaker(setbacks=4), True),
        (CircuitBreaker(is_doubtful=True), True),
        (CircuitBreaker(is_doubtful=True, setbacks=4, succeeded=1), False),
    ],
)
def test_where_nothing_worked_one_task_at_a_time_is_enough_to_see(
    breaker: CircuitBreaker, *, is_probing: bool
) -> None:
    assert breaker.is_probing(4) == is_probing


def test_with_many_in_flight_a_dozen_setbacks_are_enough_to_probe() -> None:
    assert not CircuitBreaker(setbacks=SETBACKS_PER_ATTEMPT - 1).is_probing(32)
    assert CircuitBreaker(setbacks=SETBACKS_PER_ATTEMPT).is_probing(32)


def test_a_few_dozen_tasks_that_came_to_nothing_are_hopeless() -> None:
    assert not CircuitBreaker(setbacks=39).is_hopeless(attempts=3, limit=4)
    assert CircuitBreaker(setbacks=40).is_hopeless(attempts=3, limit=4)
    assert not CircuitBreaker(setbacks=4000, succeeded=1).is_hopeless(attempts=3, limit=4)
