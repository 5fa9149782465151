"""What the engine writes becomes tables for dlt, and a commit the bookmark beside them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pytest

from tap_advexport.dlt.destination import PipelineDestination
from tap_advexport.sync.destination import PeriodRow

if TYPE_CHECKING:
    from collections.abc import Iterator

MOMENT = datetime(2024, 1, 6, 3, tzinfo=UTC)
ROW = PeriodRow(
    "daily", date(2024, 1, 1), "v", "task", MOMENT, MOMENT, 1, 2, 3, "0.5", is_settled=True
)
# Of periods, only how many rows they have matters here.
FULL, EMPTY = (SimpleNamespace(row_count=count) for count in (7, 0))


class Rig:
    """A destination, and what it was asked to make tables of."""

    def __init__(self, account: str | None = None, *, is_replaced: bool = False) -> None:
        self.asked: list[Any] = []
        self.sent: list[int] = []
        self.bookmarks: dict[str, Any] = {"report_hourly": {"settled": []}}
        run = SimpleNamespace(
            progress=SimpleNamespace(sent=self.sent.append),
            settings=SimpleNamespace(account=account),
        )
        self.destination = PipelineDestination(
            cast("Any", run),
            "report_daily",
            cast("Any", self),
            self.bookmarks,
            is_replaced=is_replaced,
        )

    def tables(self, _: object, periods: Any) -> Iterator[pa.Table]:  # noqa: ANN401 - as given
        self.asked += periods
        yield from (pa.table({"n": range(count)}) for count in (3, 4))

    def write(self, *periods: object) -> list[pa.Table]:
        return list(self.destination.write_rows(cast("Any", None), cast("Any", periods)))


def test_rows_count_as_sent_when_the_next_table_is_asked_for() -> None:
    rig = Rig()
    written = rig.destination.write_rows(cast("Any", None), cast("Any", [FULL]))
    next(written)
    assert rig.sent == []
    next(written)
    assert rig.sent == [3]
    assert list(written) == []
    assert rig.sent == [3, 4]


@pytest.mark.parametrize("is_replaced", [False, True])
def test_an_empty_day_needs_no_row_that_empties_it_in_a_table_that_is_replaced(
    *, is_replaced: bool
) -> None:
    rig = Rig(is_replaced=is_replaced)
    rig.write(FULL, EMPTY)
    assert rig.asked == ([FULL] if is_replaced else [FULL, EMPTY])


def test_periods_go_to_a_table_of_their_own() -> None:
    [marked] = Rig("north").destination.write_periods([ROW, ROW])
    assert marked.meta.table_name == "report_periods"
    assert marked.data.num_rows == 2
    assert marked.data["account"].to_pylist() == ["north"] * 2
    assert list(Rig().destination.write_periods([])) == []


def test_a_commit_is_the_bookmark_of_the_stream_beside_the_others() -> None:
    rig = Rig()
    found = []
    bookmarks: list[dict[str, object]] = [
        {"settled": [], "pending": []},
        {"settled": [], "pending": [{"task_id": "t"}]},
        {"settled": [["2024-01-01", "2024-01-01"]], "pending": []},
    ]
    for bookmark in bookmarks:
        rig.destination.commit(bookmark)
        found.append(rig.destination.has_submitted)
    assert found == [False, True, True]
    assert rig.bookmarks == {
        "report_hourly": {"settled": []},
        "report_daily": {"settled": [["2024-01-01", "2024-01-01"]], "pending": []},
    }
    rig.destination.check()
