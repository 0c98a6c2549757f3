"""`undertow worker` on a real broker: exact through kill -9 and rebalances, and one sentence where it cannot start."""

import io
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from kafka_broker import PASSWORD, USER, Addresses
from outside import give_up

from undertow.pipelines.kafka import blocks, partials
from undertow.pipelines.kafka.client import Client, Partition
from undertow.pipelines.kafka.clients import CLIENTS, client_of
from undertow.pipelines.kafka.errors import (
    BrokerUnreachableError,
    CredentialsError,
    KafkaError,
    TlsError,
    TopicError,
)
from undertow.pipelines.kafka.lag import committed
from undertow.pipelines.kafka.running import run
from undertow.pipelines.kafka.sending import send
from undertow.pipelines.kafka.setup import set_up
from undertow.pipelines.kafka.source_partition import TICK
from undertow.pipelines.kafka.tails import Tails
from undertow.pipelines.kafka.ticks import Tail
from undertow.pipelines.kafka.topics import Names
from undertow.pipelines.kafka.worker import Worker
from undertow.pipelines.settings import Embeddings, Kafka, Settings
from undertow.pipelines.wire.native import NativeDecoder

EVENTS, PARTITIONS = 20_000, 4
START, END = 1_700_000_000.0, 1_700_000_400.0
PATIENCE_S = 240.0


def _lines() -> list[bytes]:
    """Return events with repeats and unreadable lines among them."""
    draw = random.Random(5)
    lines: list[bytes] = []
    for number in range(EVENTS):
        event = {"id": f"e{number}", "time": START + number * (END - START) / EVENTS, "service": "s"}
        event |= {"session": f"u{number % 501}", "operation": draw.choice("abc"), "output": "x" * draw.randrange(80)}
        lines.append(msgspec.json.encode(event | {"output_tokens": draw.randrange(200), "cost": 0.001}))
        if draw.random() < 0.03:
            lines.append(draw.choice(lines[-50:]))
        if draw.random() < 0.002:
            lines.append(b"{broken %d" % number)
    return lines


@pytest.fixture(scope="module")
def written(kafka_addresses: Addresses) -> Settings:
    """A topic of events that are followed, in each partition, by the word that it is much later."""
    settings = _settings(kafka_addresses, f"e{uuid.uuid4().hex[:8]}.events")
    list(set_up(settings))
    client, topic = client_of(settings.kafka), settings.kafka.events
    send(_lines(), client, NativeDecoder(), topic, PARTITIONS)
    with closing(client.producer()) as producer:
        for number in range(PARTITIONS):
            producer.send(topic, b"%f" % (END + 1000), None, number, ((TICK, b""),))
        producer.flush(60.0)
    return settings


def _settings(addresses: Addresses, events: str) -> Settings:
    """Return an installation of its own that reads these events."""
    return Settings(
        embeddings=Embeddings(source="off"),
        kafka=Kafka(
            servers=(addresses.plaintext,),
            prefix=f"u{uuid.uuid4().hex[:8]}",
            events=events,
            event_partitions=PARTITIONS,
            series_partitions=2,
            replication=1,
            session_s=10.0,
            user_key="secret",
        ),
    )


class Told:
    """Everything that workers have told, by its place; a repeat must be the same bytes."""

    def __init__(self, settings: Settings, client: Client) -> None:
        names = Names.of(settings.kafka)
        self._topics = {names.partials: self._partial, names.rows: self._block, names.dead: self._letter}
        self.consumer = client.consumer(list(self._topics))
        self.told: dict[tuple[Any, ...], bytes] = {}
        self.repeats = 0
        self._finished: set[tuple[int, int]] = set()
        self._heard: dict[Partition, int] = {}  # the offset of the next message

    def listen(self, wait_s: float) -> bool:
        """Take what has come; return whether all partitions have been told to their ends."""
        polled = self.consumer.poll(wait_s, 10_000)
        for partition in polled.assigned:
            self.consumer.seek(partition, 0)
            self._heard[partition] = 0
        for partition, messages in polled.messages.items():
            self._heard[partition] = messages[-1].offset + 1
            for message in messages:
                key, value = self._topics[partition.topic](partition.number, message), message.value or b""
                self.repeats += key in self.told
                assert self.told.setdefault(key, value) == value, f"a repeat differs: {key}"
        return len(self._finished) == PARTITIONS * 2

    def hear_out(self) -> None:
        """Take all that there is, once nobody tells any more: rows come after the last partial, in another topic."""
        ends = self.consumer.bounds(list(self._heard))
        complete = _in_time(lambda: all(self._heard[one] >= end for one, (_, end) in ends.items()))
        while not complete():
            self.listen(0.1)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        return [
            row
            for (kind, token, *_), content in self.told.items()
            if kind == "rows" and str(token).startswith(f"{table}:")
            for row in pa.ipc.open_stream(io.BytesIO(content)).read_all().to_pylist()
        ]

    def _partial(self, number: int, message: Any) -> tuple[Any, ...]:
        partial = partials.decode(message.value or b"")
        if partial.open_from > END:
            self._finished.add((number, partial.source))
        return ("partial", number, partial.source, partial.position, partial.part)

    def _block(self, _number: int, message: Any) -> tuple[Any, ...]:
        return ("rows", blocks.read(message).token)

    def _letter(self, _number: int, message: Any) -> tuple[Any, ...]:
        return ("dead", message.key)


@contextmanager
def _listening(settings: Settings) -> Iterator[Told]:
    told = Told(settings, client_of(settings.kafka))
    with closing(told.consumer):
        yield told


@pytest.fixture(scope="module")
def undisturbed(written: Settings) -> Told:
    """What one worker tells that nobody disturbs."""
    with _listening(written) as told:
        _run(written, _in_time(lambda: told.listen(0.0)))
        told.hear_out()
    return told


def _run(settings: Settings, stopped: Callable[[], bool]) -> None:
    run(settings, "worker", Worker, stopped)


def _counted(settings: Settings) -> bool:
    """Return whether all events are committed: who was killed has told one topic more than another."""
    topic = settings.kafka.events
    with closing(client_of(settings.kafka).consumer([topic])) as consumer:
        bounds = consumer.bounds([Partition(topic, number) for number in range(PARTITIONS)])
    places = committed(settings.kafka)["worker"]
    return all(places.get(one, 0) >= end for one, (_, end) in bounds.items())


def _in_time(done: Callable[[], bool]) -> Callable[[], bool]:
    until = time.monotonic() + PATIENCE_S

    def checked() -> bool:
        assert time.monotonic() < until
        return done()

    return checked


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Workers that a test has started."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def _start(settings: Settings, folder: Path) -> "subprocess.Popen[bytes]":
    kafka = settings.kafka
    config = folder / "undertow.toml"
    config.write_text(
        f'data = "{folder}/data"\n[embeddings]\nsource = "off"\n[kafka]\nservers = ["{kafka.servers[0]}"]\n'
        f'prefix = "{kafka.prefix}"\nevents = "{kafka.events}"\nseries_partitions = 2\nreplication = 1\n'
        f'session_s = {kafka.session_s}\nuser_key = "{kafka.user_key}"\n'
    )
    command = [sys.executable, "-m", "undertow.pipelines.cli", "worker", "-c", str(config)]
    with (folder / "workers.err").open("ab") as said:
        return subprocess.Popen(command, stderr=said)


def test_each_distinct_event_is_one_row(undisturbed: Told) -> None:
    ids = [row["id"] for row in undisturbed.rows("interactions")]
    assert sorted(ids) == sorted(f"e{number}" for number in range(EVENTS))
    broken = sum(line.startswith(b"{broken") for line in _lines())
    assert len(undisturbed.rows("dead_letters")) == broken > 0
    assert sum(key[0] == "dead" for key in undisturbed.told) == broken


def test_two_workers_of_which_one_is_killed_tell_the_same_bytes(
    kafka_addresses: Addresses,
    written: Settings,
    undisturbed: Told,
    processes: list["subprocess.Popen[bytes]"],
    tmp_path: Path,
) -> None:
    settings = _settings(kafka_addresses, written.kafka.events)
    list(set_up(settings))
    with _listening(settings) as told:
        processes += [_start(settings, tmp_path), _start(settings, tmp_path)]
        enough = _in_time(lambda: told.listen(0.1) or len(told.told) > len(undisturbed.told) / 4)
        while not enough():
            pass
        processes[0].kill()
        processes.append(_start(settings, tmp_path))
        done = _in_time(lambda: told.listen(0.1) and _counted(settings))
        while not done():
            assert all(process.poll() is None for process in processes[1:]), (tmp_path / "workers.err").read_text()
        for process in processes[1:]:
            process.terminate()
        assert [process.wait(60.0) for process in processes[1:]] == [0, 0]
        told.hear_out()
    assert told.told.keys() ^ undisturbed.told.keys() == set()
    assert [key for key, content in told.told.items() if content != undisturbed.told[key]] == []


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_the_ends_of_partitions_of_others_tell_how_late_it_is(written: Settings, name: str) -> None:
    kafka = msgspec.structs.replace(written.kafka, client=name)
    with closing(Tails(client_of(kafka), kafka.events, NativeDecoder())) as tails:
        first, second = (_seen(tails, partitions) for partitions in ([1, 3], [0, 1]))
    assert set(first) == {1, 3}
    assert second[1] == first[1]
    assert all(END - 30 < tail.latest <= END for tail in first.values())
    with closing(client_of(kafka).consumer([kafka.events])) as consumer:
        ends = consumer.bounds([Partition(kafka.events, number) for number in (1, 3)])
    assert {tail.end for tail in first.values()} == {end for _, end in ends.values()}


def _seen(tails: Tails, partitions: list[int]) -> dict[int, Tail]:
    """Look until there is an answer: a broker that is busy gives none."""
    answers: list[dict[int, Tail]] = []
    answered = _in_time(lambda: bool(answers))
    while not answered():
        answers += filter(None, [tails.look(partitions)])
    return answers[0]


def _secured(addresses: Addresses) -> Kafka:
    if addresses.sasl is None or addresses.tls is None:
        give_up("the named broker has no TLS and SASL of the tests")
    return Kafka(servers=(addresses.sasl,), security_protocol="SASL_PLAINTEXT", username=USER, password=PASSWORD)


WRONG: dict[str, tuple[Callable[[Addresses], dict[str, Any]], type[KafkaError], str]] = {
    "address": (
        lambda _: {"servers": ("127.0.0.1:1",), "security_protocol": "PLAINTEXT"},
        BrokerUnreachableError,
        "no broker",
    ),
    "password": (lambda _: {"password": "x"}, CredentialsError, "does not let user 'undertow' in"),
    "TLS": (lambda a: {"servers": (a.tls,), "security_protocol": "PLAINTEXT"}, TlsError, "without TLS"),
    "topic": (lambda _: {"prefix": "nobody"}, TopicError, "does not exist"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_role_that_cannot_start_says_why(case: str, kafka_addresses: Addresses) -> None:
    changed, error, said = WRONG[case]
    kafka = msgspec.structs.replace(_secured(kafka_addresses), **changed(kafka_addresses))
    with pytest.raises(error, match=said) as caught:
        _run(Settings(kafka=kafka), lambda: True)
    assert "\n" not in str(caught.value)


def test_the_command_ends_with_one_sentence_and_code_2(tmp_path: Path) -> None:
    config = tmp_path / "undertow.toml"
    config.write_text('[kafka]\nservers = ["127.0.0.1:1"]\n')
    command = [sys.executable, "-m", "undertow.pipelines.cli", "worker", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("undertow: no broker answers at 127.0.0.1:1 ")
    assert done.stderr.count("\n") == 1
