"""The blocking work of an export in flight: one request, or one conversion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, assert_never

from msgspec import Struct

from tap_advexport.errors import ExportError
from tap_advexport.exports.job import ConvertedFile, DownloadedFile, Phase, task_of
from tap_advexport.exports.spool import open_spool, spool_error
from tap_advexport.redaction import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_advexport.clock import Clock
    from tap_advexport.exports.job import Client, Convert, ExportJob
    from tap_advexport.exports.workers import Outcome
    from tap_advexport.reports import Interval


class WorkFactory(Struct, frozen=True):
    """Creates the work that the workers do.

    Attributes:
        is_stopped: returns whether the run is to end; a download is then cancelled.
    """

    client: Client
    convert: Convert
    clock: Clock
    interval: Interval
    sorting: str
    is_stopped: Callable[[], bool]

    def of(self, job: ExportJob) -> Callable[[], object]:
        """Return the work for the phase of a job. A submission is dated now."""
        match job.phase:
            case Phase.SUBMIT:
                job.submitting_at = self.clock.now()
                window = job.export.window
                return lambda: self.client.submit(
                    window, interval=self.interval, sorting=self.sorting
                )
            case Phase.POLL:
                task_id = task_of(job).task_id
                return lambda: self.client.poll(task_id)
            case Phase.DOWNLOAD:
                return self._download(job)
            case Phase.CONVERT:
                return self._convert(job)
            case Phase.READY:
                msg = "an export that is ready needs no work"
                raise AssertionError(msg)
            case _:
                assert_never(job.phase)

    def _download(self, job: ExportJob) -> Callable[[], object]:
        url, work = job.url or "", job.work

        def is_cancelled() -> bool:
            job.work_alive_at = self.clock.monotonic()
            return self.is_stopped() or job.work != work

        def download() -> DownloadedFile:
            spool = open_spool()
            try:
                found = self.client.download(url, spool, is_cancelled=is_cancelled)
                return DownloadedFile(spool, found)
            except OSError as error:
                close_spool(spool)
                raise spool_error(error) from None
            except BaseException:
                close_spool(spool)
                raise

        return download

    def _convert(self, job: ExportJob) -> Callable[[], object]:
        spool, download, task = job.spool, job.download, task_of(job)
        if spool is None or download is None:
            msg = "an export is converted after its download"
            raise AssertionError(msg)

        def convert() -> ConvertedFile:
            try:
                return ConvertedFile(*self.convert(spool, task, download))
            except ExportError as error:
                shown = excerpt(task.task_id)
                self.client.clear(error, download.urls)
                raise error.of_task(shown) from None
            except OSError as error:
                raise spool_error(error) from None
            finally:
                close_spool(spool)

        return convert


def discard(outcome: Outcome) -> None:
    """Close the file of an outcome that no job waits for any more."""
    if isinstance(outcome.value, DownloadedFile | ConvertedFile):
        close_spool(outcome.value.spool)


def close_spool(spool: BinaryIO) -> None:
    """Close a spool, and ignore errors."""
    # On a full disk, closing fails to flush data that will not be read again.
    with suppress(OSError):
        spool.close()
