"""A partition that is ours: its machine, begun where its newest state says, and the slot of its next state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from undertow.pipelines.kafka.client import Partition
from undertow.pipelines.kafka.errors import LostStateError
from undertow.pipelines.kafka.machine import Machine, Place, Role, Saved, Send
from undertow.pipelines.kafka.states import SLOTS, KeptState, States

__all__ = ["Held", "begin"]


class Held(NamedTuple):
    """What a runner holds of a partition."""

    machine: Machine
    slot: int

    def kept(self, states: States, number: int, saved: Saved) -> Iterator[Send]:
        """Return the messages that keep a state of partition `number`: not where the one before lies."""
        return states.messages(number, self.slot, saved)

    def turned(self) -> Held:
        """Return it with the other slot, for the state after this one."""
        return self._replace(slot=(self.slot + 1) % SLOTS)


def begin(
    role: Role, partition: Partition, kept: KeptState | None, bounds: tuple[int, int], committed: int | None
) -> Held:
    """Begin a partition where its newest state says, within what the log keeps.

    Raises
    ------
    LostStateError
        The log does not keep what the machine must read.
    """
    first, end = bounds
    machine = role.machine(Place(partition.number, kept.saved.content if kept else None, first, committed))
    if not first <= machine.rewind <= end:
        raise LostStateError(
            f"{partition.topic}/{partition.number} keeps offsets from {first} to {end}, and offset {machine.rewind} is "
            "needed to go on: keep messages longer (retention.ms), or begin anew under another prefix in [kafka]"
        )
    return Held(machine, (kept.slot + 1) % SLOTS if kept else 0)
