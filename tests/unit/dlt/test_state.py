"""Moving over: a Singer state becomes the source's, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_advexport.dlt import export_state, import_state, load
from tap_advexport.dlt.state import forget, forget_what_was_sent, kept_bookmarks
from tap_advexport.errors import StateError
from tests.support.dlt_pipelines import Place, new_api

if TYPE_CHECKING:
    from pathlib import Path

BOOKMARK = {
    "replication_key": "time",
    "replication_key_value": "2024-02-20",
    "settled": [["2024-01-01", "2024-02-20"]],
    "unsettled": [],
    "pending": [],
}
STATE = {"bookmarks": {"report_daily": BOOKMARK}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    return Place(tmp_path)


@pytest.mark.parametrize("account", [None, "a"])
def test_a_singer_state_comes_out_as_it_went_in(place: Place, account: str | None) -> None:
    import_state(place.pipeline(), {"singer_state": STATE}, account=account)
    assert export_state(place.pipeline(machine="two"), account=account) == STATE
    with pytest.raises(StateError, match="has no bookmarks of the account another"):
        export_state(place.pipeline(machine="two"), account="another")


def test_days_that_a_moved_state_has_settled_are_not_exported(place: Place) -> None:
    import_state(place.pipeline(), STATE)
    with new_api() as api:
        load(place.pipeline(), api.source("2024-01-01", lookback_days=3))
        assert min(api.submitted())[0] == "2024-02-21"
        assert place.rows("report_daily") == api.truth("2024-02-21")
        moved = export_state(place.pipeline())["bookmarks"]["report_daily"]
        assert moved["settled"] == [["2024-01-01", "2024-02-26"]]


@pytest.mark.parametrize(
    "state",
    [
        {"bookmarks": {"report_daily": {"settled": "all"}}},
        {"bookmarks": {"report_dayly": BOOKMARK}},
        {"bookmarks": {"orders": {"replication_key_value": "2024-01-01"}}},
        {"bookmarks": {}},
        {"value": 1},
    ],
)
def test_what_is_no_state_is_refused(place: Place, state: dict[str, object]) -> None:
    with pytest.raises(StateError):
        import_state(place.pipeline(), state)


def test_a_state_is_refused_where_an_earlier_run_has_not_ended(place: Place) -> None:
    with new_api() as api:
        place.pipeline().extract(api.source("2024-02-20"))
        with pytest.raises(StateError, match="run its load once first"):
            import_state(place.pipeline(), STATE)
        with pytest.raises(StateError, match="run its load once first"):
            export_state(place.pipeline())
        load(place.pipeline(), api.source("2024-02-20"))
        import_state(place.pipeline(), STATE)
        assert export_state(place.pipeline()) == STATE


# --- Where bookmarks lie ------------------------------------------------------------------------


def test_bookmarks_of_accounts_lie_apart_and_are_changed_in_place() -> None:
    state: dict[str, Any] = {}
    kept_bookmarks(state, None)["report_daily"] = 1
    kept_bookmarks(state, "north")["report_daily"] = 2
    kept_bookmarks(state, "south")
    assert kept_bookmarks(state, "north") == {"report_daily": 2}
    assert state == {
        "bookmarks": {"report_daily": 1},
        "accounts": {"north": {"bookmarks": {"report_daily": 2}}, "south": {"bookmarks": {}}},
    }


def test_a_table_that_is_emptied_is_that_of_all_accounts() -> None:
    state: dict[str, Any] = {}
    for account in (None, "north"):
        kept_bookmarks(state, account).update(report_daily=1, report_hourly=2)
    state["accounts"]["new"] = {}
    forget(state, "report_daily")
    forget(state, "report_monthly")
    for account in (None, "north"):
        assert kept_bookmarks(state, account) == {"report_hourly": 2}
    forget({}, "report_daily")


def test_what_was_sent_is_forgotten_and_what_is_covered_is_not() -> None:
    state: dict[str, Any] = {}
    for account in (None, "north"):
        kept_bookmarks(state, account)["report_daily"] = {"settled": [1], "sent": [2]}
    forget_what_was_sent(state, "report_daily")
    forget_what_was_sent(state, "report_monthly")
    for account in (None, "north"):
        assert kept_bookmarks(state, account) == {"report_daily": {"settled": [1], "sent": []}}
