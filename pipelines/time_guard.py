"""No event may drag event time into the future: live it is measured by the clock, in a replay by its neighbours.

Cannot see: an event that is too old (it is late, which is counted elsewhere), nor one a little early.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from undertow.pipelines.decoder import Reject

__all__ = ["Guard", "LiveGuard", "ReplayGuard", "ReplayState"]

VOTERS = 8  # records that are asked about a jump
LONE_JUMP_S = 366 * 86_400.0  # a jump farther than this is not believed on the word of fewer

Item = TypeVar("Item")
Verdict = tuple[Item, Reject | None]


class Guard(Protocol[Item]):
    """Takes records in order and gives them back in order, each with the reason to refuse it, if there is one."""

    @property
    def horizon(self) -> float:
        """Event times up to here pass at once and need not be offered, only reported by `passed`."""
        ...

    def passed(self, time: float) -> None:
        """Report the largest event time of records that were not offered."""
        ...

    def offer(self, time: float | None, item: Item) -> Sequence[Verdict[Item]]:
        """Take one record (`time` is None when it is no event) and return those that are decided."""
        ...

    def finish(self) -> Sequence[Verdict[Item]]:
        """Return what is still held: nothing will follow."""
        ...


class LiveGuard(Generic[Item]):
    """Refuses events more than `max_ahead_s` ahead of the clock; holds nothing.

    Examples
    --------
    >>> guard = LiveGuard(300.0, now=lambda: 1000.0)
    >>> [reject.field for _, reject in guard.offer(1301.0, "a") if reject]
    ['time']
    """

    def __init__(self, max_ahead_s: float, now: Callable[[], float]) -> None:
        self._max_ahead_s = max_ahead_s
        self._now = now
        self._reject = Reject(f"more than {max_ahead_s:g} s ahead of its arrival", "time")

    @property
    def horizon(self) -> float:
        """The clock plus what it may be ahead."""
        return self._now() + self._max_ahead_s

    def passed(self, time: float) -> None:
        """Nothing depends on what was before."""

    def offer(self, time: float | None, item: Item) -> Sequence[Verdict[Item]]:
        """Return the record with its verdict at once."""
        ahead = time is not None and time > self.horizon
        return ((item, self._reject if ahead else None),)

    def finish(self) -> Sequence[Verdict[Item]]:
        """Return nothing: nothing is held."""
        return ()


@dataclass(frozen=True)
class ReplayState:
    """What a `ReplayGuard` remembers: the largest accepted time."""

    largest: float = -math.inf


class ReplayGuard(Generic[Item]):
    """Holds an event that jumps ahead of all before it until the records behind it have voted.

    It is refused when most of the next 8 lie before it by more than `max_ahead_s` and the jump is farther than they
    are apart: a sparse log, or one that is not in order, jumps all the time and loses nothing. When fewer than 8
    follow, a jump of more than 366 days is refused whatever they say. The first event of all is a jump, too.

    Examples
    --------
    >>> guard = ReplayGuard(300.0)
    >>> times = [4_070_908_800.0, *range(1000, 1010)]
    >>> decided = [pair for time in times for pair in guard.offer(time, time)] + list(guard.finish())
    >>> [time for time, reject in decided if reject]
    [4070908800.0]
    """

    def __init__(self, max_ahead_s: float, state: ReplayState | None = None) -> None:
        self._max_ahead_s = max_ahead_s
        self._largest = (state or ReplayState()).largest
        self._held: deque[tuple[float | None, Item]] = deque()

    def snapshot(self) -> ReplayState:
        """Return the state; records that are still held are not part of it and are to be offered again."""
        return ReplayState(self._largest)

    @property
    def horizon(self) -> float:
        """The largest accepted time plus what one may jump; nothing passes at once while a record is held."""
        return -math.inf if self._held else self._largest + self._max_ahead_s

    def passed(self, time: float) -> None:
        """Take notice of records that lay within the horizon."""
        self._largest = max(self._largest, time)

    def offer(self, time: float | None, item: Item) -> Sequence[Verdict[Item]]:
        """Take one record and return those that are decided, in order."""
        if not self._held and not self._jumps(time):
            self._accept(time)
            return ((item, None),)
        self._held.append((time, item))
        return self._decided(final=False)

    def finish(self) -> Sequence[Verdict[Item]]:
        """Decide what is still held."""
        return self._decided(final=True)

    def _jumps(self, time: float | None) -> bool:
        return time is not None and time > self._largest + self._max_ahead_s

    def _accept(self, time: float | None) -> None:
        if time is not None and time > self._largest:
            self._largest = time

    def _decided(self, *, final: bool) -> Sequence[Verdict[Item]]:
        decided: list[Verdict[Item]] = []
        while self._held:
            time, item = self._held[0]
            reject = None
            if time is not None and self._jumps(time):
                if len(self._held) <= VOTERS and not final:
                    break
                reject = self._vote(time)
            self._held.popleft()
            if reject is None:
                self._accept(time)
            decided.append((item, reject))
        return decided

    def _vote(self, time: float) -> Reject | None:
        followers = [self._held[index][0] for index in range(1, min(len(self._held), VOTERS + 1))]
        votes = [vote for vote in followers if vote is not None]
        if len(votes) < VOTERS and LONE_JUMP_S < time - self._largest < math.inf:
            return Reject("more than a year ahead of all before it, and too few events follow to confirm it", "time")
        before = [vote for vote in votes if vote < time - self._max_ahead_s]
        if 2 * len(before) <= len(votes) or time - max(before) <= max(before) - min(before):
            return None
        return Reject(f"outvoted: most events behind it lie more than {self._max_ahead_s:g} s before it", "time")
