"""Where blocks of rows end: in ClickHouse, or, when its tables would never take one, among the dead letters.

While ClickHouse is away a block waits, and all others behind it: Kafka keeps them. It is asked again after 0.5 s, then
after ever twice as long, up to half a minute, each time less up to a half by chance, so that many processes do not ask
in step. What answers after that, or refuses a block, must be tables as they are meant to be: an empty server, or an
older one, is nothing that could refuse a block for good.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from undertow.pipelines.clickhouse import StoreError, StoreVersionError
from undertow.pipelines.kafka.blocks import Block, read
from undertow.pipelines.kafka.client import Message

__all__ = ["BlockSink", "Outcome", "SinkMeter", "Tables"]

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class Tables(Protocol):
    """Where blocks are inserted."""

    def insert_block(self, table: str, content: bytes, token: str) -> int:
        """Insert a block unless its token is known; return the number of its rows."""
        ...

    def check(self) -> None:
        """Raise `StoreVersionError` when they are not of this program's version."""
        ...


class Outcome(NamedTuple):
    """What became of a block; `refusal` says why the table will never take it."""

    done: bool
    refusal: str = ""


class SinkMeter:
    """What a sink says of itself, as Prometheus metrics.

    Examples
    --------
    >>> meter = SinkMeter(CollectorRegistry())
    >>> meter.retries.inc()
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.blocks = Counter("undertow_store_blocks", "Blocks that are in ClickHouse", registry=registry)
        self.rows = Counter("undertow_store_rows", "Their rows, repeated blocks included", registry=registry)
        self.retries = Counter("undertow_store_retries", "Attempts that ClickHouse did not take", registry=registry)
        self.refused = Counter("undertow_store_refused", "Blocks that no table will ever take", registry=registry)
        self.lost = Counter("undertow_store_lost", "Blocks that Kafka dropped before they were read", registry=registry)
        self.away_s = Gauge("undertow_store_away_seconds", "Since ClickHouse takes nothing; 0 else", registry=registry)


class BlockSink:
    """Inserts the blocks of messages, each as often as it takes.

    Parameters
    ----------
    clock
        Seconds that only grow.
    jitter
        Numbers from 0 to 1, different in each process.
    """

    def __init__(
        self,
        tables: Tables,
        meter: SinkMeter,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._tables, self._meter, self._clock, self._jitter = tables, meter, clock, jitter
        self._failures = 0  # in a row
        self._since = self._again = clock()

    def put(self, message: Message) -> Outcome:
        """Insert a message's block, unless it is not yet time to ask again.

        Raises
        ------
        StoreVersionError
            The tables are gone, or of another version.
        undertow.pipelines.schema.SchemaError
            The block was written by a newer Undertow.
        """
        if self._failures and self._clock() < self._again:
            return Outcome(done=False)
        try:
            block = read(message)
            rows = self._insert(block)
        except ValueError as error:
            return self._refuse(str(error))
        except StoreVersionError:
            raise
        except StoreError as error:
            return self._refuse(str(error)) if error.is_for_good else self._wait(str(error))
        self._meter.blocks.inc()
        self._meter.rows.inc(rows)
        self._answered()
        return Outcome(done=True)

    def _insert(self, block: Block) -> int:
        if self._failures:
            self._tables.check()
        try:
            return self._tables.insert_block(block.table, block.content, block.token)
        except StoreError as error:
            if error.is_for_good:
                self._tables.check()
            raise

    def _refuse(self, reason: str) -> Outcome:
        self._meter.refused.inc()
        self._answered()
        log.error("a block goes to the dead letters: %s", reason)
        return Outcome(done=True, refusal=reason)

    def _wait(self, reason: str) -> Outcome:
        now = self._clock()
        self._since = self._since if self._failures else now
        wait = min(FIRST_WAIT_S * 2.0**self._failures, LONGEST_WAIT_S) * (1.0 - self._jitter() / 2)
        self._failures += 1
        self._again = now + wait
        self._meter.retries.inc()
        self._meter.away_s.set(now - self._since)
        log.warning("ClickHouse does not take rows, again in %.1f s: %s", wait, reason)
        return Outcome(done=False)

    def _answered(self) -> None:
        if self._failures:
            log.warning("ClickHouse takes rows again, after %.0f s", self._clock() - self._since)
        self._failures = 0
        self._meter.away_s.set(0.0)
