"""Shows how far the run is: live on a terminal, elsewhere a line after a minute without one."""

from __future__ import annotations

import logging
import sys
from dataclasses import asdict, dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

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


@dataclass(slots=True)
class _Report:
    """The exports of one report, as counted so far."""

    label: str
    runner: Runner
    days_total: int
    began_at: float
    emitted: int = 0
    days_done: int = 0
    days_failed: int = 0
    rows: int = 0


class ProgressReporter:
    """Follows one report after another; safe to be read from other threads."""

    def __init__(self, monotonic: Callable[[], float], *, is_virtual: bool = False) -> None:
        self._monotonic = monotonic
        self._is_virtual = is_virtual
        self._report: _Report | None = None
        self._display: LiveDisplay | None = None
        self._heartbeat = Heartbeat(monotonic, self._beat)

    def begin(self, label: str, runner: Runner, days_total: int) -> None:
        """The exports of a report begin."""
        self._report = _Report(label, runner, days_total, self._monotonic())
        if self._is_virtual:
            return
        if self._display is None:
            self._display = _show_on_terminal(self.progress)
        if self._display is None:
            self._heartbeat.start()

    def sent(self, rows: int) -> None:
        """Rows went out."""
        if self._report:
            self._report.rows += rows

    def emitted(self, done: WindowDone) -> None:
        """An export is out: one line."""
        if self._report:
            self._report.emitted += 1
            self._report.days_done += done.window.days
        logger.info("%s", done, extra={"window": done.fields()})

    def failed(self, window: DateWindow) -> None:
        """The days of a window fail in this run."""
        if self._report:
            self._report.days_done += window.days
            self._report.days_failed += window.days

    def end(self) -> None:
        """Show nothing any more, so that what is logged from now on stands last."""
        self._heartbeat.stop()
        if self._display is not None:
            self._display.stop()
            self._display = None
        self._report = None

    def progress(self) -> Progress:
        """How far the report is now."""
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
    """Calls `beat` after every minute in which nothing was logged, because everything waits."""

    def __init__(self, monotonic: Callable[[], float], beat: Callable[[], None]) -> None:
        self._monotonic = monotonic
        self._beat = beat
        self._log = _LastLogged(monotonic)
        self._end = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin to look at the log, if that has not begun."""
        if self._thread is None:
            self._log.at = self._monotonic()
            logging.getLogger().addHandler(self._log)
            self._thread = Thread(target=self._run, name="advexport-heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Say nothing any more."""
        self._end.set()
        logging.getLogger().removeHandler(self._log)

    def look(self) -> None:
        """Beat if it is time to."""
        if self._monotonic() - self._log.at >= SILENCE_SECONDS:
            # Also where the log's level lets no line of ours through.
            self._log.at = self._monotonic()
            self._beat()

    def _run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            self.look()


class _LastLogged(logging.Handler):
    """Notes when something was logged last."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self.at = monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Note the moment."""
        del record
        self.at = self._monotonic()


def _show_on_terminal(progress: Callable[[], Progress]) -> LiveDisplay | None:
    """Begin a live display on stderr when a person looks at it there, and messages go elsewhere."""
    if not is_terminal(2) or is_terminal(1):
        return None
    # rich takes a tenth of a second to import, and is for people only.
    from tap_advexport.progress.display import LiveDisplay  # noqa: PLC0415

    return LiveDisplay.begun(progress, sys.stderr)
