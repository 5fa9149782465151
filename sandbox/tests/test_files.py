from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from advexport_sandbox import COLUMNS, Interval, Sorting, Submission
from advexport_sandbox.figures import Figures, FiguresConfig
from advexport_sandbox.files import Files, parse_rows

FIRST, LAST = date(2024, 2, 25), date(2024, 3, 5)
NOW = datetime.fromisoformat("2024-03-20T12:30")


class CountingFigures(Figures):
    """Counts how often rows are made."""

    calls = 0

    def rows(self, interval, first, last, now):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201  # the base says
        self.calls += 1
        return super().rows(interval, first, last, now)


def submission(sorting: Sorting = Sorting.TIME, interval: Interval = Interval.DAILY) -> Submission:
    return Submission(interval, FIRST, LAST, sorting)


@pytest.fixture
def figures() -> CountingFigures:
    return CountingFigures(FiguresConfig(rows_per_day=5))


@pytest.fixture
def files(figures: Figures) -> Files:
    return Files(figures, cache_bytes=10**6)


@pytest.mark.parametrize("interval", Interval)
@pytest.mark.parametrize("sorting", Sorting)
def test_a_file_holds_the_header_and_the_rows(
    files: Files, interval: Interval, sorting: Sorting
) -> None:
    asked = submission(sorting, interval)
    assert parse_rows(files.render(asked, NOW)) == [list(COLUMNS), *files.rows(asked, NOW)]


def test_windows_share_the_days_that_are_rendered(files: Files, figures: CountingFigures) -> None:
    files.render(submission(), NOW)
    assert figures.calls == 10
    files.render(Submission(Interval.DAILY, FIRST + timedelta(days=1), LAST, Sorting.TIME), NOW)
    assert figures.calls == 10


def test_a_file_can_be_rendered_ahead(files: Files, figures: CountingFigures) -> None:
    files.prerender(submission(), NOW)
    assert figures.calls == 10
    files.render(submission(), NOW)
    assert figures.calls == 10


def test_months_are_rendered_one_by_one(files: Files, figures: CountingFigures) -> None:
    files.render(submission(interval=Interval.MONTHLY), NOW)
    assert figures.calls == 2


def test_figures_that_still_move_are_rendered_again_in_the_next_hour(
    files: Files, figures: CountingFigures
) -> None:
    young = files.render(submission(), NOW)
    assert files.render(submission(), NOW + timedelta(minutes=29)) == young
    assert figures.calls == 10
    files.render(submission(), NOW + timedelta(minutes=30))
    assert figures.calls == 20


def test_figures_that_stand_still_are_rendered_once(files: Files, figures: CountingFigures) -> None:
    files.render(submission(), NOW + timedelta(days=60))
    files.render(submission(), NOW + timedelta(days=90))
    assert figures.calls == 10


def test_the_oldest_pieces_make_room(figures: CountingFigures) -> None:
    files = Files(figures, cache_bytes=1)
    body = files.render(submission(), NOW)
    assert files.render(submission(), NOW) == body
    assert figures.calls == 20
