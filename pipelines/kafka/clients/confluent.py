"""confluent-kafka (librdkafka) behind the contract of `undertow.pipelines.kafka.client`: an extra, the faster one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from confluent_kafka import (
    OFFSET_END,
    KafkaException,
    TopicPartition,
)
from confluent_kafka import Consumer as LibraryConsumer
from confluent_kafka import KafkaError as LibraryError
from confluent_kafka import Producer as LibraryProducer

from undertow.pipelines.kafka.client import Client, Header, Message, Partition, Polled, Position
from undertow.pipelines.kafka.errors import DeliveryError, KafkaError, MessageTooLargeError, TopicError
from undertow.pipelines.settings import Kafka

__all__ = ["Confluent", "build"]

ATTEMPT_S = 20.0  # for one question to the broker
RECONNECT_S = 1.0  # at most between two attempts
HEARTBEAT_S = 1.0  # at most: it is also how soon a member hears that the group is being rearranged
QUEUE_KB = 65_536  # fetched ahead, all partitions together
BACKLOG_S = 0.1  # to wait when the producer's queue is full
_LATER = {  # a commit while the group is being rearranged, or has moved on; or while the broker is away
    LibraryError.ILLEGAL_GENERATION,
    LibraryError.REBALANCE_IN_PROGRESS,
    LibraryError.UNKNOWN_MEMBER_ID,
    LibraryError.FENCED_INSTANCE_ID,
    LibraryError.COORDINATOR_NOT_AVAILABLE,
    LibraryError.COORDINATOR_LOAD_IN_PROGRESS,
    LibraryError.NOT_COORDINATOR,
    LibraryError.REQUEST_TIMED_OUT,
    LibraryError._ASSIGNMENT_LOST,  # noqa: SLF001  # the library's own names
    LibraryError._TIMED_OUT,  # noqa: SLF001  # likewise
    LibraryError._TRANSPORT,  # noqa: SLF001  # likewise
    LibraryError._WAIT_COORD,  # noqa: SLF001  # likewise
}


def build(settings: Kafka) -> Client:
    """Return the client for a broker."""
    return Confluent(settings)


class Confluent:
    """Makes consumers and producers of confluent-kafka."""

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings

    def consumer(self, topics: Sequence[str], group: str | None = None) -> Consumer:
        """Return a consumer."""
        return Consumer(self._settings, topics, group)

    def producer(self) -> Producer:
        """Return a producer."""
        return Producer(self._settings)


class Consumer:
    """A member of a group, or the reader of whole topics; the library calls back inside `poll` and `close` only."""

    def __init__(self, settings: Kafka, topics: Sequence[str], group: str | None) -> None:
        self._waiting: set[Partition] = set()  # assigned, and not yet told from where
        self._polled = Polled()
        with _said("the client cannot be set up"):
            self._library = LibraryConsumer(_connection(settings) | _membership(settings, group))
        if group:
            self._library.subscribe(
                list(topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        else:
            self._take_all(topics)

    def poll(self, wait_s: float, limit: int) -> Polled:
        """Return messages, and what was assigned and revoked."""
        with _said("the broker answers a fetch with"):
            found = self._library.consume(limit, wait_s)
        polled, self._polled = self._polled, Polled()
        messages = polled.messages
        for one in found:
            _raise_for(one.error())
            partition = Partition(one.topic() or "", one.partition() or 0)
            if partition not in self._waiting:
                messages.setdefault(partition, []).append(_message(one))
        return polled

    def seek(self, partition: Partition, offset: int) -> None:
        """Set the place and let messages come, unless it has gone meanwhile."""
        until = time.monotonic() + ATTEMPT_S
        while self._mine([partition]):
            try:
                self._library.seek(TopicPartition(*partition, offset))
                break
            except KafkaException as error:
                # A partition that has just come is not yet known to the part of the library that fetches.
                if error.args[0].code() != LibraryError._STATE or time.monotonic() > until:  # noqa: SLF001  # the library's name
                    raise KafkaError(f"cannot go to offset {offset} of {partition}: {error}") from error
                time.sleep(0.01)
        self._waiting.discard(partition)

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Hold partitions."""
        self._library.pause([TopicPartition(*one) for one in self._mine(partitions)])

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Let go of partitions that were held."""
        self._library.resume([TopicPartition(*one) for one in self._mine(partitions)])

    def commit(self, positions: Mapping[Partition, Position]) -> bool:
        """Commit places with their notes."""
        wanted = [TopicPartition(*one, positions[one].offset, positions[one].note) for one in self._mine([*positions])]
        if not wanted:
            return not positions
        try:
            done = self._library.commit(offsets=wanted, asynchronous=False) or []
        except KafkaException as error:
            if error.args[0].code() in _LATER:
                return False
            raise KafkaError(f"the broker does not take a commit: {error.args[0].str()}") from error
        return len(wanted) == len(positions) and not any(one.error for one in done)

    def committed(self, partitions: Sequence[Partition]) -> dict[Partition, Position | None]:
        """Ask for the committed places."""
        with _said("the broker does not say what was committed"):
            found = self._library.committed([TopicPartition(*one) for one in partitions], timeout=ATTEMPT_S)
            for one in found:
                if one.error:
                    raise KafkaException(one.error)
        return {
            Partition(one.topic, one.partition): None
            if one.offset < 0
            else Position(one.offset, (one.metadata or "").rstrip("\0"))
            for one in found
        }

    def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Ask for the bounds of the log."""
        return {one: self._bounds(one) for one in partitions}

    def close(self) -> None:
        """Leave the group; a broker that is away will miss us by itself."""
        with suppress(KafkaException):
            self._library.close()

    def _bounds(self, partition: Partition) -> tuple[int, int]:
        with _said("the broker does not say where its log ends"):
            found = self._library.get_watermark_offsets(TopicPartition(*partition), timeout=ATTEMPT_S)
        if found is None:
            raise KafkaError(f"the broker does not say where its log ends within {ATTEMPT_S:g} s")
        return found

    def _assigned(self, library: LibraryConsumer, came: Sequence[TopicPartition]) -> None:
        # Behind the last message until `seek`: the library would else ask for what the group has committed.
        library.incremental_assign([TopicPartition(one.topic, one.partition, OFFSET_END) for one in came])
        self._wait_for_places(came)

    def _revoked(self, library: LibraryConsumer, went: Sequence[TopicPartition]) -> None:
        library.incremental_unassign(list(went))
        gone = [Partition(one.topic, one.partition) for one in went]
        self._waiting -= set(gone)
        self._polled.assigned = [one for one in self._polled.assigned if one not in gone]
        self._polled.revoked += gone

    def _wait_for_places(self, came: Sequence[TopicPartition]) -> None:
        """Drop what comes until `seek`.

        A pause would do, but the library may forget to begin with a partition that is paused before it has begun
        (librdkafka 5591): it would be silent for ever.
        """
        partitions = [Partition(one.topic, one.partition) for one in came]
        self._waiting |= set(partitions)
        self._polled.assigned += partitions

    def _take_all(self, topics: Sequence[str]) -> None:
        with _said("the broker does not say which topics exist"):
            known = self._library.list_topics(timeout=ATTEMPT_S).topics
        for topic in topics:
            if topic not in known:
                raise TopicError(f"the topic {topic} does not exist: `undertow topics` creates it")
        taken = [TopicPartition(topic, number, OFFSET_END) for topic in topics for number in known[topic].partitions]
        self._library.assign(taken)
        self._wait_for_places(taken)

    def _mine(self, partitions: Sequence[Partition]) -> list[Partition]:
        """Return those of these that are still assigned: others are nobody's business any more."""
        assigned = {(one.topic, one.partition) for one in self._library.assignment()}
        return [one for one in partitions if one in assigned]


class Producer:
    """Writes with idempotence; refusals are told by `flush`."""

    def __init__(self, settings: Kafka) -> None:
        self._largest = settings.max_message_bytes
        self._refused: list[LibraryError] = []
        self._unacknowledged = 0  # bytes
        ways = {
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "message.max.bytes": self._largest,
        }
        with _said("the client cannot be set up"):
            self._library = LibraryProducer(_connection(settings) | ways)

    @property
    def unacknowledged(self) -> int:
        """Return the bytes on their way."""
        self._library.poll(0)
        return self._unacknowledged

    def send(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Sequence[Header] = ()
    ) -> None:
        """Queue a message."""
        size = len(value or b"")
        told = partial(self._told, size)
        while True:
            try:
                self._library.produce(
                    topic, value=value, key=key, partition=partition, headers=list(headers), on_delivery=told
                )
            except BufferError:
                self._library.poll(BACKLOG_S)
            except KafkaException as error:
                if error.args[0].code() == LibraryError.MSG_SIZE_TOO_LARGE:
                    raise MessageTooLargeError(topic, size, self._largest) from error
                raise DeliveryError(f"{topic} does not take a message: {error.args[0].str()}") from error
            else:
                self._unacknowledged += size
                self._library.poll(0)
                return

    def flush(self, wait_s: float) -> None:
        """Wait for the acknowledgements."""
        left = self._library.flush(wait_s)
        refused, self._refused = self._refused, []
        if refused:
            raise DeliveryError(f"the broker refused {len(refused)} messages; the first: {refused[0].str()}")
        if left:
            raise DeliveryError(f"the broker has not acknowledged within {wait_s:g} s")

    def close(self) -> None:
        """Let go without waiting."""
        self._library.purge()
        self._library.flush(1.0)

    def _told(self, size: int, error: LibraryError | None, _message: object) -> None:
        self._unacknowledged -= size
        if error is not None:
            self._refused.append(error)


def _membership(settings: Kafka, group: str | None) -> dict[str, Any]:
    """Return how to read, and as whom."""
    name = {"group.instance.id": f"{group}-{settings.instance}"} if group and settings.instance else {}
    return name | {
        "group.id": group or f"{settings.prefix}-none",  # wanted even where there is none
        "session.timeout.ms": int(settings.session_s * 1000),
        "heartbeat.interval.ms": int(min(settings.session_s / 6, HEARTBEAT_S) * 1000),
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "allow.auto.create.topics": False,
        "partition.assignment.strategy": "cooperative-sticky",
        "queued.max.messages.kbytes": QUEUE_KB,
        "fetch.message.max.bytes": max(1_048_576, settings.max_message_bytes),
    }


def _connection(settings: Kafka) -> dict[str, Any]:
    """Return how to reach the broker, in this library's words; it holds the password, so it is never shown."""
    known = {
        "bootstrap.servers": ",".join(settings.servers),
        "client.id": settings.prefix,
        "reconnect.backoff.max.ms": int(RECONNECT_S * 1000),
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism if settings.security_protocol.startswith("SASL") else None,
        "sasl.username": settings.username,
        "sasl.password": settings.password,
        "ssl.ca.location": settings.ca_file,
        "ssl.certificate.location": settings.certificate_file,
        "ssl.key.location": settings.key_file,
    }
    return {name: value for name, value in known.items() if value} | {"log_level": 0}


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Turn what the library raises into a sentence."""
    try:
        yield
    except KafkaException as error:
        raise KafkaError(f"{what}: {error.args[0].str()}") from error


def _message(one: Any) -> Message:
    return Message(one.offset(), one.value(), one.key(), one.timestamp()[1] / 1000, one.headers() or ())


def _raise_for(error: LibraryError | None) -> None:
    if error is not None:
        raise KafkaError(f"the broker answers a fetch with: {error.str()}")
