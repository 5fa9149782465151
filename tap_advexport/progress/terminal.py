"""How logs look: as the environment says, errors in red on a terminal, without the SDK's noise."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Final, TypeVar

from typing_extensions import override

from tap_advexport.errors import ConfigError
from tap_advexport.redaction import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Made = TypeVar("_Made")

FORMAT: Final = "{asctime:23s} | {levelname:8s} | {name:30s} | {message}"
LEVEL_VARIABLES: Final = ("TAP_ADVEXPORT_LOGLEVEL", "LOGLEVEL")
CONFIG_VARIABLE: Final = "SINGER_SDK_LOG_CONFIG"
METRICS: Final = "singer_sdk.metrics"
# What the SDK says of every run, whatever happens in it.
NOISE: Final = (
    "Skipping parse of env var settings",
    "Beginning sync of",
    "Skipping deselected stream",
)


def set_up_logs(make: Callable[[], _Made], environment: Mapping[str, str]) -> _Made:
    """Have `make` set logging up as the environment says, and return what it made.

    Raises:
        ConfigError: a level that does not exist, or a log configuration that cannot be used.
    """
    problem = _level_problem(environment)
    if not problem:
        try:
            made = make()
        except Exception as error:  # noqa: BLE001 - whatever YAML, files and handlers raise
            what = excerpt(f"{type(error).__name__}: {error}")
            problem = f"{CONFIG_VARIABLE}: {environment.get(CONFIG_VARIABLE)} is of no use: {what}"
        else:
            # A configuration silences whoever was there before, unless it says otherwise.
            for name, logger in logging.Logger.manager.loggerDict.items():
                if name.startswith(("tap_advexport", "tap-advexport")):
                    logger.disabled = False  # type: ignore[union-attr]
            is_ours = CONFIG_VARIABLE not in environment
            if is_ours and wants_colours(environment) and is_terminal(2):
                _colour_errors()
            return made
    logging.basicConfig(force=True, level=logging.INFO, format=FORMAT, style="{")
    raise ConfigError(problem)


def quiet_the_sdk(environment: Mapping[str, str]) -> None:
    """Leave out what the SDK says of every run, unless somebody looks at everything.

    Its metrics are for machines, which bring a configuration of their own, as Meltano does.
    """
    for handler in logging.getLogger().handlers:
        handler.addFilter(_is_no_noise)
        if CONFIG_VARIABLE not in environment:
            handler.addFilter(_is_no_metric)


def _is_no_metric(record: logging.LogRecord) -> bool:
    return record.name != METRICS or logging.getLogger().isEnabledFor(logging.DEBUG)


def _is_no_noise(record: logging.LogRecord) -> bool:
    is_noise = record.levelno <= logging.INFO and str(record.msg).startswith(NOISE)
    return not is_noise or logging.getLogger().isEnabledFor(logging.DEBUG)


def _level_problem(environment: Mapping[str, str]) -> str:
    for variable in LEVEL_VARIABLES:
        if level := environment.get(variable):
            if level.upper() in logging.getLevelNamesMapping():
                return ""
            return f"{variable}: must be DEBUG, INFO, WARNING, ERROR or CRITICAL (got {level!r})"
    return ""


def wants_colours(environment: Mapping[str, str]) -> bool:
    """Whether nobody has asked for a terminal without colours (no-color.org)."""
    is_wanted = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return is_wanted and environment.get("TTY_INTERACTIVE") != "0"


def _colour_errors() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(RedErrors(FORMAT, style="{"))


class RedErrors(logging.Formatter):
    """For a terminal: errors in red.

    Attributes:
        is_short: without time and logger, for who looks at the lines as they come.
    """

    is_short = False

    @override
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if self.is_short:
            level = f"{record.levelname.title()}: " if record.levelno > logging.INFO else ""
            text = f"{level}{text.split(' | ', 3)[-1]}"
        return f"\x1b[31m{text}\x1b[0m" if record.levelno >= logging.ERROR else text


def is_terminal(descriptor: int) -> bool:
    """Whether a person looks at what is written there."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
