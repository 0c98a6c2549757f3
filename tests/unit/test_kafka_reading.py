"""What is read whole, or looked at, beside a role's own topic: to its end, and let go of whatever happens."""

from collections.abc import Sequence

import pytest
from adding_role import BESIDE, Sums
from memory_kafka import MemoryConsumer, MemoryKafka

from undertow.pipelines.kafka.beside import Beside
from undertow.pipelines.kafka.client import Message, Partition, Polled
from undertow.pipelines.kafka.errors import KafkaError
from undertow.pipelines.kafka.sample import take


class Emptied(MemoryKafka):
    """A broker whose retention has emptied partition 1; its consumers are few of polls, and note that they close."""

    def __init__(self) -> None:
        super().__init__({BESIDE: 2})
        self.closed = 0

    def consumer(self, topics: Sequence[str], group: str | None = None) -> "EmptiedConsumer":
        consumer = EmptiedConsumer(self, self.partitions(topics), group)
        consumer.give(consumer.every)
        return consumer


class EmptiedConsumer(MemoryConsumer):
    """Its reader."""

    _polls = 0

    def poll(self, wait_s: float, limit: int) -> Polled:
        self._polls += 1
        if self._polls > 10:
            raise KafkaError("it waits for what never comes")
        return super().poll(wait_s, limit)

    def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        return super().bounds(partitions) | {one: (7, 7) for one in partitions if one.number == 1}

    def close(self) -> None:
        assert isinstance(self._broker, Emptied)
        self._broker.closed += 1


@pytest.fixture
def broker() -> Emptied:
    return Emptied()


def test_a_sample_does_not_wait_for_what_retention_has_deleted(broker: Emptied) -> None:
    broker.write(Partition(BESIDE, 0), Message(4, b"event"))
    taken = take(broker, BESIDE)
    assert {one.number: [message.offset for message in found] for one, found in taken.items()} == {0: [4], 1: []}
    assert broker.closed == 1


def test_a_sample_of_nothing_is_empty(broker: Emptied) -> None:
    assert list(take(broker, BESIDE).values()) == [[], []]


def test_what_lies_beside_is_heard_to_its_end_and_let_go_of(broker: Emptied) -> None:
    broker.write(Partition(BESIDE, 0), Message(0, b"said"))
    role = Sums([BESIDE])
    Beside(role, broker).close()
    assert (role.heard, broker.closed) == ([b"said"], 1)


def test_who_cannot_read_what_lies_beside_lets_go_of_the_connection(broker: Emptied) -> None:
    class Deaf(Sums):
        def hear(self, topic: str, messages: Sequence[Message]) -> None:
            raise KafkaError("what is this?")

    broker.write(Partition(BESIDE, 0), Message(0, b"said"))
    with pytest.raises(KafkaError, match="what is this"):
        Beside(Deaf([BESIDE]), broker)
    assert broker.closed == 1
