"""The live display of a run on a terminal. Log lines are printed above it, uncut."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from tap_advexport.progress.terminal import RedErrors
from tap_advexport.progress.words import Progress, WindowDone, duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

REFRESHES_PER_SECOND: Final = 4


class LiveDisplay:
    """Shows the progress several times a second, in the last lines of a terminal."""

    def __init__(self, progress: Callable[[], Progress], console: Console, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream
        self._above = _Above(console)
        self._live = Live(
            console=console,
            get_renderable=lambda: rendered(self._progress()),
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @classmethod
    def begun(cls, progress: Callable[[], Progress], stream: TextIO) -> Self | None:
        """Start a display; None if the terminal can only print (TERM=dumb, TTY_INTERACTIVE=0)."""
        console = Console(file=stream)
        if not console.is_interactive or console.is_dumb_terminal:
            return None
        display = cls(progress, console, stream)
        for handler in _handlers_of(stream):
            handler.setStream(display._above)
            handler.addFilter(display._above.shorten)
            if isinstance(handler.formatter, RedErrors):
                handler.formatter.is_short = True
        display._live.start(refresh=True)
        return display

    def stop(self) -> None:
        """Remove the display from the terminal, and restore the log's handlers."""
        self._live.stop()
        for handler in _handlers_of(self._above):
            handler.setStream(self._stream)
            handler.removeFilter(self._above.shorten)
            if isinstance(handler.formatter, RedErrors):
                handler.formatter.is_short = False


def rendered(progress: Progress) -> RenderableType:
    """Return the lines of the display; the bar gets the width that the text leaves, maybe none."""
    head = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for ratio in (None, 1, None, None):
        head.add_column(no_wrap=True, ratio=ratio)
    head.add_row(
        Text(f"report {progress.report}", "bold"),
        ProgressBar(progress.days_total or 1, progress.days_done),
        Text(f"{progress.days_done} of {progress.days_total} days", "green"),
        Text(_time(progress), "cyan"),
    )
    lines = [
        Text(f"exports: {progress.exports()}"),
        Text(f"rows:    {progress.rows:,}, {progress.rows_per_second:,.0f} per second"),
    ]
    if progress.days_failed:
        lines.append(Text(f"failed:  {progress.days_failed} days", "bold red"))
    return Group(head, *lines)


def _time(progress: Progress) -> str:
    left = progress.seconds_left
    after = duration(progress.seconds)
    return after if left is None else f"{after}, about {duration(left)} left"


class _Above(io.TextIOBase):
    """A stream whose lines are printed above the display."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @override
    def write(self, text: str) -> int:
        # Not wrapped or cut, even if the line is longer than the terminal is wide.
        line = Text.from_ansi(text.removesuffix("\n"))
        self._console.print(line, end="\n" * text.endswith("\n"), soft_wrap=True)
        return len(text)

    def shorten(self, record: logging.LogRecord) -> bool:
        """Print a short line for a window that is done, and make the handler skip its record."""
        done = record.args[0] if isinstance(record.args, tuple) and record.args else None
        if isinstance(done, WindowDone):
            self._console.print(Text(done.short_line()), soft_wrap=True)
            return False
        return True


def _handlers_of(stream: object) -> list[logging.StreamHandler[Any]]:
    """Return every handler, of any logger, that writes to a stream."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    return [
        handler
        for logger in loggers
        for handler in getattr(logger, "handlers", ())
        if isinstance(handler, logging.StreamHandler) and handler.stream is stream
    ]
