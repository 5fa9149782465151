"""Bookmarks: the state as JSON, by hand, by other taps, and broken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_advexport.coverage.bookmark import parse_bookmark, remarks_on, render_bookmark
from tap_advexport.coverage.plan import due
from tap_advexport.coverage.settling import AS_WRITTEN, Rules, settle
from tap_advexport.coverage.state import Coverage, Exported, Sent
from tap_advexport.errors import StateError
from tap_advexport.reports import Interval
from tap_advexport.windows import DateWindow, Task
from tests.support.days import NOW, at, day, exported, rules, window

START = date(2024, 1, 1)
ZONES = ["UTC", "Europe/Berlin", "Pacific/Apia", "America/Los_Angeles"]

FULL: dict[str, object] = {
    "replication_key": "time",
    "replication_key_value": "2024-03-31",
    "settled": [["2024-01-01", "2024-03-01"]],
    "unsettled": [["2024-03-02", "2024-03-31", "2024-04-01T03:00:00Z"]],
    "sent": [["2024-03-30", "task", "version", "2024-04-01T03:00:00Z"]],
    "shape": "0123456789abcdef",
    "pending": [
        {
            "task_id": "next",
            "first": "2024-04-01",
            "last": "2024-04-01",
            "submitted_at": "2024-04-02T03:00:00Z",
        }
    ],
}


def parse(value: object, rules: Rules = rules(), start: date = START) -> Coverage:  # noqa: B008 - a value
    return parse_bookmark(
        value, start_date=start, rules=rules, path="state: bookmarks.report_daily"
    )


def edited(**changes: object) -> dict[str, object]:
    return {**FULL, **changes}


def ranges_only(*settled: list[str], **changes: object) -> dict[str, object]:
    return {"settled": list(settled), **changes}


# The shape


def test_the_documented_state_is_read_as_it_is_meant() -> None:
    assert parse(FULL) == Coverage(
        settled=(window("2024-01-01", "2024-03-01"),),
        unsettled=(exported("2024-03-02", "2024-03-31", at("2024-04-01T03:00:00")),),
        sent={day("2024-03-30"): Sent("task", "version", datetime(2024, 4, 1, 3, tzinfo=UTC))},
        pending=(Task("next", DateWindow(day("2024-04-01"), day("2024-04-01")), NOW),),
        shape="0123456789abcdef",
    )


def test_what_an_older_version_has_sent_counts_for_nothing() -> None:
    older = edited(sent={"2024-03-30": ["task", "digest", "2024-04-01T03:00:00Z"]})
    assert parse(older) == replace(parse(FULL), sent={})


def test_the_documented_state_is_written_as_it_was_read() -> None:
    assert json.loads(json.dumps(render_bookmark(parse(FULL), rules()))) == FULL


@pytest.mark.parametrize("value", [None, {}])
def test_no_state_is_that_of_a_first_run(value: object) -> None:
    assert parse(value) == Coverage()


def test_a_state_without_days_has_every_key_and_no_bookmark() -> None:
    rendered = render_bookmark(Coverage(), rules())
    assert rendered == {
        "replication_key": "time",
        "replication_key_value": None,
        "settled": [],
        "unsettled": [],
        "sent": [],
        "shape": "",
        "pending": [],
    }
    assert parse(rendered) == Coverage()


def test_only_what_counts_is_written_and_in_order() -> None:
    entry = Sent("task", "version", NOW)
    sent = {day(text): entry for text in ("2024-03-02", "2024-03-01", "2024-01-01", "2024-02-01")}
    coverage = Coverage(
        settled=(window("2024-01-01"),),
        unsettled=(exported("2024-03-01", "2024-03-02", at("2024-03-03")),),
        sent=sent,
    )
    written = json.loads(json.dumps(render_bookmark(coverage, rules())))["sent"]
    assert [entry[0] for entry in written] == ["2024-03-01", "2024-03-02"]


def test_ranges_may_stand_in_any_order_and_touch() -> None:
    value = ranges_only(["2024-01-05", "2024-01-09"], ["2024-01-01", "2024-01-04"])
    assert parse(value) == Coverage(settled=(window("2024-01-01", "2024-01-09"),))


def test_ranges_in_any_order_are_read_whole_and_cut_to_today() -> None:
    moment = "2024-04-02T03:00:00Z"
    value = {
        "settled": [["2024-04-04", "2024-04-05"], ["2024-02-01", "2024-02-01"]],
        "unsettled": [
            ["2024-04-06", "2024-04-08", moment],
            ["2024-03-30", "2024-04-03", moment],
            ["2024-03-20", "2024-03-21", moment],
        ],
        "sent": [["2024-03-20", "task", "version", moment]],
    }
    coverage = parse(value)
    assert coverage.covered() == (
        window("2024-02-01"),
        window("2024-03-20", "2024-03-21"),
        window("2024-03-30", "2024-04-02"),
    )
    assert list(coverage.sent) == [day("2024-03-20")]


def test_moments_are_written_in_utc_and_to_the_second() -> None:
    moment = datetime(2024, 4, 1, 5, 0, 0, 999_999, ZoneInfo("Europe/Berlin"))
    coverage = Coverage(
        unsettled=(Exported(day("2024-03-31"), day("2024-03-31"), moment),),
        sent={day("2024-03-31"): Sent("task", "version", moment)},
        pending=(Task("t", DateWindow(day("2024-04-01"), day("2024-04-01")), moment),),
    )
    rendered = json.dumps(render_bookmark(coverage, rules()))
    assert rendered.count('"2024-04-01T03:00:00Z"') == 3


def test_what_the_sdk_adds_to_a_bookmark_is_ignored() -> None:
    extra = {
        "starting_replication_value": "2024-01-01",
        "replication_key_signpost": "2024-05-01",
        "progress_markers": {"Note": "not resumable"},
    }
    assert parse(edited(**extra)) == parse(FULL)


def test_moments_of_any_offset_are_read_as_utc() -> None:
    value = {"unsettled": [["2024-03-31", "2024-03-31", "2024-04-01T05:00:00.75+02:00"]]}
    assert parse(value).unsettled == (
        exported("2024-03-31", "2024-03-31", at("2024-04-01T03:00:00")),
    )


# The bookmark that people and tools read


def test_a_bookmark_set_back_forgets_all_that_comes_after_it() -> None:
    value = edited(
        replication_key_value="2024-02-10",
        settled=[["2024-01-01", "2024-02-20"], ["2024-02-25", "2024-03-01"]],
    )
    # The gap ends the bookmark; what lies behind it is forgotten too.
    shape = "0123456789abcdef"
    assert parse(value) == Coverage(settled=(window("2024-01-01", "2024-02-10"),), shape=shape)


def test_a_bookmark_set_back_drops_what_was_sent_and_is_pending_of_forgotten_days() -> None:
    value = edited(
        replication_key_value="2024-03-20",
        sent=[[text, "t", "v", MOMENT] for text in ("2024-03-20", "2024-03-21")],
        pending=[
            {"task_id": text, "first": first, "last": last, "submitted_at": "2024-04-02T02:00:00Z"}
            for text, first, last in (
                ("earlier", "2023-12-25", "2023-12-31"),
                ("across", "2024-03-19", "2024-03-21"),
                ("later", "2024-04-01", "2024-04-01"),
            )
        ],
    )
    coverage = parse(value)
    assert list(coverage.sent) == [day("2024-03-20")]
    assert [task.task_id for task in coverage.pending] == ["earlier"]
    assert coverage.covered() == (window("2024-01-01", "2024-03-20"),)


def test_a_bookmark_set_back_into_a_month_forgets_what_was_sent_of_it() -> None:
    value = edited(
        replication_key_value="2024-03-20",
        sent=[["2024-03-01", "t", "v", MOMENT]],
    )
    assert parse(value, rules(Interval.MONTHLY)).sent == {}


def test_a_bookmark_set_back_before_all_days_forgets_them_all() -> None:
    forgotten = parse(edited(replication_key_value="2023-12-31", pending=[]))
    assert forgotten == Coverage(shape="0123456789abcdef")


def test_a_bookmark_alone_claims_the_days_from_the_start_as_exported_on_the_day_after_it() -> None:
    coverage = parse({"replication_key_value": "2024-03-31"})
    assert coverage == Coverage(
        settled=(window("2024-01-01", "2024-03-01"),),
        unsettled=(exported("2024-03-02", "2024-03-31", at("2024-04-01T00:00:00")),),
    )


def test_the_day_after_a_bookmark_begins_at_midnight_of_the_account() -> None:
    coverage = parse({"replication_key_value": "2024-03-30"}, rules(zone="Europe/Berlin"))
    assert coverage.unsettled == (exported("2024-03-01", "2024-03-30", at("2024-03-30T23:00:00")),)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-20",
        "2024-03-20T00:00:00Z",
        "2024-03-20T23:30:00-08:00",
        "2024-03-20 01:00:00+14:00",
        "2024-03-20T12:00:00.123456+00:00",
        "2024-03-20 00:00",
    ],
)
def test_a_state_of_another_tap_counts_by_its_date_as_written(text: str) -> None:
    value = {"replication_key": "date", "replication_key_value": text, "progress_markers": {}}
    assert parse(value).last_gap_free() == day("2024-03-20")


def test_a_bookmark_alone_of_a_monthly_report_claims_the_first_month_whole() -> None:
    coverage = parse(
        {"replication_key_value": "2024-03-10"}, rules(Interval.MONTHLY), day("2024-01-20")
    )
    assert coverage.covered() == (window("2024-01-01", "2024-03-10"),)


def test_a_bookmark_alone_from_before_the_start_claims_nothing() -> None:
    assert parse({"replication_key_value": "2023-12-31"}) == Coverage()
    assert parse({"replication_key_value": "2024-01-01"}).covered() == (window("2024-01-01"),)


def test_a_bookmark_set_forward_claims_the_gaps_up_to_it() -> None:
    value = {
        "replication_key_value": "2024-02-28",
        "settled": [["2024-01-01", "2024-01-10"], ["2024-01-20", "2024-01-25"]],
        "unsettled": [["2024-02-28", "2024-03-05", "2024-03-06T00:00:00Z"]],
    }
    assert parse(value) == Coverage(
        settled=(window("2024-01-01", "2024-01-29"),),
        unsettled=(
            exported("2024-01-30", "2024-02-27", at("2024-02-29T00:00:00")),
            exported("2024-02-28", "2024-03-05", at("2024-03-06T00:00:00")),
        ),
    )


def test_a_bookmark_set_forward_revives_nothing_that_was_sent() -> None:
    value = edited(
        replication_key_value="2024-04-01",
        sent=[["2024-04-01", "stale", "v", MOMENT]],
    )
    coverage = parse(value)
    assert coverage.last_gap_free() == day("2024-04-01")
    assert coverage.sent == {}


@pytest.mark.parametrize("text", ["2024-04-02", "2024-04-03", "9999-12-31"])
def test_a_bookmark_of_the_future_claims_days_up_to_today(text: str) -> None:
    coverage = parse({"replication_key_value": text}, rules(lookback_days=0))
    assert coverage == Coverage(
        settled=(window("2024-01-01", "2024-04-01"),),
        unsettled=(exported("2024-04-02", "2024-04-02", at("2024-04-02T03:00:00")),),
    )


@pytest.mark.parametrize("value", [{"replication_key_value": None}, {}])
def test_ranges_without_a_bookmark_stand_for_themselves(value: dict[str, object]) -> None:
    coverage = parse(ranges_only(["2024-01-05", "2024-01-09"], **value))
    assert coverage.covered() == (window("2024-01-05", "2024-01-09"),)


def test_a_bookmark_equal_to_ranges_that_reach_ahead_claims_nothing() -> None:
    # The clock of the last run was ahead, or the account's zone has moved since.
    value = {
        "replication_key_value": "2024-04-05",
        "settled": [["2024-01-01", "2024-02-01"]],
        "unsettled": [["2024-02-02", "2024-04-05", "2024-04-06T00:00:00Z"]],
    }
    assert parse(value).covered() == (window("2024-01-01", "2024-04-02"),)
    ahead = {**value, "settled": [["2024-01-01", "2024-04-05"]], "unsettled": []}
    assert parse(ahead).covered() == (window("2024-01-01", "2024-04-01"),)


def test_what_a_run_has_settled_whose_clock_was_ahead_is_exported_again() -> None:
    """It took days for settled that had just ended, and some that had not begun."""
    value = ranges_only(["2023-01-01", "2024-08-22"], replication_key_value="2024-08-22")
    asked = rules(lookback_days=10)
    coverage = parse(value, asked)
    assert coverage.covered() == (window("2023-01-01", "2024-04-01"),)
    assert coverage.settled == (window("2023-01-01", "2024-02-20"),)
    [remark] = remarks_on(value, asked)
    assert "days from 2024-02-21 on are exported again" in remark
    assert not list(remarks_on(ranges_only(["2023-01-01", "2024-04-03"]), asked))
    # Who sets the bookmark back mends the days ahead, and not those that were settled too early.
    back = {**value, "replication_key_value": "2024-03-20"}
    assert parse(back, asked).settled == (window("2023-01-01", "2024-02-20"),)
    assert parse(back, asked).covered() == (window("2023-01-01", "2024-03-20"),)
    # What only looks at a state does not know that lookback, and doubts a month more.
    read = parse(value, replace(asked, lookback_days=AS_WRITTEN))
    assert read.settled == (window("2023-01-01", "2024-01-30"),)


def test_gaps_that_a_bookmark_set_forward_counts_as_loaded_are_told() -> None:
    ranges = ["2023-01-01", "2023-04-30"], ["2023-06-01", "2023-12-31"]
    value = ranges_only(*ranges, replication_key_value="2024-01-15")
    [remark] = remarks_on(value, rules())
    assert remark == (
        "replication_key_value 2024-01-15 counts 2023-05-01..2023-05-31, 2024-01-01..2024-01-15 as "
        "loaded, which no range has: to have them exported, set it to null"
    )
    assert not list(remarks_on({**value, "replication_key_value": None}, rules()))
    assert not list(remarks_on({**value, "replication_key_value": "2023-04-30"}, rules()))
    # Without any range, that is how a state of another tap is taken over.
    assert not list(remarks_on({"replication_key_value": "2024-01-15"}, rules()))


def test_a_bookmark_that_lies_ahead_is_told_and_counts_up_to_today() -> None:
    value = {"replication_key_value": "2999-01-01"}
    [remark] = remarks_on(value, rules())
    assert remark.startswith("replication_key_value 2999-01-01 lies ahead")
    assert parse(value).covered() == (window("2024-01-01", "2024-04-02"),)


def test_ranges_up_to_the_end_of_the_calendar_are_no_overflow() -> None:
    value = ranges_only(["2024-01-01", "9999-12-31"], replication_key_value="9999-12-31")
    assert parse(value).covered() == (window("2024-01-01", "2024-04-01"),)


def test_a_bookmark_ahead_of_ranges_that_reach_ahead_claims_nothing() -> None:
    value = ranges_only(["2024-01-01", "2024-04-05"], replication_key_value="2024-04-07")
    assert parse(value).covered() == (window("2024-01-01", "2024-04-01"),)


def test_what_was_sent_of_days_edited_away_counts_for_nothing() -> None:
    value = edited(
        replication_key_value="2024-03-15",
        unsettled=[["2024-03-02", "2024-03-15", "2024-04-01T03:00:00Z"]],
    )
    assert parse(value).sent == {}


# Bad state


TASK = {
    "task_id": "t",
    "first": "2024-04-01",
    "last": "2024-04-01",
    "submitted_at": "2024-04-02T03:00:00Z",
}
MOMENT = "2024-04-01T03:00:00Z"


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ([], "report_daily is"),
        ("2024-01-01", "report_daily is"),
        (0, "report_daily is"),
        (False, "report_daily is"),
        (edited(partitions=[]), "partitions"),
        (edited(settled_days=[]), "settled_days"),
        (edited(**{"odd\nkey": 1}), "odd"),
        (edited(replication_key=7), "replication_key"),
        (edited(replication_key_value=""), "replication_key_value"),
        (edited(replication_key_value=True), "replication_key_value"),
        (edited(replication_key_value=20240331), "replication_key_value"),
        (edited(replication_key_value=1711843200.0), "replication_key_value"),
        (edited(replication_key_value="yesterday"), "replication_key_value"),
        (edited(replication_key_value="20240331"), "replication_key_value"),
        (edited(replication_key_value="2024-W13-7"), "replication_key_value"),
        (edited(replication_key_value="2024-02-30"), "replication_key_value"),
        (edited(replication_key_value="2024-03-31T25:00:00Z"), "replication_key_value"),
        (edited(replication_key_value="2024-03-31x"), "replication_key_value"),
        (edited(replication_key_value=["2024-03-31"]), "replication_key_value"),
        (edited(settled=None), "settled"),
        (edited(settled={}), "settled"),
        (edited(settled="2024-01-01"), "settled"),
        (edited(settled="x" * 10_000), r"'x{59}\.\.\., not a list"),
        (edited(settled="x" * 58), r"'x{58}', not a list"),
        (edited(settled=["2024-01-01"]), r"settled\[0\]"),
        (edited(settled=[["2024-01-01"]]), r"settled\[0\]"),
        (edited(settled=[["2024-01-01", "2024-01-02", MOMENT]]), r"settled\[0\]"),
        (edited(settled=[["2024-01-02", "2024-01-01"]]), r"settled\[0\]"),
        (edited(settled=[["2024-01-01", "2024-01-02"], [1, 2]]), r"settled\[1\]"),
        (edited(settled=[["2024-01-01", True]]), r"settled\[0\]"),
        (edited(settled=[["2024-01-01", "2024-13-01"]]), r"settled\[0\]"),
        (edited(settled=[["0000-01-01", "2024-01-01"]]), r"settled\[0\]"),
        (edited(settled=[["2024-01-01", "10000-01-01"]]), r"settled\[0\]"),
        (edited(settled=[["2024-01-01T00:00:00Z", "2024-01-02"]]), r"settled\[0\]"),
        (edited(settled=[["٢٠٢٤-01-01", "2024-01-02"]]), r"settled\[0\]"),
        (
            edited(settled=[["2024-01-01", "2024-01-05"], ["2024-01-05", "2024-01-06"]]),
            "two ranges",
        ),
        (edited(settled=[["2024-01-01", "2024-03-02"]]), "two ranges"),
        (
            edited(settled=[["2024-02-01", "2024-02-09"], ["2024-01-01"] * 2, ["2024-02-05"] * 2]),
            "two ranges",
        ),
        (edited(settled=[["2024-01-01", "2024-12-31"]]), "two ranges"),
        (edited(unsettled=[["2024-03-02", "2024-03-31"]]), r"unsettled\[0\]"),
        (edited(unsettled=[["2024-03-02", "2024-03-31", None]]), r"unsettled\[0\]"),
        (edited(unsettled=[["2024-03-02", "2024-03-31", 0]]), r"unsettled\[0\]"),
        (edited(unsettled=[["2024-03-02", "2024-03-31", "2024-04-01"]]), r"unsettled\[0\]"),
        (edited(unsettled=[["2024-03-02", "2024-03-31", MOMENT[:-1]]]), r"unsettled\[0\]"),
        (edited(unsettled=[["2024-03-02", "2024-03-31", "20240401T030000Z"]]), r"unsettled\[0\]"),
        (
            edited(unsettled=[["2024-03-02", "2024-03-31", "0001-01-01T00:00:00+01:00"]]),
            r"unsettled\[0\]",
        ),
        (edited(unsettled=[["2024-03-02", "2024-03-31", MOMENT]] * 2), "two ranges"),
        (edited(sent="t"), "sent"),
        (edited(sent=None), "sent"),
        (edited(sent=["t"]), r"sent\[0\]"),
        (edited(sent=[["2024-03-99", "t", "v", MOMENT]]), r"sent\[0\]\[0\]"),
        (edited(sent=[["2024-03-30", "t", "v"]]), r"sent\[0\]"),
        (edited(sent=[["2024-03-30", "", "v", MOMENT]]), r"sent\[0\]\[1\]"),
        (edited(sent=[["2024-03-30", "t", 5, MOMENT]]), r"sent\[0\]\[2\]"),
        (edited(sent=[["2024-03-30", "t", "v", "soon"]]), r"sent\[0\]\[3\]"),
        (edited(sent=[["2024-03-30", "t", "v", MOMENT]] * 2), "a period of its own"),
        (edited(shape=5), "shape"),
        (edited(shape=["x"]), "shape"),
        (edited(pending={}), "pending"),
        (edited(pending=["t"]), r"pending\[0\]"),
        (edited(pending=[{**TASK, "task_id": ""}]), r"pending\[0\].task_id"),
        (edited(pending=[{**TASK, "task_id": 7}]), r"pending\[0\].task_id"),
        (edited(pending=[{"first": "2024-04-01"}]), r"pending\[0\].task_id"),
        (edited(pending=[{**TASK, "first": "2024-04-02"}]), r"pending\[0\]"),
        (edited(pending=[{**TASK, "first": None}]), r"pending\[0\]"),
        (edited(pending=[{**TASK, "submitted_at": "today"}]), r"pending\[0\].submitted_at"),
        (edited(pending=[{**TASK, "window": 1}]), "window"),
        (edited(pending=[TASK, TASK]), r"pending\[1\].task_id"),
    ],
)
def test_a_bad_state_is_one_line_that_names_the_place(value: object, where: str) -> None:
    with pytest.raises(StateError, match=where) as caught:
        parse(value)
    message = str(caught.value)
    assert message.startswith("state: bookmarks.report_daily")
    assert len(message.splitlines()) == 1
    assert len(message) < 400


def test_what_was_sent_of_months_stands_under_their_first_days() -> None:
    value = edited(sent=[["2024-03-02", "t", "v", MOMENT]])
    with pytest.raises(StateError, match=r"2024-03-02.*first day of a month"):
        parse(value, rules(Interval.MONTHLY))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from(["2024-01-01", "2024-02-01", MOMENT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FULL, json_values)) | json_values)
def test_whatever_stands_in_the_state_it_is_read_or_refused(value: object) -> None:
    try:
        coverage = parse(value)
    except StateError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - most values are refused, not all
    else:
        assert parse(render_bookmark(coverage, rules())) == coverage


# Laws


@st.composite
def some_rules(draw: st.DrawFn) -> Rules:
    return Rules(
        draw(st.sampled_from(Interval)),
        ZoneInfo(draw(st.sampled_from(ZONES))),
        draw(st.datetimes(datetime(2024, 3, 1), datetime(2024, 4, 30), timezones=st.just(UTC))),  # noqa: DTZ001 - the strategy wants bounds without a zone
        draw(st.integers(0, 40)),
    )


@st.composite
def some_coverage(draw: st.DrawFn, interval: Interval = Interval.DAILY) -> Coverage:
    """Any days and moments at all, also of the future."""
    moments = st.datetimes(datetime(2024, 1, 1), datetime(2024, 5, 30), timezones=st.just(UTC))  # noqa: DTZ001 - as above
    offsets = sorted(draw(st.sets(st.integers(0, 150), max_size=14)))
    settled, unsettled = [], []
    for one, other in pairwise(offsets):
        first, last = START + timedelta(days=one), START + timedelta(days=other - 1)
        match draw(st.sampled_from(["settled", "unsettled", "gap"])):
            case "settled":
                settled.append(DateWindow(first, last))
            case "unsettled":
                unsettled.append(Exported(first, last, draw(moments)))
            case _:
                pass
    periods = st.integers(0, 150).map(lambda n: START + timedelta(days=n))
    if interval is Interval.MONTHLY:
        periods = periods.map(lambda each: each.replace(day=1))
    entries = st.builds(Sent, st.text(min_size=1), st.text(min_size=1), moments)
    tasks = st.builds(
        lambda number, first, length, moment: Task(
            f"task {number}", DateWindow(first, first + timedelta(days=length)), moment
        ),
        st.integers(0, 10_000), periods, st.integers(0, 40), moments,
    )  # fmt: skip
    return Coverage(
        tuple(settled),
        tuple(unsettled),
        {
            each: Sent(entry.export_id, entry.version, entry.exported_at.replace(microsecond=0))
            for each, entry in draw(st.dictionaries(periods, entries, max_size=6)).items()
        },
        tuple(draw(st.lists(tasks, max_size=4, unique_by=lambda task: task.task_id))),
        draw(st.text()),
    )


rules_and_coverage = some_rules().flatmap(
    lambda rules: st.tuples(st.just(rules), some_coverage(rules.interval))
)


def days_of(windows: tuple[DateWindow, ...]) -> set[date]:
    return {each.first + timedelta(days=n) for each in windows for n in range(each.days)}


def moment_of(coverage: Coverage, each: date) -> datetime:
    return next(item.exported_at for item in coverage.unsettled if each in item)


@given(rules_and_coverage)
def test_a_state_is_read_back_as_it_was_written(pair: tuple[Rules, Coverage]) -> None:
    rules, coverage = pair
    loaded = settle(coverage, rules)
    text = json.dumps(render_bookmark(loaded, rules))
    assert parse(json.loads(text), rules) == loaded


@given(rules_and_coverage)
def test_a_state_read_later_is_settled_as_if_kept_in_memory(
    pair: tuple[Rules, Coverage],
) -> None:
    rules, coverage = pair
    rendered = render_bookmark(settle(coverage, rules), rules)
    later = Rules(rules.interval, rules.zone, rules.now + timedelta(days=9), rules.lookback_days)
    assert parse(rendered, later) == settle(settle(coverage, rules), later)


@given(rules_and_coverage)
@example(
    (
        rules(lookback_days=0),
        Coverage(
            unsettled=(
                exported("2024-03-01", "2024-03-01", at("2024-03-01T05:00:00")),
                exported("2024-03-02", "2024-03-02", at("2024-03-01T04:00:00")),
            )
        ),
    )
)
def test_compaction_loses_no_day_and_gives_none_a_later_date(
    pair: tuple[Rules, Coverage],
) -> None:
    rules, coverage = pair
    loaded = settle(coverage, rules)
    zone, today = rules.zone, rules.today
    settled, unsettled = days_of(coverage.settled), days_of(coverage.unsettled)
    expected = {each for each in settled if each < today} | {
        each for each in unsettled if each <= today
    }
    assert days_of(loaded.covered()) == days_of(loaded.settled) | days_of(loaded.unsettled)
    assert days_of(loaded.covered()) == expected
    for each in expected & unsettled:
        moment = min(moment_of(coverage, each), rules.now)
        is_settled = moment.astimezone(zone).date() - each > timedelta(days=rules.lookback_days)
        assert (each in days_of(loaded.settled)) == is_settled
        if not is_settled:
            kept = moment_of(loaded, each)
            assert kept <= moment
            assert kept.astimezone(zone).date() == moment.astimezone(zone).date()
    assert settle(loaded, rules) == loaded


@given(rules_and_coverage)
def test_no_two_neighbours_of_a_state_could_be_one_range(pair: tuple[Rules, Coverage]) -> None:
    rules, coverage = pair
    loaded = settle(coverage, rules)
    for one, other in pairwise(loaded.settled):
        assert other.first - one.last > timedelta(days=1)
    for early, late in pairwise(loaded.unsettled):
        dates = {each.exported_at.astimezone(rules.zone).date() for each in (early, late)}
        assert late.first - early.last > timedelta(days=1) or len(dates) == 2


@given(rules_and_coverage, st.integers(0, 150), st.integers(0, 150))
def test_every_wanted_day_is_either_due_or_settled(
    pair: tuple[Rules, Coverage], one: int, other: int
) -> None:
    rules, coverage = pair
    first, last = (START + timedelta(days=n) for n in sorted((one, other)))
    loaded = settle(coverage, rules)
    days = days_of(due(loaded, DateWindow(first, last), rules))
    for each in days_of((DateWindow(first, last),)):
        is_old = rules.today - each > timedelta(days=rules.lookback_days)
        assert (each in days) != (each in days_of(loaded.settled) and is_old)
    assert days <= days_of((DateWindow(first, last),))


@given(rules_and_coverage, st.integers(-10, 160))
def test_a_bookmark_set_by_hand_is_the_coverage_that_is_read(
    pair: tuple[Rules, Coverage], offset: int
) -> None:
    rules, coverage = pair
    loaded = settle(coverage, rules)
    chosen = START + timedelta(days=offset)
    value = {**render_bookmark(loaded, rules), "replication_key_value": chosen.isoformat()}
    again = parse(value, rules)
    old, end = loaded.last_gap_free(), min(chosen, rules.today)
    before = days_of(loaded.covered())
    if old and chosen < old:
        expected = {each for each in before if each <= chosen}
    else:
        begin = old or START
        claimed = {begin + timedelta(days=n) for n in range((end - begin).days + 1)}
        expected = before | claimed
    assert days_of(again.covered()) == expected


@given(rules_and_coverage, st.sampled_from(ZONES))
def test_another_zone_never_makes_a_day_look_exported_later(
    pair: tuple[Rules, Coverage], zone: str
) -> None:
    rules, coverage = pair
    loaded = settle(coverage, rules)
    there = Rules(rules.interval, ZoneInfo(zone), rules.now, rules.lookback_days)
    moved = parse(render_bookmark(loaded, rules), there)
    for each in days_of(moved.settled) & days_of(coverage.unsettled):
        settled_here = each in days_of(loaded.settled)
        moment = min(moment_of(coverage, each), rules.now).astimezone(there.zone)
        assert settled_here or moment.date() - each > timedelta(days=rules.lookback_days)
