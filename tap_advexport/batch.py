"""BATCH files: record lines of one export as gzip JSONL, in a local folder or any fsspec one."""

from __future__ import annotations

import gzip
from itertools import islice
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from tap_advexport.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers._batch import BatchConfig

# The fastest level: a target unpacks the file at once, and then it is gone.
GZIP_LEVEL: Final = 1


def check_batch_config(config: BatchConfig) -> None:
    """Refuse what the tap cannot write.

    Raises:
        ConfigError: another format or compression, or a batch size below 1.
    """
    encoding = config.encoding
    if encoding.format != "jsonl" or encoding.compression not in {None, "none", "gzip"}:
        msg = "batch_config: encoding must be jsonl with compression gzip"
        raise ConfigError(msg)
    if config.batch_size < 1:
        msg = f"batch_config: batch_size must be at least 1, and is {config.batch_size}"
        raise ConfigError(msg)


def write_batch_files(
    config: BatchConfig, stream: str, export_id: str, pieces: Iterable[bytes]
) -> list[str]:
    """Write an export's record lines into files of at most `batch_size` lines; return their URLs.

    Args:
        pieces: whole record lines, any number at a time.

    Raises:
        OutputError: the storage cannot be written.
    """
    lines = (line for piece in pieces for line in piece.splitlines(keepends=True))
    name = f"{config.storage.prefix or ''}{stream}-{uuid4().hex}"
    try:
        return list(_files(config, name, lines))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        msg = f"batch_config: export {export_id} cannot be written to the storage: {reason}"
        raise OutputError(msg) from None


def _files(config: BatchConfig, name: str, lines: Iterator[bytes]) -> Iterator[str]:
    is_packed = config.encoding.compression == "gzip"
    suffix = "json.gz" if is_packed else "json"
    number = 0
    while first := next(lines, None):
        number += 1
        filename = f"{name}-{number}.{suffix}"
        with config.storage.open(filename, "wb") as file:
            rest = islice(lines, config.batch_size - 1)
            if is_packed:
                with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=GZIP_LEVEL) as packed:
                    packed.write(first)
                    packed.writelines(rest)
            else:
                file.write(first)
                file.writelines(rest)
        yield config.storage.get_url(filename)
