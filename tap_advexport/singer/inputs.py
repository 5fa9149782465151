"""Reads the tap's state and catalog, and checks them before any request.

What a catalog says of keys and columns is checked where each stream takes it, in `sdk.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from singer_sdk.singerlib import Catalog

from tap_advexport.coverage.state_envelope import STREAM_NAMES, bookmarks_of, others_alone
from tap_advexport.errors import CatalogError, StateError
from tap_advexport.redaction import excerpt
from tap_advexport.reports import PERIODS_STREAM
from tap_advexport.settings import unknown_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from singer_sdk import Stream

    from tap_advexport.sync.run import Run

# The top-level keys of a Singer state.
STATE_KEYS: Final = frozenset({"bookmarks", "currently_syncing"})
# The columns that join rows with `report_periods`.
JOINED_BY: Final = ("account", "report_date", "period_version")


def checked_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state without empty bookmarks.

    Raises:
        StateError: it is not a Singer state, or the stream name of a bookmark is misspelt.
    """
    others = sorted(state.keys() - STATE_KEYS)
    if others and "bookmarks" not in state:
        raise StateError(
            f"state: has no bookmarks, but {', '.join(map(excerpt, others))}; give the Singer "
            'state alone, as in {"bookmarks": ...}'
        )
    bookmarks = bookmarks_of(state, "state")
    if "partitions" in bookmarks.get(PERIODS_STREAM, {}):
        raise StateError(f"state: bookmarks.{PERIODS_STREAM} has partitions, which no stream has")
    return {**state, "bookmarks": bookmarks}


def read_catalog(given: Mapping[str, Any]) -> Catalog:
    """Read a catalog of the streams of this tap.

    Raises:
        CatalogError: it is not a Singer catalog, or a stream is renamed or not of this tap.
    """
    try:
        if not all(isinstance(each["tap_stream_id"], str) for each in given["streams"]):
            raise TypeError  # noqa: TRY301 - told as all else that is no catalog
        catalog = Catalog.from_dict(cast("dict[str, Any]", given))
    except Exception:  # noqa: BLE001 - the SDK trips over whatever is not as it expects it
        raise CatalogError("catalog: is not a Singer catalog, as --discover prints one") from None
    _check_streams(catalog)
    return catalog


def _check_streams(catalog: Catalog) -> None:
    for entry in catalog.streams:
        for name in (entry.tap_stream_id, str(entry.stream or entry.tap_stream_id)):
            for unknown, nearest in unknown_names([name], STREAM_NAMES):
                hint = nearest or f"there are {', '.join(STREAM_NAMES)}"
                raise CatalogError(
                    f"catalog: {excerpt(unknown)} is not a stream of this tap; "
                    f"{f'did you mean {nearest}?' if nearest else hint}"
                )
        if entry.stream and entry.stream != entry.tap_stream_id:
            raise CatalogError(
                f"catalog: {entry.tap_stream_id} is named {entry.stream}; streams are renamed by "
                "stream_maps: __alias__"
            )


def warnings_of(streams: Collection[Stream], state: Mapping[str, Any], run: Run) -> Iterator[str]:
    """Yield a warning for each thing that is allowed but probably not intended."""
    selected = {stream.name: stream for stream in streams if stream.selected}
    reports = [stream for name, stream in selected.items() if name != PERIODS_STREAM]
    if not reports:
        yield "No report is selected: nothing is exported. Select report_daily, say"
    first, last = run.settings.start_date, run.last_day
    if first > last:
        yield f"start_date {first} is after the last day to have, {last}: nothing to export yet"
    if others := others_alone(state.get("bookmarks") or {}):
        yield (
            f"The state has no bookmark of this tap, but of {others}: "
            f"all days from {first} on are exported"
        )
    for stream in selected.values() if PERIODS_STREAM in selected else ():
        lost = [
            name
            for name in JOINED_BY
            if name in stream.schema["properties"] and not _has_column(stream, name)
        ]
        if lost:
            yield (
                f"{stream.name}: without {' and '.join(lost)}, which the catalog does not select, "
                f"rows cannot be joined with {PERIODS_STREAM}: "
                "rows that the API has taken back count on"
            )


def _has_column(stream: Stream, name: str) -> bool:
    properties = stream.effective_schema.get("properties") or {}
    return name in properties and stream.mask[("properties", name)]
