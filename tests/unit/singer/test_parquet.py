"""How rows are cut into files and row groups of Parquet, whatever tables they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from singer_sdk.helpers._batch import StorageTarget

from tap_advexport.singer.parquet import parquet_files
from tap_advexport.singer.sdk import BaseBatchFileEncoding, BatchConfig

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, batch_size: int, *table_rows: int) -> list[tuple[list[int], list[int]]]:
    """The numbers in each file, and how many rows each of its groups has."""
    config = BatchConfig(
        encoding=BaseBatchFileEncoding(format="parquet"),
        storage=StorageTarget(root=folder.as_uri()),
        batch_size=batch_size,
    )
    tables, start = [], 0
    for count in table_rows:
        tables.append(pa.table({"n": pa.array(range(start, start + count), pa.int64())}))
        start += count
    found = []
    for url in parquet_files(config, "x", "snappy", iter(tables)):
        file = pq.ParquetFile(unquote(urlsplit(url).path))
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        found.append((file.read()["n"].to_pylist(), groups))
        file.close()
    return found


@pytest.mark.parametrize("table_rows", [(10,), (1,) * 10, (3, 0, 7), (0, 0, 10), (9, 1)])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 10, 11])
def test_every_row_is_in_one_file_of_at_most_so_many(
    tmp_path: Path, batch_size: int, table_rows: tuple[int, ...]
) -> None:
    files = [rows for rows, _ in written(tmp_path, batch_size, *table_rows)]
    assert [row for rows in files for row in rows] == list(range(10))
    assert [len(rows) for rows in files[:-1]] == [batch_size] * (len(files) - 1)
    assert 0 < len(files[-1]) <= batch_size


@pytest.mark.parametrize("table_rows", [(), (0,), (0, 0)])
def test_without_rows_there_is_no_file(tmp_path: Path, table_rows: tuple[int, ...]) -> None:
    assert written(tmp_path, 5, *table_rows) == []
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_has_row_groups_of_one_size(tmp_path: Path) -> None:
    [(rows, groups), (rest, last)] = written(tmp_path, 100_000, 70_000, 80_000)
    assert groups == [50_000, 50_000]
    assert last == [50_000]
    assert [*rows, *rest] == list(range(150_000))


def test_files_are_numbered(tmp_path: Path) -> None:
    written(tmp_path, 2, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "x-1.parquet",
        "x-2.parquet",
        "x-3.parquet",
    ]
