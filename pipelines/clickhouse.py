"""The store: ClickHouse, embedded below the data folder or a server by its URL; one client, one schema, the same code.

Rows go in by columns, as one Arrow block each, with the block's token: a token that the table has seen among its last
10,000 blocks inserts nothing, so a block may be sent again after a crash. What is computed from the rows on their way
in knows the token, too.

A `Store` may be used from several threads. Writing and reading have a client each: a reader does not wait for a writer,
two of one kind wait for each other when embedded. Bytes for the loopback port come from `engine`, a handle a statement.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, OperationalError

from undertow.pipelines import settings
from undertow.pipelines.arrow import ArrowType, Column, arrow_type, encode, outline
from undertow.pipelines.engine import Engine, QueryError
from undertow.pipelines.schema import SchemaError, check, column_types, migrate, schema_text
from undertow.pipelines.store_lock import StoreLock

__all__ = ["QueryResult", "Store", "StoreError", "StoreUnreachableError", "StoreVersionError", "ask", "ask_server"]

logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # what it logs it raises, too

DATABASE = "undertow"
_ENGINE_OPTIONS = {  # of the embedded engine; its defaults are those of a machine of its own
    "max_server_memory_usage": 2 * 2**30,  # beyond it a statement fails, the process lives
    "mark_cache_size": 64 * 2**20,
    "primary_index_cache_size": 64 * 2**20,
    "index_mark_cache_size": 16 * 2**20,
    "query_condition_cache_size": 16 * 2**20,
    "compiled_expression_cache_size": 16 * 2**20,
    "max_thread_pool_free_size": 16,  # idle threads; 1,000 by default
}
_READING: dict[str, Any] = {"settings": {"final": 1, "readonly": 1}, "tz_mode": "aware"}
_INSERTING: dict[str, Any] = {
    "max_partitions_per_insert_block": 1000,
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # or a repeat would count again in what is computed
}
_SPREADING: dict[str, Any] = {"distributed_foreground_insert": 1}  # on a cluster: answer when the shards have the rows
WRITE_TIMEOUT_S = 60.0  # a server that hangs must not keep a writer from whatever else it has to do
_PASSWORD_CODES = frozenset({192, 193, 194, 516})
_FORBIDDEN = 497
# What is wrong with a block however often it is sent: a value that does not fit. Not that a table or column is missing
# there: what the schema knows of is missing in the server, not in the block.
_BLOCK_CODES = frozenset({6, 27, 33, 38, 41, 44, 50, 53, 69, 70, 72, 117, 131, 349, 636, 691})


class StoreError(RuntimeError):
    """The store cannot do this; the message says what, why and the way out. `code` is ClickHouse's number, or 0."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_for_good(self) -> bool:
        """Whether a block that met this error would meet it again: it does not fit its table."""
        return self.code in _BLOCK_CODES


class StoreUnreachableError(StoreError):
    """The server does not answer: try again later."""


class StoreVersionError(StoreError):
    """The tables are older or newer than this program knows them, or there are none."""


class QueryResult(msgspec.Struct, frozen=True):
    """The answer to a query: names of the columns, and the rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class _Parts(NamedTuple):
    writer: Client
    reader: Client
    engine: Engine | None = None
    lock: StoreLock | None = None


class _Shape(NamedTuple):
    """What the tables must be, and where."""

    place: str
    schema: str
    cluster: str


class Store:
    """Undertow's tables. `Store.open` opens it; `close`, or leaving it as a context manager, closes it."""

    def __init__(self, parts: _Parts, shape: _Shape, folder: Path, closing: ExitStack) -> None:
        self._writer, self._reader, self.engine, self._lock = parts  # no engine with a server: ask the server itself
        self._shape, self._folder, self._closing = shape, folder, closing
        self._known = column_types(shape.schema)
        self._types: dict[str, dict[str, ArrowType]] = {}

    @classmethod
    def open(cls, where: settings.Store, folder: Path, schema: str | None = None, *, migrating: bool = True) -> Store:
        """Open the store, creating or updating its tables.

        Parameters
        ----------
        where
            `url` names a server; without it the engine runs in this process, below `folder`.
        schema
            Text of another schema file than the shipped one.
        migrating
            False where other processes use the tables, too: then those of another version are refused.

        Raises
        ------
        StoreBusyError
            Another process has the embedded store open.
        StoreUnreachableError
            The server does not answer.
        StoreVersionError
            The store was written by a newer Undertow, or is of another version and not to be migrated.
        StoreError
            The password is wrong.
        """
        place = urlsplit(where.url or "").hostname or "the embedded engine"
        with ExitStack() as opened, _translated(place):
            parts = _served(where, opened) if where.url else _embedded(folder, opened)
            text = schema_text(where.retention_days, schema)
            if migrating:
                migrate(parts.writer, text, where.cluster)
            else:
                check(parts.writer, text, place)
            return cls(parts, _Shape(place, text, where.cluster), folder, opened.pop_all())

    def check(self) -> None:
        """Refuse tables that are no longer as they were when the store was opened: another server may answer now.

        Raises
        ------
        StoreVersionError
            They are of another version, or there are none.
        StoreUnreachableError
            The server does not answer.
        """
        place, schema, cluster = self._shape
        with _translated(place):
            _use_database(self._writer, str(self._writer.database), cluster)
            check(self._writer, schema, place)

    def insert(self, table: str, columns: Mapping[str, Column], token: str) -> int:
        """Insert one block of rows, unless the table has seen `token`; return the number of rows.

        The rows are given by columns of equal length; columns left out take their defaults. NaN and None are NULL where
        the column allows it.

        Raises
        ------
        StoreError
            There is no such table.
        ValueError
            The table has no such column, or a value does not fit its column.
        StoreUnreachableError
            The server does not answer; sending the same block again is safe.
        """
        rows = len(next(iter(columns.values()), ()))
        if rows:
            with _translated(self._shape.place):
                types = self._column_types(table)
            self.insert_block(table, encode(columns, types, table), token)
        return rows

    def insert_block(self, table: str, content: bytes, token: str) -> int:
        """Insert one block of rows, given as an Arrow stream; else as `insert`.

        Raises
        ------
        StoreError
            `is_for_good` when a value of the block does not fit its table.
        ValueError
            It is no Arrow stream, or the schema has no such table or column.
        """
        columns, rows = outline(content)
        self._must_know(table, columns)
        with _translated(self._shape.place):
            self._writer.raw_insert(
                table,
                column_names=columns,
                insert_block=content,
                fmt="ArrowStream",
                settings={**_INSERTING, "insert_deduplication_token": token},
            )
        return rows

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
        """Answer a statement that only reads; tables that keep revisions show the latest one (`final = 1`).

        Raises
        ------
        QueryError
            The statement is wrong, refused, or beyond a limit; `code` is ClickHouse's number.
        StoreUnreachableError
            The server does not answer.
        """
        return _answer(self._reader, sql, parameters)

    def announce(self, url: str) -> None:
        """Tell other processes where this one serves the data folder; with a server's store, take the folder by that.

        Raises
        ------
        StoreBusyError
            Another process watches with this data folder.
        """
        if self._lock is None:
            self._lock = StoreLock(self._folder)
            self._closing.callback(self._lock.release)
        self._lock.announce(url)

    def close(self) -> None:
        """Close the store; idempotent."""
        self._closing.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _must_know(self, table: str, columns: Sequence[str]) -> None:
        if table not in self._known:
            raise ValueError(f"the schema has no table '{table}'")
        if unknown := sorted(set(columns) - self._known[table].keys()):
            raise ValueError(f"table {table} has no column '{unknown[0]}'")

    def _column_types(self, table: str) -> dict[str, ArrowType]:
        if table not in self._types:
            sql = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
            found = self._writer.query(sql, parameters={"table": table}).result_rows
            if not found:
                raise StoreError(f"the store has no table '{table}'")
            self._types[table] = {name: arrow_type(kind) for name, kind in found}
        return self._types[table]


def ask(url: str, sql: str, parameters: Mapping[str, Any] | None = None) -> QueryResult:
    """Answer a query from the port at `url`, where a running watch serves its store; it fails as `Store.query` does."""
    with _reader(settings.Store(url=url)) as client:
        return _answer(client, sql, parameters)


def ask_server(
    where: settings.Store, sql: str, parameters: Mapping[str, Any] | None = None, patience_s: float | None = None
) -> QueryResult:
    """Answer a query from the server at `where.url`, whose user need not be allowed to write; else as `Store.query`.

    With `patience_s` no answer is waited for longer than that, seconds.

    Raises
    ------
    StoreError
        The password is wrong, or the tables are not of this version.
    """
    place = urlsplit(where.url or "").hostname or ""
    with _reader(where, patience_s) as client:
        with _translated(place):
            check(client, schema_text(where.retention_days), place)
        return _answer(client, sql, parameters)


@contextmanager
def _reader(where: settings.Store, patience_s: float | None = None) -> Iterator[Client]:
    address, database = _address(where)
    if patience_s is not None:
        address |= {"connect_timeout": patience_s, "send_receive_timeout": patience_s}
    with _translated(address["host"]):
        client = clickhouse_connect.get_client(**address, database=database, **_READING)
    with client:
        yield client


def _answer(client: Client, sql: str, parameters: Mapping[str, Any] | None) -> QueryResult:
    try:
        with _translated():
            result = client.query(sql, parameters=dict(parameters or {}))
    except StoreUnreachableError:
        raise
    except StoreError as error:
        raise QueryError(str(error), error.code) from error
    return QueryResult(tuple(result.column_names), [tuple(row) for row in result.result_rows])


def _embedded(folder: Path, opened: ExitStack) -> _Parts:
    lock = StoreLock(folder)
    opened.callback(lock.release)
    path = os.path.realpath(folder / "store")
    writer = clickhouse_connect.get_client(interface="chdb", path=path, chdb_options=_ENGINE_OPTIONS)
    opened.callback(writer.close)
    _use_database(writer, DATABASE)
    reader = clickhouse_connect.get_client(interface="chdb", path=path, database=DATABASE, **_READING)
    opened.callback(reader.close)
    engine = Engine(path, DATABASE)
    opened.callback(engine.close)
    return _Parts(writer, reader, engine, lock)


def _served(where: settings.Store, opened: ExitStack) -> _Parts:
    address, database = _address(where)
    spreading = _SPREADING if where.cluster else {}
    writer = clickhouse_connect.get_client(**address, send_receive_timeout=WRITE_TIMEOUT_S, settings=spreading)
    opened.callback(writer.close)
    _use_database(writer, database, where.cluster)
    reader = clickhouse_connect.get_client(**address, database=database, **_READING)
    opened.callback(reader.close)
    return _Parts(writer, reader)


def _use_database(client: Client, name: str, cluster: str = "") -> None:
    clause = f" ON CLUSTER `{cluster}`" if cluster else ""
    client.command(f"CREATE DATABASE IF NOT EXISTS `{name}`{clause}", use_database=False)
    client.database = name


def _address(where: settings.Store) -> tuple[dict[str, Any], str]:
    url = urlsplit(where.url or "")
    database = url.path.strip("/") or DATABASE
    if url.scheme not in {"http", "https"} or not url.hostname or not database.isidentifier():
        place = f"{url.scheme}://{url.hostname}:{url.port}{url.path}"  # without the password
        raise StoreError(f"[store] url = '{place}' is not of the form http(s)://user@host:8123/database")
    address = {
        "host": url.hostname,
        "port": url.port or (8443 if url.scheme == "https" else 8123),
        "secure": url.scheme == "https",
        "username": unquote(url.username or "") or "default",
        "password": where.password or unquote(url.password or ""),
        "autogenerate_session_id": False,  # a session answers one statement at a time
        "query_retries": 0,  # the caller knows how patient to be
    }
    return address, database


@contextmanager
def _translated(place: str = "the server") -> Iterator[None]:
    """Turn the client's errors into the store's: one sentence each, without a secret."""
    try:
        yield
    except OperationalError as error:
        reason = _first_line(error)
        raise StoreUnreachableError(
            f"ClickHouse at {place} does not answer; is [store] url right? ({reason})"
        ) from error
    except DatabaseError as error:
        if error.code in _PASSWORD_CODES:
            refusal = f"ClickHouse at {place} refuses the user or the password; see url and password_file in [store]"
            raise StoreError(refusal, error.code) from None
        if error.code == _FORBIDDEN:
            refusal = f"ClickHouse at {place} does not allow the user this: {_first_line(error)}"
            raise StoreError(refusal, error.code) from None
        raise StoreError(_first_line(error), error.code or 0) from error
    except SchemaError as error:
        raise StoreVersionError(_first_line(error)) from error
    except ClickHouseError as error:
        raise StoreError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:500]
