"""One request or conversion: what is opened, closed, and said when it fails."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

import pytest

from tap_advexport.api.answers import Finished, Unfinished
from tap_advexport.api.bodies import Downloaded
from tap_advexport.errors import CutFileError, ExportError, InvalidRowError, OutputError
from tap_advexport.exports.circuit_breaker import CircuitBreaker
from tap_advexport.exports.job import Convert, DownloadedFile, ExportJob, Phase
from tap_advexport.exports.work import WorkFactory, discard
from tap_advexport.exports.workers import Outcome
from tap_advexport.reports import Interval
from tests.support.runner_fakes import START, FakeClock, Rig, adopted, wanted, window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_advexport.windows import DateWindow


def test_a_spool_that_cannot_be_written_ends_the_run() -> None:
    for kind in ("download", "convert"):
        rig = Rig()
        rig.api.script[kind] = [OSError(28, "No space left on device")]
        with pytest.raises(OutputError, match="No space left on device"):
            rig.run(wanted(1))


def test_what_a_file_says_is_told_without_the_token() -> None:
    rig = Rig(circuit_breaker=CircuitBreaker(succeeded=1))
    rig.api.always["convert"] = InvalidRowError("line 2: t0ken")
    failed = rig.run(wanted(1), wanted(2, 3), wanted(4)).failed
    assert failed["2024-03-01"].startswith("task task-4: line 2: ***;")


# --- With plain values --------------------------------------------------------------------------


class Client:
    """Answers with what a test gives it, and remembers what it was asked."""

    def __init__(self, answer: object = None) -> None:
        self.answer = answer
        self.asked: list[object] = []
        self.spool: BinaryIO | None = None
        self.is_cancelled: Callable[[], bool] = lambda: False

    def submit(self, window: DateWindow, *, interval: Interval, sorting: str) -> str:
        self.asked += [window, interval, sorting]
        return "task"

    def poll(self, task_id: str) -> Unfinished | Finished:
        self.asked.append(task_id)
        return Finished(None)

    def download(
        self, url: str, spool: BinaryIO, *, is_cancelled: Callable[[], bool]
    ) -> Downloaded:
        self.asked.append(url)
        self.spool, self.is_cancelled = spool, is_cancelled
        if isinstance(self.answer, BaseException):
            raise self.answer
        return DOWNLOADED

    def clear(self, error: ExportError, urls: Iterable[str]) -> None:
        error.rewrite(lambda _: f"*** {list(urls)}")


DOWNLOADED = Downloaded(10, is_end_proven=True, urls=("https://f/?sig",))


def factory(
    client: Client, convert: Convert | None = None, *, is_stopped: bool = False
) -> WorkFactory:
    return WorkFactory(
        client=client,
        convert=convert or cast("Convert", None),
        clock=FakeClock(),
        interval=Interval.DAILY,
        sorting="time",
        is_stopped=lambda: is_stopped,
    )


def job(phase: Phase) -> ExportJob:
    return ExportJob(adopted(1), phase, 0.0, url="https://h/f", work=7)


def test_a_submission_counts_from_when_it_is_sent() -> None:
    client, submission = Client(), ExportJob(wanted(1, 7), Phase.SUBMIT, 0.0)
    assert factory(client).of(submission)() == "task"
    assert client.asked == [window(1, 7), Interval.DAILY, "time"]
    assert submission.submitting_at == START


def test_a_poll_is_of_the_task() -> None:
    client = Client()
    factory(client).of(job(Phase.POLL))()
    assert client.asked == ["old"]


def test_a_downloaded_file_is_open() -> None:
    client = Client()
    found = factory(client).of(job(Phase.DOWNLOAD))()
    assert isinstance(found, DownloadedFile)
    assert found.download is DOWNLOADED
    was_closed = found.spool.closed
    discard(Outcome(7, value=found))
    assert (was_closed, found.spool.closed) == (False, True)
    discard(Outcome(7, value="task"))


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(28, "No space left on device"), OutputError),
        (CutFileError("cut"), CutFileError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk", "cut", "signal"],
)
def test_the_spool_of_a_download_that_fails_is_closed(
    error: BaseException, raised: type[BaseException]
) -> None:
    client = Client(error)
    with pytest.raises(raised):
        factory(client).of(job(Phase.DOWNLOAD))()
    assert client.spool
    assert client.spool.closed


def test_a_download_is_alive_as_long_as_it_asks_and_ends_when_nobody_waits_for_it() -> None:
    client, download = Client(), job(Phase.DOWNLOAD)
    discard(Outcome(7, value=factory(client).of(download)()))
    assert not client.is_cancelled()
    assert download.work_alive_at == 1000.0
    download.work = None
    assert client.is_cancelled()
    stopped = factory(client, is_stopped=True).of(job(Phase.DOWNLOAD))
    discard(Outcome(7, value=stopped()))
    assert client.is_cancelled()


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (
            InvalidRowError("line 2: t0ken"),
            InvalidRowError,
            r"^task old: \*\*\* \['https://f/\?sig'\]$",
        ),
        (OSError(28, "No space left on device"), OutputError, "No space left"),
    ],
    ids=["row", "disk"],
)
def test_the_download_is_closed_whatever_its_conversion_comes_to(
    error: Exception, raised: type[Exception], words: str
) -> None:
    def fails(*_: object) -> NoReturn:
        raise error

    converting = job(Phase.CONVERT)
    converting.spool, converting.download = io.BytesIO(), DOWNLOADED
    with pytest.raises(raised, match=words):
        factory(Client(), fails).of(converting)()
    assert converting.spool.closed


def test_what_cannot_be_done_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        factory(Client()).of(job(Phase.READY))
    with pytest.raises(AssertionError):
        factory(Client()).of(job(Phase.CONVERT))
