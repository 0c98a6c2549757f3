"""The schema file as versions, and how a store comes to the present one."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["HISTORY_FACTOR", "NewerSchemaError", "column_types", "migrate", "schema_text"]

HISTORY_FACTOR = 12  # verdicts and incidents are small, and are kept so many times as long as events
_TABLE_TTL = re.compile(r"EXISTS (\w+)\n(?:(?!CREATE).)*?TTL stored \+ toIntervalDay\((\d+)\)", re.DOTALL)
_CREATED = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)\n\((.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(r"(?m)^ {4}(\w+) (.+?)(?= DEFAULT| COMMENT)")
_CHANGED = re.compile(
    r"ALTER TABLE (\w+) (?:ADD COLUMN IF NOT EXISTS|MODIFY COLUMN) (\w+) ((?!COMMENT).+?)(?= DEFAULT| COMMENT)"
)
_ENGINE_TTL = re.compile(r"TTL stored \+ toIntervalDay\((\d+)\)")


class Client(Protocol):
    """The part of ClickHouse's client that is needed here."""

    def command(self, cmd: str, /) -> Any:
        """Execute a statement."""
        ...

    def query(self, query: str, /) -> Any:
        """Answer a query."""
        ...

    def raw_insert(self, table: str, column_names: Sequence[str], insert_block: str, *, fmt: str) -> Any:
        """Insert rows that are in a format of ClickHouse's."""
        ...


class NewerSchemaError(RuntimeError):
    """The store was written by a newer Undertow."""


def schema_text(retention_days: int, text: str | None = None) -> str:
    """Return the schema (the shipped one, unless `text` is given) with the retention filled in."""
    shipped = text or (importlib.resources.files(__package__) / "clickhouse_schema.sql").read_text()
    filled = shipped.replace("{retention_days}", str(retention_days))
    return filled.replace("{history_days}", str(retention_days * HISTORY_FACTOR))


def column_types(schema: str) -> dict[str, dict[str, str]]:
    """Return the ClickHouse type of each column of each table, as the last version of the schema has them.

    Examples
    --------
    >>> column_types(schema_text(30))["windows"]["events"]
    'UInt32'
    """
    tables = {table: dict(_COLUMN.findall(columns)) for table, columns in _CREATED.findall(schema)}
    for table, column, kind in _CHANGED.findall(schema):
        tables[table][column] = kind
    return tables


def migrate(client: Client, schema: str) -> None:
    """Bring the tables of the client's database to the last version of the schema, and their TTL to its retention.

    Each version is recorded once its statements are done; a crash in between repeats them, which is harmless.
    """
    versions = _versions(schema)
    present = _present_version(client)
    if present > max(versions):
        raise NewerSchemaError(
            f"the store has schema version {present}, this Undertow knows versions up to {max(versions)}: "
            "it was written by a newer Undertow; install that one, or point `data` or [store] url elsewhere"
        )
    for version in sorted(number for number in versions if number > present):
        for statement in versions[version]:
            client.command(statement)
        client.raw_insert("meta", ["version"], f"{version}\n", fmt="TabSeparated")
    _apply_retention(client, dict(_TABLE_TTL.findall(schema)))


def _versions(schema: str) -> dict[int, list[str]]:
    parts = re.split(r"(?m)^-- version: (\d+)\n", schema)
    return {int(number): _statements(text) for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def _statements(text: str) -> list[str]:
    code = re.sub(r"(?m)^\s*--.*\n?", "", text)
    return [statement for raw in code.split(";\n") if (statement := raw.strip().rstrip(";"))]


def _present_version(client: Client) -> int:
    if not client.command("EXISTS TABLE meta"):
        return 0
    return int(str(client.command("SELECT max(version) FROM meta")))


def _apply_retention(client: Client, wanted: dict[str, str]) -> None:
    tables = client.query("SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()").result_rows
    for name, engine in tables:
        present = _ENGINE_TTL.search(engine)
        if name in wanted and (present is None or present.group(1) != wanted[name]):
            client.command(f"ALTER TABLE `{name}` MODIFY TTL stored + toIntervalDay({wanted[name]})")
