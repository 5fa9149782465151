"""Settings: what each takes, how a wrong one is told, and what the JSON schema says of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tap_advexport.errors import ConfigError
from tap_advexport.settings import (
    API_URL,
    SETTINGS,
    Settings,
    parse_settings,
    parse_some,
    settings_schema,
    unknown_names,
)

SETTING_NAMES = [setting.name for setting in SETTINGS]
NOW = datetime(2024, 4, 10, 12, tzinfo=UTC)
TOKEN = "0123456789abcdef"
SCHEMA = settings_schema()


def parsed(**settings: object) -> Settings:
    return parse_settings({"auth_token": TOKEN, "start_date": "2024-01-01"} | settings, now=NOW)


def problem(**settings: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parsed(**settings)
    return str(caught.value)


def test_what_is_not_given_has_its_default() -> None:
    settings = parsed()
    assert settings.window_days == 7
    assert settings.timezone.key == "UTC"
    assert settings.api_url == API_URL
    assert settings.skip_unchanged
    assert (settings.end_date, settings.account, settings.user_agent) == (None, None, None)


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_null_and_blank_texts_are_unset(unset: str | None) -> None:
    assert parsed(**dict.fromkeys(set(SETTING_NAMES) - {"auth_token", "start_date"}, unset)) == (
        parsed()
    )
    assert problem(auth_token=unset, start_date=unset) == (
        "auth_token: is required; start_date: is required"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_concurrent_exports", 500, "must be between 1 and 32 (got 500)"),
        ("window_days", "0", "must be between 1 and 366 (got 0)"),
        ("lookback_days", -1, "must be at least 0 (got -1)"),
        ("export_attempts", 1.5, "must be a whole number (got 1.5)"),
        ("request_attempts", True, "must be a whole number (got True)"),
        ("poll_interval_seconds", 0, "must be greater than 0 (got 0)"),
        ("request_timeout_seconds", "fast", "must be a number (got 'fast')"),
        ("export_timeout_seconds", "inf", "must be a number (got 'inf')"),
        ("end_date", "2024-13-01", "'2024-13-01' is not a date (expected YYYY-MM-DD)"),
        ("start_date", 20240101, "20240101 is not a date (expected YYYY-MM-DD)"),
        ("start_date", "0001-01-01", "must be between 1900-01-01 and 9998-12-31 (got 0001-01-01)"),
        ("include_today", "maybe", "must be true or false (got 'maybe')"),
        ("timezone", "Mars/Base", "'Mars/Base' is not a time zone (expected an IANA name"),
        ("sorting", "cost", "must be one of time, campaign, aff_sub_id, cr (got 'cost')"),
        ("api_url", "dashboard.instal.com", "must be a complete URL that begins with https://"),
        ("api_url", "https://u:p@host/", "must not hold a user name or password"),
        ("api_url", "https://host/?a=1", "must not hold a query or a fragment"),
        ("user_agent", "a\nb", "must be a text of printable ASCII characters"),
        ("account", "a\tb", "must be a text of printable characters"),
        ("account", 7, "must be a text of printable characters"),
        ("account", "x" * 256, "must have at most 255 characters (got 256)"),
        ("auth_token", "two words", "has a blank, a control character or a character outside"),
        ("auth_token", 7, "must be a text"),
    ],
)
def test_a_wrong_value_is_told_with_the_name_and_what_is_right(
    name: str, value: object, words: str
) -> None:
    assert problem(**{name: value}).startswith(f"{name}: {words}")


def test_the_range_begins_before_it_ends() -> None:
    assert problem(end_date="2023-12-31") == "start_date: 2024-01-01 is after end_date 2023-12-31"


def test_days_to_refresh_have_both_ends() -> None:
    assert problem(refresh_start_date="2024-02-01") == (
        "refresh_end_date: is required when refresh_start_date is given"
    )
    assert problem(refresh_end_date="2024-02-01") == (
        "refresh_start_date: is required when refresh_end_date is given"
    )


def test_days_to_refresh_lie_within_the_range() -> None:
    def refresh(first: str, last: str, **settings: object) -> str:
        return problem(refresh_start_date=first, refresh_end_date=last, **settings)

    assert refresh("2024-02-02", "2024-02-01").startswith(
        "refresh_start_date: 2024-02-02 is after refresh_end_date 2024-02-01"
    )
    assert "refresh_start_date: 2023-12-31 is before start_date" in refresh(
        "2023-12-31", "2024-02-01"
    )
    assert refresh("2024-02-01", "2024-04-10") == (
        "refresh_end_date: 2024-04-10 is after the last day of the range, 2024-04-09"
    )
    today = {"refresh_start_date": "2024-04-10", "refresh_end_date": "2024-04-10"}
    assert parsed(include_today=True, **today).refresh_end_date == date(2024, 4, 10)
    # It is the 11th there.
    assert parsed(timezone="Pacific/Kiritimati", **today).refresh_start_date == date(2024, 4, 10)


def test_every_wrong_setting_is_in_the_one_line() -> None:
    line = problem(window_days=0, sorting="x", auth_token=None)
    assert [part.partition(":")[0] for part in line.split("; ")] == [
        "auth_token",
        "window_days",
        "sorting",
    ]


def test_the_token_is_in_no_message_wherever_it_was_put() -> None:
    for name in set(SETTING_NAMES) - {"auth_token", "user_agent"}:
        line = problem(**{name: TOKEN})
        assert name in line
        assert TOKEN not in line
        assert TOKEN[:8] not in line
    assert "must not hold the token" in problem(account=f"a {TOKEN}")
    assert TOKEN not in repr(parsed())


@pytest.mark.parametrize("token", [TOKEN + "\n", f" {TOKEN}\r\n", TOKEN + "  "])
def test_what_a_file_leaves_around_the_token_is_stripped(token: str) -> None:
    assert parsed(auth_token=token).auth_token == TOKEN


def test_the_documented_url_works_without_its_last_slash() -> None:
    assert parsed(api_url=API_URL.rstrip("/")).api_url == API_URL
    assert parsed(api_url=" http://127.0.0.1:80/x ").api_url == "http://127.0.0.1:80/x"


@pytest.mark.parametrize(
    "text",
    [
        "2024-02-29",
        " 2024-02-29 ",
        "2024-02-29T23:59:59Z",
        "2024-02-29 10:00",
        "2024-02-29T00:00+02:00",
    ],
)
def test_a_date_time_counts_as_its_date(text: str) -> None:
    assert parsed(start_date=text).start_date == date(2024, 2, 29)


@pytest.mark.parametrize(
    ("texts", "value"),
    [(["true", "1", "Yes", " ON "], True), (["false", "0", "No", "off"], False)],
)
def test_booleans_come_as_texts_from_the_environment(texts: list[str], value: bool) -> None:  # noqa: FBT001
    assert {parsed(skip_unchanged=text).skip_unchanged for text in texts} == {value}


def test_whole_numbers_come_in_every_form() -> None:
    forms = [3, "3", " 3 ", 3.0, "3.0", Decimal(3), "+3"]
    assert [parsed(window_days=form).window_days for form in forms] == [3] * len(forms)


def test_a_label_may_be_in_any_script() -> None:
    assert parsed(account=" Bücher & Söhne 東京 ").account == "Bücher & Söhne 東京"


def test_a_subset_is_checked_alone_and_nothing_of_it_is_required() -> None:
    found = parse_some({"start_date": "2024-01-01", "window_days": 0}, ["start_date", "timezone"])
    assert found["start_date"] == date(2024, 1, 1)
    assert found["timezone"].key == "UTC"
    assert parse_some({}, ["start_date"]) == {"start_date": None}
    with pytest.raises(ConfigError, match=r"^window_days: must be between 1 and 366 \(got 0\)$"):
        parse_some({"window_days": 0}, ["window_days"])


@given(
    st.sampled_from(
        [
            name
            for name, kind in SCHEMA["properties"].items()
            if "minimum" in kind or "exclusiveMinimum" in kind
        ]
    ),
    st.integers(-2, 400),
)
def test_the_schema_has_the_bounds_of_the_reader(name: str, number: int) -> None:
    config = {"auth_token": TOKEN, "start_date": "2024-01-01", name: number}
    is_valid = Draft7Validator(SCHEMA).is_valid(config)
    try:
        parse_settings(config, now=NOW)
    except ConfigError:
        assert not is_valid
    else:
        assert is_valid


def test_a_name_that_is_not_known_comes_with_the_nearest_one() -> None:
    names = ["Lookback_Days", "lookback_day", "start_date", "zzz"]
    assert unknown_names(names, SETTING_NAMES) == [
        ("Lookback_Days", "lookback_days"),
        ("lookback_day", "lookback_days"),
        ("zzz", None),
    ]


def test_in_a_hurry_a_run_tries_less() -> None:
    hurried = parsed().in_a_hurry()
    assert (hurried.request_attempts, hurried.request_timeout_seconds) == (2, 10)
    assert hurried.export_attempts == 1
