"""The CSV files of exports, rendered once and kept."""

from __future__ import annotations

import csv
import io
from collections import OrderedDict
from datetime import date, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from advexport_sandbox.figures import COLUMNS, Figures, Row
from advexport_sandbox.submissions import Interval, Sorting, Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SORT_KEYS: dict[Sorting, Callable[[Row], tuple[float, str]]] = {
    Sorting.CAMPAIGN_ID: lambda row: (int(row[COLUMNS.index("campaign_id")]), ""),
    Sorting.CAMPAIGN: lambda row: (0, row[COLUMNS.index("campaign")]),
    Sorting.AFF_SUB_ID: lambda row: (0, row[COLUMNS.index("aff_sub_id")]),
    Sorting.CR: lambda row: (float(row[COLUMNS.index("cr")] or -1), ""),
}


class _PieceKey(NamedTuple):
    interval: Interval
    first: date
    last: date
    sorting: Sorting
    # The hour for figures that still move; 0 for those that stand still.
    moment: datetime | None


class Files:
    """Renders the files of exports, and keeps their pieces up to a number of bytes.

    A file that is sorted by time is a chain of days (or months), which other files share.
    """

    def __init__(self, figures: Figures, cache_bytes: int) -> None:
        self._figures = figures
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._pieces: OrderedDict[_PieceKey, bytes] = OrderedDict()
        self._lock = Lock()

    def render(self, submission: Submission, now: datetime) -> bytes:
        """Make the file of an export that was submitted at the API's local time `now`."""
        head = render_rows([COLUMNS]) if submission.csv_headers else b""
        return head + b"".join(self._piece(key, now) for key in self._keys(submission, now))

    def prerender(self, submission: Submission, now: datetime) -> None:
        """Make the pieces of that file, and do not chain them."""
        for key in self._keys(submission, now):
            self._piece(key, now)

    def rows(self, submission: Submission, now: datetime) -> Iterable[Row]:
        """List the rows of that file without rendering them."""
        rows = self._figures.rows(submission.interval, submission.first, submission.last, now)
        if submission.sorting is Sorting.TIME:
            return rows
        return sorted(rows, key=_SORT_KEYS[submission.sorting])

    def _keys(self, submission: Submission, now: datetime) -> Iterator[_PieceKey]:
        spans = (
            _spans(submission)
            if submission.sorting is Sorting.TIME
            else [(submission.first, submission.last)]
        )
        for first, last in spans:
            moment = self._moment(last, now)
            yield _PieceKey(submission.interval, first, last, submission.sorting, moment)

    def _moment(self, last: date, now: datetime) -> datetime | None:
        if self._figures.stands_still(last, now):
            return None
        return now.replace(minute=0, second=0, microsecond=0)

    def _piece(self, key: _PieceKey, now: datetime) -> bytes:
        # One at a time: two downloads of the same new file must not render it twice.
        with self._lock:
            piece = self._pieces.pop(key, None)
            if piece is None:
                submission = Submission(key.interval, key.first, key.last, key.sorting)
                piece = render_rows(self.rows(submission, now))
                self._cached_bytes += len(piece)
            self._pieces[key] = piece
            while self._cached_bytes > self._cache_bytes and len(self._pieces) > 1:
                self._cached_bytes -= len(self._pieces.popitem(last=False)[1])
            return piece


def render_rows(rows: Iterable[Iterable[str]]) -> bytes:
    """Write rows as CSV with bare line feeds in UTF-8."""
    body = io.BytesIO()
    with io.TextIOWrapper(body, "utf-8", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(rows)
        text.flush()
        return body.getvalue()


def parse_rows(body: bytes) -> list[Row]:
    """Read back what `render_rows` wrote."""
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def _spans(submission: Submission) -> Iterator[tuple[date, date]]:
    first = submission.first
    while first <= submission.last:
        last = first
        if submission.interval is Interval.MONTHLY:
            last = min(month_end(first), submission.last)
        yield first, last
        first = last + timedelta(days=1)


def month_end(day: date) -> date:
    """Find the last day of a day's month."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
