"""States in a compacted topic: whole or not at all, in parts that fit, the highest position wins."""

import os
from collections.abc import Sequence

import pytest
from memory_kafka import MemoryKafka

from undertow.pipelines.kafka.client import Partition
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.machine import Saved, Send
from undertow.pipelines.kafka.states import States, key_of

TOPIC = Partition("state", 0)
LARGEST = 5_000


@pytest.fixture
def broker() -> MemoryKafka:
    """An empty topic of states."""
    return MemoryKafka({"state": 1})


@pytest.fixture
def states(broker: MemoryKafka) -> States:
    """The states of workers."""
    return States(broker, "state", 1, "worker", LARGEST)


def _write(broker: MemoryKafka, messages: Sequence[Send]) -> None:
    for one in messages:
        broker.append(one.topic, one.partition, one.value, one.key, one.headers)


def _compact(broker: MemoryKafka) -> None:
    """Keep the last message of each key, as the broker does."""
    last = {message.key: message for message in broker.logs[TOPIC]}
    broker.logs[TOPIC] = sorted(last.values(), key=lambda message: message.offset)


def test_a_state_comes_back_as_it_was_and_in_messages_that_fit(broker: MemoryKafka, states: States) -> None:
    content = os.urandom(4_000)
    messages = list(states.messages(3, 1, Saved(77, content)))
    assert len(messages) > 4
    assert all(len(one.value or b"") + len(one.key or b"") < LARGEST for one in messages)
    _write(broker, messages)
    assert states.read([3, 4]) == {3: (Saved(77, content), 1)}


def test_an_empty_state_is_a_state(broker: MemoryKafka, states: States) -> None:
    _write(broker, list(states.messages(0, 0, Saved(1, b""))))
    assert states.read([0])[0].saved == Saved(1, b"")


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("parts", range(5))
def test_a_torn_write_leaves_the_one_before_whole(
    broker: MemoryKafka, states: States, parts: int, compacted: bool
) -> None:
    olds = [Saved(position, os.urandom(4_000)) for position in (10, 20)]
    for slot, old in enumerate(olds):
        _write(broker, list(states.messages(0, slot, old)))
    _write(broker, list(states.messages(0, 0, Saved(30, os.urandom(4_000))))[:parts])
    if compacted:
        _compact(broker)
    assert states.read([0])[0] == (olds[1], 1)


def test_the_highest_position_wins_not_the_last_written(broker: MemoryKafka, states: States) -> None:
    """A paused process may write an older one late."""
    _write(broker, list(states.messages(0, 1, Saved(20, b"new"))))
    _write(broker, list(states.messages(0, 0, Saved(10, b"old"))))
    assert states.read([0])[0].saved == Saved(20, b"new")


def test_roles_and_partitions_do_not_see_each_other(broker: MemoryKafka, states: States) -> None:
    others = States(broker, "state", 1, "detect", LARGEST)
    _write(broker, list(others.messages(0, 0, Saved(5, b"theirs"))))
    _write(broker, list(states.messages(11, 0, Saved(6, b"eleven"))))
    broker.append("state", 0, b"?", b"somebody/else", ())
    broker.append("state", 0, b"?", None, ())
    assert states.read([0, 1]) == {}
    assert others.read([0])[0].saved == Saved(5, b"theirs")


def test_what_is_no_state_is_told(broker: MemoryKafka, states: States) -> None:
    broker.append("state", 0, b"garbage", key_of("worker", 0, 0, 0), ())
    with pytest.raises(KafkaError, match="a saved state of worker/0 is damaged"):
        states.read([0])
