"""What the source is called with: settings by their names, a token that is never shown."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.common.configuration.exceptions import ConfigFieldMissingException

from tap_advexport.dlt import advexport
from tap_advexport.errors import ConfigError
from tap_advexport.settings import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "an-unusual-token"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but that of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")


def test_its_parameters_are_the_settings_reports_and_a_limit() -> None:
    names = set(inspect.signature(advexport).parameters)
    assert names == {setting.name for setting in SETTINGS} | {"reports", "max_days_per_load"}


def test_each_report_is_a_resource_of_its_own() -> None:
    source = advexport("2024-01-01", auth_token=TOKEN, reports=["hourly", "daily"])
    assert source.name == "advexport"
    assert list(source.resources) == ["report_daily", "report_hourly"]
    assert list(advexport("2024-01-01", auth_token=TOKEN).resources) == ["report_daily"]


@pytest.mark.parametrize("name", ["SOURCES__ADVEXPORT__AUTH_TOKEN", "SOURCES__AUTH_TOKEN"])
def test_the_token_comes_from_dlts_configuration(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, TOKEN)
    monkeypatch.setenv("SOURCES__ADVEXPORT__START_DATE", "2024-01-01")
    monkeypatch.setenv("SOURCES__ADVEXPORT__LOOKBACK_DAYS", "7")
    assert TOKEN not in repr(advexport())


def test_a_missing_token_says_where_it_is_looked_for() -> None:
    with pytest.raises(ConfigFieldMissingException, match="SOURCES__ADVEXPORT__AUTH_TOKEN"):
        advexport("2024-01-01")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_date": "01/02/2024"}, "start_date: '01/02/2024' is not a date"),
        ({"reports": ["weekly"]}, r"reports: must be of daily, hourly, monthly \(got weekly\)"),
        ({"reports": []}, r"reports: must be of daily, hourly, monthly \(got none\)"),
        ({"max_days_per_load": 0}, r"max_days_per_load: must be at least 1 \(got 0\)"),
        ({"max_days_per_load": "2"}, r"max_days_per_load: must be at least 1 \(got '2'\)"),
        ({"max_days_per_load": 1.5}, r"max_days_per_load: must be at least 1 \(got 1.5\)"),
        ({"max_days_per_load": True}, r"max_days_per_load: must be at least 1 \(got True\)"),
        ({"window_days": 500}, r"window_days: must be between 1 and 366 \(got 500\)"),
        ({"account": TOKEN}, "account: must not hold the token"),
    ],
)
def test_a_wrong_setting_is_one_line_without_the_token(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        advexport(**({"start_date": "2024-01-01", "auth_token": TOKEN} | options))
    assert TOKEN not in str(caught.value)


def test_dates_and_texts_of_dates_are_both_taken() -> None:
    day = dlt.common.pendulum.date(2024, 1, 1)
    assert advexport(day, auth_token=TOKEN, end_date="2024-01-05").resources


@pytest.mark.parametrize(
    ("modules", "others"),
    [
        (
            (
                "tap_advexport.command, tap_advexport.commands.audit, "
                "tap_advexport.commands.coverage, tap_advexport.commands.merge_states"
            ),
            ["dlt", "pyarrow", "tap_advexport.dlt"],
        ),
        ("tap_advexport.dlt", ["singer_sdk", "click", "rich", "sqlalchemy", "pyarrow.parquet"]),
    ],
    ids=["the tap", "the dlt source"],
)
def test_neither_side_imports_what_only_the_other_needs(modules: str, others: list[str]) -> None:
    program = f"import sys, {modules}; print([name for name in {others} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_without_the_extra_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['dlt'] = None\n"
        "try:\n import tap_advexport.dlt\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "install tap-advexport[dlt]" in done.stdout
