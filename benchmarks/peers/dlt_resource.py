"""dlt's way: a resource over the API, extracted and normalised to typed JSONL files.

Its rows end in files, not on stdout: with `--print` they are printed too, to be compared.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dlt
from exports import files, read_config, typed

if TYPE_CHECKING:
    from collections.abc import Iterator


@dlt.resource(name="report_daily")
def report(config: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Every export as one page of rows."""
    for text in files(config):
        yield [typed(row) for row in csv.DictReader(io.StringIO(text))]


def main() -> None:
    """Extract and normalise every export."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DESTINATION__FILESYSTEM__BUCKET_URL"] = folder
        pipeline = dlt.pipeline(
            "benchmark", destination="filesystem", dataset_name="d", pipelines_dir=folder
        )
        pipeline.extract(report(read_config(sys.argv[2])))
        pipeline.normalize()
        if "--print" in sys.argv:
            _print_rows(Path(folder))


def _print_rows(folder: Path) -> None:
    for path in folder.rglob("normalized/**/report_daily.*.jsonl*"):
        opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - closed below
        with opened as file:
            for line in file:
                record = json.loads(line)
                print(json.dumps({"type": "RECORD", "stream": "report_daily", "record": record}))


if __name__ == "__main__":
    main()
