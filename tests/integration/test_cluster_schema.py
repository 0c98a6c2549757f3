"""The schema for a replicated cluster, as far as one engine can tell: all of it is parsed, and a stand-in of it is run.

The engine has no other servers, so replication itself is not run. In the stand-in a plain table takes the place of a
replicated one, and a table that reads `<name>_local` that of a distributed one: what is wrong with names shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from undertow.pipelines import settings
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.cluster_schema import clustered
from undertow.pipelines.engine import Engine, QueryError, Statement
from undertow.pipelines.queries import QUERIES
from undertow.pipelines.schema import column_types, schema_text, statements

CLUSTER = "llm"
STATEMENTS = [one for statement in statements(schema_text(30)) for one in clustered(statement, CLUSTER)]
TABLES = list(column_types(schema_text(30)))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("data")
    with Store.open(settings.Store(), folder) as store:
        store._writer.command("CREATE DATABASE standin")
        opened = Engine(os.path.realpath(folder / "store"), "standin", writable=True)
        yield opened
        opened.close()


def _run(engine: Engine, sql: str) -> str:
    return engine.answer(Statement(sql)).body.decode()


def _standin(statement: str) -> str:
    """Return what one engine can run."""
    single = re.sub(r" ON CLUSTER `llm`", "", statement)
    single = re.sub(r"ENGINE = Replicated(?=\w*MergeTree)", "ENGINE = ", single)
    single = re.sub(
        r"ENGINE = Distributed\(.*, (\w+_local), .*\)", r"ENGINE = Merge(currentDatabase(), '^\1$')", single
    )
    single = single.replace("INSERT INTO rollups\n", "INSERT INTO rollups_local\n")
    return single.replace(" replicated_deduplication_window", " non_replicated_deduplication_window")


def test_every_statement_is_one_that_the_engine_parses(engine: Engine) -> None:
    for statement in STATEMENTS:
        _run(engine, f"EXPLAIN AST {statement}")
    with pytest.raises(QueryError):
        _run(engine, f"EXPLAIN AST {STATEMENTS[0].replace('ENGINE', 'ENGIN')}")


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_replicated_and_spread_by_its_sorting_key(table: str) -> None:
    local, spread = (one for one in STATEMENTS if re.match(rf"CREATE TABLE IF NOT EXISTS {table}(_local)? ", one))
    sorted_by = re.search(r"ORDER BY \(?([\w, ]+)", local)
    assert sorted_by
    assert f"{table}_local ON CLUSTER `llm`" in local
    assert re.search(r"ENGINE = Replicated\w*MergeTree", local)
    assert f"Distributed(`llm`, currentDatabase(), {table}_local, cityHash64({sorted_by.group(1)}))" in spread


def test_nothing_is_done_to_one_server_alone() -> None:
    assert [one for one in STATEMENTS if "ON CLUSTER `llm`" not in one and not one.startswith("INSERT INTO ")] == []
    assert "non_replicated" not in "".join(STATEMENTS)


def test_a_new_column_comes_to_both_tables_and_a_setting_to_one() -> None:
    column = "ALTER TABLE windows ADD COLUMN IF NOT EXISTS mean Float64 COMMENT 'Mean'"
    assert [one.split(" ON ")[0] for one in clustered(column, CLUSTER)] == [
        "ALTER TABLE windows_local",
        "ALTER TABLE windows",
    ]
    assert len(clustered("ALTER TABLE windows MODIFY SETTING ttl_only_drop_parts = 1", CLUSTER)) == 1


def test_a_statement_of_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="no form for a cluster"):
        clustered("DROP TABLE windows", CLUSTER)


def test_the_stand_in_takes_rows_adds_them_up_and_answers_every_query(engine: Engine) -> None:
    for statement in STATEMENTS:
        _run(engine, _standin(statement))
    columns = "window_start, service, metric, family, events, hits"
    row = "('2023-11-14 22:00:00', 'support', 'refusal_rate', 'rate', 10, 3)"
    _run(engine, f"INSERT INTO windows_local ({columns}) VALUES {row}")  # noqa: S608
    assert _run(engine, "SELECT events, rate FROM hours") == "10\t0.3\n"
    for query in QUERIES.values():
        _run(engine, query.sql)
