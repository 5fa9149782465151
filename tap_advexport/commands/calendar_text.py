"""The calendar for a terminal of 80 columns: two months per line, one symbol per day."""

from __future__ import annotations

import textwrap
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tap_advexport.commands.calendar import Cell, Status
from tap_advexport.commands.calendar_words import (
    LEGEND,
    as_of,
    heading,
    stretch_names,
    summary,
    year_summary,
)
from tap_advexport.windows import MONTHS, last_of_month

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tap_advexport.commands.calendar import CoverageCalendar

_WIDTH: Final = 79
_INDENT: Final = "    "
_MOST_STRETCHES: Final = 5
_OLDEST_DIGIT: Final = 9
_DAY_RULER: Final = "1   5    10   15   20   25   30 "
_MONTH_WIDTH: Final = 31

_SYMBOLS: Final = {
    Status.SETTLED: ".",
    Status.PENDING: "?",
    Status.MISSING: "-",
    Status.FAILED: "!",
}
_UNKNOWN_AGE: Final = "~"
_OLD: Final = "+"

# Select Graphic Rendition (ECMA-48): settled days are calm, failed days stand out.
_COLOURS: Final = {
    Status.SETTLED: "32",
    Status.PROVISIONAL: "33",
    Status.PENDING: "36",
    Status.MISSING: "90",
    Status.FAILED: "1;97;41",
}


def render_text(
    calendars: Sequence[CoverageCalendar], now: datetime, *, is_coloured: bool
) -> Iterator[str]:
    """Yield the lines of all calendars, with a legend."""
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


def _daily(calendar: CoverageCalendar, *, is_coloured: bool) -> Iterator[str]:
    has_ruler = False
    for year in calendar.years:
        short = year_summary(year, calendar) if len(calendar.years) > 1 else None
        if short:
            yield f"{year}  {short}"
            continue
        if not has_ruler:
            is_single = len(_months(year, calendar)) == 1
            yield f"         {_DAY_RULER}{'' if is_single else f'    {_DAY_RULER}'}".rstrip()
            has_ruler = True
        yield from _year(year, calendar, is_coloured=is_coloured)


def _year(year: int, calendar: CoverageCalendar, *, is_coloured: bool) -> Iterator[str]:
    """Yield the months of a year, two per line, without those that are entirely missing."""
    numbers = _months(year, calendar)
    months = [
        f"{MONTHS[number - 1]} {_month(year, number, calendar, is_coloured=is_coloured)}"
        for number in numbers
    ]
    for at in range(0, len(months), 2):
        label = year if at == 0 else ""
        yield f"{label:4} {' '.join(months[at : at + 2])}".rstrip()


def _months(year: int, calendar: CoverageCalendar) -> list[int]:
    """Return the months of a year, without entirely missing ones, which `_trouble` names."""
    known = (day for day, cell in calendar.cells.items() if cell.status is not Status.MISSING)
    return sorted({day.month for day in known if day.year == year})


def _month(year: int, month: int, calendar: CoverageCalendar, *, is_coloured: bool) -> str:
    length = last_of_month(date(year, month, 1)).day
    cells = [calendar.cells.get(date(year, month, day)) for day in range(1, length + 1)]
    return _painted(cells, is_coloured=is_coloured) + " " * (_MONTH_WIDTH - length)


def _monthly(calendar: CoverageCalendar, *, is_coloured: bool) -> Iterator[str]:
    yield "     " + "".join(f"{name} " for name in MONTHS).rstrip()
    for year in calendar.years:
        cells = [calendar.cells.get(date(year, month, 1)) for month in range(1, 13)]
        marks = (_painted([cell] * 3, is_coloured=is_coloured) for cell in cells)
        yield f"{year} {' '.join(marks)}".rstrip()


def _painted(cells: Sequence[Cell | None], *, is_coloured: bool) -> str:
    """Return the symbols of the cells; the colour is set once for each run of one status."""
    groups = groupby(cells, key=_status)
    return "".join(
        _coloured("".join(map(_symbol, group)), status if is_coloured else None)
        for status, group in groups
    )


def _status(cell: Cell | None) -> Status | None:
    return cell.status if cell else None


def _symbol(cell: Cell | None) -> str:
    if cell is None:
        return " "
    if cell.status is not Status.PROVISIONAL:
        return _SYMBOLS[cell.status]
    if cell.age_days is None:
        return _UNKNOWN_AGE
    return str(cell.age_days) if cell.age_days <= _OLDEST_DIGIT else _OLD


def _coloured(text: str, status: Status | None) -> str:
    return f"\x1b[{_COLOURS[status]}m{text}\x1b[0m" if status else text


def _trouble(calendar: CoverageCalendar, *, is_coloured: bool) -> Iterator[str]:
    for status in (Status.FAILED, Status.PENDING, Status.MISSING):
        stretches = calendar.stretches_of(status)
        if stretches:
            names = stretch_names(stretches, calendar, _MOST_STRETCHES)
            yield from _marked(Cell(status), f"{status}: {names}", is_coloured=is_coloured)


def _legend(*, is_coloured: bool) -> Iterator[str]:
    ages = f"; 0-{_OLDEST_DIGIT}: days since it was, {_OLD}: more"
    for status, words in LEGEND.items():
        is_aged = status is Status.PROVISIONAL
        cell = Cell(status, 0 if is_aged else None)
        yield from _marked(cell, words + ages * is_aged, is_coloured=is_coloured)


def _marked(cell: Cell, words: str, *, is_coloured: bool) -> Iterator[str]:
    """Yield a symbol and its text, wrapped to as many lines as needed."""
    first, *others = textwrap.wrap(words, _WIDTH - len(_INDENT))
    yield f"  {_painted([cell], is_coloured=is_coloured)} {first}"
    yield from (_INDENT + each for each in others)
