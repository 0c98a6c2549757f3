"""A broker in memory that keeps the contract of `undertow.pipelines.kafka.client`, for tests of what runs on it.

Offsets begin where the test says, a consumer of a group gets its share, a partition is silent until `seek`, and what a
producer has not flushed may be lost with it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence

from undertow.pipelines.kafka.client import Header, Message, Partition, Polled, Position
from undertow.pipelines.kafka.errors import DeliveryError, KafkaError

__all__ = ["MemoryKafka"]


class MemoryKafka:
    """Topics with their numbers of partitions; also the `Client` of everybody."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        self.topics = dict(topics)
        self.logs: dict[Partition, list[Message]] = defaultdict(list)
        self.committed: dict[tuple[str, Partition], Position] = {}
        self.members: dict[str, list[MemoryConsumer]] = defaultdict(list)
        self.away = False  # no write is acknowledged
        self.refuses_commits = False

    def consumer(self, topics: Sequence[str], group: str | None = None) -> MemoryConsumer:
        """Return a consumer; those of a group share the partitions anew."""
        consumer = MemoryConsumer(self, self.partitions(topics), group)
        if group is None:
            consumer.give(self.partitions(topics))
        else:
            self.members[group].append(consumer)
            self.share(group)
        return consumer

    def producer(self) -> MemoryProducer:
        """Return a producer."""
        return MemoryProducer(self)

    def partitions(self, topics: Sequence[str]) -> list[Partition]:
        """Return all partitions of topics."""
        return [Partition(topic, number) for topic in topics for number in range(self.topics[topic])]

    def share(self, group: str) -> None:
        """Give each member its share."""
        members = self.members[group]
        for place, member in enumerate(members):
            member.give(member.every[place :: len(members)])

    def write(self, partition: Partition, message: Message) -> None:
        """Append a message; the log may have gaps."""
        self.logs[partition].append(message)

    def append(
        self, topic: str, number: int, value: bytes | None, key: bytes | None, headers: Sequence[Header]
    ) -> None:
        """Append what a producer has flushed."""
        log = self.logs[Partition(topic, number)]
        log.append(Message(log[-1].offset + 1 if log else 0, value, key, time.time(), headers))

    def values(self, topic: str) -> list[tuple[int, Message]]:
        """Return everything that was written to a topic, with the partition."""
        return [(one.number, message) for one in self.partitions([topic]) for message in self.logs[one]]


class MemoryConsumer:
    """One reader."""

    def __init__(self, broker: MemoryKafka, every: list[Partition], group: str | None) -> None:
        self.every = every
        self._broker, self._group = broker, group
        self._places: dict[Partition, int | None] = {}
        self._paused: set[Partition] = set()
        self._polled = Polled()

    def give(self, share: Sequence[Partition]) -> None:
        """Change the assignment."""
        self._polled.assigned = [one for one in self._polled.assigned if one in share]
        self._polled.revoked += [one for one in self._places if one not in share]
        self._polled.assigned += [one for one in share if one not in self._places]
        self._places = {one: self._places.get(one) for one in share}
        self._paused &= set(share)

    def poll(self, wait_s: float, limit: int) -> Polled:
        """Return what there is."""
        polled, self._polled = self._polled, Polled()
        for one, place in self._places.items():
            if place is None or one in self._paused or one in polled.assigned:
                continue
            found = [message for message in self._broker.logs[one] if message.offset >= place][:limit]
            if found:
                polled.messages[one] = found
                self._places[one] = found[-1].offset + 1
                limit -= len(found)
        return polled

    def seek(self, partition: Partition, offset: int) -> None:
        """Set the place, if it is still ours."""
        if partition in self._places:
            self._places[partition] = offset

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Hold partitions."""
        self._paused |= set(partitions) & set(self._places)

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Let go of partitions."""
        self._paused -= set(partitions)

    def commit(self, positions: Mapping[Partition, Position]) -> bool:
        """Commit what is ours."""
        if self._broker.refuses_commits or not set(positions) <= set(self._places):
            return False
        self._broker.committed |= {(self._group or "", one): place for one, place in positions.items()}
        return True

    def committed(self, partitions: Sequence[Partition]) -> dict[Partition, Position | None]:
        """Return the group's places."""
        return {one: self._broker.committed.get((self._group or "", one)) for one in partitions}

    def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Return the bounds of the logs."""
        return {
            one: (log[0].offset, log[-1].offset + 1) if (log := self._broker.logs[one]) else (0, 0)
            for one in partitions
        }

    def close(self) -> None:
        """Leave the group."""
        members = self._broker.members[self._group or ""]
        if self in members:
            members.remove(self)
            self._broker.share(self._group or "")


class MemoryProducer:
    """One writer; what it has not flushed goes with it."""

    def __init__(self, broker: MemoryKafka) -> None:
        self._broker = broker
        self.waiting: list[tuple[str, int, bytes | None, bytes | None, Sequence[Header]]] = []

    @property
    def unacknowledged(self) -> int:
        """Bytes that wait."""
        return sum(len(value or b"") for _, _, value, _, _ in self.waiting)

    def send(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Sequence[Header] = ()
    ) -> None:
        """Queue a message."""
        if partition >= self._broker.topics[topic]:
            raise KafkaError(f"{topic} has no partition {partition}")
        self.waiting.append((topic, partition, value, key, headers))

    def flush(self, wait_s: float) -> None:
        """Write what waits."""
        if self._broker.away:
            raise DeliveryError(f"the broker has not acknowledged within {wait_s:g} s")
        self.write(len(self.waiting))

    def write(self, count: int) -> None:
        """Let the broker have the first messages that wait."""
        for one in self.waiting[:count]:
            self._broker.append(*one)
        del self.waiting[:count]

    def close(self) -> None:
        """Lose what waits."""
        self.waiting.clear()
