"""The figures of the reports: a pure function of a seed, the requested days and the API's clock."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import sqrt
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from advexport_sandbox.placements import Placement, placement
from advexport_sandbox.submissions import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = (
    "aff_sub_id",
    "time",
    "clicks_aggr",
    "campaign",
    "country",
    "creative_id",
    "app_id",
    "campaign_id",
    "cost_aggr",
    "cr",
    "conversions_aggr",
    "name_os",
    "version_os",
    "lang",
    "publisher_id",
)
_HOURS_PER_DAY = 24
_HOUR_STEPS = (1, 5, 7, 11)
# Shares are compared with ten bits of a row's random word.
_WHOLE = 1024
# The share of its conversions that a day has when it ends.
_YOUNG = 0.6

Row = list[str]


@dataclass(frozen=True, slots=True)
class FiguresConfig:
    """How many rows there are, and how they change after their day.

    Args:
        rows_per_day: Mean number of rows of a day that is not empty.
        rows_spread: How far from the mean a day may be, as a share of it.
        empty_day_share: Share of the days without any row.
        repeat_share: Share of the rows that come as two rows with the same dimensions.
        vanish_share: Share of the rows that are taken back some time after their day.
        late_share: Share of the rows that appear only some time after their day.
        maturing_days: Days after the end of a day until its figures stand still.
        timezone: The zone that decides which day it is, and which hours a clock change moves.
    """

    seed: int = 1
    rows_per_day: float = 20
    rows_spread: float = 0.3
    empty_day_share: float = 0.03
    repeat_share: float = 0.0
    vanish_share: float = 0.02
    late_share: float = 0.03
    maturing_days: int = 30
    timezone: str = "UTC"


class _Count(NamedTuple):
    """What happened in one placement on one day, as far as the API knows."""

    number: int
    word: int
    clicks: int
    conversions: int


class Figures:
    """Rows of any days at any moment; the same question always gets the same answer."""

    def __init__(self, config: FiguresConfig) -> None:
        self._config = config
        self._limit = config.maturing_days * _HOURS_PER_DAY
        self._zone = ZoneInfo(config.timezone)
        self._placements: dict[int, Placement] = {}

    def rows(self, interval: Interval, first: date, last: date, now: datetime) -> Iterator[Row]:
        """Yield the rows of these days in the order of their time.

        Args:
            now: The API's wall-clock time in its own zone, without offset.
        """
        days = _days(first, min(last, now.date()))
        match interval:
            case Interval.HOURLY:
                for day in days:
                    yield from self._hourly(day, now)
            case Interval.DAILY:
                for day in days:
                    yield from self._daily(day, now)
            case Interval.MONTHLY:
                yield from self._monthly(days, now)

    def stands_still(self, day: date, now: datetime) -> bool:
        """Tell whether the figures of a day will never change again."""
        return _age_hours(day, now) >= self._limit

    def _daily(self, day: date, now: datetime) -> Iterator[Row]:
        text = f"{day} 00:00"
        for count in self._counts(day, now):
            yield from self._render(text, count)

    def _hourly(self, day: date, now: datetime) -> Iterator[Row]:
        hours: list[dict[int, _Count]] = [{} for _ in range(_HOURS_PER_DAY)]
        end = _hours_over(day, now)
        moved, repeated = _changed_hours(day, self._zone)
        for count in self._matured(day, now):
            for hour, part in _split(count):
                if hour < end:
                    parts = hours[moved.get(hour, hour)]
                    parts[count.number] = _add(parts.get(count.number), part)
        for hour, parts in enumerate(hours):
            text = f"{day} {hour:02d}:00"
            passes = 2 if hour in repeated else 1
            for index in range(passes):
                for part in parts.values():
                    yield from self._render(text, _share(part, passes, index))

    def _monthly(self, days: Iterator[date], now: datetime) -> Iterator[Row]:
        sums: dict[int, _Count] = {}
        month: date | None = None
        for day in days:
            if month is not None and day.day == 1:
                yield from self._render_month(month, sums)
                sums = {}
            month = day.replace(day=1)
            for count in self._counts(day, now):
                sums[count.number] = _add(sums.get(count.number), count)
        if month is not None:
            yield from self._render_month(month, sums)

    def _render_month(self, month: date, sums: dict[int, _Count]) -> Iterator[Row]:
        text = f"{month} 00:00"
        for count in sums.values():
            yield from self._render(text, count)

    def _counts(self, day: date, now: datetime) -> Iterator[_Count]:
        if day != now.date():
            return self._matured(day, now)
        return self._unfinished(day, now)

    def _unfinished(self, day: date, now: datetime) -> Iterator[_Count]:
        end = _hours_over(day, now)
        for count in self._matured(day, now):
            total: _Count | None = None
            for hour, part in _split(count):
                if hour < end:
                    total = _add(total, part)
            if total is not None:
                yield total

    def _matured(self, day: date, now: datetime) -> Iterator[_Count]:
        age = _age_hours(day, now)
        share = _maturity(age, self._limit)
        limit = self._limit
        vanishing = round(self._config.vanish_share * _WHOLE) if limit else 0
        late = vanishing + (round(self._config.late_share * _WHOLE) if limit else 0)
        for number, word in self._words(day):
            fate = word & 1023
            if fate < late:
                turn = 1 + ((word >> 10 & 1023) * limit >> 10)
                if (age >= turn) == (fate < vanishing):
                    continue
            lot = word >> 30 & 63
            clicks = lot + (lot * lot >> 6)
            conversions = clicks * (word >> 36 & 63) >> 8
            yield _Count(number, word, clicks, conversions * share + (word >> 20 & 1023) >> 10)

    def _words(self, day: date) -> Iterator[tuple[int, int]]:
        """Yield the placements of a day with 64 random bits each that decide all about them."""
        config = self._config
        random = Random(f"{config.seed}:{day}")
        if random.random() < config.empty_day_share:
            return
        mean = config.rows_per_day * (1 + config.rows_spread * (2 * random.random() - 1))
        size = int(mean + random.random())
        universe = int(config.rows_per_day * 2) + 10
        start = random.randrange(universe)
        words = struct.unpack(f"<{size}Q", random.randbytes(8 * size))
        for position, word in enumerate(words, start):
            yield position % universe, word

    def _render(self, text: str, count: _Count) -> Iterator[Row]:
        if count.word >> 51 & 1023 < self._config.repeat_share * _WHOLE:
            clicks, conversions = count.clicks // 3, count.conversions // 2
            yield self._row(text, count.number, clicks, conversions)
            yield self._row(
                text, count.number, count.clicks - clicks, count.conversions - conversions
            )
        else:
            yield self._row(text, count.number, count.clicks, count.conversions)

    def _row(self, text: str, number: int, clicks: int, conversions: int) -> Row:
        place = self._placements.get(number)
        if place is None:
            place = self._placements[number] = placement(number)
        cents = conversions * place.payout_cents
        return [
            place.aff_sub_id,
            text,
            str(clicks),
            place.campaign,
            place.country,
            place.creative_id,
            place.app_id,
            place.campaign_id,
            f"{cents // 100}.{cents % 100:02d}",
            f"{conversions / clicks:.4f}" if clicks else "",
            str(conversions),
            place.name_os,
            place.version_os,
            place.lang,
            place.publisher_id,
        ]


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def _age_hours(day: date, now: datetime) -> int:
    """Count the whole hours since the day ended; before that, they are negative."""
    return (now - datetime.combine(day + timedelta(days=1), time())) // timedelta(hours=1)


def _hours_over(day: date, now: datetime) -> int:
    return now.hour if day == now.date() else _HOURS_PER_DAY


def _changed_hours(day: date, zone: ZoneInfo) -> tuple[dict[int, int], set[int]]:
    """Find where clock changes move the hours that they leave out, and the hours they repeat."""
    moved: dict[int, int] = {}
    repeated: set[int] = set()
    for hour in range(_HOURS_PER_DAY):
        start = datetime.combine(day, time(hour), zone)
        if start.utcoffset() != start.replace(fold=1).utcoffset():
            real_hour = start.astimezone(UTC).astimezone(zone).hour
            if real_hour == hour:
                repeated.add(hour)
            else:
                moved[hour] = real_hour
    return moved, repeated


def _maturity(age: int, limit: int) -> int:
    """Tell how many of 1024 conversions are known at an age."""
    if age >= limit or not limit:
        return _WHOLE
    return int(_WHOLE * (_YOUNG + (1 - _YOUNG) * sqrt(max(age, 0) / limit)))


def _split(count: _Count) -> Iterator[tuple[int, _Count]]:
    """Deal clicks and conversions out to some hours; more conversions never take from an hour."""
    word = count.word
    parts = min(1 + (word >> 49 & 3), count.clicks) or 1
    step = _HOUR_STEPS[word >> 47 & 3]
    for index in range(parts):
        yield (
            ((word >> 42 & 31) + index * step) % _HOURS_PER_DAY,
            _share(count, parts, index),
        )


def _share(count: _Count, parts: int, index: int) -> _Count:
    return _Count(
        count.number,
        count.word,
        _deal(count.clicks, parts, index),
        _deal(count.conversions, parts, index),
    )


def _deal(amount: int, parts: int, index: int) -> int:
    return amount // parts + (index < amount % parts)


def _add(total: _Count | None, count: _Count) -> _Count:
    if total is None:
        return count
    return total._replace(
        clicks=total.clicks + count.clicks, conversions=total.conversions + count.conversions
    )
