"""Where a day begins, in zones near and far."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.dates import local_midnight, whole_second


@pytest.mark.parametrize(
    ("day", "zone", "midnight"),
    [
        (date(2024, 3, 31), "Europe/Berlin", datetime(2024, 3, 30, 23, tzinfo=UTC)),
        (date(2024, 4, 1), "Europe/Berlin", datetime(2024, 3, 31, 22, tzinfo=UTC)),
        (date(2024, 4, 1), "UTC", datetime(2024, 4, 1, tzinfo=UTC)),
        (date.min, "Europe/Berlin", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_midnight_is_a_moment_in_utc(day: date, zone: str, midnight: datetime) -> None:
    found = local_midnight(day, ZoneInfo(zone))
    assert found == midnight
    assert found.tzinfo is UTC


def test_a_moment_is_cut_to_the_second_in_utc() -> None:
    east = timezone(timedelta(hours=2))
    found = whole_second(datetime(2024, 4, 1, 1, 2, 3, 999_999, tzinfo=east))
    assert found == datetime(2024, 3, 31, 23, 2, 3, tzinfo=UTC)
    assert found.tzinfo is UTC
