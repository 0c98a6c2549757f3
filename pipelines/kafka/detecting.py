"""`undertow detect`: judges partitions of series; any number of processes share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import Gauge

from undertow.pipelines.kafka.client import Client, Message
from undertow.pipelines.kafka.control import Claimed, claimed
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Place, Send, View
from undertow.pipelines.kafka.series_partition import SeriesPartition
from undertow.pipelines.kafka.topics import Names, TopicFacts
from undertow.pipelines.settings import Settings

__all__ = ["Detect"]


class Detect:
    """The role: partitions of series, and what all of them claim of the budget.

    Parameters
    ----------
    topics
        As they are on the broker: how many partitions of events and rows there are.
    """

    name = "detect"

    def __init__(self, settings: Settings, topics: Mapping[str, TopicFacts], client: Client, meter: LoopMeter) -> None:
        self._settings, self._names = settings, Names.of(settings.kafka)
        self.topic = self._names.partials
        self.beside: Sequence[str] = [self._names.control]
        self._sources = topics[self._names.events].partitions
        self._rows = topics[self._names.rows].partitions
        self._claims: dict[bytes, Claimed] = {}  # by key, in the order in which they were made
        self._machines: Mapping[int, SeriesPartition] = {}
        self._latest = Gauge(
            "undertow_last_closed_window_seconds", "End of the last window that was judged", registry=meter.registry
        )

    def machine(self, place: Place) -> SeriesPartition:
        """Return the machine of a partition."""
        machine = SeriesPartition(
            self._settings, self._names, place.number, self._sources, self._rows, place.saved, place.first
        )
        for said in self._claims.values():
            machine.hear(said)
        self._machines = {**self._machines, place.number: machine}
        return machine

    def hear(self, topic: str, messages: Sequence[Message]) -> None:
        """Take what partitions claim, wherever they are judged."""
        for message in messages:
            said = claimed(message.key, message.value)
            if said is not None and message.key is not None:
                self._claims.pop(message.key, None)
                self._claims[message.key] = said
                for machine in self._machines.values():
                    machine.hear(said)

    def meanwhile(self, view: View) -> list[Send]:
        """Remember whom to tell of claims; there is nothing to send."""
        self._machines = {n: machine for n, machine in view.machines.items() if isinstance(machine, SeriesPartition)}
        closed = [machine.last_closed for machine in self._machines.values()]
        self._latest.set(min(closed, default=0.0))
        return []

    def leave(self) -> Sequence[Send]:
        """Stop nothing: what goes on is in the machines."""
        return ()

    def close(self) -> None:
        """Let go of nothing: all that it holds is memory."""
