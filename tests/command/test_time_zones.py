"""Days and hours of the account's time zone, through the whole tap: which day is over, and when."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from advexport_sandbox import Clock, Interval, Sandbox, SandboxConfig
from tap_advexport.records.row_key import KEY_DIMENSIONS
from tests.support.accounts import Account, Output, Wall, bare, dates, true

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    """The account that a test is parametrized with: its zone, what time it is there, and rows."""
    zone, local, rows = (*request.param, 8)[:3]
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    wall = Wall(moment)
    config = SandboxConfig(timezone=zone, rows_per_day=rows, empty_day_share=0, maturing_days=0)
    with Sandbox(config, clock=Clock(timezone=zone, wall=wall)) as sandbox:
        yield Account(sandbox, wall, zone)


def at(*params: tuple[Any, ...]) -> pytest.MarkDecorator:
    ids = [f"{zone} {local}" for zone, local, *_ in params]
    return pytest.mark.parametrize("account", params, indirect=True, ids=ids)


# Which day is over


@pytest.mark.parametrize(
    ("account", "last", "offset"),
    [
        (("Pacific/Kiritimati", "2024-03-02T00:30"), "2024-03-01", "+14:00"),
        (("UTC", "2024-03-01T10:30"), "2024-02-29", "+00:00"),
        (("Pacific/Niue", "2024-02-29T23:30"), "2024-02-28", "-11:00"),
        (("Asia/Kathmandu", "2024-03-01T00:00"), "2024-02-29", "+05:45"),
    ],
    indirect=["account"],
)
def test_the_zone_decides_which_day_is_over_and_the_offset(
    account: Account, last: str, offset: str
) -> None:
    output = account.run("2024-02-25")
    assert output.days() == dates("2024-02-25", last)
    assert output.bookmark()["replication_key_value"] == last
    records = output.records("report_daily")
    assert {each["time"][10:] for each in records} == {f"T00:00:00{offset}"}
    assert bare(records) == true(account.truth(Interval.DAILY, "2024-02-25", last))
    again = account.run("2024-02-25", state=output.state)
    assert again.days() == output.days()
    assert not again.records("report_daily")


@at(("Pacific/Kiritimati", "2024-03-02T00:00"), ("Pacific/Niue", "2024-03-02T00:00"))
def test_a_day_is_exported_once_it_is_over_and_not_a_second_before(account: Account) -> None:
    account.wall.moment -= timedelta(seconds=1)
    before = account.run("2024-02-28")
    assert before.days() == dates("2024-02-28", "2024-02-29")
    account.wall.moment += timedelta(seconds=1)
    after = account.run("2024-02-28", state=before.state, lookback_days=0)
    assert after.days() == ["2024-03-01"]


# Days of 23 and 25 hours


CHANGES = [
    # Zone, the day of the change, its hours as a wall clock names them, how many it names twice.
    ("Europe/Berlin", "2024-03-31", 23, 0),
    ("Europe/Berlin", "2024-10-27", 24, 1),
    ("America/Los_Angeles", "2024-03-10", 23, 0),
    ("America/Los_Angeles", "2024-11-03", 24, 1),
    ("America/Sao_Paulo", "2018-11-04", 23, 0),
    ("America/Havana", "2024-11-03", 24, 1),
    ("Europe/Dublin", "2024-10-27", 24, 1),
]


@pytest.mark.parametrize(
    ("account", "day", "hours", "twice"),
    [((zone, "2025-06-01T12:00", 150), day, hours, twice) for zone, day, hours, twice in CHANGES],
    indirect=["account"],
    ids=[f"{zone} {day}" for zone, day, *_ in CHANGES],
)
def test_each_hour_of_a_clock_change_comes_out_with_the_offset_of_its_first_pass(
    account: Account, day: str, hours: int, twice: int
) -> None:
    first, last = ((date.fromisoformat(day) + timedelta(days=n)).isoformat() for n in (-1, 1))
    output = account.run(first, "report_hourly", "report_daily", end_date=last, window_days=2)
    records = output.records("report_hourly")
    assert bare(records) == true(account.truth(Interval.HOURLY, first, last))
    assert len({each["row_key"] for each in records}) == len(records)
    zone = ZoneInfo(account.zone)
    for each in records:
        moment = datetime.fromisoformat(each["time"])
        assert moment.isoformat() == moment.replace(tzinfo=zone).isoformat()
        assert each["report_date"] == each["time"][:10]
    of_day = {each["time"] for each in records if each["report_date"] == day}
    assert len(of_day) == hours
    dimensions = Counter(
        (each["time"], *(each[name] for name in KEY_DIMENSIONS)) for each in records
    )
    repeated = {time for (time, *_), times in dimensions.items() if times > 1}
    assert len(repeated) == twice
    totals = {
        each["report"]: each["clicks_aggr"]
        for each in output.records("report_periods")
        if each["period"] == day
    }
    assert totals["hourly"] == totals["daily"] > 0


@at(
    ("Europe/Berlin", "2024-04-02T00:10"),
    ("Europe/Berlin", "2024-10-29T00:10"),
    ("America/Los_Angeles", "2024-03-12T00:10"),
    ("America/Los_Angeles", "2024-11-05T00:10"),
)
def test_whole_days_are_counted_by_the_calendar_across_a_clock_change(account: Account) -> None:
    """The change was the day before yesterday: hours would count it an hour short or long."""
    today = account.wall.moment.astimezone(ZoneInfo(account.zone)).date()
    output = account.run((today - timedelta(days=5)).isoformat(), lookback_days=1)
    change, yesterday = (today - timedelta(days=n) for n in (2, 1))
    assert output.bookmark()["settled"] == [
        [(today - timedelta(days=5)).isoformat(), change.isoformat()]
    ]
    [[first, last, _]] = output.bookmark()["unsettled"]
    assert first == last == yesterday.isoformat()


@at(("Pacific/Apia", "2012-01-02T09:00"))
def test_a_date_that_the_zone_left_out_is_a_day_without_rows_and_no_gap(account: Account) -> None:
    output = account.run("2011-12-27", lookback_days=0)
    assert output.days() == dates("2011-12-27", "2012-01-01")
    assert output.bookmark()["settled"] == [["2011-12-27", "2012-01-01"]]
    rows = true(account.truth(Interval.DAILY, "2011-12-27", "2012-01-01"))
    assert bare(output.records("report_daily")) == rows


# Ends of months and years


@at(("Europe/Berlin", "2024-03-02T05:00"), ("Pacific/Auckland", "2024-03-02T05:00"))
def test_leap_day_and_ends_of_months_and_years_come_out_once(account: Account) -> None:
    output = account.run("2023-12-30", "report_daily", "report_monthly", lookback_days=0)
    assert output.days() == dates("2023-12-30", "2024-03-01")
    assert "2024-02-29" in output.days()
    months = ["2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01"]
    assert output.days("monthly") == months
    is_settled = {
        each["period"]: each["is_settled"]
        for each in output.records("report_periods")
        if each["report"] == "monthly"
    }
    assert is_settled == dict(zip(months, [True, True, True, False], strict=True))
    submitted = sorted(
        (body["start_date"], body["stop_date"])
        for body in (json.loads(each.body) for each in account.sandbox.requests if each.body)
        if body["interval"] == "monthly"
    )
    assert submitted == [
        ("2023-12-01", "2023-12-31"),
        ("2024-01-01", "2024-01-31"),
        ("2024-02-01", "2024-02-29"),
        ("2024-03-01", "2024-03-01"),
    ]
    for interval, first in [(Interval.DAILY, "2023-12-30"), (Interval.MONTHLY, "2023-12-01")]:
        records = output.records(f"report_{interval.value}")
        assert bare(records) == true(account.truth(interval, first, "2024-03-01"))


@at(("Australia/Lord_Howe", "2023-12-30T00:05"), ("America/St_Johns", "2024-02-27T00:05"))
def test_daily_runs_over_the_turn_of_a_month_or_year_settle_each_day_once(
    account: Account,
) -> None:
    zone = ZoneInfo(account.zone)
    today = account.wall.moment.astimezone(zone).date()
    start = (today - timedelta(days=4)).isoformat()
    state: dict[str, Any] | None = None
    settling: Counter[str] = Counter()
    for _ in range(6):
        output = account.run(start, "report_daily", "report_monthly", state=state, lookback_days=2)
        state = output.state
        settling.update(
            each["period"]
            for each in output.records("report_periods")
            if each["report"] == "daily" and each["is_settled"]
        )
        today = account.wall.moment.astimezone(zone).date()
        yesterday = today - timedelta(days=1)
        for stream in ("report_daily", "report_monthly"):
            assert output.bookmark(stream)["replication_key_value"] == yesterday.isoformat()
        assert output.days()[-1] == yesterday.isoformat()
        account.wall.moment += timedelta(days=1)
    assert settling == Counter(dates(start, (today - timedelta(days=3)).isoformat()))


# Midnight


@at(("Europe/Berlin", "2024-03-31T00:00"))
def test_a_run_that_crosses_midnight_keeps_its_range_and_settles_nothing_too_early(
    account: Account,
) -> None:
    """Midnight falls between any two looks at the clock, the tap's and the API's, in turn."""
    midnight = account.wall.moment
    for looks in count(1):
        account.wall.step = timedelta(seconds=1)
        account.wall.moment = midnight - timedelta(seconds=looks)
        account.wall.looks.clear()
        output = account.run(
            "2024-03-28",
            lookback_days=0,
            include_today=True,
            window_days=1,
            max_concurrent_exports=1,
        )
        if account.wall.moment <= midnight:
            break
        account.wall.step = timedelta()
        _, started_at, *_ = account.wall.looks
        last = "2024-03-30" if started_at < midnight else "2024-03-31"
        assert output.days() == dates("2024-03-28", last)
        for period in output.records("report_periods"):
            _assert_settled_when_complete(account, output, period)
        following = account.run("2024-03-28", state=output.state, lookback_days=0)
        settled = output.bookmark()["settled"][-1][1]
        assert following.days() == [
            day for day in dates("2024-03-28", "2024-03-30") if day > settled
        ]
        assert following.bookmark()["settled"] == [["2024-03-28", "2024-03-30"]]
    assert looks > 8


def _assert_settled_when_complete(account: Account, output: Output, period: dict[str, Any]) -> None:
    day, export = period["period"], period["export_id"]
    rows = account.sandbox.rows_of(export)
    held = (row for row in output.records("report_daily") if row["export_id"] == export)
    assert bare(held) == true(rows)
    exported_at = datetime.fromisoformat(period["exported_at"])
    is_over = exported_at.astimezone(ZoneInfo(account.zone)).date() > date.fromisoformat(day)
    assert period["is_settled"] == is_over
    if is_over:
        assert true(rows) == true(account.truth(Interval.DAILY, day, day))


@at(("America/Los_Angeles", "2024-11-03T00:00"))
def test_a_run_that_starts_before_midnight_does_not_take_the_day_that_ends_meanwhile(
    account: Account,
) -> None:
    account.wall.moment -= timedelta(seconds=3)
    account.wall.step = timedelta(seconds=1)
    output = account.run("2024-10-30")
    assert output.days() == dates("2024-10-30", "2024-11-01")
    assert account.run("2024-10-30", state=output.state).days()[-1] == "2024-11-02"
