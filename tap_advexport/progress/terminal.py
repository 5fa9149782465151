"""Sets up logs from the environment: errors in red on a terminal, without the SDK's noise."""

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
# What the SDK logs in every run, whatever happens in it.
NOISE: Final = (
    "Skipping parse of env var settings",
    "Beginning sync of",
    "Skipping deselected stream",
)


def set_up_logs(make: Callable[[], _Made], environment: Mapping[str, str]) -> _Made:
    """Call `make`, which sets up logging from the environment, and return its result.

    Raises:
        ConfigError: a log level does not exist, or a log configuration cannot be used.
    """
    problem = _level_problem(environment)
    if not problem:
        try:
            made = make()
        except Exception as error:  # noqa: BLE001 - whatever YAML, files and handlers raise
            what = excerpt(f"{type(error).__name__}: {error}")
            problem = f"{CONFIG_VARIABLE}: {environment.get(CONFIG_VARIABLE)} is of no use: {what}"
        else:
            # By default, a logging configuration disables the loggers that already exist.
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
    """Leave out what the SDK logs in every run, except at level DEBUG.

    Its metrics are for machines, which bring their own log configuration, as Meltano does.
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
    """Return whether the environment allows colours on a terminal (no-color.org)."""
    is_wanted = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return is_wanted and environment.get("TTY_INTERACTIVE") != "0"


def _colour_errors() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
            handler.setFormatter(RedErrors(FORMAT, style="{"))


class RedErrors(logging.Formatter):
    """Formats log lines for a terminal, with errors in red.

    Attributes:
        is_short: whether to leave out time and logger, for people who watch the lines live.
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
    """Return whether a file descriptor is a terminal, so that a person sees the output."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
