"""The package of the last extraction: unless its bookmarks count, those that do are in doubt.

dlt keeps rows and bookmarks of a load together, so if that is given up, neither counts. But it may
have changed the tables before: written rows that no bookmark knows of, or emptied tables whose old
bookmarks count again then. So each extraction notes its package, and puts its id beside the
bookmarks. If the next one finds the note and not the id, that load never came to its end, and
`forget_what_is_in_doubt` (in `state`) forgets.

The notes lie beside the pipeline's folder, since what gives up a package may delete that.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from tap_advexport.errors import StateError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    import dlt

SUFFIX: Final = ".last-packages.json"
# More datasets than one pipeline loads into; in dlt's `dev_mode` each run has one of its own.
MOST_PLACES: Final = 100
# More loads than other machines make between two of this one.
MOST_LOADS: Final = 20
_LOADS: Final = "loads"


class Package(msgspec.Struct, frozen=True):
    """What a load that never came to its end may have done.

    Attributes:
        load_id: dlt's name of the load; later ones are greater.
        emptied: the tables that it empties before it fills them.
        before: the package whose note this one has replaced.
    """

    load_id: str
    emptied: tuple[str, ...] = ()
    before: Package | None = None


def note_package(pipeline: dlt.Pipeline, schema: str, package: Package) -> None:
    """Note the package that is about to be loaded, in the place of the one before."""
    notes, place = _notes(pipeline), _place(pipeline, schema)
    before = notes.pop(place, None)
    if before and before.load_id == package.load_id:
        before = before.before
    notes[place] = replace(package, before=before and replace(before, before=None))
    _write(pipeline, notes)


def restore_note(pipeline: dlt.Pipeline, schema: str, load_id: str) -> None:
    """Put the note back that was there before a package which dlt has thrown away."""
    notes, place = _notes(pipeline), _place(pipeline, schema)
    if place in notes and notes[place].load_id == load_id:
        before = notes.pop(place).before
        _write(pipeline, notes | ({place: before} if before else {}))


def noted_package(pipeline: dlt.Pipeline, schema: str) -> Package | None:
    """Return the package that was noted last.

    Raises:
        StateError: the notes cannot be read.
    """
    return _notes(pipeline).get(_place(pipeline, schema))


def note_load(state: MutableMapping[str, Any], load_id: str) -> None:
    """Put a load beside the bookmarks: they count when it does."""
    if not counts(state, load_id):
        state[_LOADS] = [*state.get(_LOADS, ()), load_id][-MOST_LOADS:]


def counts(state: MutableMapping[str, Any], load_id: str) -> bool:
    """Return whether the bookmarks are those of a load, or of a later one that knew of it."""
    return load_id in state.get(_LOADS, ())


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
    except msgspec.DecodeError:
        raise StateError(
            f"{_file(pipeline)}: cannot be read; delete it, and if the last load has not come to "
            "its end, load with a refresh"
        ) from None


def _write(pipeline: dlt.Pipeline, notes: dict[str, Package]) -> None:
    new = Path(f"{_file(pipeline)}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(dict([*notes.items()][-MOST_PLACES:])))
        file.flush()
        os.fsync(file.fileno())
    new.replace(_file(pipeline))
