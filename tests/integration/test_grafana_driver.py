"""The port as Grafana's ClickHouse data source reaches it: through the same Go driver, with the same options.

Building the driver takes a minute of a core, once; so it is asked for with UNDERTOW_TEST_GO=1 (`make test-go`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from go_programs import built
from grafana_macros import ALL, Shown, expanded
from ports import port_of
from replayed import SERVICE, START, replayed

from undertow.dashboards.board import Sql
from undertow.dashboards.boards import BOARDS
from undertow.pipelines.clickhouse import Store
from undertow.pipelines.server import Port

pytestmark = pytest.mark.skipif("UNDERTOW_TEST_GO" not in os.environ, reason="asked for with UNDERTOW_TEST_GO=1")

HANDSHAKE = "SELECT version()"  # the data source asks it itself, for what this version can do
NEVER_READ_ONLY = "SELECT value FROM system.settings WHERE name='readonly'"  # and this, when it is told to be careful


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("clickhouse", tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with replayed(tmp_path_factory.mktemp("replayed")) as opened:
        yield opened


@pytest.fixture(scope="module")
def port(store: Store) -> Iterator[Port]:
    with port_of(store.engine) as opened:
        yield opened


def ask(driver: Path, port: Port, *statements: str) -> list[dict[str, Any]]:
    request = {"address": port.url.removeprefix("http://"), "database": "undertow", "statements": statements}
    done = subprocess.run([driver], input=json.dumps(request), capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_driver_connects_and_understands_every_type_that_the_store_has(driver: Path, port: Port) -> None:
    tables = ("interactions", "windows", "mixes", "spend", "verdicts", "incidents", "dead_letters", "versions")
    asked = [HANDSHAKE, NEVER_READ_ONLY, *(f"SELECT * FROM {table} LIMIT 3" for table in tables)]  # noqa: S608
    version, readonly, *rows = ask(driver, port, *asked)
    assert version["rows"][0][0].startswith('"2')
    assert readonly["rows"] == [['"1"']]
    assert [(table, found.get("error")) for table, found in zip(tables, rows, strict=True) if not found["rows"]] == []


def test_the_driver_reads_the_values_that_are_there(driver: Path, port: Port) -> None:
    asked = """SELECT 'ü' AS text, toLowCardinality('low') AS low, map('a', 'b') AS pairs, [1.5, 2] AS list,
        NULL AS none, toDateTime64('2026-03-02 09:00:00.25', 3, 'UTC') AS moment,
        CAST('x', 'Enum8(\\'x\\' = 1)') AS word"""
    (found,) = ask(driver, port, asked)
    assert [json.loads(value) if value[0] in '"[{n' else value for value in found["rows"][0]] == [
        *("ü", "low", {"a": "b"}, [1.5, 2], None),
        *("2026-03-02T09:00:00.25Z", "x"),
    ]


def test_a_large_answer_arrives_whole_and_an_empty_one_with_its_columns(driver: Path, port: Port) -> None:
    large, empty = ask(driver, port, "SELECT number FROM numbers(200000)", "SELECT id FROM incidents WHERE 0")
    assert (len(large["rows"]), large["rows"][-1]) == (200_000, ["199999"])
    assert (empty["columns"], empty["rows"]) == (["id"], [])


def test_what_is_refused_is_told_with_clickhouses_code(driver: Path, port: Port) -> None:
    refused, unknown = ask(driver, port, "DROP TABLE versions", "SELECT * FROM nothing")
    assert re.search(r"[Cc]ode: 164\b", refused["error"])
    assert re.search(r"[Cc]ode: 60\b", unknown["error"])


def test_every_question_of_every_board_is_answered(driver: Path, port: Port, store: Store) -> None:
    ((incident,),) = store.query("SELECT id FROM incidents WHERE state = 'paged'").rows
    series = {"metric": ("latency",), "segment": ("all traffic",), "incident": (str(incident),), "environment": ALL}
    services = {board.uid: (SERVICE,) if board.uid == "undertow-service" else ALL for board in BOARDS}
    asked = {
        f"{board.uid} {name}": expanded(
            question.text, Shown(START, time.time() + 3600, 60, {**series, "service": services[board.uid]})
        )
        for board in BOARDS
        for name, question in board.questions.items()
        if isinstance(question, Sql)
    }
    answers = dict(zip(asked, ask(driver, port, *asked.values()), strict=True))
    assert {name: found["error"] for name, found in answers.items() if "error" in found} == {}
    assert [name for name, found in answers.items() if not found["rows"]] == []
