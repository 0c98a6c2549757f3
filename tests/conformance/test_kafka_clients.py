"""Every Kafka client keeps the contract of `undertow.pipelines.kafka.client`, on a real broker."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import msgspec
import pytest
from kafka_broker import PASSWORD, USER, Addresses

from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.client import Client, Consumer, Message, Partition, Position
from undertow.pipelines.kafka.clients import CLIENTS, client_of
from undertow.pipelines.kafka.errors import DeliveryError, KafkaError, MessageTooLargeError, TopicError
from undertow.pipelines.kafka.topics import TopicFacts
from undertow.pipelines.settings import Kafka

PATIENCE_S = 60.0
MakeTopic = Callable[..., str]


@pytest.fixture(scope="module")
def make_topic(kafka_addresses: Addresses) -> Iterator[MakeTopic]:
    """Makes a topic of its own for each test."""
    with Admin(Kafka(servers=(kafka_addresses.plaintext,))) as admin:

        def make(partitions: int = 1, **config: str) -> str:
            name = f"t-{uuid.uuid4().hex[:12]}"
            admin.create({name: TopicFacts(partitions, 1, config)})
            return name

        yield make


@pytest.fixture(params=sorted(CLIENTS))
def settings(request: pytest.FixtureRequest, kafka_addresses: Addresses) -> Kafka:
    """A broker and one of the clients."""
    return Kafka(servers=(kafka_addresses.plaintext,), client=request.param, max_message_bytes=2_000_000, session_s=30)


@pytest.fixture
def client(settings: Kafka) -> Client:
    """One of the clients."""
    return client_of(settings)


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test has opened."""
    with ExitStack() as stack:
        yield stack


def _write(client: Client, topic: str, values: list[bytes], partition: int = 0) -> None:
    with closing(client.producer()) as producer:
        for value in values:
            producer.send(topic, value, b"key", partition)
        producer.flush(PATIENCE_S)


def _assigned(consumer: Consumer, count: int) -> list[Partition]:
    """Poll until so many partitions have come."""
    came: list[Partition] = []
    until = time.monotonic() + PATIENCE_S
    while len(came) < count:
        assert time.monotonic() < until, f"only {came} assigned"
        polled = consumer.poll(0.1, 100)
        assert not polled.messages, "a partition speaks before it was told from where"
        came += polled.assigned
    return sorted(came)


def _read(consumer: Consumer, count: int, limit: int = 100) -> dict[Partition, list[Message]]:
    """Poll until so many messages have come."""
    found: dict[Partition, list[Message]] = {}
    until = time.monotonic() + PATIENCE_S
    while sum(map(len, found.values())) < count:
        assert time.monotonic() < until, f"only {found}"
        polled = consumer.poll(0.1, limit)
        assert sum(map(len, polled.messages.values())) <= limit
        for partition, messages in polled.messages.items():
            found.setdefault(partition, []).extend(messages)
    return found


def _commit(consumer: Consumer, positions: dict[Partition, Position]) -> None:
    """Commit; again while the group is being rearranged."""
    until = time.monotonic() + PATIENCE_S
    while not consumer.commit(positions):
        assert time.monotonic() < until
        consumer.poll(0.1, 1)


def _reader(opened: ExitStack, client: Client, topic: str, offset: int = 0, group: str | None = None) -> Consumer:
    consumer = opened.enter_context(closing(client.consumer([topic], group)))
    for partition in _assigned(consumer, 1):
        consumer.seek(partition, offset)
    return consumer


def test_a_message_arrives_as_it_was_sent(client: Client, make_topic: MakeTopic, opened: ExitStack) -> None:
    topic, before = make_topic(), time.time()
    with closing(client.producer()) as producer:
        producer.send(topic, b"\x00value", b"k\xff", 0, [("schema", b"1"), ("schema", b"2")])
        producer.send(topic, None, b"gone", 0)
        producer.flush(PATIENCE_S)
    first, second = _read(_reader(opened, client, topic), 2)[Partition(topic, 0)]
    assert (first.offset, first.value, first.key) == (0, b"\x00value", b"k\xff")
    assert [tuple(header) for header in first.headers] == [("schema", b"1"), ("schema", b"2")]
    assert before - 1 <= first.time <= time.time() + 1
    assert (second.offset, second.value, second.key, list(second.headers)) == (1, None, b"gone", [])


def test_messages_keep_their_order_and_their_partition(
    client: Client, make_topic: MakeTopic, opened: ExitStack
) -> None:
    topic = make_topic(3)
    for number in range(3):
        _write(client, topic, [b"%d-%d" % (number, i) for i in range(500)], number)
    consumer = opened.enter_context(closing(client.consumer([topic])))
    for partition in _assigned(consumer, 3):
        consumer.seek(partition, 0)
    found = _read(consumer, 1500, limit=170)
    for number in range(3):
        messages = found[Partition(topic, number)]
        assert [message.offset for message in messages] == list(range(500))
        assert [message.value for message in messages] == [b"%d-%d" % (number, i) for i in range(500)]


def test_reading_starts_where_seek_says_and_can_go_back(
    client: Client, make_topic: MakeTopic, opened: ExitStack
) -> None:
    topic = make_topic()
    _write(client, topic, [b"%d" % i for i in range(50)])
    consumer, one = _reader(opened, client, topic, 40), Partition(topic, 0)
    assert [message.offset for message in _read(consumer, 10)[one]] == list(range(40, 50))
    consumer.seek(one, 45)
    assert [message.offset for message in _read(consumer, 5)[one]] == list(range(45, 50))


def test_an_offset_that_is_not_in_the_log_is_an_error(client: Client, make_topic: MakeTopic, opened: ExitStack) -> None:
    """Never the beginning or the end instead: what lies between would be lost or told twice."""
    topic = make_topic()
    _write(client, topic, [b"x"] * 3)
    consumer = _reader(opened, client, topic, 1000)
    until = time.monotonic() + PATIENCE_S

    def read() -> None:
        while time.monotonic() < until:
            assert not consumer.poll(0.1, 10).messages

    with pytest.raises(KafkaError, match="answers a fetch with"):
        read()


def test_a_paused_partition_is_silent_and_loses_nothing(
    client: Client, make_topic: MakeTopic, opened: ExitStack
) -> None:
    topic = make_topic(2)
    for number in range(2):
        _write(client, topic, [b"%d" % i for i in range(300)], number)
    consumer = opened.enter_context(closing(client.consumer([topic])))
    held, free = _assigned(consumer, 2)
    consumer.pause([held])
    for partition in (held, free):
        consumer.seek(partition, 0)
    assert set(_read(consumer, 300)) == {free}
    assert not any(consumer.poll(0.05, 100).messages for _ in range(5))
    consumer.resume([held])
    assert [message.offset for message in _read(consumer, 100)[held]][:100] == list(range(100))
    consumer.pause([held])
    consumer.resume([held])
    assert _read(consumer, 200)[held][-1].offset == 299


def test_partitions_held_in_the_middle_of_a_batch_all_go_on(
    client: Client, make_topic: MakeTopic, opened: ExitStack
) -> None:
    """As a busy role holds them: what was fetched before lies in the library, of several partitions at once."""
    topic, found = make_topic(3), dict[Partition, list[Message]]()
    for number in range(3):
        _write(client, topic, [b"%d" % i for i in range(50)], number)
    consumer = opened.enter_context(closing(client.consumer([topic])))
    for partition in _assigned(consumer, 3):
        consumer.seek(partition, 0)
    while len(found) < 3:
        for partition, messages in _read(consumer, 1, limit=10).items():
            consumer.pause([partition])
            found.setdefault(partition, []).extend(messages)
    consumer.resume(sorted(found))
    rest = _read(consumer, 150 - sum(map(len, found.values())), limit=10)
    for partition, messages in found.items():
        assert [message.offset for message in [*messages, *rest[partition]]] == list(range(50))


def test_a_partition_that_is_paused_in_the_middle_holds_up_no_other(
    client: Client, make_topic: MakeTopic, opened: ExitStack
) -> None:
    """Also with messages fetched and not yet delivered, and with those that come later."""
    topic, group = make_topic(2), f"g-{uuid.uuid4().hex[:8]}"
    for number in range(2):
        _write(client, topic, [b"%d" % i for i in range(300)], number)
    consumer = opened.enter_context(closing(client.consumer([topic], group)))
    held, free = _assigned(consumer, 2)
    for partition in (held, free):
        consumer.seek(partition, 0)
    seen = {held: 0, free: 0}
    until = time.monotonic() + PATIENCE_S
    while not seen[held]:
        assert time.monotonic() < until
        for partition, messages in consumer.poll(0.1, 20).messages.items():
            seen[partition] += len(messages)
    consumer.pause([held])
    while seen[free] < 300:
        assert time.monotonic() < until, seen
        for partition, messages in consumer.poll(0.1, 20).messages.items():
            seen[partition] += len(messages)
    _write(client, topic, [b"later"], free.number)
    assert _read(consumer, 1, 20)[free][-1].value == b"later"
    consumer.resume([held])
    assert _read(consumer, 300 - seen[held], 20)[held][-1].offset == 299


def test_who_has_lost_its_name_to_another_says_so(settings: Kafka, make_topic: MakeTopic, opened: ExitStack) -> None:
    """And does not go on as if it were a member."""
    named, group = client_of(msgspec.structs.replace(settings, instance="one")), f"g-{uuid.uuid4().hex[:8]}"
    topic = make_topic()
    first = opened.enter_context(closing(named.consumer([topic], group)))
    _assigned(first, 1)
    second = opened.enter_context(closing(named.consumer([topic], group)))

    def poll_both() -> None:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            second.poll(0.1, 1)
            first.poll(0.1, 1)

    with pytest.raises(KafkaError, match=r"(?i)fenced|another process is"):
        poll_both()
    assert not second.poll(0.1, 1).revoked


def test_a_group_remembers_place_and_note(client: Client, make_topic: MakeTopic, opened: ExitStack) -> None:
    topic, group = make_topic(), f"g-{uuid.uuid4().hex[:8]}"
    _write(client, topic, [b"x"] * 10)
    one = Partition(topic, 0)
    with closing(client.consumer([topic], group)) as consumer:
        _assigned(consumer, 1)
        assert consumer.committed([one]) == {one: None}
        consumer.seek(one, 0)
        _read(consumer, 10)
        _commit(consumer, {one: Position(7, '{"t":1}')})
        assert consumer.commit({})
    later = opened.enter_context(closing(client.consumer([topic], group)))
    _assigned(later, 1)
    assert later.committed([one]) == {one: Position(7, '{"t":1}')}
    assert later.bounds([one]) == {one: (0, 10)}


def test_what_was_read_is_not_committed_by_itself(client: Client, make_topic: MakeTopic, opened: ExitStack) -> None:
    topic, group = make_topic(), f"g-{uuid.uuid4().hex[:8]}"
    _write(client, topic, [b"x"] * 10)
    with closing(client.consumer([topic], group)) as consumer:
        for partition in _assigned(consumer, 1):
            consumer.seek(partition, 0)
        _read(consumer, 10)
    later = opened.enter_context(closing(client.consumer([topic], group)))
    assert later.committed(_assigned(later, 1)) == {Partition(topic, 0): None}


def test_partitions_move_to_a_second_member_which_is_told(
    client: Client, make_topic: MakeTopic, opened: ExitStack
) -> None:
    topic, group = make_topic(4), f"g-{uuid.uuid4().hex[:8]}"
    first = opened.enter_context(closing(client.consumer([topic], group)))
    mine = set(_assigned(first, 4))
    for partition in mine:
        first.seek(partition, 0)
    second = opened.enter_context(closing(client.consumer([topic], group)))
    theirs: set[Partition] = set()
    until = time.monotonic() + PATIENCE_S
    while len(theirs) < 2 or len(mine) > 2:
        assert time.monotonic() < until, f"first has {mine}, second {theirs}"
        for consumer, owned in ((first, mine), (second, theirs)):
            polled = consumer.poll(0.05, 10)
            owned -= set(polled.revoked)
            owned |= set(polled.assigned)
    assert not mine & theirs
    assert len(mine | theirs) == 4
    gone = min(theirs)
    assert not first.commit({gone: Position(3)}), "a member commits what it has lost"
    second.seek(gone, 0)
    _write(client, topic, [b"after"], gone.number)
    assert [message.value for message in _read(second, 1)[gone]] == [b"after"]


def test_what_is_not_ours_any_more_is_left_alone(client: Client, make_topic: MakeTopic, opened: ExitStack) -> None:
    """A partition may go between the word that it came and the first one on it."""
    topic = make_topic()
    _write(client, topic, [b"x"] * 3)
    consumer, gone = _reader(opened, client, topic), Partition(topic, 7)
    consumer.seek(gone, 0)
    consumer.pause([gone])
    consumer.resume([gone])
    assert set(_read(consumer, 3)) == {Partition(topic, 0)}


def test_too_large_a_message_is_refused_by_name_and_size(client: Client, make_topic: MakeTopic) -> None:
    topic = make_topic()
    with (
        closing(client.producer()) as producer,
        pytest.raises(MessageTooLargeError, match=rf"2000\d\d\d bytes for {topic} .* max_message_bytes = 2000000"),
    ):
        producer.send(topic, b"x" * 2_000_100, None, 0)


def test_what_the_broker_refuses_is_told_by_flush(client: Client, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"max.message.bytes": "1000"})
    with closing(client.producer()) as producer:
        producer.send(topic, os.urandom(3000), None, 0)
        with pytest.raises(DeliveryError, match="refused 1 messages"):
            producer.flush(PATIENCE_S)
    _write(client, topic, [b"small"])


def test_what_is_on_its_way_is_known_until_it_is_acknowledged(client: Client, make_topic: MakeTopic) -> None:
    topic = make_topic()
    with closing(client.producer()) as producer:
        assert producer.unacknowledged == 0
        for _ in range(3):
            producer.send(topic, b"x" * 100_000, None, 0)
        assert 0 <= producer.unacknowledged <= 300_000
        producer.flush(PATIENCE_S)
        assert producer.unacknowledged == 0


def test_a_topic_that_does_not_exist_is_named(client: Client, opened: ExitStack) -> None:
    with pytest.raises(TopicError, match=r"no-such-topic does not exist: `undertow topics` creates it"):
        opened.enter_context(closing(client.consumer(["no-such-topic"])))


@pytest.mark.parametrize("name", sorted(CLIENTS))
@pytest.mark.parametrize("way", ["SASL_PLAINTEXT", "SSL"])
def test_a_secured_broker_lets_us_in(name: str, way: str, kafka_addresses: Addresses, make_topic: MakeTopic) -> None:
    from outside import give_up

    if kafka_addresses.sasl is None or kafka_addresses.tls is None:
        give_up("the named broker has no TLS and SASL of the tests")
    topic = make_topic()
    there = {
        "SASL_PLAINTEXT": Kafka(
            servers=(kafka_addresses.sasl,),
            security_protocol="SASL_PLAINTEXT",
            username=USER,
            password=PASSWORD,
            client=name,  # type: ignore[arg-type]
        ),
        "SSL": Kafka(
            servers=(kafka_addresses.tls,),
            security_protocol="SSL",
            ca_file=kafka_addresses.ca_file,
            client=name,  # type: ignore[arg-type]
        ),
    }[way]
    client = client_of(there)
    _write(client, topic, [b"hello"])
    with ExitStack() as opened:
        assert [m.value for m in _read(_reader(opened, client, topic), 1)[Partition(topic, 0)]] == [b"hello"]
