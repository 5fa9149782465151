"""The package of the last extraction: unless it was loaded, bookmarks are in doubt.

dlt keeps rows and bookmarks of a load in one package, so if that is given up, neither counts. But
its load may have changed the tables before: written rows that no bookmark knows of, or emptied
tables whose bookmarks count again then. So each extraction notes its package, and the next one
asks the destination whether it was loaded. The note lies beside the pipeline's folder, since what
gives up a package may delete that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from dlt.destinations.exceptions import DatabaseUndefinedRelation

if TYPE_CHECKING:
    import dlt

SUFFIX: Final = ".last-package.json"


class Package(msgspec.Struct, frozen=True):
    """What a load that never ended may have done.

    Attributes:
        load_id: dlt's name of the load.
        empties_tables: it empties tables before it fills them.
    """

    load_id: str
    empties_tables: bool


def note_package(pipeline: dlt.Pipeline, package: Package) -> None:
    """Note the package that is about to be loaded, in the place of the one before."""
    note = _note_of(pipeline)
    new = note.with_name(f"{note.name}.new")
    new.write_bytes(msgspec.json.encode(package))
    new.replace(note)


def unloaded_package(pipeline: dlt.Pipeline, schema: str) -> Package | None:
    """Return the package that was noted last, if the destination does not have all of it."""
    try:
        package = msgspec.json.decode(_note_of(pipeline).read_bytes(), type=Package)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError:
        # Cut by a machine that lost its power.
        return Package("", empties_tables=True)
    return None if _is_loaded(pipeline, schema, package.load_id) else package


def _note_of(pipeline: dlt.Pipeline) -> Path:
    return Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}{SUFFIX}"


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
