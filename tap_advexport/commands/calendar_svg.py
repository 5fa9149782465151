"""The calendar as a self-contained SVG: weeks as columns, colours for light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from tap_advexport.commands.calendar import Cell, Status
from tap_advexport.commands.calendar_words import LEGEND, age, as_of, heading, stretch_name, summary
from tap_advexport.windows import MONTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tap_advexport.commands.calendar import CoverageCalendar, Stretch

_MARGIN: Final = 16
_LEFT: Final = 76
_PITCH: Final = 12
_CELL: Final = 10
_WEEKS: Final = 54
_MONTH_CELL: Final = 3 * _PITCH - 2
_WIDTH: Final = _LEFT + _WEEKS * _PITCH + _MARGIN
_LINE: Final = 18
_WEEKDAYS: Final = {0: "Mon", 2: "Wed", 4: "Fri"}

# A provisional day exported this many days ago, or earlier, was not exported by yesterday's run.
_FRESH_DAYS: Final = 2
_STALE: Final = "stale"

# Statuses also differ in lightness, and failed ones have a cross: not everyone sees the colours.
_STYLE: Final = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.heading { font-size: 13px; font-weight: 600; }
.small { font-size: 10px; fill: #57606a; }
.page { fill: #ffffff; }
.settled { fill: #cdeadb; }
.provisional { fill: #efc75e; }
.stale { fill: #c98a00; }
.pending { fill: #54aeff; }
.failed { fill: #c40f3c; }
.cross { fill: none; stroke: #ffffff; stroke-width: 1.6; }
.missing { fill: #ffffff; stroke: #afb8c1; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9198a1; }
.page { fill: #0d1117; }
.settled { fill: #1d3b30; }
.provisional { fill: #8a6a1e; }
.stale { fill: #d9a425; }
.pending { fill: #388bfd; }
.failed { fill: #ff4d79; }
.missing { fill: #0d1117; stroke: #484f58; }
}
"""


@dataclass(slots=True)
class _Page:
    """The drawing so far, and how far down it reaches."""

    root: Element
    bottom: int = _MARGIN

    def text(self, text: str, kind: str, at: tuple[int, int]) -> None:
        x, y = at
        SubElement(self.root, "text", {"class": kind, "x": str(x), "y": str(y)}).text = text

    def line(self, text: str, kind: str) -> None:
        self.bottom += _LINE
        self.text(text, kind, (_MARGIN, self.bottom))

    def shape(self, kind: str, path: str, title: str) -> None:
        drawn = SubElement(self.root, "path", {"class": kind, "d": path})
        SubElement(drawn, "title").text = title


def render_svg(calendars: Sequence[CoverageCalendar], now: datetime) -> str:
    """Return the SVG of all calendars; the same input gives the same text."""
    root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    title = f"Coverage as of {as_of(now)}"
    SubElement(root, "title").text = title
    SubElement(root, "desc").text = "; ".join(
        f"{heading(each)}, {summary(each)}" for each in calendars
    )
    SubElement(root, "style").text = _STYLE
    SubElement(root, "rect", {"class": "page", "width": "100%", "height": "100%"})
    page = _Page(root)
    page.line(title, "title")
    for calendar in calendars:
        _draw(page, calendar)
    _draw_legend(page)
    height = page.bottom + _MARGIN
    root.attrib |= {
        "width": str(_WIDTH), "height": str(height), "viewBox": f"0 0 {_WIDTH} {height}"
    }  # fmt: skip
    indent(root, space="")
    return tostring(root, encoding="unicode") + "\n"


def _draw(page: _Page, calendar: CoverageCalendar) -> None:
    page.bottom += _LINE // 2
    page.line(heading(calendar), "heading")
    page.line(summary(calendar), "text")
    if calendar.is_monthly:
        _draw_months(page, calendar)
    else:
        for year in calendar.years:
            _draw_year(page, calendar, year)


def _draw_year(page: _Page, calendar: CoverageCalendar, year: int) -> None:
    """Draw the days of a year: weeks as columns, Mondays on top."""
    top = page.bottom + _LINE + 6
    page.text(str(year), "text", (_MARGIN, top + _CELL))
    for weekday, name in _WEEKDAYS.items():
        page.text(name, "small", (_LEFT - 24, top + weekday * _PITCH + _CELL - 1))
    for month in sorted({first.month for first in calendar.cells if first.year == year}):
        place = (_LEFT + _week(date(year, month, 7)) * _PITCH, top - 4)
        page.text(MONTHS[month - 1], "small", place)
    for stretch in calendar.stretches(year):
        days = [stretch.first + timedelta(days=n) for n in range(stretch.count)]
        places = [(_LEFT + _week(day) * _PITCH, top + day.weekday() * _PITCH) for day in days]
        _draw_stretch(page, calendar, stretch, places, (_CELL, _CELL))
    page.bottom = top + 7 * _PITCH - 4


def _draw_months(page: _Page, calendar: CoverageCalendar) -> None:
    top = page.bottom + _LINE + 6
    for month, name in enumerate(MONTHS):
        page.text(name, "small", (_LEFT + month * 3 * _PITCH, top - 4))
    for row, year in enumerate(calendar.years):
        y = top + row * (_PITCH + 2)
        page.text(str(year), "text", (_MARGIN, y + _CELL))
        for stretch in calendar.stretches(year):
            months = range(stretch.first.month, stretch.last.month + 1)
            places = [(_LEFT + (month - 1) * 3 * _PITCH, y) for month in months]
            _draw_stretch(page, calendar, stretch, places, (_MONTH_CELL, _PITCH))
    page.bottom = top + len(calendar.years) * (_PITCH + 2)


def _draw_stretch(
    page: _Page,
    calendar: CoverageCalendar,
    stretch: Stretch,
    places: Iterable[tuple[int, int]],
    size: tuple[int, int],
) -> None:
    places = list(places)
    title = f"{stretch_name(stretch, calendar)}: {_words(stretch.cell)}"
    page.shape(_kind(stretch.cell), _boxes(places, size), title)
    if stretch.cell.status is Status.FAILED:
        page.shape("cross", _crosses(places, size), title)


def _draw_legend(page: _Page) -> None:
    page.bottom += _LINE // 2
    cells = [(Cell(status), words) for status, words in LEGEND.items()]
    stale = f"provisional, last exported {_FRESH_DAYS} days ago or more"
    cells.insert(2, (Cell(Status.PROVISIONAL, _FRESH_DAYS), stale))
    for number, (cell, words) in enumerate(cells):
        if number % 2 == 0:
            page.bottom += _LINE
        place = (_MARGIN + number % 2 * (_WIDTH // 2), page.bottom - _CELL + 1)
        page.shape(_kind(cell), _boxes([place], (_CELL, _CELL)), words)
        if cell.status is Status.FAILED:
            page.shape("cross", _crosses([place], (_CELL, _CELL)), words)
        page.text(words, "text", (place[0] + _LINE, page.bottom))


def _kind(cell: Cell) -> str:
    is_stale = cell.age_days is not None and cell.age_days >= _FRESH_DAYS
    return _STALE if is_stale else cell.status.value


def _words(cell: Cell) -> str:
    exported = "" if cell.age_days is None else f", exported {age(cell.age_days)}"
    return f"{cell.status}{exported}"


def _week(day: date) -> int:
    """Return the column of a day: the number of Mondays from 2 January up to the day itself."""
    return (day.timetuple().tm_yday + date(day.year, 1, 1).weekday() - 1) // 7


def _boxes(places: Iterable[tuple[int, int]], size: tuple[int, int]) -> str:
    width, height = size
    return "".join(f"M{x} {y}h{width}v{height}h-{width}z" for x, y in places)


def _crosses(places: Iterable[tuple[int, int]], size: tuple[int, int]) -> str:
    width, height = size
    return "".join(f"M{x + width // 2 - 2} {y + height // 2 - 2}l4 4m0 -4l-4 4" for x, y in places)
