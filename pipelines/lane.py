"""One source on its way into the inbox: its blocks are decoded and guarded, its position is that of what was taken."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import PurePath

import msgspec

from undertow.drift.interaction import Interaction
from undertow.pipelines.decoder import Decoder, Reject
from undertow.pipelines.source import Block, Position, Source
from undertow.pipelines.time_guard import Guard

__all__ = ["Lane", "Record"]

KEPT_OF_REJECT = 2_000  # bytes of an unreadable line that may become an excerpt

# What was read, its checksum or (of a reject) its first bytes, and its place: line, start, end, file.
Record = tuple[Interaction | Reject, int | bytes, int, int, int, str]


class Lane:
    """Reads ahead of what is taken by one block at most, and by the eight records of the time guard."""

    def __init__(
        self, source: Source, decode: Decoder, guard: Guard[Record], position: Position, *, follow: bool = False
    ) -> None:
        self.source = source
        self.ready: deque[Record] = deque()
        self.ended = False
        self.position = position
        self.largest = float("-inf")  # of the event times taken
        self._decode = decode
        self._guard = guard
        self._follow = follow
        self._service = service_of(source.name)

    def fill(self) -> bool:
        """Read until something is ready; False when nothing new has come, or nothing will."""
        while not self.ready and not self.ended:
            block = self.source.read()
            if block is None:
                self.ended = True
                self._release(self._guard.finish())
            elif block.lines or block.unreadable:
                self._decode_block(block)
            elif self._follow:
                break
        return bool(self.ready)

    def take(self, count: int) -> list[Record]:
        """Return that many of the records that are ready, and move the position behind them."""
        records = [self.ready.popleft() for _ in range(min(count, len(self.ready)))]
        _, _, line, _, end, file = records[-1]
        self.position = Position(line, end, file)
        times = [record[0].time for record in records if isinstance(record[0], Interaction)]
        self.largest = max(self.largest, max(times, default=self.largest))
        return records

    def _decode_block(self, block: Block) -> None:
        line, offset, file = block.start.line, block.start.offset, block.start.file
        guard, decode, append, service = self._guard, self._decode, self.ready.append, self._service
        horizon, largest = guard.horizon, float("-inf")
        for raw in block.lines:
            line += 1
            start, offset = offset, offset + len(raw) + 1
            if not raw or raw.isspace():
                continue
            outcome = decode(raw)
            # The way of nearly all events: within the horizon, so that no other record has a say in them.
            if type(outcome) is Interaction and outcome.time <= horizon:
                outcome.service = outcome.service or service
                append((outcome, zlib.crc32(raw), line, start, offset, file))
                largest = max(largest, outcome.time)
                continue
            guard.passed(largest)
            self._offer(outcome, raw, line, start, offset, file)
            horizon = guard.horizon
        guard.passed(largest)
        if block.unreadable:
            self._offer(Reject(block.unreadable), b"", line + 1, offset, block.end.offset, file)

    def _offer(self, outcome: Interaction | Reject, raw: bytes, line: int, start: int, end: int, file: str) -> None:
        if isinstance(outcome, Reject):
            self._release(self._guard.offer(None, (outcome, raw[:KEPT_OF_REJECT], line, start, end, file)))
            return
        if not outcome.service:
            outcome.service = self._service
        record: Record = (outcome, zlib.crc32(raw), line, start, end, file)
        self._release(self._guard.offer(outcome.time, record))

    def _release(self, decided: Sequence[tuple[Record, Reject | None]]) -> None:
        for record, reject in decided:
            if reject is None:
                self.ready.append(record)
            else:
                event = msgspec.json.encode(record[0])[:KEPT_OF_REJECT]
                self.ready.append((reject, event, *record[2:]))


def service_of(name: str) -> str:
    """Return the service that events without one belong to: the source's name without folders and endings.

    Examples
    --------
    >>> service_of("/var/log/support.2026.jsonl.gz"), service_of("-")
    ('support', 'stdin')
    """
    return PurePath(name).name.split(".", 1)[0] or "unnamed" if name != "-" else "stdin"
