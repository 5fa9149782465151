"""The dimensions of a row: an endless, fixed list of different placements of advertisements."""

from __future__ import annotations

from math import prod
from typing import NamedTuple


class Placement(NamedTuple):
    """One combination of dimensions, as cell texts, and what a conversion in it costs."""

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
    payout_cents: int


# Names that trip readers of CSV up: commas, quotes, accents, blanks at the ends, other scripts.
_CAMPAIGNS = (
    "Summer Sale",
    "Puzzle Quest, Tier 1",
    'The "Big" One',
    "Été à Paris",
    "  padded  ",
    "Зимняя акция",
    "夏のセール",
    "NULL",
    "Words & Birds",
    "City Builder 2",
    "Taxi - Installs",
    "Bank/Card",
    "Food 50% off",
    "Runner #1",
    "Poker; Night",
    "Music\tBox",
)
_APPS = ("com.example.puzzle", "com.example.taxi", "1190307500", "com.example.bank")
_LOCALES = (
    ("IT", "it"),
    ("US", "en"),
    ("NA", "en"),
    ("DE", "de"),
    ("FR", "fr"),
    ("BR", "pt"),
    ("NO", "nb"),
    ("JP", "ja"),
    ("IN", ""),
    ("ES", "es"),
    ("", "nan"),
)
_SYSTEMS = (
    ("iOS", "10.1"),
    ("iOS", "10.10"),
    ("iOS", "9.3"),
    ("iOS", "17.0"),
    ("Android", "4.4"),
    ("Android", "8.0"),
    ("Android", "13"),
    ("Android", ""),
)
# Texts that look like numbers or like nothing, and one that is nothing.
_AFFILIATES = (
    "",
    "0012",
    "1e5",
    "null",
    "NA",
    " x ",
    *(f"aff{number:03d}" for number in range(90)),
)
_PUBLISHERS = ("", *(str(number) for number in range(1001, 1030)))
_CREATIVES = 5

_RADICES = tuple(
    map(len, (_CAMPAIGNS, _LOCALES, _SYSTEMS, range(_CREATIVES), _PUBLISHERS, _AFFILIATES))
)
_COMBINATIONS = prod(_RADICES)
# A prime that divides no radix: multiplying by it scatters neighbours, and never joins two.
_STRIDE = 15_485_863


def placement(number: int) -> Placement:
    """Make the placement of that number; different numbers (below millions) give different ones."""
    campaign, locale, system, creative, publisher, affiliate = _digits(number)
    country, lang = _LOCALES[locale]
    name_os, version_os = _SYSTEMS[system]
    return Placement(
        aff_sub_id=_AFFILIATES[affiliate],
        campaign=_CAMPAIGNS[campaign],
        country=country,
        creative_id=f"banner-{campaign}-{creative}" if creative else "",
        app_id=_APPS[campaign % len(_APPS)],
        campaign_id=str(4200 + campaign),
        name_os=name_os,
        version_os=version_os,
        lang=lang,
        publisher_id=_PUBLISHERS[publisher],
        payout_cents=45 + 35 * campaign,
    )


def _digits(number: int) -> list[int]:
    rest = number * _STRIDE % _COMBINATIONS
    digits = []
    for radix in _RADICES:
        rest, digit = divmod(rest, radix)
        digits.append(digit)
    return digits
