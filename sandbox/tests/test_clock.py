from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from advexport_sandbox import Clock

NOON = datetime(2024, 4, 2, 12, tzinfo=UTC)


def test_a_clock_with_a_start_stands_still_until_it_is_moved() -> None:
    clock = Clock(NOON)
    assert clock.now() == NOON
    clock.advance(timedelta(days=3))
    assert clock.now() == NOON + timedelta(days=3)


def test_a_clock_without_a_start_follows_the_real_one() -> None:
    times = [NOON]
    clock = Clock(wall=lambda: times[-1])
    clock.advance(timedelta(hours=1))
    times.append(NOON + timedelta(minutes=1))
    assert clock.now() == NOON + timedelta(minutes=61)


def test_a_time_without_offset_is_in_utc() -> None:
    clock = Clock(NOON.replace(tzinfo=None))
    assert clock.now() == NOON
    clock.set(datetime.fromisoformat("2024-01-01T00:00"))
    assert clock.now() == datetime(2024, 1, 1, tzinfo=UTC)


def test_the_zone_decides_about_today() -> None:
    late = datetime(2024, 4, 2, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert Clock(late, timezone="Europe/Rome").local() == datetime.fromisoformat("2024-04-03T06:30")


def test_seconds_count_what_is_skipped_and_never_go_back() -> None:
    clock = Clock(NOON, wall=lambda: NOON, monotonic=lambda: 5.0)
    assert clock.seconds() == NOON.timestamp()
    clock.advance(timedelta(seconds=60))
    clock.set(NOON - timedelta(days=9))
    assert clock.seconds() == NOON.timestamp() + 60
