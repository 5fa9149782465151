"""What the API knows of each day at each moment: figures that rise, vanish, and go back."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
TEXT_COLUMNS: Final = (
    "aff_sub_id",
    "campaign",
    "country",
    "creative_id",
    "app_id",
    "name_os",
    "version_os",
    "lang",
)
# By their place in the canonical order of the API's documentation.
COLUMNS: Final = (
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


class Dimensions(NamedTuple):
    """What a row is about."""

    aff_sub_id: str
    campaign: str
    country: str
    creative_id: str
    app_id: str
    campaign_id: str
    name_os: str
    version_os: str
    lang: str
    publisher_id: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a report, as cells."""

    dimensions: Dimensions
    time: str
    clicks: int
    conversions: int
    cost: str

    def cells(self) -> dict[str, str]:
        """The row of the CSV."""
        return {
            **self.dimensions._asdict(),
            "time": self.time,
            "clicks_aggr": str(self.clicks),
            "conversions_aggr": str(self.conversions),
            "cost_aggr": self.cost,
            "cr": "" if not self.clicks else f"{self.conversions / self.clicks:.4f}",
        }


_POOL: Final = (
    Dimensions("s1", "Spring", "NA", "c1", "app.one", "7", "Android", "10.1", "en", "1"),
    Dimensions("s1", "Spring", "NA", "c1", "app.one", "7", "Android", "10.10", "en", "1"),
    Dimensions("0012", 'He said "no",\nthen left', "DE", "", "null", "8", "iOS", "", "de", ""),
    Dimensions(" x ", "Été \u2013 \u2028 夏", "", "c2", "app.two", "", "", "nan", "", "-3"),
)


@dataclass(frozen=True, slots=True)
class _History:
    """A day's versions, each with the moment from which on it holds."""

    moments: tuple[datetime, ...]
    versions: tuple[tuple[Figure, ...], ...]

    def at(self, moment: datetime) -> tuple[Figure, ...]:
        index = bisect_right(self.moments, moment)
        return self.versions[index - 1] if index else ()


class Figures:
    """The truth, drawn from a seed: the same for whoever asks, whenever.

    Args:
        maturity_days: how many whole days after its end a day may still change.
    """

    def __init__(self, seed: str, zone: ZoneInfo, *, maturity_days: int) -> None:
        self._seed = seed
        self._zone = zone
        self._maturity_days = maturity_days
        self._histories: dict[tuple[str, date], _History] = {}

    def rows(self, interval: str, first: date, last: date, moment: datetime) -> list[Figure]:
        """The rows of an export of these days that is figured at `moment`, in order of time."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        if interval == "monthly":
            return list(self._months(days, moment))
        return [row for day in days for row in self._history(interval, day).at(moment)]

    def has_matured(self, day: date, moment: datetime) -> bool:
        """Whether the figures of a day, and all before it, had stopped moving."""
        return moment >= datetime.combine(day + (1 + self._maturity_days) * DAY, time(), self._zone)

    def _months(self, days: Iterator[date], moment: datetime) -> Iterator[Figure]:
        sums: dict[date, dict[Dimensions, Figure]] = defaultdict(dict)
        for day in days:
            month = day.replace(day=1)
            for row in self._history("month's day", day).at(moment):
                known = sums[month].get(row.dimensions)
                sums[month][row.dimensions] = _sum(known, row) if known else row
        for month, of_month in sums.items():
            for row in of_month.values():
                yield replace(row, time=f"{month} 00:00")

    def _history(self, interval: str, day: date) -> _History:
        if (interval, day) not in self._histories:
            self._histories[interval, day] = self._drawn(interval, day)
        return self._histories[interval, day]

    def _drawn(self, interval: str, day: date) -> _History:
        random = Random(f"{self._seed} {interval} {day}")
        begin = datetime.combine(day, time(), self._zone)
        end = datetime.combine(day + DAY, time(), self._zone)
        matured = datetime.combine(day + (1 + self._maturity_days) * DAY, time(), self._zone)
        versions: list[tuple[Figure, ...]] = [_some(random, interval, day)]
        moments = [begin + random.random() * (end - begin)]
        while random.random() < 0.75:
            moments.append(begin + random.random() * (matured - begin))
            versions.append(self._restated(random, versions, interval, day))
        return _History(tuple(sorted(moments)), tuple(versions))

    @staticmethod
    def _restated(
        random: Random, versions: list[tuple[Figure, ...]], interval: str, day: date
    ) -> tuple[Figure, ...]:
        last = versions[-1]
        match random.randrange(6):
            case 0 | 1:  # went back to what it was before
                return random.choice(versions)
            case 2:
                return ()
            case 3 if last:  # one row vanishes
                return last[1:]
            case 4 if last:  # one row changes
                return (replace(last[0], clicks=last[0].clicks + 1), *last[1:])
            case _:
                return _some(random, interval, day)


def _some(random: Random, interval: str, day: date) -> tuple[Figure, ...]:
    rows = []
    for dimensions in random.sample(_POOL, random.randrange(4)):
        hour = random.randrange(6, 24) if interval == "hourly" else 0
        clicks = random.randrange(50)
        row = Figure(
            dimensions,
            f"{day} {hour:02}:00",
            clicks,
            random.randrange(-2, 5),
            random.choice(["0.10", "1e-3", "-0.25", "12.3400", "3", "0.30000000000000004"]),
        )
        rows.append(row)
        if random.random() < 0.1:  # the same dimensions twice
            rows.append(replace(row, clicks=random.randrange(50)))
    return tuple(sorted(rows, key=lambda row: row.time))


def _sum(one: Figure, other: Figure) -> Figure:
    return replace(
        one,
        clicks=one.clicks + other.clicks,
        conversions=one.conversions + other.conversions,
        cost=str(Decimal(one.cost) + Decimal(other.cost)),
    )
