"""The worker on a broker in memory: what it tells, and that crashes and moves of partitions change nothing of it."""

import io
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from memory_kafka import MemoryKafka

from undertow.pipelines.kafka import blocks, partials
from undertow.pipelines.kafka.client import Message, Partition
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.loop import Loop
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Place, Saved
from undertow.pipelines.kafka.sending import key_of, send
from undertow.pipelines.kafka.source_partition import TICK, Terms
from undertow.pipelines.kafka.states import States
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.settings import Settings, parse
from undertow.pipelines.wire.native import NativeDecoder

PARTITIONS = 3
START = 1_700_000_000.0
SETTINGS = parse("""
[ingest]
dedup_horizon_s = 200
allowed_lateness_s = 5
task_idle_s = 20
[detection]
dimensions = ["operation"]
[embeddings]
source = "off"
[kafka]
series_partitions = 2
user_key = "secret"
commit_s = 1e-9
max_message_bytes = 40000
""")
NAMES = Names.of(SETTINGS.kafka)
TOPICS = dict.fromkeys(NAMES, 2) | {NAMES.events: PARTITIONS}


def _events(count: int, seed: int = 1) -> list[bytes]:
    draw = random.Random(seed)
    lines: list[bytes] = []
    for number in range(count):
        if lines and draw.random() < 0.05:
            lines.append(draw.choice(lines[-20:]))
        elif draw.random() < 0.02:
            lines.append(b"{broken %d" % number)
        else:
            event = {"id": f"e{number}", "time": START + number / 5 - draw.choice([0, 0, 3]), "service": "s"}
            event |= {"session": f"u{number % 17}", "operation": draw.choice("ab"), "output": "x" * draw.randrange(40)}
            lines.append(msgspec.json.encode(event | {"user": f"u{number % 17}", "model": f"m{number // 150}"}))
    return lines


def _broker(lines: Sequence[bytes]) -> MemoryKafka:
    broker = MemoryKafka(TOPICS)
    sent = send(lines, broker, NativeDecoder(), NAMES.events, PARTITIONS)
    assert sum(sent) == len(lines)
    for partition in broker.partitions([NAMES.events]):  # as if each had come just then
        broker.logs[partition] = [one._replace(time=START + 1e6) for one in broker.logs[partition]]
    return broker


def _worker(broker: MemoryKafka, settings: Settings = SETTINGS, clock: Callable[[], float] = time.time) -> Loop:
    topics = {name: TopicFacts(partitions, 1, {}) for name, partitions in TOPICS.items()}
    meter = LoopMeter("worker")
    worker = Worker(settings, topics, broker, meter)
    worker._shop.terms = Terms(10.0, 5.0, 200.0, 300.0, block=32, blocks_per_state=2)
    states = States(broker, NAMES.state, 2, "worker", settings.kafka.max_message_bytes)
    return Loop(settings.kafka, worker, broker, PARTITIONS, states, meter, clock)


def _crash(broker: MemoryKafka, loop: Loop, written: int) -> None:
    """End a worker in the middle; so many of the messages on their way have reached the broker."""
    loop._producer.write(written)  # type: ignore[attr-defined]
    broker.members["undertow-worker"].remove(loop._consumer)  # type: ignore[arg-type]
    broker.share("undertow-worker")


def _told(broker: MemoryKafka) -> dict[Any, bytes]:
    """Return what was told by its place; a repeat must be the same bytes."""
    found: dict[Any, bytes] = {}
    for number, message in broker.values(NAMES.partials):
        partial = partials.decode(message.value or b"")
        key = ("partial", number, partial.source, partial.position, partial.part)
        assert found.setdefault(key, message.value or b"") == message.value, "a repeat differs"
    for _, message in broker.values(NAMES.rows):
        block = blocks.read(message)
        assert found.setdefault(("rows", block.token), block.content) == block.content, "a repeat differs"
    for _, message in broker.values(NAMES.dead):
        assert found.setdefault(("dead", message.key), message.value or b"") == message.value
    return found


def _rows(told: dict[Any, bytes], table: str) -> list[dict[str, Any]]:
    return [
        row
        for (kind, *token), content in told.items()
        if kind == "rows" and str(token[0]).startswith(table)
        for row in pa.ipc.open_stream(io.BytesIO(content)).read_all().to_pylist()
    ]


def _undisturbed(lines: Sequence[bytes]) -> dict[Any, bytes]:
    broker = _broker(lines)
    loop = _worker(broker)
    for _ in range(20):
        loop.step()
    return _told(broker)


LINES = _events(600)


@pytest.fixture(scope="module")
def undisturbed() -> dict[Any, bytes]:
    """What one worker tells that nobody disturbs."""
    return _undisturbed(LINES)


def test_each_distinct_event_that_was_cut_is_one_row(undisturbed: dict[Any, bytes]) -> None:
    rows = _rows(undisturbed, "interactions")
    sent = {msgspec.json.decode(line)["id"] for line in LINES if not line.startswith(b"{broken")}
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert set(ids) <= sent
    assert len(ids) > len(sent) - 32 * PARTITIONS
    assert {row["user"] for row in rows} != {f"u{number}" for number in range(17)}, "users are kept as hashes"


def test_dead_letters_are_messages_and_rows_that_say_where_they_lay(undisturbed: dict[Any, bytes]) -> None:
    letters = {key[1]: msgspec.json.decode(value) for key, value in undisturbed.items() if key[0] == "dead"}
    broken = [line for line in LINES if line.startswith(b"{broken")]
    assert 0 < len(letters) <= len(broken)
    assert all(key == f"{letter['source']}:{letter['offset']}".encode() for key, letter in letters.items())
    assert {row["offset"] for row in _rows(undisturbed, "dead_letters")} == {one["offset"] for one in letters.values()}


def test_versions_are_rows_when_they_are_new(undisturbed: dict[Any, bytes]) -> None:
    seen = {row["value"] for row in _rows(undisturbed, "versions") if row["dimension"] == "model"}
    assert seen >= {"m0", "m1", "m2"}


def test_every_series_partition_hears_of_every_cut(undisturbed: dict[Any, bytes]) -> None:
    cuts = [{key[2:] for key in undisturbed if key[:2] == ("partial", number)} for number in range(2)]
    assert cuts[0] == cuts[1]
    assert len(cuts[0]) > 10 * PARTITIONS


@given(seed=st.integers(0, 10**9))
@trials(max_examples=8)
def test_crashes_and_moves_change_nothing(seed: int, undisturbed: dict[Any, bytes]) -> None:
    """Workers come, die with some of their messages written, and lose partitions to others."""
    draw = random.Random(seed)
    broker = _broker(LINES)
    workers = [_worker(broker)]
    for _ in range(draw.randrange(3, 12)):
        loop = draw.choice(workers)
        deed = draw.random()
        if deed < 0.25 and len(workers) < 3:
            workers.append(_worker(broker))
        elif deed < 0.4:
            loop._commit_s = 1e9  # dies before its next commit
            loop.step()
            _crash(broker, loop, draw.randrange(60))
            workers.remove(loop)
            workers = workers or [_worker(broker)]
        else:
            loop.step()
    for _ in range(20):
        for loop in workers:
            loop.step()
    assert _told(broker) == undisturbed


def test_an_idle_partition_is_told_the_time() -> None:
    broker = _broker(LINES)
    broker.logs[Partition(NAMES.events, 0)].clear()
    now = [START + 120.0]
    loop = _worker(broker, clock=lambda: now[0])
    for _ in range(60):
        now[0] += 2.0
        loop.step()
    log = broker.logs[Partition(NAMES.events, 0)]
    assert log
    assert all(dict(message.headers) == {TICK: b""} for message in log)
    assert all(START <= float(message.value or b"") <= now[0] - 30.0 for message in log)
    assert {partials.decode(m.value or b"").source for _, m in broker.values(NAMES.partials)} == {0, 1, 2}


def test_a_state_that_is_gone_is_an_error_that_says_so(tmp_path: Path) -> None:
    topics = {name: TopicFacts(2, 1, {}) for name in NAMES}
    worker = Worker(SETTINGS, topics, MemoryKafka(TOPICS), LoopMeter("worker"))
    with pytest.raises(
        LostStateError, match=r"llm.events/1 has been counted up to offset 7, and undertow.state has no"
    ):
        worker.machine(Place(1, None, 0, 7))


def test_a_successor_goes_on_where_nothing_can_be_read() -> None:
    """What lies behind its state are dead letters alone."""
    topics = {name: TopicFacts(2, 1, {}) for name in NAMES}
    worker = Worker(SETTINGS, topics, MemoryKafka(TOPICS), LoopMeter("worker"))
    worker._shop.terms = Terms(10.0, 5.0, 200.0, 300.0, block=32, blocks_per_state=2)
    lines = [*_events(64), *[b"{broken"] * 64]
    log = [Message(offset, line, time=START + 1e6) for offset, line in enumerate(lines)]
    outputs = worker.machine(Place(0, None, 0, None)).take(log)
    saved = next(output for output in outputs if isinstance(output, Saved) and output.position == 64)
    later = worker.machine(Place(0, saved.content, 0, None))
    assert later.take(log[later.rewind :]) == outputs[outputs.index(saved) + 1 :]


def test_another_key_of_users_is_refused() -> None:
    """Users would have two names, and nobody would see it."""
    broker = _broker(LINES)
    loop = _worker(broker)
    loop.step()
    loop.step()
    _crash(broker, loop, 1_000)
    other = msgspec.structs.replace(SETTINGS, kafka=msgspec.structs.replace(SETTINGS.kafka, user_key="another"))
    later = _worker(broker, other)
    with pytest.raises(ValueError, match=r"llm.events/\d was counted with another user_key"):
        later.step()


def test_what_was_counted_is_shown_and_by_a_successor_only_what_it_counted() -> None:
    broker, first = _broker(LINES[:400]), LINES[:400]
    loop = _worker(broker)
    for _ in range(20):
        loop.step()
    shown = {
        name: loop._meter.registry.get_sample_value(f"undertow_{name}_total") for name in ("rejected", "duplicates")
    }
    broken = sum(line.startswith(b"{broken") for line in first)
    assert shown == {"rejected": broken, "duplicates": pytest.approx(len(first) - len(set(first)), abs=32)}
    _crash(broker, loop, 10_000)
    later = _worker(broker)
    for _ in range(20):
        later.step()
    again = later._meter.registry.get_sample_value("undertow_events_total")
    assert again is not None
    assert 0 <= again <= 3 * 32 * PARTITIONS, "a state is made every two blocks, and the last events wait for theirs"


def test_the_key_of_a_message_keeps_together_what_belongs_together() -> None:
    decode = NativeDecoder()
    event = {"id": "i", "time": START, "service": "s"}
    kept = [event, event | {"task": "t"}, event | {"task": "t", "session": "u"}]
    assert [key_of(decode(msgspec.json.encode(one))) for one in kept] == ["i", "t", "u"]  # type: ignore[arg-type]


def test_a_state_is_all_that_the_machine_saves() -> None:
    topics = {name: TopicFacts(2, 1, {}) for name in NAMES}
    worker = Worker(SETTINGS, topics, MemoryKafka(TOPICS), LoopMeter("worker"))
    first = worker.machine(Place(0, None, 5, None))
    (saved,) = first.take([])
    assert isinstance(saved, Saved)
    later = worker.machine(Place(0, saved.content, 5, None))
    assert (later.position, later.rewind) == (5, 5)
    assert later.take([Message(5, LINES[0], time=START + 1e6)]) == first.take([Message(5, LINES[0], time=START + 1e6)])
