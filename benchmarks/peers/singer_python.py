"""singer-python's way: `csv.DictReader`, its Transformer, `write_record`."""

from __future__ import annotations

import csv
import io
import sys

import singer
from exports import INTEGERS, NUMBERS, TEXTS, files, read_config

STREAM = "report_daily"
SCHEMA = {
    "type": "object",
    "properties": {
        "time": {"type": ["null", "string"]},
        **{name: {"type": ["null", "string"]} for name in TEXTS},
        **{name: {"type": ["null", "integer"]} for name in INTEGERS},
        **{name: {"type": ["null", "number"]} for name in NUMBERS},
    },
}


def main() -> None:
    """Write every row of every export."""
    singer.write_schema(STREAM, SCHEMA, [])
    with singer.Transformer() as transformer:
        for text in files(read_config(sys.argv[2])):
            for row in csv.DictReader(io.StringIO(text)):
                singer.write_record(STREAM, transformer.transform(row, SCHEMA))
    singer.write_state({})


if __name__ == "__main__":
    main()
