"""The schema's statements for a replicated cluster of ClickHouse servers.

Each table becomes two: `<name>_local`, replicated among the servers of a shard, and `<name>`, which spreads over the
shards what is written and gathers what is read. A row's shard is a function of its sorting key, so revisions of one
thing meet, and a block that is sent again is parted the same way: each shard knows its part by the same token. Views
and the programs that write and read know only `<name>`.
"""

from __future__ import annotations

import re

__all__ = ["clustered", "on_cluster"]

_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+)\n(?P<columns>\(.*?\n\))\nENGINE = (?P<engine>\w*MergeTree)(?P<rest>.*)",
    re.DOTALL,
)
_SORTED_BY = re.compile(r"ORDER BY \(?([\w, ]+)\)?")
_ALTERED = re.compile(r"ALTER TABLE (\w+) ")
_VIEW = re.compile(r"(CREATE OR REPLACE VIEW \w+)")
_FEED = re.compile(r"(CREATE MATERIALIZED VIEW IF NOT EXISTS \w+) TO (\w+)(.*?\nFROM) (\w+)", re.DOTALL)
_EMPTIED = re.compile(r"TRUNCATE TABLE (\w+)")


def clustered(statement: str, cluster: str) -> list[str]:
    """Return the statements for a cluster instead of one for a single server.

    Raises
    ------
    ValueError
        The schema has a statement whose form is not known here.

    Examples
    --------
    >>> clustered("ALTER TABLE windows MODIFY SETTING non_replicated_deduplication_window = 10000", "llm")
    ['ALTER TABLE windows_local ON CLUSTER `llm` MODIFY SETTING replicated_deduplication_window = 10000']
    """
    replicated = statement.replace("non_replicated_deduplication_window", "replicated_deduplication_window")
    if table := _TABLE.fullmatch(replicated):
        return _table(table, cluster)
    if altered := _ALTERED.match(replicated):
        return _altered(altered.group(1), replicated[altered.end() :], cluster)
    clause = f" ON CLUSTER `{cluster}`"
    if _VIEW.match(statement):
        return [_VIEW.sub(rf"\1{clause}", statement, count=1)]
    if _FEED.match(statement):
        return [_FEED.sub(rf"\1{clause} TO \2_local\3 \4_local", statement, count=1)]
    if _EMPTIED.match(statement):
        return [_EMPTIED.sub(rf"TRUNCATE TABLE \1_local{clause}", statement)]
    if statement.startswith("INSERT INTO "):
        return [statement]
    raise ValueError(f"no form for a cluster is known of this statement of the schema: {statement[:80]}")


def on_cluster(table: str, cluster: str) -> tuple[str, str]:
    """Return the name of the table that holds the rows, and what stands behind it in a statement.

    Examples
    --------
    >>> on_cluster("windows", "llm"), on_cluster("windows", "")
    (('windows_local', ' ON CLUSTER `llm`'), ('windows', ''))
    """
    return (f"{table}_local", f" ON CLUSTER `{cluster}`") if cluster else (table, "")


def _table(table: re.Match[str], cluster: str) -> list[str]:
    name, clause = on_cluster(table["name"], cluster)
    sorted_by = _SORTED_BY.search(table["rest"])
    spread = f"cityHash64({sorted_by.group(1) if sorted_by else ''})"
    engine = f"Replicated{table['engine']}{table['rest']}"
    return [
        f"CREATE TABLE IF NOT EXISTS {name}{clause}\n{table['columns']}\nENGINE = {engine}",
        f"CREATE TABLE IF NOT EXISTS {table['name']}{clause} AS {name}\n"
        f"ENGINE = Distributed(`{cluster}`, currentDatabase(), {name}, {spread})",
    ]


def _altered(table: str, change: str, cluster: str) -> list[str]:
    """Columns are those of both tables; settings and TTL those of the one that holds the rows."""
    name, clause = on_cluster(table, cluster)
    names = (name, table) if " COLUMN " in f" {change}" else (name,)
    return [f"ALTER TABLE {one}{clause} {change}" for one in names]
