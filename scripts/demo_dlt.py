"""Loads the days of the demo by dlt into a DuckDB file, and compares each row with the API's."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import dlt

from scripts.demo_report import canonical, truth_of
from tap_advexport.dlt import advexport, load


def main(arguments: list[str]) -> int:
    """Load and compare; return the exit code."""
    folder, api_url, first, last = arguments
    pipeline = dlt.pipeline(
        "advexport",
        destination=dlt.destinations.duckdb(str(Path(folder) / "dlt.duckdb")),
        dataset_name="ads",
        pipelines_dir=str(Path(folder) / "dlt"),
    )
    # The token comes from SOURCES__ADVEXPORT__AUTH_TOKEN.
    load(pipeline, advexport(start_date=first, end_date=last, api_url=api_url))
    query = "select * from report_daily"
    with pipeline.sql_client() as client, client.execute_query(query) as cursor:
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    held = Counter(map(canonical, rows))
    truth = Counter(map(canonical, truth_of(api_url, first, last)))
    print(f"{len(rows):,} rows; missing: {(truth - held).total()}, extra: {(held - truth).total()}")
    return 0 if held == truth else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
