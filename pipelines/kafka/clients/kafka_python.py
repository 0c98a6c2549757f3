"""kafka-python behind the contract of `undertow.pipelines.kafka.client`: pure Python, the default."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import CommitFailedError, KafkaTimeoutError, MessageSizeTooLargeError, RebalanceInProgressError
from kafka.errors import KafkaError as LibraryError
from kafka.partitioner.default import murmur2
from kafka.structs import OffsetAndMetadata

from undertow.pipelines.kafka.client import Client, Header, Message, Partition, Polled, Position
from undertow.pipelines.kafka.errors import DeliveryError, KafkaError, MessageTooLargeError, TopicError
from undertow.pipelines.settings import Kafka

__all__ = ["KafkaPython", "build", "connection", "partition_of", "said"]

FETCH_BYTES = 4_194_304  # from one partition at a time
ATTEMPT_S = 20.0  # for one question to the broker
CLOSE_S = 5.0
RECONNECT_S = 1.0  # at most between two attempts, as Java's client does it; the library's own 30 s outlast a restart
HEARTBEAT_S = 1.0  # at most: it is also how soon a member hears that the group is being rearranged


def build(settings: Kafka) -> Client:
    """Return the client for a broker."""
    return KafkaPython(settings)


def connection(settings: Kafka) -> dict[str, Any]:
    """Return how to reach the broker, in this library's words; it holds the password, so it is never shown."""
    return {
        "bootstrap_servers": settings.servers,
        "client_id": settings.prefix,
        "security_protocol": settings.security_protocol,
        "sasl_mechanism": settings.sasl_mechanism if settings.security_protocol.startswith("SASL") else None,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password,
        "ssl_cafile": settings.ca_file,
        "ssl_certfile": settings.certificate_file,
        "ssl_keyfile": settings.key_file,
        "bootstrap_timeout_ms": int(ATTEMPT_S * 1000),
        "reconnect_backoff_max_ms": int(RECONNECT_S * 1000),
    }


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key as Kafka's own producers choose it.

    Examples
    --------
    >>> partition_of(b"session-1", 8)
    4
    """
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions


class KafkaPython:
    """Makes consumers and producers of kafka-python."""

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings

    def consumer(self, topics: Sequence[str], group: str | None = None) -> Consumer:
        """Return a consumer."""
        return Consumer(self._settings, topics, group)

    def producer(self) -> Producer:
        """Return a producer."""
        return Producer(self._settings)


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # the library ships no types
    """A member of a group, or the reader of whole topics.

    The library calls its listener on a thread of its own, which may not ask the broker anything: it only takes note.
    """

    def __init__(self, settings: Kafka, topics: Sequence[str], group: str | None) -> None:
        self._waiting: set[TopicPartition] = set()  # assigned, and not yet told from where
        self._paused: set[TopicPartition] = set()
        self._polled = Polled()
        self._lock = threading.Lock()
        with said("the broker does not answer"):
            self._library = KafkaConsumer(
                **connection(settings),
                group_id=group,
                group_instance_id=f"{group}-{settings.instance}" if group and settings.instance else None,
                session_timeout_ms=int(settings.session_s * 1000),
                heartbeat_interval_ms=int(min(settings.session_s / 6, HEARTBEAT_S) * 1000),
                enable_auto_commit=False,
                auto_offset_reset="none",
                allow_auto_create_topics=False,
                max_partition_fetch_bytes=max(FETCH_BYTES, settings.max_message_bytes),
                partition_assignment_strategy=[CooperativeStickyAssignor],
            )
        # Asked before joining: a group whose leader has not heard of a topic yet is given nothing of it, for minutes.
        every = [one for topic in topics for one in self._partitions(topic)]
        if group:
            self._library.subscribe(list(topics), listener=self)
        else:
            self._library.assign(every)
            self.on_partitions_assigned(every)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Hold what came until `seek`."""
        with self._lock:
            self._waiting |= set(assigned)
            self._library.pause(*assigned)
            for one in assigned:
                self._library.seek(one, 0)  # or the library would ask for a place itself, and fail without one
            self._polled.assigned += [Partition(*one) for one in assigned]

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget what went."""
        with self._lock:
            self._waiting -= set(revoked)
            self._paused -= set(revoked)
            gone = [Partition(*one) for one in revoked]
            self._polled.assigned = [one for one in self._polled.assigned if one not in gone]
            self._polled.revoked += gone

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        """Forget what others have got meanwhile."""
        self.on_partitions_revoked(lost)

    def poll(self, wait_s: float, limit: int) -> Polled:
        """Return messages, and what was assigned and revoked."""
        self._must_be_member()
        self._finish_joining()
        self._let_parked_go_on()
        with said("the broker answers a fetch with"):
            found = self._library.poll(timeout_ms=int(wait_s * 1000), max_records=limit)
        with self._lock:
            polled, self._polled = self._polled, Polled()
            known = {one: records for one, records in found.items() if one not in self._waiting}
        polled.messages = {Partition(*one): [_message(record) for record in records] for one, records in known.items()}
        return polled

    def _must_be_member(self) -> None:
        """End where the library has given up its signs of life: it goes on with partitions that others have got.

        It does so (3.0.12) when the group knows another member by our name, and tells only its log.
        """
        group = self._library._coordinator  # noqa: SLF001 – there is no other way in
        if group is None:
            return
        with group._lock:  # noqa: SLF001 – as above
            silent = group.stable() and not group.rejoining and not group._heartbeat_enabled  # noqa: SLF001 – as above
        if silent:
            raise KafkaError(
                f"another process is {group.group_instance_id} in the group {group.group_id}: ending, to be started "
                "again; 'instance' in [kafka] must be each process's own"
            )

    def _finish_joining(self) -> None:
        """Go on with a join that has begun.

        When it begins as the topic looks different, and is not done at the end of a poll, the library (3.0.12) forgets
        it: the new assignment answers the reason. It would stay without heartbeats and commits, and read on.
        """
        group = self._library._coordinator  # noqa: SLF001 – there is no other way in
        if group is not None and group.rejoining:
            group.request_rejoin()

    def _let_parked_go_on(self) -> None:
        """Free the place for what was fetched of partitions before they were held.

        The library (3.0.12) puts it back when that place is None, and leaves a used-up batch there, which is not: held
        partitions would never come again.
        """
        fetcher = self._library._fetcher  # noqa: SLF001 – there is no other way in
        if not fetcher._next_partition_records:  # noqa: SLF001 – as above
            fetcher._next_partition_records = None  # noqa: SLF001 – as above

    def seek(self, partition: Partition, offset: int) -> None:
        """Set the place and let messages come, unless it has gone meanwhile."""
        if not self._mine([partition]):
            return
        one = TopicPartition(*partition)
        self._library.seek(one, offset)
        with self._lock:
            self._waiting.discard(one)
            if one not in self._paused:
                self._library.resume(one)

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Hold partitions."""
        mine = self._mine(partitions)
        self._paused |= mine
        self._library.pause(*mine)

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Let go of partitions that were held."""
        mine = self._mine(partitions)
        self._paused -= mine
        self._library.resume(*(mine - self._waiting))

    def commit(self, positions: Mapping[Partition, Position]) -> bool:
        """Commit places with their notes."""
        mine = self._mine(list(positions))
        wanted = {one: OffsetAndMetadata(*positions[Partition(*one)], -1) for one in mine}
        if not wanted:
            return not positions
        try:
            self._library.commit(wanted, timeout_ms=int(ATTEMPT_S * 1000))
        except (CommitFailedError, RebalanceInProgressError):
            return False
        except LibraryError as error:
            if error.retriable:  # the broker is away, or not yet back
                return False
            raise KafkaError(f"the broker does not take a commit: {error}") from error
        return len(wanted) == len(positions)

    def committed(self, partitions: Sequence[Partition]) -> dict[Partition, Position | None]:
        """Ask for the committed places."""
        with said("the broker does not say what was committed"):
            found = {one: self._committed(TopicPartition(*one)) for one in partitions}
        return {
            one: None if known is None else Position(known.offset, (known.metadata or "").rstrip("\0"))
            for one, known in found.items()
        }

    def bounds(self, partitions: Sequence[Partition]) -> dict[Partition, tuple[int, int]]:
        """Ask for the bounds of the log."""
        wanted = [TopicPartition(*one) for one in partitions]
        with said("the broker does not say where its log ends"):
            first = self._library.beginning_offsets(wanted, timeout_ms=int(ATTEMPT_S * 1000))
            end = self._library.end_offsets(wanted, timeout_ms=int(ATTEMPT_S * 1000))
        return {Partition(*one): (first[one], end[one]) for one in wanted}

    def close(self) -> None:
        """Leave the group; a broker that is away will miss us by itself."""
        with suppress(LibraryError):
            self._library.close(autocommit=False)

    def _committed(self, one: TopicPartition) -> OffsetAndMetadata | None:
        return self._library.committed(one, metadata=True, timeout_ms=int(ATTEMPT_S * 1000))

    def _partitions(self, topic: str) -> list[TopicPartition]:
        with said(f"the broker does not say whether {topic} exists"):
            numbers = self._library.partitions_for_topic(topic)
        if not numbers:
            self._library.close(autocommit=False)
            raise TopicError(f"the topic {topic} does not exist: `undertow topics` creates it")
        return [TopicPartition(topic, number) for number in sorted(numbers)]

    def _mine(self, partitions: Sequence[Partition]) -> set[TopicPartition]:
        """Return those of these that are still assigned: others are nobody's business any more."""
        return {TopicPartition(*one) for one in partitions} & set(self._library.assignment())


class Producer:
    """Writes with idempotence; refusals are told by `flush`."""

    def __init__(self, settings: Kafka) -> None:
        self._largest = settings.max_message_bytes
        self._refused: list[BaseException] = []
        self._sent = 0  # bytes
        self._acknowledged = 0  # counted on the library's thread alone
        with said("the broker does not answer"):
            self._library = KafkaProducer(
                **connection(settings),
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=5,
                batch_size=262_144,
                max_request_size=self._largest,
                allow_auto_create_topics=False,
            )

    @property
    def unacknowledged(self) -> int:
        """Return the bytes on their way."""
        return self._sent - self._acknowledged

    def send(
        self, topic: str, value: bytes | None, key: bytes | None, partition: int, headers: Sequence[Header] = ()
    ) -> None:
        """Queue a message."""
        size = len(value or b"")
        try:
            sent = self._library.send(topic, value=value, key=key, partition=partition, headers=list(headers))
        except MessageSizeTooLargeError as error:
            raise MessageTooLargeError(topic, size, self._largest) from error
        except LibraryError as error:
            raise DeliveryError(f"{topic} does not take a message: {error}") from error
        self._sent += size
        sent.add_errback(self._refused.append)
        sent.add_callback(partial(self._told, size))

    def flush(self, wait_s: float) -> None:
        """Wait for the acknowledgements."""
        try:
            self._library.flush(timeout=wait_s)
        except KafkaTimeoutError as error:
            raise DeliveryError(f"the broker has not acknowledged within {wait_s:g} s") from error
        refused, self._refused = self._refused, []
        if refused:
            raise DeliveryError(f"the broker refused {len(refused)} messages; the first: {refused[0]}")

    def close(self) -> None:
        """Let go; what has not been acknowledged is given up.

        The library (3.0.12) would wait for it, and when that is in vain leave its thread and connection behind.
        """
        self._library._sender.force_close()  # noqa: SLF001 – there is no other way in
        with suppress(KafkaTimeoutError):
            self._library.close(timeout=CLOSE_S)

    def _told(self, size: int, _where: object) -> None:
        self._acknowledged += size


@contextmanager
def said(what: str) -> Iterator[None]:
    """Turn what the library raises into a sentence.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        Instead of the library's own.
    """
    try:
        yield
    except LibraryError as error:
        raise KafkaError(f"{what}: {error}") from error


def _message(record: Any) -> Message:
    return Message(record.offset, record.value, record.key, record.timestamp / 1000, record.headers)
