"""`undertow store` between a real broker and the engine behind HTTP: no fault costs a row, and none adds one."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from clickhouse_server import ClickHouseServer
from kafka_broker import Addresses

from undertow.pipelines import settings
from undertow.pipelines.clickhouse import QueryResult, Store, StoreError, ask_server
from undertow.pipelines.kafka.blocks import Block, Blocks
from undertow.pipelines.kafka.client import Partition
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.running import run
from undertow.pipelines.kafka.setup import set_up
from undertow.pipelines.kafka.store_role import REASON
from undertow.pipelines.kafka.storing import storing
from undertow.pipelines.settings import Kafka, Settings, SettingsError

PATIENCE_S = 240.0
ROWS, BLOCKS, PARTITIONS = 20, 60, 2
START = 1_700_000_000.0


class Installation:
    """A broker's topics, a server, and processes of the role."""

    def __init__(self, folder: Path, addresses: Addresses, server: ClickHouseServer) -> None:
        prefix = f"u{uuid.uuid4().hex[:8]}"
        kafka = Kafka(servers=(addresses.plaintext,), prefix=prefix, events=f"{prefix}.events", replication=1)
        self.settings = Settings(kafka=kafka, store=settings.Store(url=server.url))
        self.server = server
        self.config = folder / "undertow.toml"
        self.config.write_text(
            f'[kafka]\nservers = ["{addresses.plaintext}"]\nprefix = "{prefix}"\nevents = "{prefix}.events"\n'
            f'replication = 1\ncommit_s = 0.2\ninstance = "one"\n[store]\nurl = "{server.url}"\n'
        )

    @contextmanager
    def process(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run `undertow store`."""
        command = [sys.executable, "-m", "undertow.pipelines.cli", "store", "-c", str(self.config), *options]
        started = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:
            yield started
        finally:
            started.kill()
            started.communicate()

    def send(self, blocks: list[tuple[int, Block]]) -> None:
        """Write blocks into partitions of the topic."""
        with closing(client_of(self.settings.kafka).producer()) as producer:
            for partition, block in blocks:
                producer.send(f"{self.settings.kafka.prefix}.rows", block.content, None, partition, block.headers)
            producer.flush(60.0)

    def ask(self, sql: str) -> QueryResult:
        """Ask the server."""
        return ask_server(self.settings.store, sql)

    def dead(self) -> list[dict[str, bytes]]:
        """Return the headers of all dead letters."""
        topic = f"{self.settings.kafka.prefix}.dead"
        with closing(client_of(self.settings.kafka).consumer([topic])) as reader:
            partitions: list[Partition] = []
            while not partitions:
                partitions = reader.poll(0.2, 1).assigned
            bounds = reader.bounds(partitions)
            for one in partitions:
                reader.seek(one, 0)
            wanted = sum(end for _, end in bounds.values())
            found: list[dict[str, bytes]] = []
            while len(found) < wanted:
                found += [dict(message.headers) for came in reader.poll(0.2, 100).messages.values() for message in came]
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    started = ClickHouseServer(tmp_path / "server")
    started.start()
    yield started
    started.kill()


@pytest.fixture
def installation(tmp_path: Path, kafka_addresses: Addresses, server: ClickHouseServer) -> Installation:
    return Installation(tmp_path, kafka_addresses, server)


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


def _eventually(what: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.1)


def test_outages_kills_and_repeats_cost_no_row_and_add_none(installation: Installation) -> None:
    """A third of the blocks comes twice; the server is gone for some seconds, then the process dies, twice."""
    list(set_up(installation.settings))
    with Store.open(installation.settings.store, Path("unused")):
        pass  # makes the tables
    draw = random.Random(7)
    log = [(p, _windows(p, n)) for n in range(BLOCKS) for p in range(PARTITIONS) for _ in range(draw.choice([1, 1, 2]))]
    log.insert(len(log) // 2, (0, Block("windows", "broken", b"no Arrow")))
    log.insert(len(log) // 2, (1, Block("no_such_table", "unknown", _windows(1, 0).content)))
    log += [(p, _windows(p, n)) for n in range(10) for p in range(PARTITIONS)]  # what a paused worker sends late
    third = len(log) // 3
    installation.send(log[:third])
    rows = "SELECT count(), uniq(service, window_start) FROM windows"
    with installation.process() as first:
        _eventually(lambda: installation.ask(rows).rows[0][0] > 0)
        installation.server.kill()
        installation.send(log[third : 2 * third])
        _eventually(lambda: b"does not take rows" in first.stderr.readline() if first.stderr else True)
        first.kill()
    installation.server.start()
    with installation.process():
        _eventually(lambda: installation.ask(rows).rows[0][0] > third * ROWS // 3)
    installation.send(log[2 * third :])
    with installation.process():
        whole = PARTITIONS * BLOCKS * ROWS
        _eventually(lambda: installation.ask(rows).rows[0][1] >= whole and len(installation.dead()) >= 2)
    assert installation.ask(rows).rows == [(whole, whole)]
    assert installation.ask("SELECT sum(events), any(rate) FROM hours").rows == [(10 * whole, 0.3)]
    reasons = {letter["undertow-token"]: letter[REASON] for letter in installation.dead()}
    assert b"is no Arrow stream" in reasons[b"broken"]
    assert b"no_such_table" in reasons[b"unknown"]


def test_what_cannot_work_is_said_in_one_sentence(installation: Installation) -> None:
    where = installation.settings
    list(set_up(where))

    def start(configured: Settings = where) -> None:
        run(configured, "store", storing(), lambda: True)

    with pytest.raises(StoreError, match=r"at 127\.0\.0\.1 has no tables of Undertow, this Undertow needs version"):
        start()
    with Store.open(where.store, Path("unused")) as store:
        store._writer.command("TRUNCATE TABLE meta")
        store._writer.raw_insert("meta", ["version"], "2\n", fmt="TabSeparated")
    older = "has schema version 2, this Undertow needs version .*: `undertow store --migrate` makes it so"
    for refused in (start, lambda: installation.ask("SELECT 1")):
        with pytest.raises(StoreError, match=older):
            refused()
    with pytest.raises(SettingsError, match=r"writes to a ClickHouse server: set url in \[store\]"):
        start(msgspec.structs.replace(where, store=settings.Store()))
    installation.server.kill()
    with installation.process() as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert said.startswith(b"undertow: ClickHouse at 127.0.0.1 does not answer; is [store] url right?")
    assert said.count(b"\n") == 1


def test_the_process_makes_the_tables_when_asked_shows_its_numbers_and_leaves_when_told(
    installation: Installation,
) -> None:
    list(set_up(installation.settings))
    with closing(httpx.Client(timeout=5.0)) as client:
        address = f"127.0.0.1:{_free_port()}"
        installation.config.write_text(
            installation.config.read_text().replace("[store]", f'metrics = "{address}"\n[store]')
        )
        installation.send([(0, _windows(0, 0)), (0, _windows(0, 0))])
        with installation.process("--migrate") as process:
            _eventually(lambda: _shows(client, address, "undertow_store_blocks_total 2.0"))
            for line in ("undertow_store_rows_total 40.0", "undertow_store_refused_total 0.0", "undertow_loop_lag"):
                assert _shows(client, address, line)
            process.terminate()
            assert process.wait(PATIENCE_S) == 0
    assert installation.ask("SELECT count() FROM windows").rows == [(ROWS,)]


def _shows(client: httpx.Client, address: str, line: str) -> bool:
    try:
        return line in client.get(f"http://{address}/metrics").text
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
