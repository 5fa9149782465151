"""Stream maps: mistakes are found before any export, and only selected streams get maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Final

from singer_sdk.mapper import RemoveRecordTransform
from singer_sdk.singerlib import Catalog

from tap_advexport.errors import ConfigError
from tap_advexport.redaction import excerpt
from tap_advexport.settings import unknown_names

if TYPE_CHECKING:
    from collections.abc import Collection

    from singer_sdk.mapper import PluginMapper

# What the SDK knows: in the map of a stream, and beside the maps.
_OPERATORS: Final = ("__filter__", "__alias__", "__source__", "__else__", "__key_properties__")
_HASHES: Final = re.compile(r"\b(?:md5|sha256)\s*\(")


def check_stream_maps(maps: Mapping[str, object], streams: Mapping[str, Collection[str]]) -> None:
    """Reject maps that would do nothing, or on which the SDK's own check fails.

    Args:
        maps: the setting `stream_maps`.
        streams: the columns of each stream.

    Raises:
        ConfigError: a map matches no stream, a column or an operator looks misspelt, or `__else__`
            is not null.
    """
    _check_operators("", maps)
    for key, columns in maps.items():
        if key.startswith("__"):
            continue
        source = key
        if isinstance(columns, Mapping):
            _check_operators(f"{excerpt(key)}.", columns)
            source = columns.get("__source__", key)
        names = [name for name in streams if fnmatch(name, str(source))]
        if not names:
            where = f"{excerpt(key)}.__source__: " if source != key else ""
            raise ConfigError(f"stream_maps: {where}{_no_stream(str(source), streams)}")
        if isinstance(columns, Mapping):
            known = dict.fromkeys(column for name in names for column in streams[name])
            _check_columns(excerpt(key), columns, list(known))


def register_maps(
    mapper: PluginMapper, catalog: Catalog, streams: Mapping[str, Collection[str]]
) -> None:
    """Register maps for the selected streams only; a map of `*` need not fit the others.

    Args:
        streams: the columns of each selected stream.

    Raises:
        ConfigError: of several maps of a stream, only the last would count; or several maps would
            write one stream.
    """
    maps = mapper.stream_maps_dict
    known = {column for columns in streams.values() for column in columns}
    for entry in catalog.streams:
        columns = streams.get(entry.tap_stream_id)
        mapper.stream_maps_dict = {} if columns is None else _narrowed(maps, columns, known)
        _check_overridden(entry.tap_stream_id, mapper.stream_maps_dict)
        mapper.register_raw_streams_from_catalog(Catalog([(entry.tap_stream_id, entry)]))
    mapper.stream_maps_dict = maps
    _check_aliases(mapper, streams)


def _check_overridden(stream: str, maps: Mapping[str, Any]) -> None:
    """Raise ConfigError if a map loses something, as only the last one of a stream counts."""
    of_stream = [
        (key, value)
        for key, value in maps.items()
        if fnmatch(stream, key) and "__source__" not in (value or {})
    ]
    *others, last = of_stream or [("", None)]
    for key, value in others:
        is_removed = not isinstance(last[1], Mapping)
        if not is_removed and (not isinstance(value, Mapping) or value.keys() - last[1].keys()):
            raise ConfigError(
                f"stream_maps: {stream} is mapped by {excerpt(key)} and {excerpt(last[0])}, and "
                "only the last counts: write all of it into one map"
            )


def _check_aliases(mapper: PluginMapper, streams: Collection[str]) -> None:
    """Raise ConfigError if rows of several maps would be mixed under one name."""
    written: set[str] = set()
    for stream in streams:
        for each in mapper.stream_maps.get(stream, ()):
            if isinstance(each, RemoveRecordTransform):
                continue
            if each.stream_alias in written:
                raise ConfigError(
                    f"stream_maps: several maps write {excerpt(each.stream_alias)}, whose rows "
                    f"would be mixed; one of them is of {stream}: give it a name of its own"
                )
            written.add(each.stream_alias)


def _narrowed(
    maps: Mapping[str, Any], columns: Collection[str], known: Collection[str]
) -> dict[str, Any]:
    """Return the maps for a stream; a pattern's map loses columns that only other streams have."""
    return {
        key: {
            name: expression
            for name, expression in value.items()
            if name in columns or name not in known
        }
        if isinstance(value, Mapping) and set("*?[") & set(str(value.get("__source__", key)))
        else value
        for key, value in maps.items()
    }


def _no_stream(name: str, streams: Collection[str]) -> str:
    [(_, nearest)] = unknown_names([name], streams)
    nearest = f"report_{name}" if f"report_{name}" in streams else nearest
    hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(streams)}"
    return f"{excerpt(name)} is not a stream of this tap; {hint}"


def _check_operators(path: str, level: Mapping[str, object]) -> None:
    """Raise ConfigError for an operator that the SDK does not know, or on whose value it fails."""
    for name, nearest in unknown_names([name for name in level if name[:2] == "__"], _OPERATORS):
        hint = f"; did you mean {nearest}?" if nearest else ""
        raise ConfigError(f"stream_maps: {path}{excerpt(name)} is no operator of stream maps{hint}")
    if level.get("__else__") not in (None, "__NULL__"):
        raise ConfigError(f"stream_maps: {path}__else__ must be null")


def _check_columns(stream: str, columns: Mapping[str, object], known: Collection[str]) -> None:
    """Raise ConfigError for a misspelt column; a new column needs a clearly different name.

    For example, one wrong letter must not disable a map that hides ids.
    """
    for name, expression in columns.items():
        if name.startswith("__") or name in known:
            continue
        if expression in (None, "__NULL__"):
            # The column does not exist, so nothing is removed, and the intended column stays.
            [(_, meant)] = unknown_names([name], known)
            hint = f"; did you mean {meant}?" if meant else ""
            raise ConfigError(f"stream_maps: {stream}: has no column {excerpt(name)}{hint}")
        for column in known:
            if is_slip(name, column) or _is_hash_beside(name, column, expression, columns):
                raise ConfigError(
                    f"stream_maps: {stream}: {excerpt(name)} is not a column; did you mean "
                    f"{column}? (A new column needs a name that is less like an old one)"
                )


def is_slip(name: str, column: str) -> bool:
    """Return whether a name differs from a column's by one letter, two swapped letters or case.

    Underscores and hyphens do not count. For short columns one letter is not a slip, because
    many names are that similar, and `campaign_id2` is a name of its own.
    """
    name, column = name.lower(), column.lower()
    if name.replace("_", "").replace("-", "") == column.replace("_", ""):
        return True
    if name.rstrip("0123456789") == column:
        return False
    return len(column) >= 5 and _distance(name, column) == 1  # noqa: PLR2004 - of `lang` and `time` much is one letter away


def _is_hash_beside(
    name: str, column: str, expression: object, columns: Mapping[str, object]
) -> bool:
    """Return whether a hash of a column gets a similar name, and the column itself stays."""
    return (
        isinstance(expression, str)
        and bool(_HASHES.search(expression))
        and bool(re.search(rf"\b{column}\b", expression))
        and column not in columns
        and "__else__" not in columns
        and name.rstrip("0123456789") != column
        and _distance(name, column) <= 2  # noqa: PLR2004 - more than one slip
    )


def _distance(one: str, other: str) -> int:
    """Return the number of letters that were left out, added, changed or swapped."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
