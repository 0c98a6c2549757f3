"""A look at the newest events of the topic: whether those that belong together share a partition.

Tasks, sessions and repeats are followed by whoever reads their partition. Spread over several, a task counts as several
smaller ones and a repeat counts twice: nothing downstream can mend that, so it is looked for beforehand.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing

import msgspec

from undertow.drift.interaction import Interaction
from undertow.pipelines.decoder import Decoder, Reject
from undertow.pipelines.kafka.client import Client, Consumer, Message, Partition

__all__ = ["Sample", "examine", "take"]

PER_PARTITION = 2_000
PATIENCE_S = 20.0


class Sample(msgspec.Struct, frozen=True):
    """What was found in a sample: of the things that have more than one event, how many are spread over partitions."""

    events: int = 0
    rejected: int = 0
    tasks: int = 0
    spread_tasks: int = 0
    spread_repeats: int = 0

    def problem(self, topic: str) -> str:
        """Return what is wrong, in one sentence; empty when nothing is."""
        if self.spread_tasks:
            return (
                f"{self.spread_tasks} of {self.tasks} tasks with several events in {topic} are spread over partitions, "
                "so each would count as several: let producers use the task (or session) as the message key"
            )
        if self.spread_repeats:
            return (
                f"{self.spread_repeats} events lie in {topic} more than once, in different partitions, so each would "
                "count again: let producers use the task (or session) as the message key"
            )
        return ""


def examine(messages: Mapping[Partition, Iterable[Message]], decode: Decoder) -> Sample:
    """Return what a sample shows.

    Examples
    --------
    >>> from undertow.pipelines.wire.native import NativeDecoder
    >>> event = lambda id: Message(0, b'{"id": "%d", "time": 1, "service": "s", "task": "t"}' % id)
    >>> found = examine({Partition("e", 0): [event(1)], Partition("e", 1): [event(2)]}, NativeDecoder())
    >>> found.tasks, found.spread_tasks
    (1, 1)
    """
    events = rejected = 0
    tasks: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    ids: dict[tuple[str, str], set[int]] = defaultdict(set)
    for partition, held in messages.items():
        for message in held:
            event = decode(message.value or b"")
            if isinstance(event, Reject):
                rejected += 1
                continue
            events += 1
            ids[event.service, event.id].add(partition.number)
            unit = _unit(event)
            if unit:
                tasks[event.service, event.environment, unit].append(partition.number)
    several = [places for places in tasks.values() if len(places) > 1]
    return Sample(
        events,
        rejected,
        len(several),
        sum(len(set(places)) > 1 for places in several),
        sum(len(places) > 1 for places in ids.values()),
    )


def _unit(event: Interaction) -> str | None:
    return event.task or event.session


def take(client: Client, topic: str) -> dict[Partition, list[Message]]:
    """Return the newest messages of each partition, without a word to any group."""
    with closing(client.consumer([topic])) as consumer:
        return _newest(consumer)


def _newest(consumer: Consumer) -> dict[Partition, list[Message]]:
    ends: dict[Partition, int] = {}  # of those that hold any
    taken: dict[Partition, list[Message]] = {}
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        polled = consumer.poll(0.2, PER_PARTITION)
        for partition, (first, end) in consumer.bounds(polled.assigned).items() if polled.assigned else ():
            taken[partition] = []
            if first < end:
                ends[partition] = end
            consumer.seek(partition, max(first, end - PER_PARTITION))
        for partition, messages in polled.messages.items():
            taken[partition] += messages
        if taken and all(taken[one] and taken[one][-1].offset >= end - 1 for one, end in ends.items()):
            break
    return taken
