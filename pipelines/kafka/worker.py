"""`undertow worker`: counts partitions of the events topic; tells partials, rows and dead letters by their places."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from undertow.drift.interaction import Interaction
from undertow.drift.prices import PriceTable
from undertow.pipelines.counting import Counting
from undertow.pipelines.dead_letters import DeadLetter
from undertow.pipelines.decoder import Decoder, Reject
from undertow.pipelines.kafka import partials
from undertow.pipelines.kafka.blocks import Blocks
from undertow.pipelines.kafka.client import Client, Message
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.gathering import Gathering
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Output, Place, Send, View
from undertow.pipelines.kafka.role_meters import CountMeter, Totals
from undertow.pipelines.kafka.source_partition import TICK, Block, Core, Cut, Saved, SourcePartition, Terms
from undertow.pipelines.kafka.tails import Tails
from undertow.pipelines.kafka.ticks import Ours, Ticks
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.own_key import own_key
from undertow.pipelines.prices import price_table
from undertow.pipelines.recorder import Recorder
from undertow.pipelines.redaction import LabelPolicy, Redactor, user_hash
from undertow.pipelines.settings import Settings
from undertow.pipelines.step import Step
from undertow.pipelines.wire import decoder_for

__all__ = ["CountedPartition", "Worker", "Workshop"]


class Workshop:
    """What all partitions of a process share: settings, prices, the decoder, the key of the users.

    Parameters
    ----------
    topics
        As they are on the broker: how many partitions of rows and dead letters there are.
    """

    def __init__(self, settings: Settings, topics: Mapping[str, TopicFacts], meter: LoopMeter) -> None:
        self.settings, self.names, self.meter = settings, Names.of(settings.kafka), meter
        self.terms = Terms.of(settings.ingest)
        self.decode = _TimedDecoder(decoder_for(settings.ingest))
        self.redactor = Redactor(settings.ingest.content, settings.ingest.redact)
        key = settings.kafka.user_key.encode() or own_key(settings.folder / "user-hash.key")
        self.pseudonym: Callable[[str], str] = lambda user: user_hash(user, key)
        self.key_mark = self.pseudonym("")[:8]
        self.prices: PriceTable = price_table(settings.prices)
        self.rows_partitions = topics[self.names.rows].partitions
        self.dead_partitions = topics[self.names.dead].partitions
        self.counted = CountMeter(meter.registry)

    def counting(self, state: dict[str, Any] | None) -> Counting:
        """Return the counting of a partition, from its state or anew."""
        return Counting(self.settings, self.prices, state, self.pseudonym)

    def recorder(self, blocks: Blocks, counting: Counting) -> Recorder:
        """Return what makes rows of events that were counted."""
        ingest, dimensions = self.settings.ingest, self.settings.detection.dimensions
        labels = LabelPolicy(ingest.content, ingest.redact, dimensions)
        return Recorder(blocks, self.redactor, labels, self.pseudonym, counting.catalogue, counting.categories)


class CountedPartition:
    """The machine of one partition of events.

    Raises
    ------
    undertow.pipelines.kafka.errors.LostStateError
        Something was counted, and its state is gone.
    """

    full = False

    def __init__(self, place: Place, shop: Workshop) -> None:
        self._number, self._shop = place.number, shop
        self._name = f"{shop.names.events}/{place.number}"
        if place.saved is None and place.committed is not None:
            raise LostStateError(
                f"{self._name} has been counted up to offset {place.committed}, and {shop.names.state} has no state "
                "of it: restore the topic, or begin anew under another prefix in [kafka]"
            )
        self._blocks = Blocks(shop.settings.kafka.max_message_bytes)
        self._counting: Counting
        self._recorder: Recorder
        self._source = SourcePartition(
            self._build,
            shop.terms,
            shop.decode,
            self._name,
            redact=lambda text: shop.redactor.text(text) or "",
            saved=place.saved,
            start=place.first,
            emitted=-1 if place.committed is None else place.committed,
            key=shop.key_mark,
        )
        self._totals: Totals = {"rejected": self._source.rejected}

    @property
    def rewind(self) -> int:
        """From where the ids are read again."""
        return self._source.rewind

    @property
    def position(self) -> int:
        """The offset of the next event that will count."""
        return self._source.position

    @property
    def latest(self) -> float:
        """The largest event time, −∞ before the first event."""
        return self._source.latest

    def take(self, messages: Sequence[Message]) -> list[Output]:
        """Count messages; return partials, rows, dead letters and states."""
        outputs = [told for output in self._source.take(messages) for told in self._told(output)]
        self._count_up()
        self._shop.meter.spent("decode", self._shop.decode.seconds)
        self._shop.decode.seconds = 0.0
        return outputs

    def _build(self, state: dict[str, Any] | None) -> Core:
        self._counting = self._shop.counting(state)
        self._recorder = self._shop.recorder(self._blocks, self._counting)
        self._totals = {**self._totals, **msgspec.structs.asdict(self._counting.counters)}
        window_s = self._shop.settings.ingest.window_s
        return _TimedCore(Gathering(self._counting, window_s, state), self._shop.meter)

    def _count_up(self) -> None:
        """Show by how much the totals of the partition have grown; there are none before the counting is built."""
        before = self._totals
        counted = msgspec.structs.asdict(self._counting.counters) if "events" in before else {}
        self._totals = {**counted, "rejected": self._source.rejected}
        self._shop.counted.grown(before, self._totals)

    def _told(self, output: Cut | Block | Saved) -> Iterator[Output]:
        if isinstance(output, Cut):
            yield from self._partials(output)
        elif isinstance(output, Block):
            yield from map(self._dead, output.letters)
            yield from self._rows(output)
        else:
            yield from self._versions(output.position)
            yield output

    def _partials(self, cut: Cut) -> Iterator[Send]:
        partitions = self._shop.settings.kafka.series_partitions
        for partition, content in partials.encode(cut, self._number, self._counting, partitions):
            yield Send(self._shop.names.partials, partition, None, content)

    def _dead(self, letter: DeadLetter) -> Send:
        key = f"{letter.source}:{letter.offset}".encode()
        return Send(self._shop.names.dead, self._number % self._shop.dead_partitions, key, msgspec.json.encode(letter))

    def _rows(self, block: Block) -> Iterator[Send]:
        for step in block.steps:
            self._recorder.add(step)
        self._recorder.add(self._counting.nothing(), block.letters)
        self._recorder.write_counted(f"{self._name}:{block.position}", ())
        yield from self._drained()
        if any(step.versions for step in block.steps):
            yield from self._versions(block.position)

    def _versions(self, position: int) -> Iterator[Send]:
        """Return the versions seen here: when there is a new one, and now and then how often each was seen."""
        self._recorder.write_counted(f"{self._name}:{position}", self._counting.versions.all())
        yield from self._drained()

    def _drained(self) -> Iterator[Send]:
        for block in self._blocks.drain():
            partition = self._number % self._shop.rows_partitions
            yield Send(self._shop.names.rows, partition, None, block.content, block.headers)


class Worker:
    """The role: partitions of events, and the time for those that are idle."""

    name = "worker"
    beside: Sequence[str] = ()

    def __init__(self, settings: Settings, topics: Mapping[str, TopicFacts], client: Client, meter: LoopMeter) -> None:
        self.topic = Names.of(settings.kafka).events
        self._shop = Workshop(settings, topics, meter)
        self._partitions = range(topics[self.topic].partitions)
        self._tails = Tails(client, self.topic, decoder_for(settings.ingest))
        self._ticks = Ticks(settings.ingest)
        self._asked = float("-inf")

    def machine(self, place: Place) -> CountedPartition:
        """Return the machine of a partition."""
        return CountedPartition(place, self._shop)

    def hear(self, topic: str, messages: Sequence[Message]) -> None:
        """Listen to nothing beside."""

    def meanwhile(self, view: View) -> list[Send]:
        """Return ticks for idle partitions, each time that the broker has said where the log ends."""
        if view.asked == self._asked:
            return []
        self._asked = view.asked
        ours = {
            number: Ours(machine.position, view.ends[number], machine.latest)
            for number, machine in view.machines.items()
            if isinstance(machine, CountedPartition)
        }
        idle = self._ticks.idle(view.asked, ours)
        others = self._tails.look([number for number in self._partitions if number not in ours]) if idle else None
        if others is None:
            return []
        times = self._ticks.times(view.asked, idle, ours, others)
        return [Send(self.topic, number, None, repr(at).encode(), ((TICK, b""),)) for number, at in times.items()]

    def leave(self) -> Sequence[Send]:
        """Stop nothing: what goes on is in the machines."""
        return ()

    def close(self) -> None:
        """Let go of the connection that looks at others' partitions."""
        self._tails.close()


class _TimedDecoder:
    """Adds up the time that decoding takes."""

    def __init__(self, decode: Decoder) -> None:
        self._decode = decode
        self.seconds = 0.0

    @property
    def dropped(self) -> Mapping[str, int]:
        return self._decode.dropped

    def __call__(self, line: bytes) -> Interaction | Reject:
        start = time.perf_counter()
        event = self._decode(line)
        self.seconds += time.perf_counter() - start
        return event


class _TimedCore:
    """Tells the time that counting takes."""

    def __init__(self, core: Core, meter: LoopMeter) -> None:
        self._core, self._meter = core, meter

    def step(self, events: Sequence[Interaction], checksums: Sequence[int]) -> Step:
        with self._meter.timed("count"):
            return self._core.step(events, checksums)

    def tick(self, time: float) -> Step:
        with self._meter.timed("count"):
            return self._core.tick(time)

    def snapshot(self) -> dict[str, Any]:
        return self._core.snapshot()
