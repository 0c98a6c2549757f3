"""When an idle partition is told the time, so that its windows close: a pure policy with a memory.

A tick is written into the partition itself, so what it does is a function of the log, whoever reads it and however many
wrote one. What is left is not to be early: a tick that overtakes a backlog makes its events late. So

- silence counts only while the broker answers, at the end of the log, and after an outage as long again as it lasted:
  producers then write what they have kept;
- no tick is later than the largest event time of the other partitions, or than now less the silence;
- only when all partitions have been silent for long does the wall clock count, and only if they were live before.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from undertow.pipelines.settings import Ingest

__all__ = ["GRACE", "Ours", "Tail", "Ticks"]

GRACE = 4.0  # silences of all partitions, until the wall clock counts
OUTAGE_S = 10.0  # without an answer of the broker


class Ours(NamedTuple):
    """A partition that we read: the next offset, the end of the log, the largest event time (−∞ for none)."""

    position: int
    end: int
    latest: float


class Tail(NamedTuple):
    """A partition that others read: the end of the log, and the largest event time among its last messages."""

    end: int
    latest: float


class _Quiet(NamedTuple):
    position: int
    since: float
    told: float = -math.inf  # our last tick


class Ticks:
    """Times are seconds since the epoch; `asked` is when the broker answered last.

    Examples
    --------
    >>> ticks = Ticks(Ingest(window_s=10.0, idle_tick_s=30.0))
    >>> ours = {0: Ours(5, 5, 1000.0), 1: Ours(9, 9, 1042.0)}
    >>> for asked in (1040.0, 1049.0, 1058.0, 1067.0, 1076.0):
    ...     idle = ticks.idle(asked, ours)
    >>> idle, ticks.times(asked, [0], ours, {})
    ([0, 1], {0: 1040.0})
    """

    def __init__(self, ingest: Ingest) -> None:
        self._window_s, self._idle_s, self._max_ahead_s = ingest.window_s, ingest.idle_tick_s, ingest.max_ahead_s
        self._asked = math.inf
        self._quiet: dict[int, _Quiet] = {}
        self._tails: dict[int, _Quiet] = {}

    def idle(self, asked: float, ours: Mapping[int, Ours]) -> list[int]:
        """Take note of our partitions; return those that have been silent for long enough."""
        outage = asked - self._asked if asked - self._asked > OUTAGE_S else 0.0
        self._asked = asked
        self._quiet = {
            number: self._silence(self._quiet.get(number), seen, asked, outage) for number, seen in ours.items()
        }
        if outage:
            self._tails = {number: _Quiet(quiet.position, asked + outage) for number, quiet in self._tails.items()}
        return [number for number, quiet in self._quiet.items() if asked - quiet.since >= self._idle_s]

    def times(
        self, asked: float, idle: Collection[int], ours: Mapping[int, Ours], others: Mapping[int, Tail]
    ) -> dict[int, float]:
        """Return what time to tell which of the idle partitions; `others` are all partitions that are not ours."""
        self._note(asked, others)
        latest = {number: seen.latest for number, seen in ours.items()}
        latest |= {number: tail.latest for number, tail in others.items()}
        by_clock = self._by_clock(asked, max(latest.values(), default=-math.inf))
        told = {}
        for number in idle:
            bound = max((time for other, time in latest.items() if other != number), default=-math.inf)
            time = self._floor(max(min(bound, asked - self._idle_s), by_clock))
            if time > ours[number].latest:
                told[number] = time
                self._quiet[number] = self._quiet[number]._replace(told=time)
        return told

    def _silence(self, known: _Quiet | None, seen: Ours, asked: float, outage: float) -> _Quiet:
        if known is None or outage or seen.position < seen.end:
            return _Quiet(seen.position, asked + outage)
        if seen.position == known.position:
            return known
        ours = seen.position == known.position + 1 and seen.latest == known.told  # it was our tick that came
        return known._replace(position=seen.position) if ours else _Quiet(seen.position, asked)

    def _note(self, asked: float, others: Mapping[int, Tail]) -> None:
        self._tails = {
            number: known
            if (known := self._tails.get(number)) is not None and known.position == tail.end
            else _Quiet(tail.end, asked)
            for number, tail in others.items()
        }

    def _by_clock(self, asked: float, latest: float) -> float:
        """Return the time by the wall clock if all have been silent for long and were live, else −∞."""
        grace = GRACE * self._idle_s
        silent = all(asked - quiet.since >= grace for quiet in [*self._quiet.values(), *self._tails.values()])
        return asked - grace if silent and asked - latest < grace + self._max_ahead_s else -math.inf

    def _floor(self, time: float) -> float:
        return math.floor(time / self._window_s) * self._window_s if math.isfinite(time) else time
