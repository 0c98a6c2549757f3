"""How far a process has come with its partitions: shown as metrics, and watched, that it gets on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from typing import NamedTuple

from undertow.pipelines.kafka.client import Partition
from undertow.pipelines.kafka.loop_meter import LoopMeter
from undertow.pipelines.kafka.machine import Machine
from undertow.pipelines.kafka.watchdog import Watchdog

__all__ = ["Progress", "Standing"]


class Standing(NamedTuple):
    """Where a partition stands: its machine, the last message that came (None before the first), the end of its log."""

    machine: Machine
    read: int | None
    end: int


class Progress:
    """Of one process.

    Parameters
    ----------
    limit_s
        So long may messages wait without progress, seconds.
    """

    def __init__(self, meter: LoopMeter, limit_s: float) -> None:
        self._meter, self._limit_s = meter, limit_s
        self._whole = Watchdog()  # of this process, or of the group where it has no partition
        self._each: dict[Partition, Watchdog] = defaultdict(Watchdog)

    def forget(self, partition: Partition) -> None:
        """Let go of a partition that went."""
        self._each.pop(partition, None)

    def look(self, now: float, ours: Mapping[Partition, Standing]) -> None:
        """Show how far behind ours are. Something must get on, and each in time, since others may be read before it.

        Raises
        ------
        undertow.pipelines.kafka.errors.StalledError
            Messages wait, and for too long nothing came of it.
        """
        behind = {one: max(standing.end - standing.machine.position, 0) for one, standing in ours.items()}
        self._meter.assigned.set(len(ours))
        self._meter.lag({partition.number: messages for partition, messages in behind.items()})
        places = {one: (standing.machine.position, standing.read) for one, standing in ours.items()}
        waiting = {
            one: f"{one.topic}/{one.number} is {messages} messages behind"
            for one, messages in behind.items()
            if messages and not ours[one].machine.full
        }
        self._whole.look(now, self._limit_s, tuple(places.items()), ", ".join(waiting.values()))
        for one, place in places.items():
            self._each[one].look(now, self._limit_s * len(places), place, waiting.get(one, ""))

    def look_without(self, now: float, progress: Hashable, waiting: str) -> None:
        """Without a partition of our own: `waiting` says what keeps the group behind, empty for nothing.

        Raises
        ------
        undertow.pipelines.kafka.errors.StalledError
            As for `look`.
        """
        self._meter.assigned.set(0)
        self._meter.lag({})
        self._whole.look(now, self._limit_s, progress, waiting)
