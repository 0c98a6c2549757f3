"""The schema as versions, how a store comes to the present one, and the refusal of another.

Tables are a list of versions that only grows. Views are edited in place; their file bears the version with which all of
them are made anew. On a cluster the same statements are made into those of `undertow.pipelines.cluster_schema`.
"""

from __future__ import annotations

import importlib.resources
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

from undertow.pipelines.cluster_schema import clustered, on_cluster

__all__ = [
    "HISTORY_FACTOR",
    "SchemaError",
    "check",
    "column_types",
    "last_version",
    "migrate",
    "schema_text",
    "statements",
]

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


class SchemaError(RuntimeError):
    """The store's tables are not of the version that this program knows; the message says the way out."""


def schema_text(retention_days: int, text: str | None = None) -> str:
    """Return the schema (the shipped one, unless `text` is given) with the retention filled in."""
    files = importlib.resources.files(__package__)
    shipped = text or "\n".join(
        (files / name).read_text() for name in ("clickhouse_schema.sql", "clickhouse_views.sql")
    )
    filled = shipped.replace("{retention_days}", str(retention_days))
    return filled.replace("{history_days}", str(retention_days * HISTORY_FACTOR))


def statements(schema: str) -> list[str]:
    """Return all statements of the schema in the order of its versions."""
    return [statement for _, found in sorted(_versions(schema).items()) for statement in found]


def last_version(schema: str) -> int:
    r"""Return the version to which the schema brings the tables.

    Examples
    --------
    >>> last_version("-- version: 1\nCREATE TABLE a;\n-- version: 2\nCREATE TABLE b;\n")
    2
    """
    return max(_versions(schema))


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


def check(client: Client, schema: str, place: str) -> None:
    """Refuse tables of another version than the schema's last one.

    Raises
    ------
    SchemaError
        They are older, newer or missing.
    """
    present, known = _present_version(client), last_version(schema)
    _refuse_newer(present, known)
    if present < known:
        found = f"has schema version {present}" if present else "has no tables of Undertow"
        raise SchemaError(
            f"ClickHouse at {place} {found}, this Undertow needs version {known}: "
            "`undertow store --migrate` makes it so, while no other `undertow store` runs"
        )


def migrate(client: Client, schema: str, cluster: str = "") -> None:
    """Bring the tables of the client's database to the last version of the schema, and their TTL to its retention.

    Each version is recorded once its statements are done; a crash in between repeats them, which is harmless.

    Parameters
    ----------
    cluster
        Name of a cluster over which the tables are replicated and spread; without one they are on this server.

    Raises
    ------
    SchemaError
        The store was written by a newer Undertow.
    """
    versions = _versions(schema)
    present = _present_version(client)
    _refuse_newer(present, last_version(schema))
    for version in sorted(number for number in versions if number > present):
        for statement in versions[version]:
            for one in clustered(statement, cluster) if cluster else [statement]:
                client.command(one)
        client.raw_insert("meta", ["version"], f"{version}\n", fmt="TabSeparated")
    _apply_retention(client, dict(_TABLE_TTL.findall(schema)), cluster)


def _refuse_newer(present: int, known: int) -> None:
    if present > known:
        raise SchemaError(
            f"the store has schema version {present}, this Undertow knows versions up to {known}: "
            "it was written by a newer Undertow; install that one, or point `data` or [store] url elsewhere"
        )


def _versions(schema: str) -> dict[int, list[str]]:
    parts = re.split(r"(?m)^-- version: (\d+)\n", schema)
    versions = defaultdict[int, list[str]](list)
    for number, text in zip(parts[1::2], parts[2::2], strict=True):
        versions[int(number)] += _statements(text)
    return versions


def _statements(text: str) -> list[str]:
    code = re.sub(r"(?m)^\s*--.*\n?", "", text)
    return [statement for raw in code.split(";\n") if (statement := raw.strip().rstrip(";"))]


def _present_version(client: Client) -> int:
    if not client.command("EXISTS TABLE meta"):
        return 0
    return int(str(client.command("SELECT max(version) FROM meta")))


def _apply_retention(client: Client, wanted: dict[str, str], cluster: str) -> None:
    tables = client.query("SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()").result_rows
    engines = dict(tables)
    for table, days in wanted.items():
        name, clause = on_cluster(table, cluster)
        present = _ENGINE_TTL.search(engines.get(name, ""))
        if name in engines and (present is None or present.group(1) != days):
            client.command(f"ALTER TABLE {name}{clause} MODIFY TTL stored + toIntervalDay({days})")
