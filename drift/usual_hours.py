"""When a stream is usually busy, so that its silence can be told from its nights and weekends.

Counts are kept for each hour of the last four weeks. What an hour is expected to bring is what the same hour of the
week brought in the weeks before, and not on average but at its least (the second least where three or more are known,
since one of them may have been silent itself). A part of an hour counts as little as the hour beside it.

In the first week hours of the days before stand in, and nobody knows yet whether the weekend is a quiet one. So they
stand in from Monday noon to Thursday morning in UTC, when it is a weekend nowhere, and at other times while a silence
goes on that began in a busy hour, but not into a Saturday or a Sunday. A stream that breaks off in the middle of its
day is told on any day; one that does not begin on a day never seen is not.

Events do not come one by one: logs are shipped in batches, jobs run on the hour. So the longest pauses are kept
likewise, and a silence is one only when it lasts twice as long as any pause that was usual then. A pause of more than
two hours (a night) is told by the counts themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

__all__ = ["UsualHours", "UsualHoursState"]

_HOUR_S = 3600.0
_DAY, _WEEK = 24, 168  # hours
_KEPT = 4 * _WEEK + 1
_LEAST = 30.0  # events that must be missing
_PAUSE_S = 7200.0  # longer ones are told by the counts
_PAUSES = 2.0  # times the longest usual pause
_LONGEST = 2 * _DAY  # hours of a silence that are added up
_BUSY = 0.1  # of the busiest hour of the day
_WORKED_FROM, _WORKED = 4 * _DAY + 12, 2 * _DAY + 22  # hours of a week, which began on a Thursday with the epoch
_WEEKEND = (2, 3)  # its days


class UsualHoursState(msgspec.Struct):
    """The first and the latest hour since the epoch; by hour modulo 673, events and the longest pause in seconds.

    The latter are little-endian numbers of 64 bits.
    """

    first: int
    latest: int
    events: bytes
    pauses: bytes


class UsualHours:
    """What one stream usually brings.

    Examples
    --------
    >>> hours = UsualHours()
    >>> for hour in range(14 * 24):  # two weeks in which the nights are quiet
    ...     hours.add(3600.0 * hour, 100 if 8 <= hour % 24 < 20 else 0)
    >>> now = 3600.0 * (14 * 24 + 12)
    >>> hours.expected(now - 1800, now), hours.expected(now - 12 * 3600, now - 6 * 3600)
    (50.0, 0.0)
    >>> hours.is_silent(now - 1800, now)
    True
    """

    def __init__(self, state: UsualHoursState | None = None) -> None:
        self._first, self._latest = (state.first, state.latest) if state else (-1, -1)
        self._events = np.frombuffer(state.events, "<i8").copy() if state else np.zeros(_KEPT, np.int64)
        self._pauses = np.frombuffer(state.pauses, "<f8").copy() if state else np.zeros(_KEPT)

    def add(self, time: float, events: int) -> None:
        """Count events of that event time; what is older than four weeks is forgotten."""
        hour = self._reach(time)
        if hour is not None:
            self._events[hour % _KEPT] += events

    def add_pause(self, time: float, seconds: float) -> None:
        """Note that for so long nothing had come, at the time at which something came again."""
        hour = self._reach(time)
        if hour is not None and seconds <= _PAUSE_S:
            self._pauses[hour % _KEPT] = max(self._pauses[hour % _KEPT], seconds)

    def expected(self, start: float, end: float) -> float:
        """Return how many events the time from `start` to `end` usually brings at least; 0 where nothing is known."""
        first, last = int(start // _HOUR_S), int(end // _HOUR_S)
        return float(
            sum(
                self._usual_between(max(start, hour * _HOUR_S), min(end, (hour + 1) * _HOUR_S))
                for hour in self._counted(first, last)
            )
        )

    def longest_pause(self, time: float) -> float:
        """Return the longest pause, in seconds, that was usual in that hour or the one before it."""
        hour = int(time // _HOUR_S)
        known = [self._pauses[same % _KEPT] for at in (hour - 1, hour) for same in (*self._same(at), at)]
        return float(max(known, default=0.0))

    def is_silent(self, since: float, now: float) -> bool:
        """Tell whether it is unusual that nothing came since `since`."""
        return now - since > _PAUSES * self.longest_pause(now) and self.expected(since, now) >= _LEAST

    def snapshot(self) -> UsualHoursState:
        """Return the state as plain data of its own."""
        events, pauses = self._events.astype("<i8").tobytes(), self._pauses.astype("<f8").tobytes()
        return UsualHoursState(self._first, self._latest, events, pauses)

    def _reach(self, time: float) -> int | None:
        """Return the hour of a time, the hours until then emptied; None when it is older than what is kept."""
        hour = int(time // _HOUR_S)
        if self._first < 0:
            self._first = self._latest = hour
        for passed in range(max(self._latest + 1, hour - _KEPT + 1), hour + 1):
            self._events[passed % _KEPT], self._pauses[passed % _KEPT] = 0, 0.0
        self._latest = max(self._latest, hour)
        return hour if hour > self._latest - _KEPT else None

    def _counted(self, first: int, last: int) -> Iterator[int]:
        """Yield the hours of a silence of which it is known that something was to be expected, or nothing."""
        goes_on = last - first <= _LONGEST
        for hour in range(max(first, last - _LONGEST), last + 1):
            known, day = self._is_known(hour), hour // _DAY
            may_rest = day % 7 in _WEEKEND and day > first // _DAY
            goes_on = goes_on and (known or (not may_rest and self._is_busy(hour)))
            if known or goes_on or (hour - _WORKED_FROM) % _WEEK < _WORKED:
                yield hour

    def _is_known(self, hour: int) -> bool:
        """Tell whether the hour was met in a week before."""
        return any(True for _ in self._hours_met(hour, _WEEK))

    def _is_busy(self, hour: int) -> bool:
        usual = self._usual(hour)
        return usual > 0 and usual >= _BUSY * max(self._usual(near) for near in range(hour - 12, hour + 12))

    def _usual_between(self, start: float, end: float) -> float:
        """Return what a part of an hour usually brings.

        When in an hour its events come is not known: a day may begin or end in it. So a part counts as little as the
        hour to which it is open.
        """
        hour = int(start // _HOUR_S)
        had_come = start > hour * _HOUR_S
        beside = hour + 1 if had_come else hour - 1 if end < (hour + 1) * _HOUR_S else hour
        return min(self._usual(hour), self._usual(beside)) * (end - start) / _HOUR_S

    def _usual(self, hour: int) -> int:
        known = sorted(int(self._events[same % _KEPT]) for same in self._same(hour))
        return known[len(known) // 3] if known else 0

    def _same(self, hour: int) -> Iterator[int]:
        """Yield the same hours of the weeks before that are known from end to end, else those of the days before."""
        yield from list(self._hours_met(hour, _WEEK)) or self._hours_met(hour, _DAY)

    def _hours_met(self, hour: int, every: int) -> Iterator[int]:
        """Yield the known hours before, at that distance: four weeks, or six days."""
        since, latest = max(self._first, self._latest - _KEPT), self._latest
        back = 4 * _WEEK if every == _WEEK else 6 * _DAY
        return (same for same in range(hour - back, hour, every) if since < same <= latest)
