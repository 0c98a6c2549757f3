"""What the series of all partitions together claim of the budget, agreed upon in event time.

How much evidence a series must show depends on how many others share the budget, also those that somebody else follows.
So each partition says at the first window of every ten minutes of event time what its own series claim, judged by what
it knew before that window; two windows later the sum of what all have said comes into force. By then everybody can have
heard it, and who has not waits. The sums are integers, so their order does not matter, and a run in one process does
the same with one partition.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = ["EPOCH_S", "MILLION", "Claim", "Claims"]

EPOCH_S = 600.0  # event time between two claims
MILLION = 1_000_000  # weights are counted in millionths: integers have the same sum in any order
_DELAY = 2  # windows after which a claim is in force


class Claim(msgspec.Struct, frozen=True, array_like=True):
    """What series claim: the sum of the weights of those that may page, in millionths, and how many services they are.

    Examples
    --------
    >>> Claim(2 * MILLION, 1) + Claim(500_000, 1)
    Claim(weight=2500000, services=2)
    """

    weight: int = 0
    services: int = 0

    def __add__(self, other: Claim) -> Claim:
        return Claim(self.weight + other.weight, self.services + other.services)


class Claims:
    """The claims of all partitions, by epoch; an epoch is a number of ten minutes since 1970.

    All partitions observe the same windows, so they have the same epochs: those in which a window begins.

    Parameters
    ----------
    partitions
        How many there are.
    partition
        Which of them this one is.

    Examples
    --------
    >>> claims = Claims(partitions=2, partition=0)
    >>> claims.is_due(1200.0)
    True
    >>> claims.take(0, 2, Claim(5 * MILLION, 1)), claims.is_due(1210.0)
    (None, False)
    >>> claims.missing(1210.0, 1220.0), claims.missing(1220.0, 1230.0)
    ([], [1])
    >>> claims.take(1, 2, Claim(3 * MILLION, 1)), claims.turn(1220.0, 1230.0)
    (None, Claim(weight=8000000, services=2))
    """

    def __init__(self, partitions: int = 1, partition: int = 0) -> None:
        if not 0 <= partition < partitions:
            raise ValueError(f"partition {partition} is none of {partitions}; they are counted from 0")
        self._partitions, self.partition = partitions, partition
        self._said: dict[int, dict[int, Claim]] = {}  # epoch → partition → claim
        self._latest = -1  # of the own epochs

    @staticmethod
    def epoch(start: float) -> int:
        """Return the epoch in which a window begins."""
        return math.floor(start / EPOCH_S)

    def is_due(self, start: float) -> bool:
        """Return whether a window that begins then is the first of its epoch."""
        return self.epoch(start) > self._latest

    def take(self, partition: int, epoch: int, claim: Claim) -> None:
        """Take what a partition claims, also a second time; what is too old to come into force is dropped."""
        if partition == self.partition:
            self._latest = max(self._latest, epoch)
        self._said.setdefault(epoch, {})[partition] = claim

    def missing(self, start: float, end: float) -> list[int]:
        """Return the partitions without whose claims a window cannot be judged."""
        epoch = self._in_force(start, end)
        said = self._said[epoch] if epoch is not None else range(self._partitions)
        return [partition for partition in range(self._partitions) if partition not in said]

    def beyond(self, start: float, end: float, partitions: Sequence[int]) -> list[int]:
        """Return which of the partitions have gone on to later claims: what is missing of theirs will not come."""
        epoch = self._in_force(start, end)
        later = {who for known, said in self._said.items() if epoch is not None and known > epoch for who in said}
        return [partition for partition in partitions if partition in later]

    def turn(self, start: float, end: float) -> Claim:
        """Return the sum that is in force for a window, and forget the ones before it.

        Raises
        ------
        ValueError
            A partition has not said what it claims.
        """
        if missing := self.missing(start, end):
            raise ValueError(f"the window from {start:g} waits for what partitions {missing} claim of the budget")
        epoch = self._in_force(start, end)
        if epoch is None:
            return Claim()
        self._said = {known: said for known, said in self._said.items() if known >= epoch}
        return sum(self._said[epoch].values(), Claim())

    def _in_force(self, start: float, end: float) -> int | None:
        """Return the latest of the own epochs that began two windows ago or earlier; None before there is one."""
        limit = self.epoch(start - _DELAY * (end - start))
        own = [epoch for epoch, said in self._said.items() if self.partition in said and epoch <= limit]
        return max(own, default=None)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        said = {
            str(epoch): {str(partition): [claim.weight, claim.services] for partition, claim in said.items()}
            for epoch, said in self._said.items()
        }
        return {"said": said, "latest": self._latest}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        self._said = {
            int(epoch): {int(partition): Claim(*claim) for partition, claim in said.items()}
            for epoch, said in state["said"].items()
        }
        self._latest = state["latest"]
