"""The calendar for a terminal of 80 columns: two months a line, a symbol a day."""

from __future__ import annotations

import textwrap
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tap_advexport.commands.calendar_words import (
    LEGEND,
    MONTHS,
    as_of,
    heading,
    stretch_names,
    summary,
    year_summary,
)
from tap_advexport.coverage.standing import Cell, Standing
from tap_advexport.dates import last_of_month

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_advexport.coverage.standing import Calendar

_WIDTH: Final = 79
_INDENT: Final = "    "
_MOST_STRETCHES: Final = 5
_OLDEST_DIGIT: Final = 9
_DAY_RULER: Final = "1   5    10   15   20   25   30 "
_MONTH_WIDTH: Final = 31

_SYMBOLS: Final = {
    Standing.SETTLED: "#",
    Standing.PENDING: "?",
    Standing.MISSING: "-",
    Standing.FAILED: "!",
}
_UNKNOWN_AGE: Final = "~"
_OLD: Final = "+"

# Select Graphic Rendition (ECMA-48): the settled and the missing recede, what failed stands out.
_COLOURS: Final = {
    Standing.SETTLED: "32;42",
    Standing.PROVISIONAL: "30;43",
    Standing.PENDING: "30;46",
    Standing.MISSING: "90",
    Standing.FAILED: "1;97;41",
}


def render_text(
    calendars: Sequence[Calendar], now: datetime, *, is_coloured: bool
) -> Iterator[str]:
    """The lines of all calendars, with a legend."""
    yield f"Coverage as of {as_of(now)}"
    if not calendars:
        yield "The state covers no day."
        return
    for calendar in calendars:
        yield ""
        yield heading(calendar)
        yield from textwrap.wrap(summary(calendar), _WIDTH)
        yield from (_monthly if calendar.is_monthly else _daily)(calendar, is_coloured=is_coloured)
        yield from _trouble(calendar, is_coloured=is_coloured)
    yield ""
    yield from _legend(is_coloured=is_coloured)


def _daily(calendar: Calendar, *, is_coloured: bool) -> Iterator[str]:
    has_ruler = False
    for year in calendar.years:
        short = year_summary(year, calendar) if len(calendar.years) > 1 else None
        if short:
            yield f"{year}  {short}"
            continue
        if not has_ruler:
            yield f"         {_DAY_RULER}    {_DAY_RULER}".rstrip()
            has_ruler = True
        yield from _year(year, calendar, is_coloured=is_coloured)


def _year(year: int, calendar: Calendar, *, is_coloured: bool) -> Iterator[str]:
    label = str(year)
    for left in range(1, 13, 2):
        first, last = date(year, left, 1), last_of_month(date(year, left + 1, 1))
        if last < calendar.days.first or first > calendar.days.last:
            continue
        months = (
            f"{MONTHS[month - 1]} {_month(year, month, calendar, is_coloured=is_coloured)}"
            for month in (left, left + 1)
        )
        yield f"{label:4} {' '.join(months)}".rstrip()
        label = ""


def _month(year: int, month: int, calendar: Calendar, *, is_coloured: bool) -> str:
    length = last_of_month(date(year, month, 1)).day
    cells = [calendar.cells.get(date(year, month, day)) for day in range(1, length + 1)]
    return _painted(cells, is_coloured=is_coloured) + " " * (_MONTH_WIDTH - length)


def _monthly(calendar: Calendar, *, is_coloured: bool) -> Iterator[str]:
    yield "     " + "".join(f"{name} " for name in MONTHS).rstrip()
    for year in calendar.years:
        cells = [calendar.cells.get(date(year, month, 1)) for month in range(1, 13)]
        marks = (_painted([cell] * 3, is_coloured=is_coloured) for cell in cells)
        yield f"{year} {' '.join(marks)}".rstrip()


def _painted(cells: Sequence[Cell | None], *, is_coloured: bool) -> str:
    """The symbols of the cells; those on end in one colour take it once."""
    groups = groupby(cells, key=_standing)
    return "".join(
        _coloured("".join(map(_symbol, group)), standing if is_coloured else None)
        for standing, group in groups
    )


def _standing(cell: Cell | None) -> Standing | None:
    return cell.standing if cell else None


def _symbol(cell: Cell | None) -> str:
    if cell is None:
        return " "
    if cell.standing is not Standing.PROVISIONAL:
        return _SYMBOLS[cell.standing]
    if cell.age_days is None:
        return _UNKNOWN_AGE
    return str(cell.age_days) if cell.age_days <= _OLDEST_DIGIT else _OLD


def _coloured(text: str, standing: Standing | None) -> str:
    return f"\x1b[{_COLOURS[standing]}m{text}\x1b[0m" if standing else text


def _trouble(calendar: Calendar, *, is_coloured: bool) -> Iterator[str]:
    for standing in (Standing.FAILED, Standing.PENDING, Standing.MISSING):
        stretches = calendar.stretches_of(standing)
        if stretches:
            names = stretch_names(stretches, calendar, _MOST_STRETCHES)
            yield from _marked(Cell(standing), f"{standing}: {names}", is_coloured=is_coloured)


def _legend(*, is_coloured: bool) -> Iterator[str]:
    ages = f"; 0-{_OLDEST_DIGIT}: days since it was, {_OLD}: more"
    for standing, words in LEGEND.items():
        is_aged = standing is Standing.PROVISIONAL
        cell = Cell(standing, 0 if is_aged else None)
        yield from _marked(cell, words + ages * is_aged, is_coloured=is_coloured)


def _marked(cell: Cell, words: str, *, is_coloured: bool) -> Iterator[str]:
    """A symbol, and what is to be said of it in as many lines as that takes."""
    first, *others = textwrap.wrap(words, _WIDTH - len(_INDENT))
    yield f"  {_painted([cell], is_coloured=is_coloured)} {first}"
    yield from (_INDENT + each for each in others)
