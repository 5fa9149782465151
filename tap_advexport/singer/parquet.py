"""Writes Parquet files for BATCH. This module needs the extra `parquet`."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_advexport.singer.sdk import BatchConfig

MAX_GROUP_ROWS: Final = 65_536


def parquet_files(
    config: BatchConfig, name: str, compression: str, tables: Iterable[pa.Table]
) -> Iterator[str]:
    """Write tables to files of at most `batch_size` rows, and yield the URL of each file."""
    groups_per_file = -(-config.batch_size // MAX_GROUP_ROWS)
    groups = _regrouped(tables, config.batch_size // groups_per_file)
    for number, first in enumerate(groups, start=1):
        filename = f"{name}-{number}.parquet"
        with (
            config.storage.open(filename, "wb") as file,
            pq.ParquetWriter(file, first.schema, compression=compression) as writer,
        ):
            for group in chain((first,), islice(groups, groups_per_file - 1)):
                writer.write_table(group, len(group))
        yield config.storage.get_url(filename)


def _regrouped(tables: Iterable[pa.Table], row_count: int) -> Iterator[pa.Table]:
    """Yield the same rows in tables of `row_count` rows; the last table may have fewer."""
    pending: list[pa.Table] = []
    pending_rows = 0
    for table in tables:
        rest = table
        while pending_rows + len(rest) >= row_count:
            room = row_count - pending_rows
            yield pa.concat_tables([*pending, rest.slice(0, room)])
            rest, pending, pending_rows = rest.slice(room), [], 0
        if len(rest):
            pending.append(rest)
            pending_rows += len(rest)
    if pending:
        yield pa.concat_tables(pending)
