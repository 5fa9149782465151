"""What a cell may hold, and what goes out for it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tap_advexport.records.cells import (
    InvalidCellError,
    TimeGrid,
    integer_text,
    integer_value,
    number_text,
    number_value,
)
from tap_advexport.reports import Interval
from tests.support.cells import INTEGER_TEXTS, NO_DAYS, NO_INTEGERS, NO_NUMBERS, NUMBERS_AS_WRITTEN


def grid(
    interval: Interval = Interval.DAILY,
    zone: str = "UTC",
    first: date = date(2017, 10, 1),
    last: date = date(2017, 10, 3),
) -> TimeGrid:
    return TimeGrid(interval, first, last, ZoneInfo(zone))


@pytest.mark.parametrize(("cell", "digits"), INTEGER_TEXTS.items())
def test_an_integer_is_plain_decimal(cell: str, digits: str) -> None:
    assert integer_text(cell) == digits
    assert integer_value(cell) == Decimal(digits or 0)


@pytest.mark.parametrize("cell", NO_INTEGERS)
def test_what_is_no_integer_is_refused(cell: str) -> None:
    with pytest.raises(InvalidCellError, match=r"^is not an integer of at most 4,300 digits$"):
        integer_text(cell)
    with pytest.raises(InvalidCellError):
        integer_value(cell)


@pytest.mark.parametrize("cell", NUMBERS_AS_WRITTEN)
def test_a_number_keeps_its_digits(cell: str) -> None:
    assert number_text(cell) == cell
    assert number_value(cell) == Decimal(cell or 0)


@pytest.mark.parametrize("cell", NO_NUMBERS)
def test_what_is_no_number_is_refused(cell: str) -> None:
    with pytest.raises(InvalidCellError, match=r"^is not a number "):
        number_text(cell)
    with pytest.raises(InvalidCellError):
        number_value(cell)


@pytest.mark.parametrize(
    ("zone", "hour", "offset"),
    [
        ("UTC", "02", "+00:00"),
        ("Europe/Rome", "01", "+02:00"),
        # The hour that the clock change repeats has its first offset.
        ("Europe/Rome", "02", "+02:00"),
        ("Europe/Rome", "03", "+01:00"),
        ("Asia/Kolkata", "23", "+05:30"),
        ("America/St_Johns", "00", "-02:30"),
    ],
)
def test_a_time_has_the_offset_of_the_zone(zone: str, hour: str, offset: str) -> None:
    day = date(2017, 10, 29)
    of_the_day = grid(Interval.HOURLY, zone, day, day)
    cell = f"2017-10-29 {hour}:00"
    assert of_the_day.zoned(cell).isoformat() == f"2017-10-29T{hour}:00:00{offset}"
    assert of_the_day.period(cell) == day


def test_offsets_of_old_times_have_no_seconds() -> None:
    day = date(1900, 1, 1)
    found = grid(zone="Europe/Amsterdam", first=day, last=day).zoned("1900-01-01 00:00")
    assert len(found.isoformat()) == len("1900-01-01T00:00:00+00:00")


@pytest.mark.parametrize("day", [date.min, date.max])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("interval", Interval)
def test_the_ends_of_the_calendar_are_days_too(day: date, zone: str, interval: Interval) -> None:
    start = day.replace(day=1) if interval is Interval.MONTHLY else day
    of_the_day = grid(interval, zone, day, day)
    assert of_the_day.periods() == (start,)
    assert of_the_day.period(f"{start} 00:00") == start
    assert of_the_day.zoned(f"{start} 00:00").date() == start


@pytest.mark.parametrize("cell", NO_DAYS)
def test_a_time_that_the_daily_report_cannot_have_is_refused(cell: str) -> None:
    for read in (grid().period, grid().zoned):
        with pytest.raises(InvalidCellError):
            read(cell)


@pytest.mark.parametrize(
    ("interval", "cell", "words"),
    [
        (Interval.HOURLY, "2017-10-01 00:30", "is not the start of a period of the hourly report"),
        (Interval.HOURLY, "2017-10-04 00:00", "outside the export's window, 2017-10-01 to 2017-10"),
        (Interval.MONTHLY, "2017-10-02 00:00", "is not the start of a period of the monthly"),
        (Interval.MONTHLY, "2017-10-01 01:00", "is not the start of a period of the monthly"),
        (Interval.MONTHLY, "2017-11-01 00:00", "outside the export's window"),
        (Interval.MONTHLY, "2017-09-01 00:00", "outside the export's window"),
        (Interval.DAILY, "2017-02-29 00:00", "is not a time that exists"),
        (Interval.DAILY, "yesterday", "is not a time (expected YYYY-MM-DD HH:mm)"),
    ],
)
def test_a_time_off_the_grid_or_the_window_is_told(
    interval: Interval, cell: str, words: str
) -> None:
    with pytest.raises(InvalidCellError) as caught:
        grid(interval).period(cell)
    assert words in str(caught.value)


def test_periods_are_all_days_or_months_of_the_window() -> None:
    first, last = date(2017, 11, 15), date(2018, 1, 1)
    days = grid(first=first, last=last).periods()
    assert (len(days), days[0], days[-1]) == (48, first, last)
    assert grid(Interval.HOURLY, first=first, last=last).periods() == days
    assert grid(Interval.MONTHLY, first=first, last=last).periods() == (
        date(2017, 11, 1),
        date(2017, 12, 1),
        date(2018, 1, 1),
    )
