"""Record lines as Parquet: typed columns, decimals exact, one row group at a time.

Everything here needs the extra `parquet`.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import partial
from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tap_advexport.errors import OutputError
from tap_advexport.reports import COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

# Rows at a time as objects of Python, and as columns of Arrow until they are written.
DECODED_ROWS: Final = 4096
GROUP_ROWS: Final = 65_536

# The widest decimals that warehouses read exactly, with as many decimal places as the digits of a
# binary float may have: costs below 10^16, rates below 10^8.
DECIMALS: Final = {"cost_aggr": pa.decimal128(38, 22), "cr": pa.decimal128(38, 30)}

_VALUES: Final[dict[Kind, Any]] = {
    Kind.TEXT: str,
    Kind.TIME: datetime,
    Kind.INTEGER: int | None,
    Kind.NUMBER: Decimal | None,
}
_ADDED: Final[dict[str, tuple[Any, pa.DataType]]] = {
    "report_date": (date, pa.date32()),
    "row_key": (str, pa.string()),
    "export_id": (str, pa.string()),
    "period_version": (str, pa.string()),
    "account": (str, pa.string()),
    "exported_at": (datetime, pa.timestamp("us", "UTC")),
}


def parquet_schema(columns: Sequence[str], timezone: str) -> pa.Schema:
    """The columns as Parquet types them."""
    types = {column.name: _type(column.name, column.kind, timezone) for column in COLUMNS}
    types |= {name: kind for name, (_, kind) in _ADDED.items()}
    return pa.schema([(name, types[name]) for name in columns])


def _type(name: str, kind: Kind, timezone: str) -> pa.DataType:
    match kind:
        case Kind.TEXT:
            return pa.string()
        case Kind.TIME:
            return pa.timestamp("us", timezone)
        case Kind.INTEGER:
            return pa.int64()
        case Kind.NUMBER:
            return DECIMALS[name]


class ParquetLines:
    """Turns record lines into Parquet files."""

    def __init__(self, columns: Sequence[str], timezone: str) -> None:
        values = {column.name: _VALUES[column.kind] for column in COLUMNS}
        values |= {name: value for name, (value, _) in _ADDED.items()}
        self.schema = parquet_schema(columns, timezone)
        row = msgspec.defstruct("Row", [(name, values[name]) for name in columns], gc=False)
        self._decode = msgspec.json.Decoder(row).decode_lines
        self._getters = [attrgetter(name) for name in columns]

    def write(self, file: BinaryIO, lines: Iterable[bytes], compression: str) -> None:
        """Write lines as one file.

        Raises:
            OutputError: a number has more digits than its column.
        """
        lines = iter(lines)
        with pq.ParquetWriter(file, self.schema, compression=compression) as writer:
            while batches := list(self.batches(islice(lines, GROUP_ROWS))):
                writer.write_table(pa.Table.from_batches(batches, self.schema), GROUP_ROWS)

    def batches(self, lines: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
        """Give the rows of some lines, a few thousand at a time."""
        for first in lines:
            rows = self._decode(b"".join(chain((first,), islice(lines, DECODED_ROWS - 1))))
            arrays = [
                self._array(field, list(map(getter, rows)))
                for field, getter in zip(self.schema, self._getters, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _array(self, field: pa.Field, values: list[Any]) -> pa.Array:
        make = partial(pa.array, type=field.type)
        try:
            return make(values)
        except (pa.ArrowInvalid, OverflowError):
            wrong = next(value for value in values if not _fits(make, value))
            msg = (
                f"batch_config: {field.name} {str(wrong)[:60]} does not fit into Parquet's "
                f"{field.type}; write jsonl"
            )
            raise OutputError(msg) from None


def _fits(make: partial[pa.Array], value: object) -> bool:
    try:
        make([value])
    except (pa.ArrowInvalid, OverflowError):
        return False
    return True
