"""The package of the last extraction: unless it was loaded, bookmarks are in doubt.

dlt keeps rows and bookmarks of a load in one package, so if that is given up, neither counts. But
its load may have changed the tables before: written rows that no bookmark knows of, or emptied
tables whose bookmarks count again then. So each extraction notes its package, and the next one
asks the destination whether it was loaded. The notes lie beside the pipeline's folder, since what
gives up a package may delete that.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from tap_advexport.errors import StateError

if TYPE_CHECKING:
    import dlt

SUFFIX: Final = ".last-packages.json"
# More datasets than one pipeline loads into; in dlt's `dev_mode` each run has one of its own.
MOST_PLACES: Final = 100


class Package(msgspec.Struct, frozen=True):
    """What a load that never ended may have done.

    Attributes:
        load_id: dlt's name of the load.
        empties_tables: it empties tables before it fills them.
    """

    load_id: str
    empties_tables: bool


def note_package(pipeline: dlt.Pipeline, schema: str, package: Package) -> None:
    """Note the package that is about to be loaded, in the place of the one before."""
    notes, place = _notes(pipeline), _place(pipeline, schema)
    notes.pop(place, None)
    notes[place] = package
    _write(pipeline, notes)


def drop_note(pipeline: dlt.Pipeline, schema: str) -> None:
    """Drop what is noted: somebody who knows has told what the tables hold."""
    notes = _notes(pipeline)
    if notes.pop(_place(pipeline, schema), None):
        _write(pipeline, notes)


def unloaded_package(pipeline: dlt.Pipeline, schema: str) -> Package | None:
    """Return the package that was noted last, if the destination does not have all of it.

    Raises:
        StateError: the notes cannot be read.
    """
    package = _notes(pipeline).get(_place(pipeline, schema))
    if package is None or _is_loaded(pipeline, schema, package.load_id):
        return None
    return package


def _file(pipeline: dlt.Pipeline) -> Path:
    return Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}{SUFFIX}"


def _notes(pipeline: dlt.Pipeline) -> dict[str, Package]:
    """Return the packages by place, in the order of their extraction."""
    try:
        return msgspec.json.decode(_file(pipeline).read_bytes(), type=dict[str, Package])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError:
        raise StateError(
            f"{_file(pipeline)}: cannot be read; delete it if the last load has come to its end, "
            "and load with a refresh if not"
        ) from None


def _write(pipeline: dlt.Pipeline, notes: dict[str, Package]) -> None:
    new = Path(f"{_file(pipeline)}.new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(dict([*notes.items()][-MOST_PLACES:])))
        file.flush()
        os.fsync(file.fileno())
    new.replace(_file(pipeline))


def _place(pipeline: dlt.Pipeline, schema: str) -> str:
    """Return a name for the tables: a pipeline may load into another dataset today."""
    destination = pipeline.destination_client().config
    parts = (destination.destination_type, destination, pipeline.dataset_name, schema)
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def _is_loaded(pipeline: dlt.Pipeline, schema: str, load_id: str) -> bool:
    if schema not in pipeline.schema_names:
        return False
    names = pipeline.schemas[schema]
    with pipeline.sql_client(schema) as client:
        table = client.make_qualified_table_name(names.loads_table_name)
        column = client.escape_column_name(names.naming.normalize_identifier("load_id"))
        # The names are dlt's own.
        question = f"SELECT {column} FROM {table} WHERE {column} = %s"  # noqa: S608
        try:
            return bool(client.execute_sql(question, load_id))
        except DatabaseUndefinedRelation:
            return False
