"""The embedded engine as strangers may use it: one statement that only reads, bounded, in any of ClickHouse's formats.

Two walls. The engine's own `readonly = 1` refuses writes, settings and every table function that reaches outside. What
it lets through when embedded (`INTO OUTFILE`, the function `file`, `DESCRIBE` of a URL, `KILL`) is refused by the class
and words of the statement, read from the engine's own parse of it: what is executed is that canonical text, never the
text that came in.

The engine allows any number of handles in one process, each with its own settings and database, and answers them in
parallel; a handle answers one statement at a time. So each statement gets its own, which takes about a millisecond.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["LIMITS", "Answer", "Engine", "QueryError", "Statement", "quoted"]

LIMITS: dict[str, int] = {
    "max_execution_time": 30,  # seconds
    "max_memory_usage": 512 * 2**20,
    "max_result_bytes": 256 * 2**20,
    "max_threads": 2,
}
CONCURRENT_STATEMENTS = 4
PATIENCE_S = 5.0  # how long a statement waits for its turn
_READS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN", "EXISTS", "(")
_PRESENTATION = re.compile(r"(output_format_|format_|date_time_)\w+")
_HARMLESS = frozenset({"final", "session_timezone", "join_use_nulls", "max_block_size", "max_result_rows", "extremes"})
_PURE_SOURCES = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "values", "view", "null", "format", "merge", "generateRandom"}
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
_FORMAT = re.compile(r"\sFORMAT (\w+)(?= SETTINGS |$)")
_ERROR = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
_INSERT = re.compile(rb"\s*(INSERT\s+INTO\s.+?)\s+FORMAT\s+(\w+)[ \t\r]*\n?", re.IGNORECASE | re.DOTALL)


class QueryError(RuntimeError):
    """The engine does not answer this statement; `code` is ClickHouse's number of the error."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Statement(msgspec.Struct, frozen=True):
    """One statement; `parameters` are bound values in ClickHouse's escaped text form, `data` the rows of an INSERT."""

    sql: str
    format: str = "TabSeparated"
    database: str = ""
    parameters: dict[str, str] = {}
    settings: dict[str, str] = {}
    data: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """The bytes of an answer, their format, and what it took."""

    body: bytes
    format: str
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    elapsed_s: float = 0.0


class Engine:
    """Answers statements on the store at `path`; safe to use from several threads.

    Parameters
    ----------
    limits
        Upper bounds of ClickHouse settings for each statement. A client may ask for less.
    writable
        Lets every statement through, for a store that tests write to over HTTP.

    Raises
    ------
    QueryError
        From `answer`: the statement is refused (code 164), wrong, or beyond a limit.
    """

    def __init__(
        self, path: str, database: str, limits: Mapping[str, int] | None = None, *, writable: bool = False
    ) -> None:
        self._path, self._database, self._writable = path, database, writable
        self._limits = {**LIMITS, **(limits or {})}
        self._turns = threading.BoundedSemaphore(CONCURRENT_STATEMENTS)
        self._closed = False
        self._sources: frozenset[str] | None = None

    def answer(self, statement: Statement) -> Answer:
        """Execute one statement."""
        settings = self._admitted(statement.settings)
        with self._handle(settings, statement.database or self._database) as handle:
            if self._writable:
                return _write(handle, statement)
            sql = self._canonical(handle, statement)
            return _read(handle, sql, statement)

    def close(self) -> None:
        """Answer nothing from now on, and wait for the statements under way."""
        self._closed = True
        for _ in range(CONCURRENT_STATEMENTS):
            self._turns.acquire()
        for _ in range(CONCURRENT_STATEMENTS):
            self._turns.release()

    @contextmanager
    def _handle(self, settings: Mapping[str, str], database: str) -> Iterator[Any]:
        import chdb  # 200 MB, which a process that asks a server does without

        if not self._turns.acquire(timeout=PATIENCE_S):
            raise QueryError(f"{CONCURRENT_STATEMENTS} statements are being answered; try again later", 202)
        try:
            if self._closed:
                raise QueryError("the store is closed", 210)
            with _translated():
                handle = chdb.connect(self._path)  # type: ignore[no-untyped-call]  # it ships no types
            try:
                _run(handle, f"USE {quoted(database, '`')}")
                _run(handle, "SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()))
                yield handle
            finally:
                handle.close()
        finally:
            self._turns.release()

    def _admitted(self, asked: Mapping[str, str]) -> dict[str, str]:
        settings = {"final": "1"} | {name: str(limit) for name, limit in self._limits.items()}
        for name, value in asked.items():
            if name in self._limits:
                settings[name] = str(_lower(value, self._limits[name]))
            elif self._writable or name in _HARMLESS or _PRESENTATION.fullmatch(name):
                settings[_checked(name)] = value
            else:
                raise QueryError(f"Cannot modify '{name}' setting in readonly mode", 164)
        return settings if self._writable else settings | {"readonly": "1"}

    def _canonical(self, handle: Any, statement: Statement) -> str:
        ask = "SELECT formatQuerySingleLine({statement:String})"
        body = _run(handle, ask, "RawBLOB", {"statement": _escaped(statement.sql)}).bytes()
        sql: str = body.decode()
        code = _LITERAL.sub(_blank, sql)
        if not code.startswith(_READS):
            raise QueryError(
                f"{code.split(' ', 1)[0]} is refused: this port only reads (SELECT, SHOW, DESCRIBE …)", 164
            )
        if re.search(r"\bINTO OUTFILE\b|\bPARALLEL WITH\b", code):
            raise QueryError("INTO OUTFILE and PARALLEL WITH are refused: this port only reads", 164)
        names = set(_NAME.findall(code)) | {
            word for bound in _bound_names(code, statement.parameters) for word in _NAME.findall(bound)
        }
        reaching = {"file"} | (self._outside(handle) if code.startswith(("DESCRIBE", "EXPLAIN")) else set())
        if found := sorted(names & reaching):
            raise QueryError(f"'{found[0]}' is refused: this port reads the store's tables and nothing else", 164)
        return sql

    def _outside(self, handle: Any) -> frozenset[str]:
        if self._sources is None:
            listed = _run(handle, "SELECT name FROM system.table_functions", "TabSeparated").bytes().decode().split()
            self._sources = frozenset(listed) - _PURE_SOURCES
        return self._sources


def quoted(text: str, mark: str = "'") -> str:
    r"""Return the text as a ClickHouse literal, or as an identifier with the mark '`'.

    Examples
    --------
    >>> print(quoted("it's"), quoted("a`b", "`"))
    'it\'s' `a\`b`
    """
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def _read(handle: Any, sql: str, statement: Statement) -> Answer:
    stated = _FORMAT.search(_LITERAL.sub(_blank, sql))
    form = stated.group(1) if stated else statement.format
    result = _run(handle, sql, form, statement.parameters)
    body = result.bytes() or b""
    if not body and form == "Native":
        body = _empty_block(handle, sql[: stated.start()] if stated else sql, statement.parameters)
    return Answer(body, form, result.rows_read(), result.bytes_read(), elapsed_s=result.elapsed())


def _empty_block(handle: Any, select: str, parameters: Mapping[str, str]) -> bytes:
    """Return the Native header of no rows: clients find the columns there, and this engine leaves it out."""
    if not select.startswith(("SELECT", "WITH")):
        return b""
    listing = _run(handle, f"DESCRIBE TABLE ({select}) FORMAT JSONCompact", "JSONCompact", parameters)
    columns = [row[:2] for row in msgspec.json.decode(listing.bytes())["data"]]
    texts = [text.encode() for column in columns for text in column]
    return _varint(len(columns)) + _varint(0) + b"".join(_varint(len(text)) + text for text in texts)


def _write(handle: Any, statement: Statement) -> Answer:
    data = statement.sql.encode("utf-8", "surrogateescape") + (b"\n" + statement.data if statement.data else b"")
    insert = _INSERT.match(data)
    if not insert or insert.group(2).upper() == b"VALUES":
        result = _run(handle, data, statement.format, statement.parameters)
        stated = _FORMAT.search(statement.sql.rstrip("; \n"))
        return Answer(result.bytes() or b"", stated.group(1) if stated else statement.format)
    with tempfile.TemporaryDirectory(prefix="undertow-") as folder:
        rows = Path(folder, "rows")
        rows.write_bytes(data[insert.end() :])
        source = f" FROM INFILE {quoted(os.fspath(rows))} FORMAT {insert.group(2).decode()}"
        result = _run(handle, insert.group(1).decode() + source, "TabSeparated")
    return Answer(b"", "TabSeparated", written_rows=result.rows_read(), elapsed_s=result.elapsed())


def _run(handle: Any, sql: str | bytes, form: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Any:
    with _translated():
        return handle.query(sql, form, params=dict(parameters or {}))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        found = _ERROR.search(str(error))
        code, message = (int(found.group(1)), found.group(2)) if found else (0, str(error))
        raise QueryError(message.strip(), code) from error


def _bound_names(code: str, parameters: Mapping[str, str]) -> list[str]:
    return [parameters.get(name, "") for name in re.findall(r"\{(\w+):Identifier\}", code)]


def _blank(literal: re.Match[str]) -> str:
    text = literal.group()
    return text if text[0] == "`" else "'" + " " * (len(text) - 2) + "'"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise QueryError(f"'{name}' is no name of a setting", 115)
    return name


def _lower(asked: str, limit: int) -> int:
    try:
        value = int(float(asked))
    except ValueError:
        raise QueryError(f"'{asked}' is not a number", 27) from None
    return min(value, limit) if value > 0 else limit  # 0 means "no limit" to ClickHouse


def _escaped(text: str) -> str:
    """Bound values come in the escaped form of TabSeparated."""
    return (
        text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r").replace("\0", "\\0")
    )


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
