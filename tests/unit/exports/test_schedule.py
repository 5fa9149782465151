"""Which export may do what at a moment."""

from __future__ import annotations

import pytest

from tap_advexport.errors import InvalidRowError
from tap_advexport.exports.circuit_breaker import CircuitBreaker
from tap_advexport.exports.job import ExportJob, Phase, Ready
from tap_advexport.exports.limits import Limits
from tap_advexport.exports.schedule import Schedule
from tests.support.runner_fakes import BAD_REQUEST, START, Rig, Takes, adopted, wanted, window


def test_no_more_exports_are_in_flight_than_may_be() -> None:
    rig = Rig(at_once=3)
    rig.api.always["poll"] = Takes(7)
    most = 0
    for _ in rig.events(*(wanted(day) for day in range(1, 20))):
        phases = [job.phase for job in rig.runner.jobs]
        most = max(most, len(phases) - phases.count(Phase.CONVERT) - phases.count(Phase.READY))
    assert most == 3
    assert rig.api.times("submit")[3] >= 7


def test_files_that_nobody_takes_bound_what_is_submitted() -> None:
    rig = Rig(at_once=2)
    events = rig.runner.events(wanted(day) for day in range(1, 20))
    taken = [event for _, event in zip(range(8), events, strict=False)]
    ready = [event for event in taken if isinstance(event, Ready)]
    assert len(ready) == 4
    assert rig.api.count("submit") == 4


def test_an_export_that_comes_back_waits_for_room_at_the_api() -> None:
    rig = Rig(at_once=2)
    rig.api.script["convert"] = [Takes(20, InvalidRowError("line 2")) for _ in range(2)]
    rig.api.always["poll"] = Takes(100)
    open_at_submissions = []

    def count(_: object) -> None:
        busy = {Phase.POLL, Phase.DOWNLOAD}
        jobs = rig.runner.jobs
        open_at_submissions.append(
            sum(f.phase in busy or (f.phase is Phase.SUBMIT and f.work is not None) for f in jobs)
        )

    rig.api.always["submit"] = count
    assert len(rig.run(*(wanted(day) for day in range(1, 9))).ready) == 8
    assert len(open_at_submissions) == 10
    assert max(open_at_submissions) == 2


def test_newer_windows_go_first_also_after_a_split_and_after_later() -> None:
    rig = Rig(at_once=1)
    rig.api.script["submit"] = [BAD_REQUEST]
    rig.run(*(wanted(day - 6, day) for day in (28, 21, 14)))
    assert rig.api.asked("submit") == [
        "2024-03-22..2024-03-28",
        "2024-03-25..2024-03-28",
        "2024-03-22..2024-03-24",
        "2024-03-15..2024-03-21",
        "2024-03-08..2024-03-14",
    ]


# --- With plain values --------------------------------------------------------------------------

NOW = 1000.0


def schedule(
    at_once: int = 2, breaker: CircuitBreaker | None = None, conversions_at_once: int = 2
) -> Schedule:
    limits = Limits(
        max_concurrent_exports=at_once,
        conversions_at_once=conversions_at_once,
        poll_interval_seconds=60.0,
        export_timeout_seconds=900.0,
        request_timeout_seconds=30.0,
    )
    return Schedule(limits, breaker or CircuitBreaker(), export_attempts=3)


def job(phase: Phase, day: int = 1, due_at: float = NOW, work: int | None = None) -> ExportJob:
    export = wanted(day) if phase is Phase.SUBMIT else adopted(day)
    return ExportJob(export, phase, due_at, work=work, work_began_at=NOW, work_alive_at=NOW)


def begun(plan: Schedule) -> list[ExportJob]:
    return list(plan.begin(NOW, START))


def test_what_comes_back_takes_its_place_by_date() -> None:
    plan = schedule()
    plan.queue.extend([wanted(20), wanted(10), wanted(1)])
    plan.put_back([wanted(15), wanted(5), wanted(25)])
    assert [each.window.first.day for each in plan.queue] == [25, 20, 15, 10, 5, 1]


def test_older_windows_are_dropped_but_for_those_with_a_task() -> None:
    plan = schedule()
    plan.queue.extend([wanted(20), wanted(10), adopted(5), wanted(1)])
    assert plan.drop_older(window(15)) == [window(10), window(1)]
    assert [each.window for each in plan.queue] == [window(20), window(5)]


def test_a_job_of_an_earlier_run_is_as_old_as_its_task() -> None:
    plan = schedule()
    plan.queue.extend([adopted(2, hours_old=2), wanted(1)])
    old, new = begun(plan)
    assert (old.phase, old.began_at, old.waits_since) == (Phase.POLL, NOW - 7200, NOW)
    assert (new.phase, new.began_at) == (Phase.SUBMIT, NOW)
    # A clock that was set back makes no task younger than this run.
    plan = schedule()
    plan.queue.append(adopted(1, hours_old=-1))
    assert begun(plan)[0].began_at == NOW


@pytest.mark.parametrize(("succeeded", "most"), [(0, 2), (1, 4)])
def test_files_that_wait_bound_what_begins(succeeded: int, most: int) -> None:
    plan = schedule(at_once=2, breaker=CircuitBreaker(succeeded=succeeded))
    plan.queue.extend(wanted(day) for day in range(9, 0, -1))
    for _ in range(9):
        for each in begun(plan):
            each.phase = Phase.CONVERT
    assert len(plan.jobs) == most


@pytest.mark.parametrize(
    "breaker",
    [CircuitBreaker(failed=2), CircuitBreaker(setbacks=38)],
    ids=["broken", "hopeless"],
)
def test_an_api_that_does_not_work_gets_nothing_new_but_is_asked_for_what_it_has(
    breaker: CircuitBreaker,
) -> None:
    plan = schedule(at_once=2, breaker=breaker)
    plan.queue.extend([adopted(2), wanted(1)])
    assert [each.phase for each in begun(plan)] == [Phase.POLL]
    assert len(plan.queue) == 1


def test_a_job_whose_lines_are_out_is_forgotten() -> None:
    plan = schedule()
    plan.jobs = [job(Phase.READY, 1), job(Phase.POLL, 2, work=7)]
    plan.jobs[0].is_released = True
    plan.release()
    assert [each.phase for each in plan.jobs] == [Phase.POLL]
    assert plan.of(7) is plan.jobs[0]
    assert plan.of(8) is None


def test_what_is_due_goes_on_and_as_many_requests_and_conversions_as_may_be() -> None:
    plan = schedule(at_once=2, conversions_at_once=1)
    plan.jobs = [
        job(Phase.POLL, 1, due_at=NOW + 1),
        job(Phase.POLL, 2, work=7),
        job(Phase.CONVERT, 3),
        job(Phase.CONVERT, 4),
        job(Phase.READY, 5),
        job(Phase.DOWNLOAD, 6),
    ]
    started: list[int] = []
    for each in plan.due(NOW):
        each.work = 10 + len(started)
        started.append(each.export.window.first.day)
    assert started == [3, 6]
    assert list(plan.due(NOW)) == []


def test_requests_wait_for_the_throttle_and_conversions_do_not() -> None:
    plan = schedule()
    plan.throttle.refused(NOW, sent_at=NOW, retry_after_seconds=30.0, random=lambda: 0.0)
    plan.jobs = [job(Phase.POLL, 1), job(Phase.CONVERT, 2)]
    assert [each.phase for each in plan.due(NOW)] == [Phase.CONVERT]
    plan.jobs[1].work = 7
    assert plan.seconds_until_next(NOW) == pytest.approx(30.0)


def test_a_submission_waits_for_a_place_at_the_api() -> None:
    plan = schedule(at_once=2, breaker=CircuitBreaker(is_doubtful=True))
    plan.jobs = [job(Phase.SUBMIT, 1), job(Phase.POLL, 2, due_at=NOW + 60)]
    assert list(plan.due(NOW)) == []
    assert plan.open_beside(plan.jobs[0]) == 1
    plan.jobs.pop()
    assert list(plan.due(NOW)) == plan.jobs


def test_the_next_move_is_the_earliest_of_all_jobs() -> None:
    plan = schedule(at_once=4)
    assert plan.seconds_until_next(NOW) is None
    plan.jobs = [job(Phase.POLL, 1, due_at=NOW + 20), job(Phase.POLL, 2, due_at=NOW + 5)]
    assert plan.seconds_until_next(NOW) == 5.0
    assert plan.seconds_until_next(NOW + 50) == 0.0
    plan.jobs = [job(Phase.READY), job(Phase.CONVERT, work=1)]
    assert plan.seconds_until_next(NOW) == float("inf")


@pytest.mark.parametrize(
    ("phase", "alive_at", "deadline"),
    [
        # Twice the time-out of a request, and one second, since it was last alive.
        (Phase.POLL, NOW, NOW + 61),
        (Phase.DOWNLOAD, NOW, NOW + 61),
        (Phase.DOWNLOAD, NOW + 800, NOW + 861),
        # However lively, a download ends with the time of the export.
        (Phase.DOWNLOAD, NOW + 880, NOW + 900),
        (Phase.CONVERT, NOW, float("inf")),
    ],
)
def test_work_that_no_time_out_ends_has_a_deadline(
    phase: Phase, alive_at: float, deadline: float
) -> None:
    under_way = job(phase, work=1)
    under_way.work_alive_at = alive_at
    assert schedule().deadline(under_way) == deadline


def test_a_probe_that_finds_no_room_does_not_keep_the_loop_awake() -> None:
    """Seed 2045 of the simulation: nothing asks for the limit while one task at a time is tried."""
    plan = schedule(breaker=CircuitBreaker(is_doubtful=True))
    plan.tasks.refused(1, NOW - 1000, may_be_rate=True)
    plan.jobs.append(job(Phase.POLL, due_at=NOW + 5))
    plan.queue.append(wanted(1))
    assert begun(plan) == []
    assert plan.seconds_until_next(NOW) == 5


def test_a_download_holds_up_no_poll_while_one_request_at_a_time_is_sent() -> None:
    """It may take hours, and a task's URL does not wait for that."""
    plan = schedule(at_once=4)
    plan.throttle.refused(
        NOW - 100, sent_at=NOW - 100, retry_after_seconds=None, random=lambda: 0.0
    )
    assert plan.throttle.at_once == 1
    downloading, polled = job(Phase.DOWNLOAD, work=1), job(Phase.POLL, day=2)
    waiting = job(Phase.DOWNLOAD, day=3)
    plan.jobs.extend([downloading, waiting, polled])
    assert list(plan.due(NOW)) == [polled]
    polled.work = 2
    assert list(plan.due(NOW)) == []
