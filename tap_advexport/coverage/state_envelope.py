"""Reads a state in all its usual forms: bare, in a STATE message, from Meltano or from dlt."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Final

from tap_advexport.coverage.bookmark import parse_bookmark
from tap_advexport.errors import StateError
from tap_advexport.json_files import parse_object
from tap_advexport.redaction import excerpt
from tap_advexport.reports import PERIODS_STREAM, REPORTS
from tap_advexport.settings import unknown_names

if TYPE_CHECKING:
    from tap_advexport.coverage.settling import Rules
    from tap_advexport.coverage.state import Coverage
    from tap_advexport.reports import Report

STREAM_NAMES: Final = (*(report.stream for report in REPORTS), PERIODS_STREAM)
# One letter too much, too little or wrong; a stream `reports` or `report_weekly` is another tap's.
A_SLIP: Final = 0.88
_STREAM_OF_LABEL: Final = {report.label: report.stream for report in REPORTS}
# The name of the dlt source, under which dlt keeps its bookmarks.
_DLT_SOURCE: Final = "advexport"
# Meltano's state stores keep the state of a failed run next to the last good state.
_OF_MELTANO: Final = ("completed", "partial")


def parse_singer_state(text: str, where: str, *, account: str | None = None) -> dict[str, object]:
    """Parse the Singer state in `text`, and remove what is wrapped around it.

    If there are several lines of JSON, as a target writes them, the last one counts.

    Args:
        where: names the text in error messages.
        account: the account whose bookmarks to take if a dlt pipeline loads several.

    Raises:
        StateError: `text` is not a state.
    """
    last = text.rstrip().rpartition("\n")[2]
    value: dict[str, object] = {}
    with suppress(StateError):
        value = parse_object(last, StateError, where)
    value = value or parse_state_object(text, where)
    return _of_dlt(value, where, account) if "sources" in value else _unwrapped(value, where)


def parse_state_object(text: str, where: str) -> dict[str, object]:
    """Parse the JSON object in `text`, without checking its content.

    Raises:
        StateError: `text` is not a JSON object; if it is empty, the message says what happened
            and what to do.
    """
    if not text.strip():
        raise StateError(
            f"{where} is empty: a run before was cut off while it was written, or wrote no STATE; "
            "put the last good state back, or do without one to export all days from start_date on"
        )
    try:
        return parse_object(text, StateError, where)
    except StateError as error:
        raise StateError(f"{error}: put the last good state back") from None


def bookmarks_of(state: Mapping[str, object], where: str) -> dict[str, Mapping[str, object]]:
    """Return the bookmarks by stream, without the empty ones that the SDK leaves.

    Raises:
        StateError: they are not JSON objects, or the name of a stream is misspelt.
    """
    found = _mapping(state.get("bookmarks", {}), f"{where}: bookmarks")
    kept = {
        stream: _mapping(bookmark, f"{where}: bookmarks.{excerpt(stream)}")
        for stream, bookmark in found.items()
        # Null may stand here for other streams. For ours it is an error, as it would silently
        # export all days again.
        if not (bookmark == {} or (bookmark is None and stream not in STREAM_NAMES))
    }
    for name, similar in unknown_names(kept, STREAM_NAMES, similarity=A_SLIP):
        nearest = _STREAM_OF_LABEL.get(name, similar)
        # Other taps may keep bookmarks here, but a misspelt stream would be exported in full again.
        if nearest and nearest not in kept:
            raise StateError(
                f"{where}: bookmarks.{excerpt(name)} is not of a stream; did you mean {nearest}?"
            )
    return kept


def others_alone(bookmarks: Mapping[str, object]) -> str:
    """Name the streams of the bookmarks if none is of this tap; otherwise return an empty text."""
    if bookmarks.keys() & set(STREAM_NAMES):
        return ""
    return ", ".join(map(excerpt, bookmarks))


def coverage_of(
    bookmark: Mapping[str, object], report: Report, rules: Rules, *, start_date: date | None
) -> Coverage:
    """Return the coverage that a report's bookmark holds.

    Args:
        start_date: the tap's `start_date`, if known.

    Raises:
        StateError: `bookmark` is not valid, or says nothing without `start_date`.
    """
    path = f"state: bookmarks.{report.stream}"
    # With date.max as its start, a bookmark without ranges covers nothing.
    coverage = parse_bookmark(bookmark, start_date=start_date or date.max, rules=rules, path=path)
    is_known = start_date or coverage.covered() or bookmark.get("replication_key_value") is None
    if not is_known:
        raise StateError(
            f"{path} holds nothing but replication_key_value, which counts from start_date on: "
            "give --start-date or --config"
        )
    return coverage


def _unwrapped(value: object, where: str) -> dict[str, object]:
    state = _mapping(value, where)
    if state.get("type") == "STATE":
        return _unwrapped(state.get("value"), f"{where}: value")
    if any(key in state for key in _OF_MELTANO):
        return _of_meltano(state, where)
    if "singer_state" in state:
        return _unwrapped(state["singer_state"], f"{where}: singer_state")
    if state and "bookmarks" not in state:
        raise StateError(
            f"{where} has neither bookmarks nor a singer_state: it is not a Singer state"
        )
    return dict(state)


def _of_meltano(stored: Mapping[str, object], where: str) -> dict[str, object]:
    """Return the completed state, updated with the bookmarks of the partial one."""
    parts = [_unwrapped(stored[key], f"{where}: {key}") for key in _OF_MELTANO if stored.get(key)]
    state: dict[str, object] = {}
    for part in parts:
        older = bookmarks_of(state, where)
        state |= part
        state["bookmarks"] = older | bookmarks_of(part, where)
    return state


def _of_dlt(pipeline: Mapping[str, object], where: str, account: str | None) -> dict[str, object]:
    """Return the bookmarks of the dlt source as a Singer state."""
    at = f"{where}: sources.{_DLT_SOURCE}"
    source = _mapping(_mapping(pipeline["sources"], f"{where}: sources").get(_DLT_SOURCE, {}), at)
    labelled = _mapping(source.get("accounts", {}), f"{at}.accounts")
    holders = {"": source} if "bookmarks" in source else {}
    holders |= {name: _mapping(each, f"{at}.accounts.{name}") for name, each in labelled.items()}
    found = [each for name, each in holders.items() if account in {None, name}]
    if not found:
        of = f" of the account {account}" if account else ""
        raise StateError(f"{at} has no bookmarks{of}: nothing was loaded with the source")
    if len(found) > 1:
        names = ", ".join(name or "none" for name in holders)
        raise StateError(f"{at} has bookmarks of several accounts ({names}): name one as account")
    return {"bookmarks": found[0].get("bookmarks", {})}


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise StateError(f"{where} is not a JSON object")
    return value
