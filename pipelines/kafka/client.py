"""The contract of a Kafka client: one small surface that two libraries fill, free of their traps.

A partition that comes to a consumer delivers nothing until `seek` has said from where; so state can be loaded first,
and nothing that was fetched before is handled twice. Nothing is committed but by `commit`. Nothing happens behind the
caller's back except heartbeats: what was assigned and taken away is told by `poll`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

__all__ = ["Client", "Consumer", "Header", "Message", "Partition", "Polled", "Position", "Producer"]

Header = tuple[str, bytes]


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class Message(NamedTuple):
    """One message as it lies in its partition; `time` is the broker's or the sender's, seconds since the epoch."""

    offset: int
    value: bytes | None
    key: bytes | None = None
    time: float = 0.0
    headers: Sequence[Header] = ()


class Position(NamedTuple):
    """A committed place: the offset of the next message, and a word of up to 4,096 bytes that was left with it."""

    offset: int
    note: str = ""


class Polled(msgspec.Struct):
    """What one call of `poll` brought: messages by partition in their order; partitions that went and came before them.

    Those that went are let go of first: a partition may stand in both lists.
    """

    messages: dict[Partition, list[Message]] = {}
    assigned: list[Partition] = []
    revoked: list[Partition] = []


class Consumer(Protocol):
    """Reads topics: as a member of a group that shares the partitions, or, without a group, all of them."""

    def poll(self, wait_s: float, limit: int) -> Polled:
        """Return at most `limit` messages, and wait at most `wait_s` for the first of them."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Go on with the message at `offset`; the first word on a partition that was assigned.

        Like `pause` and `resume` it does nothing where the partition has gone meanwhile: the next `poll` tells that.
        """
        ...

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Deliver nothing from these until `resume`, and stay a member of the group."""
        ...

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Deliver again from where `pause` stopped."""
        ...

    def commit(self, positions: Mapping[Partition, Position]) -> bool:
        """Commit; False when the broker is away or the group has given a partition away: then later, or not at all."""
        ...

    def committed(self, partitions: Sequence[Partition]) -> dict[Partition, Position | None]:
        """Return what the group has committed last."""
        ...

    def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Return the first offset that is kept and the one behind the last."""
        ...

    def close(self) -> None:
        """Leave the group and let go of everything."""
        ...


class Producer(Protocol):
    """Writes messages, each once and in order (idempotence), acknowledged by all replicas in sync.

    After a `DeliveryError` it is of no more use: close it and make another.
    """

    @property
    def unacknowledged(self) -> int:
        """Bytes of values that were sent and that the broker has not acknowledged yet."""
        ...

    def send(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Sequence[Header] = ()
    ) -> None:
        """Queue a message.

        Raises
        ------
        undertow.pipelines.kafka.errors.MessageTooLargeError
            It has more bytes than allowed.
        """
        ...

    def flush(self, wait_s: float) -> None:
        """Wait until everything that was sent is acknowledged.

        Raises
        ------
        undertow.pipelines.kafka.errors.DeliveryError
            Something was not, since the last flush.
        """
        ...

    def close(self) -> None:
        """Let go of everything; what was not flushed may be lost."""
        ...


class Client(Protocol):
    """A library: makes consumers and producers."""

    def consumer(self, topics: Sequence[str], group: str | None = None) -> Consumer:
        """Return a consumer."""
        ...

    def producer(self) -> Producer:
        """Return a producer."""
        ...
