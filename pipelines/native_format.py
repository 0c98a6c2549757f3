"""ClickHouse's Native format in the dialect that a client's protocol revision asks for.

The embedded engine writes blocks for revision 0. A client that states a revision (`client_protocol_version`, as the Go
driver behind Grafana's data source does) expects more: before each block the block's info, and, since revision 54,454,
after each column's type a byte that says whether its data are laid out in an unusual way. The data themselves are the
same, so this module finds out where each column ends and puts the missing bytes between.
"""

from __future__ import annotations

from collections.abc import Iterator

from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.datatypes.container import Array, Map, Tuple
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.datatypes.special import SimpleAggregateFunction
from clickhouse_connect.datatypes.string import String
from clickhouse_connect.driver.exceptions import ClickHouseError

__all__ = ["LAYOUT_BYTES", "NativeFormatError", "for_revision"]

LAYOUT_BYTES = 54_454  # the first revision with a byte for the layout of each column
_USUAL_LAYOUT = b"\0"
_BLOCK_INFO = b"\1\0" + b"\2\xff\xff\xff\xff" + b"\0"  # field 1: no overflow; field 2: no bucket (-1); no more fields


class NativeFormatError(ValueError):
    """The answer holds a type whose columns cannot be told apart."""


def for_revision(body: bytes, revision: int) -> bytes:
    r"""Return an answer in the Native format as a client of that protocol revision reads it.

    Clients of revisions below 54,454 get the answer as it is: those that would take more ask first what they get.

    Raises
    ------
    NativeFormatError
        A column has a type that is not known here.

    Examples
    --------
    >>> for_revision(b"\1\1" + b"\1n\5UInt8" + b"\7", 54_460)  # one column, one row: n = 7
    b'\x01\x00\x02\xff\xff\xff\xff\x00\x01\x01\x01n\x05UInt8\x00\x07'
    """
    if revision < LAYOUT_BYTES:
        return body
    reader = _Reader(body)
    blocks = []
    while reader.at < len(body):
        blocks.append(_BLOCK_INFO + _USUAL_LAYOUT.join(_pieces(reader)))
    return b"".join(blocks)


def _pieces(reader: _Reader) -> Iterator[bytes]:
    """Yield the next block, cut behind the type of each of its columns."""
    start = reader.at
    columns, rows = reader.varint(), reader.varint()
    for _ in range(columns):
        reader.text()
        kind = _type(reader.text())
        yield reader.body[start : reader.at]
        start = reader.at
        if rows:
            reader.skip_prefix(kind)
            reader.skip(kind, rows)
    yield reader.body[start : reader.at]


def _type(name: str) -> ClickHouseType:
    try:
        return get_from_name(name)
    except ClickHouseError as error:
        raise NativeFormatError(f"the type {name} is not known here: {error}") from error


class _Reader:
    """A place in a body, which moves over the parts of columns without decoding them."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def varint(self) -> int:
        """Read a number of seven bits a byte."""
        number = shift = 0
        while True:
            byte = self.body[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def text(self) -> str:
        """Read a text with its length."""
        return self._take(self.varint()).decode()

    def skip_prefix(self, kind: ClickHouseType) -> None:
        """Skip what stands before the data of a column: a version for each LowCardinality inside."""
        self.at += 8 * kind.low_card
        for part in _parts(kind):
            self.skip_prefix(part)

    def skip(self, kind: ClickHouseType, rows: int) -> None:
        """Skip so many values of a type."""
        if kind.low_card:
            self._skip_dictionary(kind, rows)
            return
        self.at += rows * kind.nullable
        self._skip_plain(kind, rows)

    def _skip_dictionary(self, kind: ClickHouseType, rows: int) -> None:
        if not rows:
            return
        width = 1 << (self._number() & 0xFF)
        self._skip_plain(kind, self._number())
        self._take(width * self._number())

    def _skip_plain(self, kind: ClickHouseType, rows: int) -> None:
        if isinstance(kind, Array | Map):
            ends = self._take(8 * rows)
            rows = int.from_bytes(ends[-8:], "little")  # where the elements of the last row end
        if parts := _parts(kind):
            for part in parts:
                self.skip(part, rows)
        elif isinstance(kind, String):
            for _ in range(rows):
                self._take(self.varint())
        elif kind.byte_size:
            self.at += kind.byte_size * rows
        else:
            raise NativeFormatError(f"a column of type {kind.name} cannot be sent in the Native format")

    def _number(self) -> int:
        return int.from_bytes(self._take(8), "little")

    def _take(self, length: int) -> bytes:
        self.at += length
        return self.body[self.at - length : self.at]


def _parts(kind: ClickHouseType) -> tuple[ClickHouseType, ...]:
    if isinstance(kind, Array | SimpleAggregateFunction):
        return (kind.element_type,)
    if isinstance(kind, Map):
        return (kind.key_type, kind.value_type)
    return tuple(kind.element_types) if isinstance(kind, Tuple) else ()
