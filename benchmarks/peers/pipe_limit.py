"""The limit of a pipe: the database alone reads the CSV files, which lie ready.

python pipe_limit.py FOLDER URL        URL: of PostgreSQL, or a file of DuckDB's
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from exports import INTEGERS, NUMBERS

TYPES = {
    "time": "timestamp",
    **dict.fromkeys(INTEGERS, "bigint"),
    **dict.fromkeys(NUMBERS, "decimal(38, 22)"),
}


def main() -> None:
    """Load once, into an empty schema."""
    folder, url = Path(sys.argv[1]), sys.argv[2]
    files = sorted(folder.glob("*.csv"))
    with files[0].open(encoding="utf-8", newline="") as file:
        names = next(csv.reader(file))
    columns = ", ".join(f'"{name}" {TYPES.get(name, "varchar")}' for name in names)
    create = f"create schema ads; create table ads.report_daily ({columns})"
    if url.startswith("postgresql:"):
        import psycopg2  # noqa: PLC0415 - one of two

        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            cursor.execute(create)
            for path in files:
                with path.open("rb") as file:
                    cursor.copy_expert(
                        "copy ads.report_daily from stdin (format csv, header)", file
                    )
        return
    import duckdb  # noqa: PLC0415 - same

    with duckdb.connect(url) as database:
        database.execute(create)
        database.execute(f"copy ads.report_daily from '{folder}/*.csv' (header)")


if __name__ == "__main__":
    main()
