"""Rows on their way into ClickHouse: one message of `undertow.rows` is one insert block of one table.

The table, the block's token and the version of the schema travel in headers, the rows as an Arrow stream typed as the
table's columns. A token is a function of the log that the rows were made from, and so are the bytes: a block that is
sent again is the same block, and the store knows it by its token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from undertow.pipelines.arrow import ArrowType, Column, arrow_type, encode
from undertow.pipelines.kafka.client import Header, Message
from undertow.pipelines.schema import SchemaError, column_types, last_version, schema_text

__all__ = ["SCHEMA", "TABLE", "TOKEN", "Block", "Blocks", "read"]

TABLE, TOKEN, SCHEMA = "undertow-table", "undertow-token", "undertow-schema"  # headers
_ENVELOPE_BYTES = 4_096  # of a message beside its value: headers, and what the protocol adds
_TEXT_SHARE = 128  # a row that is too large for a message keeps of each text this part of a message, in characters


class Block(NamedTuple):
    """Rows of one table that are inserted together, once for each token."""

    table: str
    token: str
    content: bytes

    @property
    def headers(self) -> tuple[Header, ...]:
        """What the message says beside its value."""
        schema = str(_last_version()).encode()
        return ((TABLE, self.table.encode()), (TOKEN, self.token.encode()), (SCHEMA, schema))


class Blocks:
    """Where a `Recorder` writes to when the store is elsewhere: gathers blocks until `drain` takes them.

    Blocks that are too large for a message are halved until they fit; their tokens are numbered. A row that is too
    large alone keeps the beginning of its texts, and is counted.

    Parameters
    ----------
    largest_bytes
        `max_message_bytes` of [kafka]. Another number parts the same rows otherwise: change it while no role runs.

    Examples
    --------
    >>> blocks = Blocks(8_388_608)
    >>> blocks.insert("dead_letters", {"source": ["a"], "line": [7], "reason": ["not JSON"]}, "llm.events/0:1024")
    1
    >>> [(block.table, block.token) for block in blocks.drain()]
    [('dead_letters', 'llm.events/0:1024')]
    """

    def __init__(self, largest_bytes: int) -> None:
        self._most = largest_bytes - _ENVELOPE_BYTES
        self._gathered: list[Block] = []
        self.shortened = 0

    def insert(self, table: str, columns: Mapping[str, Column], token: str) -> int:
        """Gather rows, given by columns of equal length; return their number.

        Raises
        ------
        ValueError
            The table has no such column, or a value does not fit its column.
        """
        rows = len(next(iter(columns.values()), ()))
        if rows:
            parts = list(self._fitting(table, columns, rows))
            tokens = [token] if len(parts) == 1 else [f"{token}/{number}" for number in range(len(parts))]
            self._gathered += [Block(table, name, content) for name, content in zip(tokens, parts, strict=True)]
        return rows

    def drain(self) -> list[Block]:
        """Return what was gathered, in its order, and forget it."""
        gathered, self._gathered = self._gathered, []
        return gathered

    def _fitting(self, table: str, columns: Mapping[str, Column], rows: int) -> Iterator[bytes]:
        content = encode(columns, _types(table), table)
        if len(content) <= self._most:
            yield content
        elif rows > 1:
            half = rows // 2
            yield from self._fitting(table, {name: values[:half] for name, values in columns.items()}, half)
            yield from self._fitting(table, {name: values[half:] for name, values in columns.items()}, rows - half)
        else:
            self.shortened += 1
            yield encode(_shortened(columns, self._most // _TEXT_SHARE), _types(table), table)


def read(message: Message) -> Block:
    """Return the block of a message.

    Raises
    ------
    ValueError
        It is none: its value or one of the headers is missing.
    undertow.pipelines.schema.SchemaError
        It was written by a newer Undertow, whose tables may be others.
    """
    headers = {name: content.decode("utf-8", "replace") for name, content in message.headers}
    if not message.value or not headers.get(TABLE) or not headers.get(TOKEN):
        raise ValueError(f"it has no value, or no header {TABLE} or {TOKEN}: it is no block of rows")
    if int(headers.get(SCHEMA, 0)) > _last_version():
        raise SchemaError(
            f"a block of rows was written for schema version {headers[SCHEMA]}, this Undertow knows versions up to "
            f"{_last_version()}: update `undertow store` before the roles that write rows"
        )
    return Block(headers[TABLE], headers[TOKEN], message.value)


@cache
def _last_version() -> int:
    return last_version(schema_text(1))


@cache
def _types(table: str) -> dict[str, ArrowType]:
    return {name: arrow_type(kind) for name, kind in column_types(schema_text(1))[table].items()}


def _shortened(columns: Mapping[str, Column], characters: int) -> dict[str, Column]:
    return {name: _first_characters(values, characters) for name, values in columns.items()}


def _first_characters(values: Column, characters: int) -> Sequence[object] | Column:
    if isinstance(values, np.ndarray):
        return values
    return [value[:characters] if isinstance(value, str) else value for value in values]
