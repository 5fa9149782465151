"""The calendar as a picture: a box for each day, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from scripts.render_coverage import STATE
from tap_advexport.commands.calendar_svg import render_svg
from tap_advexport.reports import REPORTS
from tests.support.calendars import BOOKMARK, calendar
from tests.support.days import NOW, day
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tap_advexport.commands.calendar import CoverageCalendar


def picture(*calendars: CoverageCalendar) -> ET.Element:
    return ET.fromstring(render_svg(calendars, NOW))  # noqa: S314 - what this test has just made


def shapes(root: ET.Element, kind: str) -> dict[str, str]:
    paths = [each for each in root.findall(".//{*}path") if each.get("class") == kind]
    return {title.text or "": each.get("d", "") for each in paths for title in each}


def test_the_picture_has_a_box_for_each_day_and_names_its_stretches() -> None:
    root = picture(calendar(BOOKMARK))
    settled = shapes(root, "settled")
    assert {title: path.count("M") for title, path in settled.items()} == {
        "2024-02-01 to 2024-02-10: settled": 10,
        "2024-02-12 to 2024-03-01: settled": 19,
        "settled: the figures no longer move": 1,
    }
    assert "2024-03-02 to 2024-03-20: provisional, exported 1 day ago" in shapes(
        root, "provisional"
    )
    assert "2024-02-11: failed" in shapes(root, "failed").keys() & shapes(root, "cross").keys()
    boxes = [
        box
        for each in root.findall(".//{*}path")
        if each.get("class") != "cross"
        for box in re.findall(r"M\d+ \d+", each.get("d", ""))
    ]
    assert len(boxes) == len(set(boxes)) == 61 + 6


def test_the_picture_stands_alone() -> None:
    bookmarks = json.loads((ROOT / STATE).read_text("utf-8"))["bookmarks"]
    root = picture(*(calendar(bookmarks[each.stream], each) for each in REPORTS))
    text = ET.tostring(root, encoding="unicode")
    assert {each.tag.split("}")[1] for each in root.iter()} == {
        "svg", "title", "desc", "style", "rect", "text", "path"
    }  # fmt: skip
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|url\(|href|@font-face", text)
    assert "prefers-color-scheme: dark" in text
    width, height = (int(root.get(name, "0")) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width} {height}"
    ends = [(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h", text)]
    assert all(0 <= x <= width - 10 and 0 <= y <= height - 10 for x, y in ends)


def test_days_never_share_a_place_whatever_weekday_a_year_begins_on() -> None:
    bookmark = {"settled": [["1996-01-01", "2023-12-31"]]}
    settled = shapes(picture(calendar(bookmark, end_date=day("2023-12-31"))), "settled")
    for year in range(1996, 2024):
        boxes = re.findall(r"M(\d+) (\d+)", settled[f"{year}-01-01 to {year}-12-31: settled"])
        assert len(set(boxes)) == len(boxes) == date(year, 12, 31).timetuple().tm_yday
        assert len({y for _, y in boxes}) == 7
        assert {int(x) for x, _ in boxes} <= {76 + 12 * n for n in range(54)}
