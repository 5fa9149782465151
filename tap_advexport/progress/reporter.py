"""Shows the progress of a run: live on a terminal, otherwise one line per silent minute."""

from __future__ import annotations

import logging
import sys
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import asdict

from tap_advexport.exports.job import Phase
from tap_advexport.progress.terminal import is_terminal
from tap_advexport.progress.words import Progress, WindowDone

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_advexport.exports.runner import Runner
    from tap_advexport.progress.display import LiveDisplay
    from tap_advexport.windows import DateWindow

logger = logging.getLogger(__name__)

SILENCE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 1.0


class _Report(Struct):
    """The counts of one report's exports so far."""

    label: str
    runner: Runner
    days_total: int
    began_at: float
    emitted: int = 0
    days_done: int = 0
    days_failed: int = 0
    rows: int = 0


class ProgressReporter:
    """Tracks the progress of one report after another; other threads may read it."""

    def __init__(self, monotonic: Callable[[], float], *, is_virtual: bool = False) -> None:
        self._monotonic = monotonic
        self._is_virtual = is_virtual
        self._report: _Report | None = None
        self._display: LiveDisplay | None = None
        self._heartbeat = Heartbeat(monotonic, self._beat)

    def begin(self, label: str, runner: Runner, days_total: int) -> None:
        """Start to track the exports of a report."""
        self._report = _Report(label, runner, days_total, self._monotonic())
        if self._is_virtual:
            return
        if self._display is None:
            self._display = _show_on_terminal(self.progress)
        if self._display is None:
            self._heartbeat.start()

    def sent(self, rows: int) -> None:
        """Count rows that were sent."""
        if self._report:
            self._report.rows += rows

    def emitted(self, done: WindowDone) -> None:
        """Count an export that was written, and log one line for it."""
        if self._report:
            self._report.emitted += 1
            self._report.days_done += done.window.days
        logger.info("%s", done, extra={"window": done.fields()})

    def failed(self, window: DateWindow) -> None:
        """Count the days of a window that failed in this run."""
        if self._report:
            self._report.days_done += window.days
            self._report.days_failed += window.days

    def end(self) -> None:
        """Stop showing progress, so that what is logged from now on stays last."""
        self._heartbeat.stop()
        if self._display is not None:
            self._display.stop()
            self._display = None
        self._report = None

    def progress(self) -> Progress:
        """Return the progress of the current report."""
        report, now = self._report, self._monotonic()
        if report is None:
            return Progress("", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0)
        jobs = [job for job in report.runner.jobs if not job.is_released]
        phases = [job.phase for job in jobs]
        ages = [now - job.began_at for job in jobs if job.phase is Phase.POLL]
        return Progress(
            report=report.label,
            queued=report.runner.queued,
            running=phases.count(Phase.SUBMIT) + phases.count(Phase.POLL),
            downloading=phases.count(Phase.DOWNLOAD),
            checking=phases.count(Phase.CONVERT),
            emitting=phases.count(Phase.READY),
            emitted=report.emitted,
            days_done=report.days_done,
            days_failed=report.days_failed,
            days_total=report.days_total,
            rows=report.rows,
            seconds=now - report.began_at,
            oldest_task_seconds=max(ages, default=None),
        )

    def _beat(self) -> None:
        if self._report is not None:
            progress = self.progress()
            logger.info("Working: %s", progress.line(), extra={"progress": asdict(progress)})


class Heartbeat:
    """Calls `beat` after every minute without a log line, as when everything waits."""

    def __init__(self, monotonic: Callable[[], float], beat: Callable[[], None]) -> None:
        self._monotonic = monotonic
        self._beat = beat
        self._log = _LastLogged(monotonic)
        self._end = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start to watch the log, if this has not started."""
        if self._thread is None:
            self._log.at = self._monotonic()
            logging.getLogger().addHandler(self._log)
            self._thread = Thread(target=self._run, name="advexport-heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop calling `beat`."""
        self._end.set()
        logging.getLogger().removeHandler(self._log)

    def look(self) -> None:
        """Call `beat` if it is due."""
        if self._monotonic() - self._log.at >= SILENCE_SECONDS:
            # Set it here too, because the log level may suppress our line.
            self._log.at = self._monotonic()
            self._beat()

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            self.look()


class _LastLogged(logging.Handler):
    """Records when something was last logged."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self.at = monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Record the time."""
        del record
        self.at = self._monotonic()


def _show_on_terminal(progress: Callable[[], Progress]) -> LiveDisplay | None:
    """Start a live display if stderr is a terminal and stdout is not; otherwise return None."""
    if not is_terminal(2) or is_terminal(1):
        return None
    # rich takes a tenth of a second to import, and only a live display needs it.
    from tap_advexport.progress.display import LiveDisplay  # noqa: PLC0415

    return LiveDisplay.begun(progress, sys.stderr)
