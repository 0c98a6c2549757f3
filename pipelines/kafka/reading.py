"""Topics that are read whole, from their beginning to where they end now."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from undertow.pipelines.kafka.client import Consumer, Message, Partition
from undertow.pipelines.kafka.errors import KafkaError

__all__ = ["to_end"]

PATIENCE_S = 120.0  # without a single message
BATCH = 1_000


def to_end(
    consumer: Consumer, wanted: Collection[Partition] | None = None
) -> Iterator[tuple[Partition, list[Message]]]:
    """Yield the messages of these partitions, or of all, up to where each ends now; then the consumer may be read on.

    Parameters
    ----------
    consumer
        A new one, of no group.

    Raises
    ------
    undertow.pipelines.kafka.errors.KafkaError
        Nothing comes any more, and the end has not been reached.
    """
    left: dict[Partition, int] | None = None
    until = time.monotonic() + PATIENCE_S
    while left is None or left:
        polled = consumer.poll(0.1, BATCH)
        if polled.assigned:
            left = _start(consumer, [one for one in polled.assigned if wanted is None or one in wanted])
        for partition, messages in polled.messages.items():
            until = time.monotonic() + PATIENCE_S
            yield partition, messages
            if left and messages[-1].offset + 1 >= left.get(partition, 0):
                left.pop(partition, None)
        if time.monotonic() > until:
            names = ", ".join(f"{topic}/{number}" for topic, number in sorted(left or ())) or "a topic"
            raise KafkaError(f"{names} cannot be read to the end: nothing has come for {PATIENCE_S:g} s")


def _start(consumer: Consumer, partitions: list[Partition]) -> dict[Partition, int]:
    """Begin at the first message that is kept; return the ends of those that hold any."""
    bounds = consumer.bounds(partitions)
    for partition, (first, _) in bounds.items():
        consumer.seek(partition, first)
    return {partition: end for partition, (first, end) in bounds.items() if end > first}
