"""One partition of the events topic, counted: messages in; cuts, blocks of rows and states with their positions out.

The log is cut only where the log itself says so: behind a message that moves the watermark over the end of a window,
and where the offset passes a multiple of a block's size. So whoever reads the partition, in whatever batches and
however often it was taken over in between, makes the same outputs at the same positions, and a receiver that knows a
position drops the repeat. At-least-once delivery has exactly-once effect.

A position is the offset behind the last message that has gone in. Events are counted in the batches that lie between
such places, so what is inside the counting is the same for every reader, too, byte for byte.

What a successor needs is saved at the start, every few blocks, and once in each horizon of the deduplication: all that
is counted so far and small. Ids are not small; they are read again from the log, from where the state says. So a
takeover counts at most 32,768 messages again, and reads the ids of at most two horizons before them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np

from undertow.alerts.incident import Version
from undertow.drift.deduplication import Deduplication, DeduplicationState
from undertow.drift.interaction import Interaction
from undertow.drift.newcomers import Seen
from undertow.drift.verdict import Verdict
from undertow.drift.windows import ClosedWindow
from undertow.pipelines import snapshot
from undertow.pipelines.counting import horizon_s
from undertow.pipelines.dead_letters import DeadLetter, DeadLetters
from undertow.pipelines.decoder import Decoder, Reject
from undertow.pipelines.kafka.client import Message
from undertow.pipelines.kafka.machine import Saved
from undertow.pipelines.settings import Ingest
from undertow.pipelines.step import Step

__all__ = ["TICK", "Block", "Core", "Cut", "Output", "Saved", "SourcePartition", "Terms", "is_tick"]

TICK = "undertow-tick"  # header of a message that only says how late it is: an idle partition's owner writes it
STATE_VERSION = 2


class Core(Protocol):
    """What counts events: deduplication, signals, trackers, windows."""

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        """Count the next events; the result does not depend on how they are batched."""
        ...

    def tick(self, time: float) -> Step:
        """Let event time pass without an event."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state, the ids seen under "deduplication"."""
        ...


class Terms(msgspec.Struct, frozen=True):
    """What the cuts depend on, the same for all workers of an installation; times in seconds.

    Parameters
    ----------
    horizon_s
        How long the core knows an id again.
    max_ahead_s
        How far an event may be ahead of the time of its message.
    block
        Offsets whose rows go together.
    blocks_per_state
        How many of those lie between two states.
    """

    window_s: float
    lateness_s: float
    horizon_s: float
    max_ahead_s: float
    block: int = 1_024
    blocks_per_state: int = 32

    @classmethod
    def of(cls, ingest: Ingest) -> Terms:
        """Return the terms that the settings set."""
        return cls(ingest.window_s, ingest.allowed_lateness_s, horizon_s(ingest), ingest.max_ahead_s)


class Cut(msgspec.Struct):
    """Windows that closed at a position; told to every series partition, also when there is nothing in it for it.

    Parameters
    ----------
    previous
        The position of the cut before; −1 for the first.
    open_from
        No event of this partition before this time is still to come, seconds since the epoch.
    found, versions, seen
        What rules have found since the cut before, what defines behaviour and was new, and which calls ran on what.
    """

    position: int
    previous: int
    open_from: float
    windows: list[ClosedWindow]
    found: list[Verdict] = []
    versions: list[Version] = []
    seen: list[Seen] = []


class Block(msgspec.Struct):
    """What goes into the store as one block under the position as its token."""

    position: int
    steps: list[Step]
    letters: list[DeadLetter]


Output = Cut | Block | Saved


class _Mark(msgspec.Struct, array_like=True):
    """Where an epoch of the deduplication began, and the largest event time before."""

    epoch: float
    offset: int
    latest: float


class _State(msgspec.Struct):
    """A partition between two messages."""

    position: int = 0
    boundary: int = 0  # where the present block of rows begins
    saved: int = -1  # position of the last state
    previous: int = -1
    latest: float = -math.inf
    saved_epoch: float = -math.inf
    marks: list[_Mark] = []
    found: list[Verdict] = []  # since the last cut
    versions: list[Version] = []
    seen: list[Seen] = []
    letters: list[Any] = []
    core: dict[str, Any] | None = None
    key: str = ""
    version: int = STATE_VERSION


class SourcePartition:
    """Counts one partition.

    Parameters
    ----------
    build
        Makes the counting core, from its state or anew.
    source
        The name of the partition in dead letters, `topic/number`.
    saved
        The state to go on from; without one the partition is read from `start`.
    emitted
        The position up to which outputs have been acknowledged: what is cut at or before it is not told again.
    key
        A fingerprint of the key that hides users: with another one, users would have two names.

    Raises
    ------
    ValueError
        The state is of another version, or was counted with another key.
    """

    def __init__(
        self,
        build: Callable[[dict[str, Any] | None], Core],
        terms: Terms,
        decode: Decoder,
        source: str,
        *,
        redact: Callable[[str], str],
        saved: bytes | None = None,
        start: int = 0,
        emitted: int = -1,
        key: str = "",
    ) -> None:
        self._state = _read(saved, source, key) if saved else _State(start, start - start % terms.block, key=key)
        self._build, self._terms, self._decode, self._source = build, terms, decode, source
        self._emitted = emitted
        self._open_from = self._window(self._state.latest)
        self._letters = DeadLetters(redact, self._state.letters)
        self._core: Core | None = None  # until the ids before the position are known again
        self._recalled = Deduplication(terms.horizon_s)  # ids before the position
        self._clock = self._state.marks[0].latest if self._state.marks else -math.inf  # of recalling
        self._events: list[Interaction] = []
        self._crcs: list[int] = []
        self._block = Block(0, [], [])
        self._closed: list[ClosedWindow] = []

    @property
    def position(self) -> int:
        """The offset of the next message that will be counted."""
        return self._state.position

    @property
    def rewind(self) -> int:
        """The offset to read from: before the position lie messages of which only the ids count."""
        marks = self._state.marks
        return min(marks[0].offset, self._state.position) if marks else self._state.position

    @property
    def latest(self) -> float:
        """The largest event time so far."""
        return self._state.latest

    @property
    def rejected(self) -> int:
        """How many messages were no events so far."""
        return sum(self._letters.counts.values())

    def take(self, messages: Sequence[Message]) -> Iterator[Output]:
        """Count messages in their order and yield what they bring; those counted before are passed over.

        While an output is looked at the counting stands at its position. All of them must be taken.
        """
        if self._state.saved < 0:
            yield from self._save()
        for message in messages:
            if message.offset < self._state.position:
                self._recall(message)
                continue
            if message.offset >= self._boundary_ahead:
                yield from self._reach(message.offset)
            moved = self._read(message)
            self._state.position = message.offset + 1
            if moved:
                yield from self._cut()
            if self._state.position >= self._boundary_ahead:
                yield from self._reach(self._state.position)

    # -- reading ------------------------------------------------------------------------------------------------------

    def _read(self, message: Message) -> bool:
        """Take one message in; return whether the watermark has passed the end of a window."""
        if is_tick(message):
            return self._tick(self._time_of(message))
        raw = message.value or b""
        event = self._judge(message, raw)
        if isinstance(event, Reject):
            letter = self._letters.judge(self._source, 0, message.offset, event, raw)
            self._block.letters += [letter] if letter else []
            return False
        self._events.append(event)
        self._crcs.append(zlib.crc32(raw))
        self._mark(max(self._state.latest, event.time), message.offset)
        return self._advance(event.time)

    def _judge(self, message: Message, raw: bytes) -> Interaction | Reject:
        event = self._decode(raw)
        if isinstance(event, Interaction) and event.time > message.time + self._terms.max_ahead_s:
            return Reject(f"more than {self._terms.max_ahead_s:g} s ahead of its arrival", "time")
        if isinstance(event, Interaction) and not event.service:
            event.service = self._source.partition("/")[0]
        return event

    def _tick(self, time: float) -> bool:
        if time <= self._state.latest:
            return False
        self._count()
        self._keep(self._counting().tick(time))
        return self._advance(time)

    def _advance(self, time: float) -> bool:
        self._state.latest = max(self._state.latest, time)
        before, self._open_from = self._open_from, self._window(self._state.latest)
        return self._open_from > before

    def _window(self, latest: float) -> float:
        """Return the number of the first window that is open."""
        return _floor((latest - self._terms.lateness_s) / self._terms.window_s)

    def _epoch(self, clock: float) -> float:
        return _floor(clock / self._terms.horizon_s)

    def _mark(self, clock: float, offset: int) -> None:
        """Remember where the ids of this epoch and of the one before begin."""
        epoch = self._epoch(clock)
        marks = self._state.marks
        if not marks or epoch > marks[-1].epoch:
            self._state.marks = [one for one in marks if one.epoch >= epoch - 1]
            self._state.marks.append(_Mark(epoch, offset, self._state.latest))

    # -- cutting ------------------------------------------------------------------------------------------------------

    @property
    def _boundary_ahead(self) -> int:
        """Where the next block of rows begins: a multiple of 1,024."""
        return self._state.boundary + self._terms.block

    def _cut(self) -> Iterator[Output]:
        yield from self._flush(self._state.position)
        state, open_from = self._state, self._open_from * self._terms.window_s
        cut = Cut(state.position, state.previous, open_from, self._closed, state.found, state.versions, state.seen)
        state.previous, self._closed = state.position, []
        state.found, state.versions, state.seen = [], [], []
        yield from self._told(cut)
        epoch = self._epoch(state.latest)
        if epoch > state.saved_epoch:
            state.saved_epoch = epoch
            yield from self._save()

    def _reach(self, offset: int) -> Iterator[Output]:
        """Close the rows before the last multiple of 1,024 up to an offset, and save the state where one is due.

        Asked before a message and behind it: a place that was committed has then told all that lies before it.
        """
        boundary, every = offset - offset % self._terms.block, self._terms.block * self._terms.blocks_per_state
        due = boundary // every > self._state.boundary // every
        yield from self._flush(boundary)
        self._state.position = self._state.boundary = boundary
        if due:
            yield from self._save()

    def _save(self) -> Iterator[Output]:
        if self._state.position > self._state.saved:
            self._state.saved = self._state.position
            yield from self._told(Saved(self._state.position, self._snapshot()))

    def _flush(self, position: int) -> Iterator[Output]:
        self._count()
        block, self._block = self._block, Block(0, [], [])
        block.position = position
        if block.steps or block.letters:
            self._counting()  # who makes rows of it needs the core, also of letters alone
            yield from self._told(block)

    def _told(self, output: Output) -> Iterator[Output]:
        if output.position > self._emitted:
            yield output

    def _count(self) -> None:
        if self._events:
            self._keep(self._counting().step(self._events, self._crcs))
            self._events, self._crcs = [], []

    def _keep(self, step: Step) -> None:
        self._closed += step.windows
        self._state.found += step.found
        self._state.versions += step.versions
        self._state.seen += step.seen
        if step.events or step.spent or step.versions:
            self._block.steps.append(step)

    # -- state --------------------------------------------------------------------------------------------------------

    def _snapshot(self) -> bytes:
        core = dict(self._counting().snapshot())
        seen: DeduplicationState = core["deduplication"]
        core["deduplication"] = [seen.duplicates, seen.conflicts, seen.forgotten_early]
        state = msgspec.structs.replace(self._state, core=core, letters=self._letters.snapshot())
        return snapshot.encode({name: getattr(state, name) for name in state.__struct_fields__})

    def _recall(self, message: Message) -> None:
        """Know the id of a message before the position again: a predecessor has counted it."""
        if self._core is not None:
            return
        if is_tick(message):
            self._clock = max(self._clock, self._time_of(message))
            return
        raw = message.value or b""
        event = self._judge(message, raw)
        if isinstance(event, Interaction):
            self._clock = max(self._clock, event.time)
            self._recalled.admit([event], [zlib.crc32(raw)], np.array([self._clock]))

    def _counting(self) -> Core:
        """Return the core, built when the first message at the position has come: then all ids are known again."""
        if self._core is None:
            core = self._state.core
            if core is not None:
                seen = self._recalled.snapshot()
                seen.duplicates, seen.conflicts, seen.forgotten_early = core["deduplication"]
                core = core | {"deduplication": msgspec.to_builtins(seen)}
            self._core, self._state.core = self._build(core), None
            self._recalled = Deduplication(self._terms.horizon_s)
        return self._core

    def _time_of(self, message: Message) -> float:
        """Return the time that a tick tells; −∞ for one that is no time, or ahead of its arrival."""
        try:
            time = float(message.value or b"")
        except ValueError:
            return -math.inf
        return time if time <= message.time + self._terms.max_ahead_s else -math.inf


def is_tick(message: Message) -> bool:
    """Return whether a message is no event and only tells the time."""
    return bool(message.headers) and any(name == TICK for name, _ in message.headers)


def _floor(value: float) -> float:
    """Return what the core's arrays do: −∞ stays, and it is not the `//` of floats, which rounds otherwise."""
    return float(math.floor(value)) if math.isfinite(value) else value


def _read(saved: bytes, source: str, key: str) -> _State:
    content = snapshot.decode(saved)
    if content["version"] != STATE_VERSION:
        raise ValueError(
            f"the state of {source} has version {content['version']}, this Undertow reads {STATE_VERSION}: go back to "
            "the Undertow that wrote it, or begin anew under another prefix in [kafka]"
        )
    if content["key"] != key:
        raise ValueError(
            f"{source} was counted with another user_key: let all workers have the same in [kafka], or begin anew "
            "under another prefix"
        )
    return msgspec.convert(content, _State)
