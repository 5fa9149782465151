"""The live display on terminals of all widths."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace
from rich.console import Console

from tap_advexport.progress.display import LiveDisplay, rendered
from tap_advexport.progress.terminal import RedErrors
from tests.support.progresses import CSI, MIDWAY, WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_advexport.progress.words import Progress


def shown(progress: Progress, width: int) -> list[str]:
    console = Console(width=width, force_terminal=True)
    with console.capture() as captured:
        console.print(rendered(progress))
    return CSI.sub("", captured.get()).splitlines()


LONG: Final = replace(
    MIDWAY,
    days_done=1024,
    days_total=1095,
    days_failed=2,
    seconds=15000.0,
    queued=120,
    checking=2,
    rows=12_345_678,
)


@pytest.mark.parametrize("progress", [MIDWAY, LONG], ids=["midway", "long"])
@pytest.mark.parametrize("width", [200, 100, 80])
def test_at_80_columns_the_bar_shrinks_and_no_word_is_cut(progress: Progress, width: int) -> None:
    lines = shown(progress, width)
    assert all(len(line) <= width for line in lines)
    head = lines[0]
    assert head.startswith("report daily")
    assert f"{progress.days_done} of {progress.days_total} days" in head
    assert re.search(r" left\s*$", head)
    assert head.count("━") >= 3
    text = " ".join(" ".join(lines).split())
    assert f"exports: {progress.exports()}" in text
    assert "…" not in text


def test_on_a_narrow_terminal_lines_still_fit() -> None:
    assert all(len(line) <= 40 for line in shown(MIDWAY, 40))


def test_failed_days_have_a_line_of_their_own() -> None:
    assert shown(replace(MIDWAY, days_failed=2), 100)[-1].strip() == "failed:  2 days"
    assert "failed" not in "".join(shown(MIDWAY, 100))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


@pytest.fixture
def logger(terminal: Terminal) -> Iterator[logging.Logger]:
    """A log on the terminal, whose errors are red."""
    handler = logging.StreamHandler(terminal)
    handler.setFormatter(RedErrors("%(levelname)s %(message)s"))
    logger = logging.getLogger("tests.display")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True
    logger.setLevel(logging.NOTSET)


def test_log_lines_go_above_the_display_and_afterwards_where_they_went_before(
    terminal: Terminal, logger: logging.Logger
) -> None:
    display = LiveDisplay.begun(lambda: MIDWAY, terminal)
    assert display
    try:
        logger.info("%s", WINDOW)
        logger.info("x" * 500)
    finally:
        display.stop()
    logger.info("%s", WINDOW)
    lines = CSI.sub("", terminal.getvalue()).replace("\r", "").splitlines()
    assert any(WINDOW.short_line() in line for line in lines)
    assert any("x" * 500 in line for line in lines)
    assert lines[-1] == f"INFO {WINDOW}"


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("TTY_INTERACTIVE", "0")])
def test_a_terminal_that_can_only_print_has_no_display(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert LiveDisplay.begun(lambda: MIDWAY, terminal) is None
    assert terminal.getvalue() == ""
