"""The store role without Kafka: what becomes of blocks while ClickHouse is away, refuses, or answers too late."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry

from undertow.pipelines.clickhouse import StoreError, StoreUnreachableError, StoreVersionError
from undertow.pipelines.kafka.block_sink import LONGEST_WAIT_S, BlockSink, SinkMeter
from undertow.pipelines.kafka.blocks import SCHEMA, TABLE, TOKEN, Block
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.machine import Place, Send
from undertow.pipelines.kafka.store_role import REASON, ROUND_S, StorePartition, StoreRole
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.schema import SchemaError, last_version, schema_text
from undertow.pipelines.settings import Kafka

TYPE_MISMATCH, NO_SUCH_TABLE, MEMORY_LIMIT = 53, 60, 241


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Tables that know tokens, as ClickHouse's do; away when told, and slow when told."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.rows = Counter[str]()
        self._tokens = set[str]()
        self.away: tuple[float, float] = (0.0, 0.0)
        self.asked = 0
        self.insert_s = 0.0
        self.failing: dict[str, StoreError] = {}  # by token
        self.deaf: set[str] = set()  # tokens whose first answer is lost on the way
        self.lacks = ""  # why the tables are not as they are meant to be

    def check(self) -> None:
        if self.lacks:
            raise StoreVersionError(self.lacks)

    def insert_block(self, table: str, content: bytes, token: str) -> int:
        self.asked += 1
        self._clock.now += self.insert_s
        if self.away[0] <= self._clock.now < self.away[1]:
            raise StoreUnreachableError("ClickHouse at db does not answer")
        if token in self.failing:
            raise self.failing[token]
        if token not in self._tokens:
            self._tokens.add(token)
            self.rows[table] += len(content)
        if token in self.deaf:
            self.deaf.discard(token)
            raise StoreUnreachableError("the answer was lost")
        return len(content)


def _messages(blocks: Iterable[str]) -> list[Message]:
    return [
        Message(offset, b"rrr", headers=Block("windows", token, b"").headers) for offset, token in enumerate(blocks)
    ]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Server:
    return Server(clock)


class Process:
    """A process of the role with one partition; it begins where the last one has committed."""

    def __init__(self, server: Server, clock: Clock, start: int = 0, jitter: float = 0.0) -> None:
        self.registry = CollectorRegistry()
        self.sink = BlockSink(server, SinkMeter(self.registry), clock, lambda: jitter)
        self.partition = StorePartition(self.sink, start, ("undertow.dead", 2), clock)

    def counted(self, what: str) -> float | None:
        return self.registry.get_sample_value(f"undertow_store_{what}")


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_and_nothing_twice_over_an_hour_without_clickhouse(
    seed: int, clock: Clock, server: Server
) -> None:
    """Meanwhile blocks are sent again by workers, processes die at any moment, and answers are lost on the way."""
    draw = random.Random(seed)
    tokens = [f"llm.events/0:{1_024 * number}:windows" for number in range(400)]
    log = _messages(token for token in tokens for _ in range(draw.choice([1, 1, 1, 2, 3])))
    server.away, server.deaf = (60.0, 3_660.0), set(draw.sample(tokens, 40))
    process, committed, read = Process(server, clock), 0, 0
    while committed < len(log):
        clock.now += draw.choice([0.1, 0.1, 1.0, 5.0])
        came = [] if process.partition.full else log[read : read + draw.randrange(12)]
        read += len(came)
        process.partition.take(came)
        if draw.random() < 0.5:
            committed = process.partition.position
        if draw.random() < 0.02:
            process = Process(server, clock, committed, draw.random())
            read = committed
    assert clock.now > 3_660.0
    assert server.rows == {"windows": 3 * len(tokens)}


def test_clickhouse_is_asked_ever_less_often_while_it_is_away(clock: Clock, server: Server) -> None:
    server.away = (0.0, 3_600.0)
    process = Process(server, clock)
    process.partition.take(_messages(["t"]))
    while clock.now < 3_600.0:
        clock.now += 0.1
        process.partition.take([])
    assert 3_600.0 / LONGEST_WAIT_S < server.asked < 3_600.0 / LONGEST_WAIT_S + 10
    assert (process.counted("retries_total"), process.counted("blocks_total")) == (server.asked, 0)
    away = process.counted("away_seconds")
    assert away
    assert away > 3_600.0 - LONGEST_WAIT_S
    clock.now += LONGEST_WAIT_S
    process.partition.take([])
    assert server.rows == {"windows": 3}
    assert process.counted("away_seconds") == 0.0


def test_two_processes_do_not_ask_in_step(clock: Clock, server: Server) -> None:
    server.away = (0.0, 100.0)
    asked: list[list[float]] = [[], []]
    processes = [Process(server, clock, jitter=jitter) for jitter in (0.0, 1.0)]
    for process in processes:
        process.partition.take(_messages(["t"]))
    while clock.now < 60.0:
        clock.now += 0.05
        for number, process in enumerate(processes):
            before = server.asked
            process.partition.take([])
            asked[number] += [clock.now] * (server.asked - before)
    assert len(asked[1]) > len(asked[0]) > 3
    assert not set(asked[0][1:]) & set(asked[1][1:])


def test_a_held_partition_takes_no_more_and_keeps_its_position(clock: Clock, server: Server) -> None:
    server.away = (0.0, 10.0)
    partition = Process(server, clock).partition
    partition.take(_messages("abc"))
    assert (partition.full, partition.position) == (True, 0)
    clock.now = 20.0
    partition.take([])
    assert (partition.full, partition.position) == (False, 3)


def test_a_block_that_no_table_takes_goes_to_the_dead_letters_and_the_next_go_on(clock: Clock, server: Server) -> None:
    server.failing = {"b": StoreError("Cannot convert String to UInt32", TYPE_MISMATCH)}
    process = Process(server, clock)
    (dead,) = process.partition.take(_messages("abc"))
    assert isinstance(dead, Send)
    assert (dead.topic, dead.partition, dead.value) == ("undertow.dead", 2, b"rrr")
    headers = dict(dead.headers)
    assert (headers[TABLE], headers[TOKEN], headers[REASON]) == (b"windows", b"b", b"Cannot convert String to UInt32")
    assert (process.partition.position, server.rows["windows"], process.counted("refused_total")) == (3, 6, 1)


@pytest.mark.parametrize("code", [TYPE_MISMATCH, NO_SUCH_TABLE])
def test_tables_of_another_version_refuse_no_block_and_end_the_process(code: int, clock: Clock, server: Server) -> None:
    """Whether they refuse the block at once, or answer after an outage."""
    server.failing, server.lacks = {"a": StoreError("they would not", code)}, "has no tables of Undertow"
    process = Process(server, clock)

    def go_on() -> None:
        process.partition.take(_messages("a"))
        clock.now += LONGEST_WAIT_S
        process.partition.take([])

    with pytest.raises(StoreVersionError, match="has no tables of Undertow"):
        go_on()
    assert (process.partition.position, process.counted("refused_total")) == (0, 0)


def test_what_answers_after_an_outage_must_have_the_tables(clock: Clock, server: Server) -> None:
    server.away, server.lacks = (0.0, 10.0), "has schema version 2"
    process = Process(server, clock)
    process.partition.take(_messages("a"))
    clock.now = 20.0
    with pytest.raises(StoreVersionError, match="has schema version 2"):
        process.partition.take([])
    assert server.rows == {}


def test_a_missing_table_of_a_checked_server_waits(clock: Clock, server: Server) -> None:
    server.failing = {"a": StoreError("Table undertow.windows does not exist", NO_SUCH_TABLE)}
    process = Process(server, clock)
    process.partition.take(_messages("a"))
    for _ in range(100):
        clock.now += 1.0
        assert process.partition.take([]) == []
    assert process.partition.full
    assert process.counted("refused_total") == 0


def test_a_block_of_a_newer_undertow_ends_the_process(clock: Clock, server: Server) -> None:
    newer = str(last_version(schema_text(1)) + 1).encode()
    message = Message(0, b"rrr", headers=((TABLE, b"cells"), (TOKEN, b"t"), (SCHEMA, newer)))
    partition = Process(server, clock).partition
    with pytest.raises(SchemaError, match="update `undertow store` before the roles that write rows"):
        partition.take([message])
    assert partition.position == 0


def test_what_is_no_block_goes_to_the_dead_letters(clock: Clock, server: Server) -> None:
    process = Process(server, clock)
    (dead,) = process.partition.take([Message(0, b"rows")])
    assert b"it is no block of rows" in dict(dead.headers)[REASON]
    assert process.partition.position == 1


def test_what_a_server_may_take_later_waits(clock: Clock, server: Server) -> None:
    server.failing = {"a": StoreError("Memory limit exceeded", MEMORY_LIMIT)}
    partition = Process(server, clock).partition
    assert partition.take(_messages("a")) == []
    assert partition.full
    server.failing.clear()
    clock.now += LONGEST_WAIT_S
    partition.take([])
    assert server.rows == {"windows": 3}


def test_a_slow_server_does_not_keep_the_process_from_its_group(clock: Clock, server: Server) -> None:
    server.insert_s = 0.3
    partition = Process(server, clock).partition
    partition.take(_messages("abcdefghij"))
    assert clock.now < 2 * ROUND_S
    assert partition.full
    while partition.full:
        partition.take([])
    assert server.rows == {"windows": 30}


@pytest.mark.parametrize(
    ("committed", "first", "start", "lost"), [(None, 7, 7, 0), (9, 7, 9, 0), (5, 5, 5, 0), (3, 7, 7, 4)]
)
def test_a_process_goes_on_behind_what_was_committed_and_counts_what_kafka_dropped(
    committed: int | None, first: int, start: int, lost: int, clock: Clock, server: Server
) -> None:
    missing: list[int] = []
    role = StoreRole(Names.of(Kafka()), Process(server, clock).sink, missing.append, 4)
    machine = role.machine(Place(6, None, first, committed))
    assert (machine.rewind, machine.position, sum(missing)) == (start, start, lost)
    assert role.topic == "undertow.rows"
