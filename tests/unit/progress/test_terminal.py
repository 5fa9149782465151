"""How logs are set up: what the environment may say, and what is told when it cannot."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tap_advexport.errors import ConfigError
from tap_advexport.progress.terminal import METRICS, quiet_the_sdk, set_up_logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("level", ["DEBUG", "info", "Warning", "critical", ""])
def test_levels_that_exist_are_taken(level: str) -> None:
    assert set_up_logs(lambda: "made", {"TAP_ADVEXPORT_LOGLEVEL": level}) == "made"


def test_the_level_of_the_tap_comes_before_that_of_all() -> None:
    both = {"TAP_ADVEXPORT_LOGLEVEL": "INFO", "LOGLEVEL": "trace"}
    assert set_up_logs(lambda: "made", both) == "made"
    with pytest.raises(ConfigError, match=r"^LOGLEVEL: must be .* \(got 'trace'\)$"):
        set_up_logs(lambda: "made", {"LOGLEVEL": "trace"})


def test_what_setting_up_raises_is_one_line() -> None:
    def fail() -> str:
        raise ValueError("no\nhandler")

    with pytest.raises(ConfigError) as caught:
        set_up_logs(fail, {"SINGER_SDK_LOG_CONFIG": "logs.yml"})
    assert str(caught.value) == (
        "SINGER_SDK_LOG_CONFIG: logs.yml is of no use: ValueError: no handler"
    )


def test_loggers_that_a_configuration_silenced_speak_again() -> None:
    logger = logging.getLogger("tap_advexport.for_this_test")
    logger.disabled = True
    set_up_logs(lambda: None, {})
    assert not logger.disabled


def test_what_the_sdk_says_of_every_run_is_left_out(root: logging.Logger) -> None:
    seen: list[str] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    root.handlers[:] = [Seen()]
    root.setLevel(logging.INFO)
    quiet_the_sdk({})
    logger = logging.getLogger("tap-advexport")
    logger.info("Skipping parse of env var settings...")
    logger.info("Beginning sync of '%s' in %s mode", "a", "b")
    logger.warning("Beginning sync of something odd")
    root.setLevel(logging.DEBUG)
    logger.info("Skipping deselected stream '%s'.", "a")
    assert seen == ["Beginning sync of something odd", "Skipping deselected stream 'a'."]


@pytest.mark.parametrize(
    ("environment", "level", "are_shown"),
    [
        ({}, logging.INFO, False),
        ({}, logging.DEBUG, True),
        ({"SINGER_SDK_LOG_CONFIG": "logs.yml"}, logging.INFO, True),
    ],
)
def test_metrics_are_for_machines(
    environment: dict[str, str], level: int, root: logging.Logger, *, are_shown: bool
) -> None:
    handler = logging.Handler()
    root.handlers[:] = [handler]
    root.setLevel(level)
    quiet_the_sdk(environment)
    metric = logging.LogRecord(METRICS, logging.INFO, __file__, 1, "METRIC: {}", None, None)
    assert bool(handler.filter(metric)) == are_shown
