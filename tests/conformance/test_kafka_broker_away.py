"""While the broker is away every Kafka client waits or says so in one sentence, and goes on when it is back."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import ModuleType

import pytest
from cut_line import CutLine
from kafka_broker import Addresses
from outside import give_up

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.client import Client, Consumer, Partition, Position
from undertow.pipelines.kafka.clients import CLIENTS, client_of, confluent, kafka_python
from undertow.pipelines.kafka.errors import DeliveryError, KafkaError
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

PATIENCE_S = 60.0
LIBRARIES: tuple[ModuleType, ...] = (kafka_python, confluent)


@pytest.fixture
def line(kafka_addresses: Addresses) -> Iterator[CutLine]:
    """A line to the broker."""
    if kafka_addresses.plaintext.rpartition(":")[0] not in ("127.0.0.1", "localhost"):
        give_up("the named broker is on another machine")
    with CutLine(kafka_addresses.plaintext) as line:
        yield line


@pytest.fixture
def topic(kafka_addresses: Addresses) -> str:
    """A topic with ten messages in its one partition."""
    there, name = Kafka(servers=(kafka_addresses.plaintext,)), f"t-{uuid.uuid4().hex[:12]}"
    with Admin(there) as admin:
        admin.create({name: TopicFacts(1, 1, {})})
    _write(client_of(there), name, 10)
    return name


@pytest.fixture(params=sorted(CLIENTS))
def client(request: pytest.FixtureRequest, line: CutLine) -> Client:
    """One of the clients."""
    return client_of(Kafka(servers=(line.server,), client=request.param, session_s=6))


@pytest.fixture
def consumer(client: Client, topic: str) -> Iterator[Consumer]:
    """A member of a group that has read its partition."""
    with closing(client.consumer([topic], f"g-{uuid.uuid4().hex[:8]}")) as consumer:
        assert _read(consumer, topic, 0, 9) == list(range(10))
        yield consumer


@contextmanager
def _away(line: CutLine) -> Iterator[None]:
    """Let the broker be away, and nobody wait long for it."""
    with pytest.MonkeyPatch.context() as patched:
        for library in LIBRARIES:
            patched.setattr(library, "ATTEMPT_S", 1.0)
        line.cut()
        yield
    line.mend()


def _until(true: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until


def _write(client: Client, topic: str, count: int) -> None:
    with closing(client.producer()) as producer:
        for number in range(count):
            producer.send(topic, b"%d" % number, None, 0)
        producer.flush(PATIENCE_S)


def _read(consumer: Consumer, topic: str, first: int, last: int) -> list[int]:
    """Return the offsets that come, read as a role does whose partition may go and come."""
    one, found = Partition(topic, 0), list[int]()

    def is_there() -> bool:
        polled = consumer.poll(0.1, 100)
        if polled.assigned:
            consumer.seek(one, found[-1] + 1 if found else first)
        found.extend(message.offset for message in polled.messages.get(one, ()))
        return bool(found) and found[-1] >= last

    _until(is_there)
    return found


def test_reading_waits_and_goes_on_where_it_was(
    consumer: Consumer, topic: str, line: CutLine, kafka_addresses: Addresses
) -> None:
    with _away(line):
        for _ in range(10):
            assert not consumer.poll(0.1, 100).messages
        _write(client_of(Kafka(servers=(kafka_addresses.plaintext,))), topic, 3)
    assert _read(consumer, topic, 10, 12) == [10, 11, 12]


def test_a_commit_comes_later(consumer: Consumer, topic: str, line: CutLine) -> None:
    one = Partition(topic, 0)
    with _away(line):
        assert not consumer.commit({one: Position(7)})

    def committed() -> bool:
        consumer.poll(0.1, 1)
        return consumer.commit({one: Position(7)})

    _until(committed)
    assert consumer.committed([one]) == {one: Position(7)}


@pytest.mark.parametrize("ask", [Consumer.bounds, Consumer.committed])
def test_what_it_does_not_answer_is_one_sentence(
    ask: Callable[[Consumer, list[Partition]], object], consumer: Consumer, topic: str, line: CutLine
) -> None:
    """And never an answer: nothing committed would be to begin anew."""
    with _away(line), pytest.raises(KafkaError, match=r"^the broker does not say [^\n]*$"):
        getattr(consumer, ask.__name__)([Partition(topic, 0)])


def test_a_reader_of_whole_topics_is_not_made(client: Client, topic: str, line: CutLine) -> None:
    with _away(line), pytest.raises(KafkaError, match=r"^the broker does not [^\n]*$"):
        client.consumer([topic])


def test_what_was_sent_is_not_acknowledged_and_closing_does_not_wait_for_it(
    client: Client, topic: str, line: CutLine
) -> None:
    producer = client.producer()
    producer.send(topic, b"1", None, 0)
    producer.flush(PATIENCE_S)
    with _away(line):
        producer.send(topic, b"2", None, 0)
        assert producer.unacknowledged == 1
        with pytest.raises(DeliveryError, match=r"the broker has not acknowledged within 0\.5 s"):
            producer.flush(0.5)
        producer.close()
        assert not [one.name for one in threading.enumerate() if one.name.endswith("-network-thread")]


def test_a_member_leaves_without_it(consumer: Consumer, line: CutLine) -> None:
    with _away(line):
        consumer.close()
