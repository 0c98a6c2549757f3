"""A look at the end of partitions that others read: how late it is there."""

from __future__ import annotations

import math
import time
from collections.abc import Collection

from undertow.drift.interaction import Interaction
from undertow.pipelines.decoder import Decoder
from undertow.pipelines.kafka.client import Client, Consumer, Message, Partition
from undertow.pipelines.kafka.source_partition import is_tick
from undertow.pipelines.kafka.ticks import Tail

__all__ = ["Tails"]

LAST = 16  # messages of a partition that are looked at
PATIENCE_S = 2.0


class Tails:
    """Reads the last messages of partitions of one topic, outside of any group; connects when it is first asked."""

    def __init__(self, client: Client, topic: str, decode: Decoder) -> None:
        self._client, self._topic, self._decode = client, topic, decode
        self._consumer: Consumer | None = None

    def look(self, numbers: Collection[int]) -> dict[int, Tail] | None:
        """Return the tails of these partitions; None when they cannot all be read right now."""
        if not numbers:
            return {}
        if self._consumer is None:
            self._consumer = self._client.consumer([self._topic])
        wanted = [Partition(self._topic, number) for number in sorted(numbers)]
        bounds = self._consumer.bounds(wanted)
        left = {one: end for one, (first, end) in bounds.items() if end > first}
        latest = dict.fromkeys(wanted, -math.inf)
        self._consumer.resume(wanted)
        for one, end in left.items():
            self._consumer.seek(one, max(bounds[one][0], end - LAST))
        until = time.monotonic() + PATIENCE_S
        while left and time.monotonic() < until:
            for one, messages in self._consumer.poll(0.05, LAST * len(wanted)).messages.items():
                latest[one] = max([latest[one], *map(self._time, messages)])
                if messages[-1].offset + 1 >= left.get(one, 0):
                    left.pop(one, None)
        self._consumer.pause(wanted)
        return None if left else {one.number: Tail(bounds[one][1], latest[one]) for one in wanted}

    def close(self) -> None:
        """Let go of the connection."""
        if self._consumer is not None:
            self._consumer.close()

    def _time(self, message: Message) -> float:
        event = self._decode(message.value or b"") if not is_tick(message) else None
        return event.time if isinstance(event, Interaction) else -math.inf
