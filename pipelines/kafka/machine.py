"""The contract between a role and the loop that runs it: pure machines, one for each partition of the role's topic.

A machine takes messages and returns what is to be sent. Each output is a function of the log that the machine reads, so
whoever reads the log again makes the same outputs, and their receivers know a repeat by its place. That is all that is
ever exactly once: the loop flushes before it commits, and after any error memory is forgotten and the log read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from undertow.pipelines.kafka.client import Header, Message

__all__ = ["Machine", "Output", "Place", "Role", "Saved", "Send", "View"]


class Send(NamedTuple):
    """A message for a topic; it is acknowledged before the position behind it is committed."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


class Saved(NamedTuple):
    """What a successor builds on: everything before the position has gone in."""

    position: int
    content: bytes


Output = Send | Saved


class Place(NamedTuple):
    """Where a machine begins.

    Parameters
    ----------
    number
        Of the partition.
    saved
        The state with the highest position; None when none was ever saved.
    first
        The first offset that the log still keeps.
    committed
        Outputs of positions up to here have been acknowledged; None when nothing was ever committed.
    """

    number: int
    saved: bytes | None
    first: int
    committed: int | None


class Machine(Protocol):
    """What a role does with one partition; it looks at no clock and waits for nothing."""

    @property
    def rewind(self) -> int:
        """The offset from which it wants to read; asked once, before the first message."""
        ...

    @property
    def position(self) -> int:
        """The offset of the next message that will count: what lies before it need not be read again."""
        ...

    @property
    def full(self) -> bool:
        """Whether it can take no more for now; its partition is held until it can."""
        ...

    def take(self, messages: Sequence[Message]) -> Sequence[Output]:
        """Take the next messages of the partition in their order; none when there is nothing new for it to read.

        It is called in every round, so that a machine that waits for something else can go on.
        """
        ...


class View(NamedTuple):
    """What a role may know between two rounds.

    Parameters
    ----------
    now
        Wall clock, seconds since the epoch.
    machines
        Those of the partitions that are ours, by number.
    ends
        Of each of our partitions the offset behind its last message, as the broker said at `asked`.
    asked
        Wall clock when the broker answered last; −∞ before the first time.
    """

    now: float
    machines: Mapping[int, Machine]
    ends: Mapping[int, int]
    asked: float


class Role(Protocol):
    """One of the programs of an installation, as far as the loop must know it."""

    name: str  # "worker" …: its processes form the group <prefix>-<name>
    topic: str  # whose partitions they share out
    beside: Sequence[str]  # topics of which every process reads all, from the beginning, before its machines start

    def machine(self, place: Place) -> Machine:
        """Return the machine of a partition that has become ours."""
        ...

    def hear(self, topic: str, messages: Sequence[Message]) -> None:
        """Take messages of a topic beside."""
        ...

    def meanwhile(self, view: View) -> Sequence[Send]:
        """Return what there is to send that is no answer to a message: once a round."""
        ...

    def leave(self) -> Sequence[Send]:
        """Stop what others may go on with now, and return what is to be said of it; only `close` comes after it."""
        ...

    def close(self) -> None:
        """Let go of everything; the last call."""
        ...
