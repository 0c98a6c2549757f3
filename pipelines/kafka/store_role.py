"""`undertow store`: blocks of rows from `undertow.rows` into ClickHouse, with Kafka as their spool.

A position is committed when all before it is in ClickHouse, or among the dead letters. What was inserted and not yet
committed is inserted again by the next process, under the same token: once. While ClickHouse is away the partitions are
held and the process stays in its group.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from undertow.pipelines.kafka.block_sink import BlockSink
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.machine import Place, Send, View
from undertow.pipelines.kafka.topics import Names

__all__ = ["REASON", "StorePartition", "StoreRole"]

log = logging.getLogger(__name__)

REASON = "undertow-reason"  # header of a dead letter
ROUND_S = 1.0  # of inserting, before the loop looks at the group again


class StorePartition:
    """The blocks of one partition, in their order.

    Parameters
    ----------
    start
        Offset of the first block.
    dead
        Topic and partition for what ClickHouse will never take.
    """

    def __init__(
        self, sink: BlockSink, start: int, dead: tuple[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sink, self._dead, self._clock = sink, dead, clock
        self._waiting = deque[Message]()
        self.rewind = self.position = start

    @property
    def full(self) -> bool:
        """Whether blocks wait for ClickHouse."""
        return bool(self._waiting)

    def take(self, messages: Sequence[Message]) -> list[Send]:
        """Insert what waits and what came, for about a second; return what goes to the dead letters."""
        self._waiting.extend(messages)
        dead: list[Send] = []
        until = self._clock() + ROUND_S
        while self._waiting and self._clock() < until:
            outcome = self._sink.put(self._waiting[0])
            if not outcome.done:
                break
            message = self._waiting.popleft()
            self.position = message.offset + 1
            if outcome.refusal:
                dead.append(self._letter(message, outcome.refusal))
        return dead

    def _letter(self, message: Message, reason: str) -> Send:
        return Send(*self._dead, message.key, message.value, (*message.headers, (REASON, reason.encode())))


class StoreRole:
    """The role for the loop: one sink behind all partitions of this process."""

    name = "store"
    beside: Sequence[str] = ()

    def __init__(
        self,
        names: Names,
        sink: BlockSink,
        lost: Callable[[int], None],
        dead_partitions: int,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.topic, self._close = names.rows, close
        self._sink, self._lost, self._dead, self._dead_partitions = sink, lost, names.dead, dead_partitions

    def machine(self, place: Place) -> StorePartition:
        """Go on behind what was committed; what Kafka no longer keeps is counted and told."""
        start = place.first if place.committed is None else max(place.committed, place.first)
        missing = start - place.committed if place.committed is not None else 0
        if missing:
            self._lost(missing)
            log.error(
                "%s/%d: %d blocks were deleted before ClickHouse had them; keep them longer: retention_h in [kafka]",
                *(self.topic, place.number, missing),
            )
        return StorePartition(self._sink, start, (self._dead, place.number % self._dead_partitions))

    def hear(self, topic: str, messages: Sequence[Message]) -> None:
        """Hear nothing: no topic is beside."""

    def meanwhile(self, view: View) -> Sequence[Send]:
        """Return nothing: what there is to send answers a message."""
        return ()

    def leave(self) -> Sequence[Send]:
        """Stop nothing: what is under way is inserted once, whoever sends it again."""
        return ()

    def close(self) -> None:
        """Let go of the server."""
        self._close()
