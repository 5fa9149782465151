"""A config out of files and the environment: what wins, what is checked, what it becomes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tap_advexport.config import complete_config, hint_of_missing
from tap_advexport.errors import ConfigError
from tap_advexport.tap import TapAdvexport

SCHEMA = TapAdvexport.complete_schema()


def completed(
    given: dict[str, Any] | None = None, *, is_environment_read: bool = True, **variables: str
) -> dict[str, Any]:
    environment = {f"TAP_ADVEXPORT_{name.upper()}": text for name, text in variables.items()}
    return complete_config(
        given or {}, SCHEMA, is_environment_read=is_environment_read, environment=environment
    )


def test_the_environment_wins_over_files_where_it_says_something() -> None:
    given = {"window_days": 3, "timezone": "UTC"}
    assert completed(given, window_days="5", timezone=" ") == {"window_days": 5, "timezone": "UTC"}
    assert completed(given, is_environment_read=False, window_days="5") == given


@pytest.mark.parametrize("given", [["x"], {"x": 1}, 7])
def test_a_required_setting_of_another_type_is_not_missing(given: object) -> None:
    config = {"auth_token": given, "start_date": given}
    assert not hint_of_missing(config, is_environment_read=False)


def test_null_and_empty_texts_are_unset_but_nulls_in_maps_remove_columns() -> None:
    maps = {"report_daily": {"campaign": None}}
    batches = {
        "encoding": {"format": "jsonl", "compression": None},
        "storage": {"root": "/x", "prefix": None},
    }
    given = {
        "end_date": None,
        "account": "",
        "user_agent": "  ",
        "stream_maps": maps,
        "batch_config": batches,
    }
    assert completed(given) == {
        "stream_maps": maps,
        "batch_config": {"encoding": {"format": "jsonl"}, "storage": {"root": "/x"}},
    }


def test_texts_become_what_the_schema_says() -> None:
    found = completed(
        flattening_enabled="yes",
        flattening_max_depth="2.0",
        poll_interval_seconds="0.5",
        include_today="off",
        stream_map_config='{"a": 1}',
        start_date="2024-01-01",
    )
    assert found == {
        "flattening_enabled": True,
        "flattening_max_depth": 2,
        "poll_interval_seconds": 0.5,
        "include_today": False,
        "stream_map_config": {"a": 1},
        "start_date": "2024-01-01",
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stream_maps": ["a"]}, "stream_maps: must be an object"),
        ({"stream_map_config": "a"}, "stream_map_config: must be an object"),
        ({"flattening_enabled": "maybe"}, "flattening_enabled: must be a boolean"),
        ({"flattening_max_depth": "1.5"}, "flattening_max_depth: must be an integer"),
        ({"flattening_separator": 1}, "flattening_separator: must be a string"),
        ({"batch_config": 7}, "batch_config: must be an object"),
    ],
)
def test_a_setting_of_the_sdk_of_another_type_is_told_without_its_value(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        completed(given)
    assert str(caught.value) == words


def test_only_what_is_no_setting_of_anybody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        completed(
            {"lookback": 3},
            loglevel="INFO",
            _select="x",
            faker_config_seed="1",
            sort="time",
            log_level="INFO",
            zzz="1",
        )
    assert [record.getMessage() for record in caplog.records] == [
        "lookback is not a setting of this tap; did you mean lookback_days?",
        (
            "TAP_ADVEXPORT_LOG_LEVEL is not a setting of this tap; "
            "did you mean TAP_ADVEXPORT_LOGLEVEL?"
        ),
        "TAP_ADVEXPORT_SORT is not a setting of this tap; did you mean TAP_ADVEXPORT_SORTING?",
        "TAP_ADVEXPORT_ZZZ is not a setting of this tap",
    ]


def test_variables_of_plugins_that_inherit_are_theirs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        completed(is_environment_read=False, acme_auth_token="x", acme__select="x")
        assert not caplog.records
        completed(acme_auth_token="x")
    assert "TAP_ADVEXPORT_ACME_AUTH_TOKEN is not a setting" in caplog.text
