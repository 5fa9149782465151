"""Work in threads: outcomes and errors come back under their token, and a wait can be woken."""

from __future__ import annotations

import threading
import weakref

from tap_advexport.exports.workers import Outcome, ThreadWorkers


def taken(workers: ThreadWorkers, count: int) -> list[Outcome]:
    found: list[Outcome] = []
    while len(found) < count:
        found += workers.wait(10)
    return found


def test_each_outcome_carries_its_token() -> None:
    workers = ThreadWorkers()
    for token in range(20):
        workers.start(token, lambda token=token: token * token)  # type: ignore[misc]
    assert {each.token: each.value for each in taken(workers, 20)} == {
        token: token * token for token in range(20)
    }


def test_what_work_raises_is_handed_over() -> None:
    error = KeyError("x")

    def fail() -> None:
        raise error

    workers = ThreadWorkers()
    workers.start(7, fail)
    assert taken(workers, 1) == [Outcome(7, error=error)]


def test_a_wait_ends_in_time_or_when_it_is_woken() -> None:
    workers, hold = ThreadWorkers(), threading.Event()
    workers.start(1, hold.wait)
    assert workers.wait(0.0) == []
    workers.wake()
    assert workers.wait(None) == []
    hold.set()
    assert taken(workers, 1) == [Outcome(1, value=True)]


def test_a_thread_that_is_done_works_again_and_one_that_hangs_is_left_alone() -> None:
    workers, hold = ThreadWorkers(), threading.Event()
    workers.start(0, hold.wait)
    threads = set()
    for token in range(1, 50):
        workers.start(token, threading.get_ident)
        threads |= {each.value for each in taken(workers, 1)}
    assert len(threads) == 1
    hold.set()


def test_a_thread_that_waits_keeps_nothing_of_its_work_alive() -> None:
    class Spool:
        pass

    workers, spool = ThreadWorkers(), Spool()
    gone = weakref.ref(spool)
    workers.start(1, lambda spool=spool: spool)  # type: ignore[misc]
    del spool
    taken(workers, 1)
    # The thread lets go of it after its outcome was taken, a moment later.
    workers.start(2, int)
    taken(workers, 1)
    assert gone() is None


def test_no_thread_stays_when_all_is_over() -> None:
    """A process may load many times: an engine that schedules, a notebook."""
    before = set(threading.enumerate())
    workers, hold = ThreadWorkers(), threading.Event()
    for token in range(5):
        workers.start(token, hold.wait)
    begun = [thread for thread in threading.enumerate() if thread not in before]
    assert len(begun) == 5
    workers.close(lambda _: None)
    hold.set()
    for thread in begun:
        thread.join(10)
    assert not any(thread.is_alive() for thread in begun)


def test_what_comes_after_the_end_is_discarded() -> None:
    """Nobody would close a file that was downloaded, or converted, behind the end of its run."""
    discarded: list[object] = []
    gone = threading.Event()

    def discard(outcome: Outcome) -> None:
        discarded.append(outcome.value)
        if len(discarded) == 2:
            gone.set()

    def quick() -> str:
        done.set()
        return "not taken"

    workers, hold, done = ThreadWorkers(), threading.Event(), threading.Event()
    workers.start(1, lambda: hold.wait() and "late")
    workers.start(2, quick)
    done.wait(10)
    workers.close(discard)
    hold.set()
    assert gone.wait(10)
    assert set(discarded) == {"late", "not taken"}
