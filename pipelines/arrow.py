"""Columns of plain values as one Arrow block, typed as the ClickHouse table they go to.

Of the ways into ClickHouse that a server has too this one costs the least: building the block takes 2 µs for a row of
`interactions`, against 16 µs for the client's own insert and 13 µs for the engine's reading of JSON lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["ArrowType", "Column", "arrow_type", "encode", "outline"]

ArrowType = pa.DataType
Column = Sequence[Any] | NDArray[Any]

_SCALARS: dict[str, pa.DataType] = {
    "Float64": pa.float64(),
    "Float32": pa.float32(),
    "UInt64": pa.uint64(),
    "UInt32": pa.uint32(),
    "UInt16": pa.uint16(),
    "UInt8": pa.uint8(),
    "String": pa.string(),
    "DateTime64(3, 'UTC')": pa.timestamp("ms", "UTC"),
    "DateTime('UTC')": pa.timestamp("s", "UTC"),
}


def arrow_type(kind: str) -> pa.DataType:
    """Return the Arrow type for a ClickHouse type of the schema.

    Examples
    --------
    >>> arrow_type("Map(LowCardinality(String), Float64)")
    MapType(map<string, double>)
    """
    for wrapper in ("Nullable", "LowCardinality"):
        if kind.startswith(wrapper + "("):
            return arrow_type(kind.removeprefix(wrapper)[1:-1])
    if kind.startswith("Enum8("):
        return pa.string()
    if kind.startswith("Array("):
        return pa.list_(arrow_type(kind[6:-1]))
    if kind.startswith("Map("):
        key, value = kind[4:-1].rsplit(", ", 1)
        return pa.map_(arrow_type(key), arrow_type(value))
    return _SCALARS[kind]


def encode(columns: Mapping[str, Column], types: Mapping[str, pa.DataType], table: str) -> bytes:
    """Return the columns as an Arrow stream of one batch; an integer beyond its column becomes the largest that fits.

    Raises
    ------
    ValueError
        A column is not in the table, is of another length than the first, or holds a value of another type.
    """
    batch = pa.table({name: _array(name, values, types, table) for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_table(batch)
    block: bytes = sink.getvalue().to_pybytes()
    return block


def outline(content: bytes) -> tuple[list[str], int]:
    """Return the names of the columns of an Arrow stream, and the number of its rows.

    Raises
    ------
    ValueError
        It is none, or is cut off.
    """
    try:
        with pa.ipc.open_stream(content) as stream:
            return stream.schema.names, sum(batch.num_rows for batch in stream)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"the block is no Arrow stream: {error}") from error


def _array(name: str, values: Column, types: Mapping[str, pa.DataType], table: str) -> pa.Array:
    if name not in types:
        raise ValueError(f"table {table} has no column '{name}'; it has {', '.join(types)}")
    try:
        return _convert(values, types[name])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"column {name} of {table} does not fit {types[name]}: {error}") from error


def _convert(values: Column, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        scale = 1000.0 if kind.unit == "ms" else 1.0
        seconds = np.asarray(values, dtype=np.float64)
        ticks = pa.array(np.rint(seconds * scale), from_pandas=True).cast(pa.int64())
        return ticks.cast(kind)
    if pa.types.is_map(kind):
        return _map_array(values, kind)
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, from_pandas=True).cast(kind)
    try:
        return pa.array(values, kind)
    except (OverflowError, pa.ArrowInvalid):
        if not pa.types.is_integer(kind):
            raise
        largest = 2**kind.bit_width - 1  # a token count beyond four billion must not cost the whole block
        return pa.array([None if value is None else min(value, largest) for value in values], kind)


def _map_array(values: Column, kind: pa.DataType) -> pa.Array:
    """Return dicts as maps; keys and values go over flat, which takes a fifth of the time of a list of pairs each."""
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) for value in values], out=offsets[1:])
    keys = [key for value in values for key in value]
    items = [item for value in values for item in value.values()]
    return pa.MapArray.from_arrays(
        pa.array(offsets), pa.array(keys, kind.key_type), pa.array(items, kind.item_type)
    ).cast(kind)
