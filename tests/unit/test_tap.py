"""What a tap makes of settings, state, maps and config files before it sends anything."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from tap_advexport.errors import ConfigError, StateError
from tap_advexport.reports import PERIODS_STREAM, REPORTS
from tap_advexport.tap import TapAdvexport
from tests.support.accounts import handlers_of_signals
from tests.support.taps import tap_with

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALID = {"auth_token": "made-up-token", "start_date": "2024-01-01"}
BOOKMARK = {"settled": [["2024-01-01", "2024-01-10"]]}


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    with handlers_of_signals():
        yield


def test_the_streams_are_those_of_the_table_and_their_periods() -> None:
    streams = [report.stream for report in REPORTS]
    assert set(TapAdvexport(config=VALID).streams) == {*streams, PERIODS_STREAM}


def test_discovery_does_without_valid_settings_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tap = TapAdvexport(config={"start_date": "soon"}, validate_config=False)
    assert tap.catalog_dict["streams"]
    assert "The settings are not valid: " in caplog.text
    with pytest.raises(ConfigError):
        _ = tap.run
    tap.interrupt(15)
    tap.close()
    assert not tap.has_failures()


def test_a_wrong_setting_is_named_and_its_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError, match="start_date") as caught:
        TapAdvexport(config={**VALID, "start_date": "soon"})
    assert "made-up-token" not in str(caught.value)


def test_a_state_is_checked_before_any_request() -> None:
    state = {"bookmarks": {"report_daily": BOOKMARK, "report_hourly": {}}}
    assert tap_with({"report_daily"}, state=state).state["bookmarks"] == {"report_daily": BOOKMARK}
    wrongs: list[dict[str, object]] = [{"settled": 7}, {"setled": []}]
    for wrong in wrongs:
        with pytest.raises(StateError, match="report_daily"):
            TapAdvexport(config=VALID, state={"bookmarks": {"report_daily": wrong}})


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"report_daily": 7}, "config['stream_maps']['report_daily']"),
        ({"report_daily": {"x": "1 +"}}, "stream_maps: "),
        ({"report_dayly": {"x": "1"}}, "stream_maps: "),
    ],
    ids=["number", "syntax", "slip"],
)
def test_what_the_sdk_finds_in_a_map_is_one_line(maps: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tap_with({"report_daily"}, {"stream_maps": maps})
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_several_config_files_are_one_and_the_environment_is_read_when_it_is_named(
    tmp_path: Path,
) -> None:
    paths = []
    for name, text in [("a", '{"start_date": "2024-01-01", "x": 1}'), ("b", '{"x": 2}')]:
        paths.append(str(tmp_path / name))
        (tmp_path / name).write_text(text)
    read = TapAdvexport.cb_config(cast("Any", None), cast("Any", None), ("ENV", *paths))
    assert read.config == {"start_date": "2024-01-01", "x": 2}
    assert read.parse_env
    assert not TapAdvexport.cb_config(cast("Any", None), cast("Any", None), ()).parse_env
    with pytest.raises(ConfigError, match="cannot be read"):
        TapAdvexport.cb_config(cast("Any", None), cast("Any", None), ("/nowhere/config.json",))


def test_a_signal_is_noted_and_the_first_one_counts() -> None:
    tap = tap_with({"report_daily"})
    tap.interrupt(15)
    tap.interrupt(2)
    assert tap.run.signal == 15


def test_before_a_dry_run_there_is_no_result(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tap = tap_with({"report_daily", "report_monthly"})
    assert tap.test_result() is None
    for name, has_answered in [("report_daily", True), ("report_monthly", False)]:
        cast("Any", tap.streams[name]).has_answered = has_answered
    assert tap.test_result() == "The test succeeded: the API brought the reports daily"
