"""BATCH files of one export, gzip JSONL or Parquet, in a folder or any storage of fsspec."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, cast
from uuid import uuid4

from tap_advexport.errors import ConfigError, OutputError, TapAdvexportError
from tap_advexport.records.lines import record_lines
from tap_advexport.redaction import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from tap_advexport.exports.job import Ready
    from tap_advexport.records.convert import Period
    from tap_advexport.records.lines import ExportConstants
    from tap_advexport.singer.sdk import BatchConfig

    # Writes record lines to one file.
    WriteFile = Callable[[BinaryIO, Iterable[bytes]], None]

# The fastest level: a target unpacks the file at once, and then the file is deleted.
GZIP_LEVEL: Final = 1

# For each part of `batch_config`: its required keys and its optional keys.
BATCH_KEYS: Final = {
    "encoding": (("format",), ("compression",)),
    "storage": (("root",), ("prefix", "params")),
}

COMPRESSIONS: Final = {
    "jsonl": {None: "", "none": "", "gzip": ".gz"},
    "parquet": {None: "snappy", "none": "none", "gzip": "gzip"},
}


def check_batch_settings(given: Mapping[str, object]) -> None:
    """Reject a `batch_config` that the SDK or the tap cannot use, without printing its secrets.

    Raises:
        ConfigError: a part or a key is missing, unknown or of the wrong type; the format or the
            compression is not supported; an extra is not installed; or a path holds # or ?.
    """
    if not given:
        return
    _check_keys("batch_config", given, ("encoding", "storage"), ("batch_size",))
    for part, (needed, others) in BATCH_KEYS.items():
        value = given[part]
        if not isinstance(value, Mapping):
            raise ConfigError(f"batch_config.{part}: must be an object")
        _check_keys(f"batch_config.{part}", value, needed, others)
        for name in {*needed, "prefix", "compression"} & value.keys():
            if not isinstance(value[name], str):
                raise ConfigError(f"batch_config.{part}.{name}: must be a text")
    encoding = cast("Mapping[str, str]", given["encoding"])
    _check_encoding(encoding["format"], encoding.get("compression"))
    size = given.get("batch_size", 1)
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ConfigError(
            f"batch_config.batch_size: must be a whole number of at least 1 (got {size!r})"
        )
    storage = cast("Mapping[str, str]", given["storage"])
    if {"#", "?"} & set(storage["root"] + storage.get("prefix", "")):
        # In a URL, the path ends at these characters, so the files would be written elsewhere.
        raise ConfigError("batch_config.storage: root and prefix must not hold # or ?")


def _check_keys(
    path: str, given: Mapping[str, object], needed: Sequence[str], others: Sequence[str]
) -> None:
    missing = [name for name in needed if name not in given]
    unknown = sorted(set(given) - {*needed, *others})
    if missing:
        raise ConfigError(f"{path}: lacks {', '.join(missing)}")
    if unknown:
        raise ConfigError(
            f"{path}: unknown key {quoted(unknown[0])} (known: {', '.join([*needed, *others])})"
        )


def _check_encoding(kind: str, compression: str | None) -> None:
    """Raise ConfigError for a format or compression that the tap cannot write."""
    if kind not in COMPRESSIONS:
        kinds = ", ".join(COMPRESSIONS)
        raise ConfigError(
            f"batch_config.encoding.format: must be one of {kinds} (got {quoted(kind)})"
        )
    if compression not in COMPRESSIONS[kind]:
        listed = ", ".join(name for name in COMPRESSIONS[kind] if name)
        raise ConfigError(f"batch_config.encoding.compression: of {kind} must be one of {listed}")
    if kind == "parquet" and not find_spec("pyarrow"):
        raise ConfigError("batch_config: parquet needs the extra: install tap-advexport[parquet]")


def write_batch_files(  # noqa: PLR0913 - what is written, where to, and what it is
    config: BatchConfig,
    stream: str,
    ready: Ready,
    periods: Iterable[Period],
    constants: ExportConstants,
    *,
    timezone: str,
) -> list[str]:
    """Write the rows of some periods to files of at most `batch_size` rows; return their URLs.

    Raises:
        OutputError: the storage cannot be written to.
    """
    name = f"{config.storage.prefix or ''}{stream}-{uuid4().hex}"
    compression = COMPRESSIONS[config.encoding.format][config.encoding.compression]
    with _storage_errors(constants.export_id):
        if config.encoding.format == "jsonl":
            pieces = record_lines(ready.lines, periods, constants)
            return list(_jsonl_files(config, name, compression, pieces))
        # pyarrow is an optional extra and large, so it is imported only where it is used.
        from tap_advexport.records.arrow import arrow_tables  # noqa: PLC0415
        from tap_advexport.singer.parquet import parquet_files  # noqa: PLC0415

        tables = arrow_tables(ready.lines, periods, constants, timezone)
        return list(parquet_files(config, name, compression, tables))


def _jsonl_files(
    config: BatchConfig, name: str, compression: str, pieces: Iterable[bytes]
) -> Iterator[str]:
    write = _write_packed if compression else _write_plain
    lines = (line for piece in pieces for line in piece.splitlines(keepends=True))
    for number, first in enumerate(lines, start=1):
        filename = f"{name}-{number}.json{compression}"
        with config.storage.open(filename, "wb") as file:
            write(cast("BinaryIO", file), chain((first,), islice(lines, config.batch_size - 1)))
        yield config.storage.get_url(filename)


def _write_packed(file: BinaryIO, lines: Iterable[bytes]) -> None:
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=GZIP_LEVEL) as packed:
        packed.writelines(lines)


def _write_plain(file: BinaryIO, lines: Iterable[bytes]) -> None:
    file.writelines(lines)


@contextmanager
def _storage_errors(export_id: str) -> Iterator[None]:
    """Turn any error of a storage into a one-line OutputError: each storage has its own errors."""
    try:
        yield
    except TapAdvexportError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a storage raises
        reason = getattr(error, "strerror", None) or f"{type(error).__name__} {error}".strip()
        msg = f"batch_config: export {export_id} cannot be written to the storage: {quoted(reason)}"
        raise OutputError(msg) from None
