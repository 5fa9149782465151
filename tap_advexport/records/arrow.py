"""Encodes verified rows as Arrow into a spool, and reads them back as tables.

    Conversion(..., spool_format=SpoolFormat.ARROW)  ->  convert  ->  arrow_tables

`arrow_tables(spool, periods, constants, timezone)` yields the rows of the given periods as
`pyarrow.Table`s with the schema `arrow_schema(columns, timezone)`, about ten thousand rows each.
The columns are in canonical order and include the constants of the export and the period. Every
digit is kept: costs and rates are decimals, and a file with a number that does not fit is
rejected. Only BATCH Parquet and dlt import this module. It needs pyarrow.
"""

from __future__ import annotations

import re
import sys
from array import array
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from tap_advexport.errors import InvalidRowError
from tap_advexport.records.caches import Cache
from tap_advexport.records.cells import EXACT, integer_value, number_value
from tap_advexport.redaction import quoted
from tap_advexport.reports import COLUMN_NAMES, COLUMNS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from decimal import Decimal
    from typing import BinaryIO

    from tap_advexport.records.cells import TimeGrid
    from tap_advexport.records.convert import Period
    from tap_advexport.records.lines import ExportConstants

# The widest decimals that warehouses read exactly: costs below 10^16 and rates below 10^8, with
# more decimal places than a binary float shows of an amount that is not almost zero.
DECIMALS: Final = {"cost_aggr": pa.decimal128(38, 22), "cr": pa.decimal128(38, 30)}

# The integers that columns can hold; a decimal is stored as an integer, without its point.
_INTEGERS: Final = range(-(2**63), 2**63)
_DECIMALS: Final = range(1 - 10**38, 10**38)

_KINDS: Final = {column.name: column.kind for column in COLUMNS}
_ADDED: Final = {
    "report_date": pa.date32(),
    "row_key": pa.string(),
    "export_id": pa.string(),
    "period_version": pa.string(),
    "exported_at": pa.timestamp("us", "UTC"),
    "account": pa.string(),
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def arrow_schema(columns: Collection[str], timezone: str) -> pa.Schema:
    """Return the Arrow types of the given columns, in canonical order (docs/batch.md)."""
    types = {name: _type(name, timezone) for name in COLUMN_NAMES} | _ADDED
    return pa.schema([(name, kind) for name, kind in types.items() if name in columns])


def arrow_tables(
    spool: BinaryIO, periods: Iterable[Period], constants: ExportConstants, timezone: str
) -> Iterator[pa.Table]:
    """Yield the rows of the given periods. Each table holds rows of one period only.

    Args:
        spool: the file that `convert` wrote; keep it open until the last table is read.
        periods: the periods to read.
        constants: the constants of the export, with the columns to read.
        timezone: the IANA name of the zone of `time`.
    """
    schema = arrow_schema(constants.columns, timezone)
    stored = _stored_schema(constants.columns, timezone)
    file = pa.PythonFile(spool, mode="r")
    for period in periods:
        added = constants.of(period) | {"report_date": str(period.first)}
        for start, stop in period.spans:
            spool.seek(start)
            while spool.tell() < stop:
                batch = pa.ipc.read_record_batch(pa.ipc.read_message(file), stored)
                yield pa.table(
                    [
                        _repeated(added[field.name], field.type, len(batch))
                        if field.name in added
                        else batch.column(field.name)
                        for field in schema
                    ],
                    schema=schema,
                )


class ArrowMessages:
    """Encodes the selected columns as Arrow messages, without the constants of the period.

    Attributes:
        block_bytes: bytes of the file to encode at a time; each block costs a few calls per column.
    """

    block_bytes = 1 << 15

    def __init__(
        self, grid: TimeGrid, columns: Collection[str], *, refuses_nul: bool = False
    ) -> None:
        self._schema = _stored_schema(columns, grid.zone.key)
        self._arrays = {
            field.name: _arrays(field, grid) for field in self._schema if field.name in _KINDS
        }
        if refuses_nul:
            self._arrays |= {
                field.name: _texts_without_nul(field.name)
                for field in self._schema
                if _KINDS.get(field.name) is Kind.TEXT
            }

    def encode(
        self, columns: Mapping[str, Sequence[str]], row_keys: Sequence[bytes]
    ) -> pa.RecordBatch:
        """Encode a block of rows.

        Raises:
            InvalidRowError: a value does not fit in its column.
        """
        arrays = [make(columns[name]) for name, make in self._arrays.items()]
        arrays.append(_keys(row_keys))
        return pa.record_batch(arrays, schema=self._schema)

    def refuse_totals(self, period: date, totals: Mapping[str, int | Decimal]) -> None:
        """Reject sums that are too large for the type of their column.

        Raises:
            InvalidRowError: a sum is too large.
        """
        for field in self._schema:
            if field.name in totals:
                _stored(field, totals[field.name], f"the total of {period}")

    def part(self, rows: pa.RecordBatch, start: int, stop: int) -> pa.RecordBatch:
        """Return the rows of a block from `start` to `stop`, which is not included."""
        return rows.slice(start, stop - start)

    def joined(self, parts: Sequence[pa.RecordBatch]) -> pa.Buffer:
        """Return the parts as one Arrow message."""
        [batch] = pa.Table.from_batches(parts).combine_chunks().to_batches()
        return batch.serialize()


def _stored_schema(columns: Collection[str], timezone: str) -> pa.Schema:
    return arrow_schema({"row_key", *(set(columns) & set(COLUMN_NAMES))}, timezone)


def _type(name: str, timezone: str) -> pa.DataType:
    match _KINDS[name]:
        case Kind.TEXT:
            return pa.string()
        case Kind.TIME:
            return pa.timestamp("us", timezone)
        case Kind.INTEGER:
            return pa.int64()
        case Kind.NUMBER:
            return DECIMALS[name]


class _Decimals(Cache[bytes]):
    """The bytes of decimals by cell; Arrow parses the plain new cells of a block at once.

    A cell is plain if it has no exponent and fits by its numbers of digits. Arrow must see no
    other: its cast wraps around at large numbers and makes tiny ones 0, often without an error.
    """

    def __init__(self, field: pa.Field) -> None:
        super().__init__(lambda cell: _stored(field, number_value(cell), quoted(cell)))
        self._kind = field.type
        places = field.type.scale
        whole = field.type.precision - places
        plain = rf"-?[0-9]{{1,{whole}}}(?:\.[0-9]{{1,{places}}})?"
        self._is_plain = re.compile(plain).fullmatch

    def _made(self, cells: Sequence[str]) -> Iterable[bytes]:
        texts = [cell or "0" for cell in cells]
        plain = list(filter(self._is_plain, texts))
        stored = pa.array(plain, pa.string()).cast(self._kind).buffers()[1].to_pybytes()
        size = self._kind.bit_width // 8
        parts = [stored[at : at + size] for at in range(0, size * len(plain), size)]
        if len(plain) == len(texts):
            return parts
        made = dict(zip(plain, parts, strict=True))
        return [made[text] if text in made else self._make(text) for text in texts]


def _arrays(field: pa.Field, grid: TimeGrid) -> Callable[[Sequence[str]], pa.Array]:
    """Return the function that builds arrays from a column's cells."""
    match _KINDS[field.name]:
        case Kind.TEXT:
            return lambda cells: pa.array(cells, pa.string())
        case Kind.TIME:
            moments = Cache(lambda cell: (grid.zoned(cell) - _EPOCH) // _MICROSECOND)
            return lambda cells: _moments(cells, moments, field.type)
        case Kind.INTEGER:
            integers = Cache(lambda cell: _stored(field, integer_value(cell), quoted(cell)))
            return lambda cells: _numbers(cells, integers, field.type)
        case Kind.NUMBER:
            decimals = _Decimals(field)
            return lambda cells: _numbers(cells, decimals, field.type)


def _texts_without_nul(name: str) -> Callable[[Sequence[str]], pa.Array]:
    def texts(cells: Sequence[str]) -> pa.Array:
        if "\0" in "".join(cells):
            cell = next(each for each in cells if "\0" in each)
            raise InvalidRowError(
                f"column {name}: {quoted(cell)} has a NUL, which the destination cannot store",
                advice="a Singer target may take it: docs/targets.md says which",
            )
        return pa.array(cells, pa.string())

    return texts


def _moments(cells: Sequence[str], moments: Cache[int], kind: pa.DataType) -> pa.Array:
    # Files come sorted by time, so most blocks have a single time.
    if cells.count(cells[0]) == len(cells):
        return pa.repeat(pa.scalar(moments.read(cells[:1])[0], kind), len(cells))
    return pa.array(moments.read(cells), kind)


def _keys(row_keys: Sequence[bytes]) -> pa.Array:
    """Build a string array from keys of equal length, without a Python loop over their texts."""
    length = len(row_keys[0])
    offsets = array("i", range(0, length * len(row_keys) + 1, length))
    joined = pa.py_buffer(b"".join(row_keys))
    return pa.StringArray.from_buffers(len(row_keys), pa.py_buffer(offsets), joined)


def _numbers(cells: Sequence[str], values: Cache[bytes], kind: pa.DataType) -> pa.Array:
    validity = pa.array(list(map(bool, cells))).buffers()[1] if "" in cells else None
    data = pa.py_buffer(b"".join(values.read(cells)))
    return pa.Array.from_buffers(kind, len(cells), [validity, data])


def _stored(field: pa.Field, value: int | Decimal, shown: str) -> bytes:
    """Return the bytes of a number in its column; 0 for an empty cell, which is null there."""
    if isinstance(value, int):
        stored, allowed, is_exact = value, _INTEGERS, True
    else:
        scaled = value.scaleb(field.type.scale, EXACT)
        stored, allowed = int(scaled), _DECIMALS
        is_exact = stored == scaled
    if not is_exact or stored not in allowed:
        raise InvalidRowError(
            f"column {field.name}: {shown} does not fit into {field.type}, the type of Arrow and "
            "Parquet, and is not rounded",
            advice="a Singer target takes it, as RECORD messages or with batch_config and the "
            "format jsonl",
        )
    return stored.to_bytes(field.type.bit_width // 8, sys.byteorder, signed=True)


def _repeated(text: str, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.array([text]).cast(kind)[0], count)
