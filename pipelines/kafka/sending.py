"""`undertow send`: events from files into the topic, each with the key that keeps together what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from undertow.drift.interaction import Interaction
from undertow.pipelines.decoder import Decoder
from undertow.pipelines.inbox import expand
from undertow.pipelines.kafka.admin import Admin
from undertow.pipelines.kafka.client import Client, Producer
from undertow.pipelines.kafka.clients import client_of
from undertow.pipelines.kafka.clients.kafka_python import partition_of
from undertow.pipelines.kafka.errors import TopicError
from undertow.pipelines.settings import Settings
from undertow.pipelines.source import Position, SourceError
from undertow.pipelines.sources import SOURCES
from undertow.pipelines.wire import decoder_for

__all__ = ["Sent", "key_of", "lines_of", "send", "send_events"]

FLUSH_S = 60.0
MOST_UNACKNOWLEDGED = 16_777_216  # bytes


class Sent(NamedTuple):
    """How many events were sent, and how many lines that are none: to partition 0, to be told as dead letters."""

    events: int = 0
    unreadable: int = 0


def lines_of(paths: Sequence[str]) -> Iterator[bytes]:
    """Return the lines of files, folders and patterns one after the other, of "-" those of standard input.

    Raises
    ------
    undertow.pipelines.source.SourceError
        A path is missing or cannot be read, or holds what is no line.
    """
    for name in expand(paths, follow=False):
        with closing(SOURCES["stdin" if name == "-" else "file"](name, Position(), False)) as source:
            while (block := source.read()) is not None:
                yield from block.lines
                if block.unreadable:
                    raise SourceError(f"{name} cannot be sent beyond line {block.start.line}: {block.unreadable}")


def key_of(event: Interaction) -> str:
    """Return what decides the partition: the session, else the task, else the id.

    Examples
    --------
    >>> key_of(Interaction(id="1", time=0.0, service="s", task="t"))
    't'
    """
    return event.session or event.task or event.id


def send_events(settings: Settings, lines: Iterable[bytes]) -> Sent:
    """Send lines to the topic of events; what `send` says holds.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker cannot be reached, the topic does not exist, or the broker does not take a line.
    """
    topic = settings.kafka.events
    with Admin(settings.kafka) as admin:
        facts = admin.topics([topic]).get(topic)
    if facts is None:
        raise TopicError(f"the topic {topic} does not exist: `undertow topics` creates it")
    return send(lines, client_of(settings.kafka), decoder_for(settings.ingest), topic, facts.partitions)


def send(lines: Iterable[bytes], client: Client, decode: Decoder, topic: str, partitions: int) -> Sent:
    """Send lines as they are; return when all are acknowledged.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        The broker does not take a line.
    """
    events = unreadable = 0
    with closing(client.producer()) as producer:
        for raw in lines:
            if not raw or raw.isspace():
                continue
            event = decode(raw)
            if isinstance(event, Interaction):
                key = key_of(event).encode("utf-8", "replace")
                producer.send(topic, raw, key, partition_of(key, partitions))
                events += 1
            else:
                producer.send(topic, raw, None, 0)
                unreadable += 1
            _wait(producer)
        producer.flush(FLUSH_S)
    return Sent(events, unreadable)


def _wait(producer: Producer) -> None:
    if producer.unacknowledged > MOST_UNACKNOWLEDGED:
        producer.flush(FLUSH_S)
