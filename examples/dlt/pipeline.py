"""Advertiser reports into DuckDB by dlt, in one program: for cron, CI, or by hand.

    17 5 * * *  cd /srv/advexport && flock --nonblock lock .venv/bin/python pipeline.py

Each run brings whatever has not settled, new days among it. The rows of a day and the state that
covers it are stored in one transaction, so a run that is killed leaves nothing half done.

Settings stand in the environment or in .dlt/config.toml (SOURCES__ADVEXPORT__START_DATE), the
token in the environment or in .dlt/secrets.toml (SOURCES__ADVEXPORT__AUTH_TOKEN).
"""

import sys

import dlt

from tap_advexport.dlt import advexport, load
from tap_advexport.errors import TapAdvexportError


def main() -> int:
    """Load once; the exit code is 1 when some days failed, or all."""
    pipeline = dlt.pipeline("advexport", destination="duckdb", dataset_name="ads")
    try:
        print(load(pipeline, advexport()))
    except TapAdvexportError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
