"""Loads by dlt: with the source of tap-advexport, or with a conventional resource over the API.

python pipe_dlt.py WAY CONFIG URL        WAY: ours, conventional; URL: of PostgreSQL, or a file
"""

from __future__ import annotations

import sys
import tempfile

import dlt
from exports import read_config


def main() -> None:
    """Load once, into an empty dataset."""
    way, path, url = sys.argv[1:]
    config = read_config(path)
    is_postgres = url.startswith("postgresql:")
    kind = dlt.destinations.postgres if is_postgres else dlt.destinations.duckdb
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "pipe", destination=kind(url), dataset_name="ads", pipelines_dir=folder
        )
        if way == "ours":
            from tap_advexport.dlt import advexport, load  # noqa: PLC0415 - the other way has it not

            load(pipeline, advexport(**config))
        else:
            from dlt_resource import report  # noqa: PLC0415 - same

            pipeline.run(report(config))


if __name__ == "__main__":
    main()
