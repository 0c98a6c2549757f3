"""`undertow store` between a real broker and the engine behind HTTP: no fault costs a row, and none adds one."""

from __future__ import annotations

import random
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from clickhouse_server import ClickHouseServer
from free_ports import free_port
from installation import Installation, wait_until
from kafka_broker import Addresses

from undertow.pipelines import settings
from undertow.pipelines.clickhouse import QueryResult, Store, StoreError, ask_server
from undertow.pipelines.kafka.blocks import Block, Blocks
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.running import run
from undertow.pipelines.kafka.store_role import REASON
from undertow.pipelines.kafka.storing import storing
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.settings import Settings, SettingsError

ROWS, BLOCKS, PARTITIONS = 20, 60, 2
START = 1_700_000_000.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    started = ClickHouseServer(tmp_path / "server")
    started.start()
    yield started
    started.kill()


@pytest.fixture
def installation(tmp_path: Path, kafka_addresses: Addresses, server: ClickHouseServer) -> Iterator[Installation]:
    sections: dict[str, dict[str, Any]] = {
        "store": {"url": server.url},
        "kafka": {"commit_s": 0.2, "metrics": f"127.0.0.1:{free_port()}"},
    }
    with Installation(tmp_path, kafka_addresses.plaintext, f"u{uuid.uuid4().hex[:8]}", sections) as started:
        yield started


def _send(installation: Installation, blocks: list[tuple[int, Block]]) -> None:
    """Write blocks into partitions of the topic."""
    kafka = installation.settings.kafka
    with closing(client_of(kafka).producer()) as producer:
        for partition, block in blocks:
            producer.send(Names.of(kafka).rows, block.content, None, partition, block.headers)
        producer.flush(60.0)


def _ask(installation: Installation, sql: str) -> QueryResult:
    return ask_server(installation.settings.store, sql)


def _dead(installation: Installation) -> list[dict[str, bytes]]:
    """Return the headers of all dead letters."""
    topic = Names.of(installation.settings.kafka).dead
    return [dict(message.headers) for _, message in installation.read(topic)]


def _windows(partition: int, number: int) -> Block:
    """Return a block of windows, as a worker or a successor of it would make it."""
    blocks = Blocks(8_388_608)
    columns: dict[str, Any] = {
        "window_start": START + 10.0 * (number * ROWS + np.arange(ROWS)),
        "service": [f"s{partition}"] * ROWS,
        "metric": ["refusal_rate"] * ROWS,
        "family": ["rate"] * ROWS,
        "events": np.full(ROWS, 10),
        "hits": np.full(ROWS, 3),
    }
    blocks.insert("windows", columns, f"llm.events/{partition}:{1_024 * number}:windows")
    return blocks.drain()[0]


def test_outages_kills_and_repeats_cost_no_row_and_add_none(
    installation: Installation, server: ClickHouseServer
) -> None:
    """A third of the blocks comes twice; the server is gone for some seconds, then the process dies, twice."""
    with Store.open(installation.settings.store, Path("unused")):
        pass  # makes the tables
    draw = random.Random(7)
    log = [(p, _windows(p, n)) for n in range(BLOCKS) for p in range(PARTITIONS) for _ in range(draw.choice([1, 1, 2]))]
    log.insert(len(log) // 2, (0, Block("windows", "broken", b"no Arrow")))
    log.insert(len(log) // 2, (1, Block("no_such_table", "unknown", _windows(1, 0).content)))
    log += [(p, _windows(p, n)) for n in range(10) for p in range(PARTITIONS)]  # what a paused worker sends late
    third, whole = len(log) // 3, PARTITIONS * BLOCKS * ROWS

    def rows() -> tuple[int, ...]:
        return tuple(_ask(installation, "SELECT count(), uniq(service, window_start) FROM windows").rows[0])

    _send(installation, log[:third])
    installation.start("store")
    wait_until(lambda: rows()[0] > 0, "the first rows")
    server.kill()
    _send(installation, log[third : 2 * third])
    wait_until(lambda: "does not take rows" in installation.said("store-1"), "the server is missed")
    installation.kill("store-1")
    server.start()
    installation.start("store")
    wait_until(lambda: rows()[0] > third * ROWS // 3, "rows after the outage")
    installation.kill("store-1")
    _send(installation, log[2 * third :])
    installation.start("store")
    wait_until(lambda: rows()[1] >= whole and len(_dead(installation)) >= 2, "all rows and two letters")
    wait_until(partial(installation.has_read, "store", installation.ends("store")), "the late repeats are read, too")
    assert rows() == (whole, whole)
    assert _ask(installation, "SELECT sum(events), any(rate) FROM hours").rows == [(10 * whole, 0.3)]
    reasons = {letter["undertow-token"]: letter[REASON] for letter in _dead(installation)}
    assert b"is no Arrow stream" in reasons[b"broken"]
    assert b"no_such_table" in reasons[b"unknown"]


def test_a_server_that_comes_back_empty_costs_no_row(
    installation: Installation, server: ClickHouseServer, tmp_path: Path
) -> None:
    """Its tables are gone, so it is nothing that could refuse a block: the process ends, and Kafka keeps the rows."""
    _send(installation, [(0, _windows(0, 0))])
    installation.start("store", "1", "--migrate")
    wait_until(lambda: _counted(installation, 0) == ROWS, "the first rows")
    server.kill()
    shutil.rmtree(tmp_path / "server")
    server.start()
    _send(installation, [(partition, _windows(partition, 1)) for partition in range(PARTITIONS)])
    assert installation.ended("store-1") == 2
    assert "at 127.0.0.1 has no tables of Undertow, this Undertow needs version" in installation.said("store-1")
    installation.start("store", "1", "--migrate")
    wait_until(lambda: _counted(installation, 1) == PARTITIONS * ROWS, "what Kafka has kept")
    assert _dead(installation) == []


def _counted(installation: Installation, number: int) -> int:
    """Return how many rows of the blocks of this number are there, -1 where there are no tables."""
    first = START + 10.0 * number * ROWS
    between = f"toUnixTimestamp(window_start) BETWEEN {first} AND {first + 10.0 * (ROWS - 1)}"
    try:
        return int(_ask(installation, f"SELECT count() FROM windows WHERE {between}").rows[0][0])  # noqa: S608
    except StoreError:  # the tables are about to be made
        return -1


def test_what_cannot_work_is_said_in_one_sentence(installation: Installation, server: ClickHouseServer) -> None:
    where = installation.settings

    def start(configured: Settings = where) -> None:
        run(configured, "store", storing(), lambda: True)

    with pytest.raises(StoreError, match=r"at 127\.0\.0\.1 has no tables of Undertow, this Undertow needs version"):
        start()
    with Store.open(where.store, Path("unused")) as store:
        store._writer.command("TRUNCATE TABLE meta")
        store._writer.raw_insert("meta", ["version"], "2\n", fmt="TabSeparated")
    older = "has schema version 2, this Undertow needs version .*: `undertow store --migrate` makes it so"
    for refused in (start, lambda: _ask(installation, "SELECT 1")):
        with pytest.raises(StoreError, match=older):
            refused()
    with pytest.raises(SettingsError, match=r"writes to a ClickHouse server: set url in \[store\]"):
        start(msgspec.structs.replace(where, store=settings.Store()))
    server.kill()
    installation.start("store")
    assert installation.ended("store-1") == 2
    said = installation.said("store-1")
    assert said.startswith("undertow: ClickHouse at 127.0.0.1 does not answer; is [store] url right?")
    assert said.count("\n") == 1


def test_the_process_makes_the_tables_when_asked_shows_its_numbers_and_leaves_when_told(
    installation: Installation,
) -> None:
    address = installation.settings.kafka.metrics
    _send(installation, [(0, _windows(0, 0)), (0, _windows(0, 0))])
    with closing(httpx.Client(timeout=60.0)) as client:
        installation.start("store", "1", "--migrate")
        wait_until(lambda: _shows(client, address, "undertow_store_blocks_total 2.0"), "both blocks are counted")
        for line in ("undertow_store_rows_total 40.0", "undertow_store_refused_total 0.0", "undertow_loop_lag"):
            assert _shows(client, address, line)
    assert installation.stop("store-1") == 0
    assert _ask(installation, "SELECT count() FROM windows").rows == [(ROWS,)]


def _shows(client: httpx.Client, address: str, line: str) -> bool:
    try:
        return line in client.get(f"http://{address}/metrics").text
    except httpx.TransportError:
        return False
