"""The packages of the last extractions: unless their bookmarks count, those that do are in doubt.

dlt keeps rows and bookmarks of a load together, so if that is given up, neither counts. But it may
have changed the tables before: written rows that no bookmark knows of, or emptied tables whose old
bookmarks count again then. So each extraction notes its package, and puts its id beside the
bookmarks. If the next one finds the note and not the id, that load never came to its end, or other
bookmarks have taken the place of its own, and `resolve_doubts` (in `state`) has its days exported
again.

The notes lie beside the pipeline's folder, since what gives up a package may delete that.
"""

from __future__ import annotations

import os
from datetime import date  # noqa: TC003  # a field's type, which msgspec reads
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from msgspec.structs import replace

from tap_advexport.coverage.ranges import union
from tap_advexport.errors import StateError
from tap_advexport.windows import DateWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, MutableMapping

    import dlt

SUFFIX: Final = ".last-packages.json"
# More datasets than one pipeline loads into; in dlt's `dev_mode` each run has one of its own.
MOST_PLACES: Final = 100
# Older loads are looked up at the destination.
MOST_LOADS: Final = 50
# More packages than wait for their load at one time.
MOST_PACKAGES: Final = 5
_LOADS: Final = "loads"
# Keys of a source's state.
_OF_OURS: Final = frozenset({"bookmarks", "accounts"})


class Days(msgspec.Struct, frozen=True):
    """Days of a report whose rows a package replaces: ranges, ends included."""

    stream: str
    account: str | None
    ranges: tuple[tuple[date, date], ...]


class Package(msgspec.Struct, frozen=True):
    """What a load that never came to its end may have done.

    Attributes:
        load_id: dlt's name of the load; later ones are greater.
        emptied: the tables that it empties before it fills them.
        days: what it replaces in the others, and what was in doubt before.
        before: the package whose note this one has replaced.
    """

    load_id: str
    emptied: tuple[str, ...] = ()
    days: tuple[Days, ...] = ()
    before: Package | None = None


def sources_of(pipeline: dlt.Pipeline) -> dict[str, Any]:
    """Return the states of our sources in a pipeline, by the names that they were given."""
    sources: Any = pipeline.state.get("sources", {})
    return {
        name: state
        for name, state in sources.items()
        if isinstance(state, dict) and not _OF_OURS.isdisjoint(state)
    }


def with_days(
    package: Package, stream: str, account: str | None, more: Iterable[DateWindow]
) -> Package:
    """Return the package with more days of a report."""
    mine = [each for each in package.days if (each.stream, each.account) == (stream, account)]
    others = (each for each in package.days if each not in mine)
    known = (DateWindow(*ends) for each in mine for ends in each.ranges)
    ranges = tuple((each.first, each.last) for each in union((*known, *more)))
    return replace(package, days=(*others, Days(stream, account, ranges)))


def note_package(pipeline: dlt.Pipeline, schema: str, package: Package) -> None:
    """Note the package that is about to be loaded, before those that were noted earlier.

    Raises:
        StateError: the notes cannot be read or written.
    """
    notes, place = _notes(pipeline), _place(pipeline, schema)
    before = notes.pop(place, None)
    if before and before.load_id == package.load_id:
        before = before.before
    notes[place] = _shortened(replace(package, before=before), MOST_PACKAGES)
    _write(pipeline, notes)


def _shortened(package: Package, most: int) -> Package:
    before = package.before
    return replace(package, before=_shortened(before, most - 1) if before and most > 1 else None)


def forget_notes(pipeline: dlt.Pipeline, schema: str) -> None:
    """Forget all packages, as a person says what the tables hold."""
    notes = _notes(pipeline)
    if notes.pop(_place(pipeline, schema), None):
        _write(pipeline, notes)


def check_notes(pipeline: dlt.Pipeline) -> None:
    """Check that a package can be noted, before days are exported for it.

    Raises:
        StateError: the notes cannot be read or written.
    """
    _write(pipeline, _notes(pipeline))


def restore_note(pipeline: dlt.Pipeline, schema: str, load_id: str) -> None:
    """Put the note back that was there before a package which dlt has thrown away."""
    notes, place = _notes(pipeline), _place(pipeline, schema)
    if place in notes and notes[place].load_id == load_id:
        before = notes.pop(place).before
        _write(pipeline, notes | ({place: before} if before else {}))


def noted_package(pipeline: dlt.Pipeline, schema: str) -> Package | None:
    """Return the package that was noted last, with those before it.

    Raises:
        StateError: the notes cannot be read.
    """
    return _notes(pipeline).get(_place(pipeline, schema))


def note_load(state: MutableMapping[str, Any], load_id: str) -> None:
    """Put a load beside the bookmarks: they count when it does."""
    if not knows_load(state, load_id):
        state[_LOADS] = [*state.get(_LOADS, ()), load_id][-MOST_LOADS:]


def knows_load(state: Mapping[str, Any], load_id: str) -> bool:
    """Return whether the bookmarks are those of a load, or of a later one that knew of it."""
    return load_id in state.get(_LOADS, ())


def packages_in_doubt(
    pipeline: dlt.Pipeline, schema: str, state: Mapping[str, Any]
) -> Iterator[Package]:
    """Yield the package that was noted last and those before it, up to the first that counts.

    Raises:
        StateError: the notes cannot be read.
    """
    package = noted_package(pipeline, schema)
    while package and not (
        knows_load(state, package.load_id) or _is_outlived(pipeline, schema, state, package.load_id)
    ):
        yield package
        package = package.before


def _is_outlived(
    pipeline: dlt.Pipeline, schema: str, state: Mapping[str, Any], load_id: str
) -> bool:
    """Return whether a load came to its end before the oldest that the bookmarks know of."""
    known = state.get(_LOADS, ())
    is_older = len(known) == MOST_LOADS and load_id < known[0]
    return is_older and _has_load(pipeline, schema, load_id, ended_by=known[0])


def is_ahead(pipeline: dlt.Pipeline, schema: str, state: Mapping[str, Any]) -> bool:
    """Return whether bookmarks are those of a load that the destination does not have.

    dlt keeps the local state unless the destination's is newer. So it outlives a destination that
    was restored from a backup, or a pipeline that was given another database or dataset.
    """
    known = state.get(_LOADS, ())
    if not known or schema not in pipeline.schema_names:
        return False
    waiting = {*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()}
    ended = [load_id for load_id in known if load_id not in waiting]
    return bool(ended) and not _has_load(pipeline, schema, ended[-1])


def _has_load(pipeline: dlt.Pipeline, name: str, load_id: str, ended_by: str = "") -> bool:
    """Return whether the destination has a load, and, if given, that it had ended by another."""
    with pipeline.sql_client(name) as client:
        schema = pipeline.schemas[name]
        table = client.make_qualified_table_name(schema.loads_table_name)
        column, status, at = (
            client.escape_column_name(schema.naming.normalize_path(each))
            for each in ("load_id", "status", "inserted_at")
        )
        when = f"SELECT max({at}) FROM {table} WHERE {column} = %s AND {status} = 0"  # noqa: S608  # names
        try:
            [[ended]] = client.execute_sql(when, load_id) or [[None]]
            [[later]] = (client.execute_sql(when, ended_by) if ended_by else None) or [[ended]]
        except DatabaseUndefinedRelation:
            return False
    return ended is not None and later is not None and bool(ended <= later)


def _file(pipeline: dlt.Pipeline) -> Path:
    return Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}{SUFFIX}"


def _place(pipeline: dlt.Pipeline, schema: str) -> str:
    """Return a name for the tables: a pipeline may load into another dataset today."""
    destination: Any = pipeline.destination
    return f"{destination.destination_name}/{pipeline.dataset_name}/{schema}"


def _notes(pipeline: dlt.Pipeline) -> dict[str, Package]:
    """Return the packages by place, in the order of their extraction."""
    try:
        return msgspec.json.decode(_file(pipeline).read_bytes(), type=dict[str, Package])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateError(f"{_file(pipeline)}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise StateError(
            f"{_file(pipeline)}: cannot be read; delete it, and if the last load has not come to "
            "its end, load with a refresh"
        ) from None


def _write(pipeline: dlt.Pipeline, notes: dict[str, Package]) -> None:
    new = Path(f"{_file(pipeline)}.new")
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(msgspec.json.encode(dict([*notes.items()][-MOST_PLACES:])))
            file.flush()
            os.fsync(file.fileno())
        new.replace(_file(pipeline))
    except OSError as error:
        raise StateError(
            f"{_file(pipeline)}: cannot be written: {error.strerror}; it tells the next load what "
            "became of this one, so pipelines_dir must be a folder that is kept and can be written"
        ) from None
