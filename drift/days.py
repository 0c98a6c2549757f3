"""Sums of each series by day (UTC): what a pinned reference is made of, and what is compared with it.

Days of 24 hours are compared whole, so the daily cycle is the same on both sides and needs no model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import DAY
from undertow.drift.statistics.proportions import Floats

__all__ = ["KEPT", "Days", "Sums", "day_of"]

KEPT = 28  # whole days of a series; today comes on top

Ints = NDArray[np.int64]


class Sums:
    """Columns of the sums over one or several days; `DAYS` counts those that had events."""

    EVENTS, SUM, SQUARES, RAW, DAYS = range(5)
    WIDTH = 5


def day_of(time: float) -> int:
    """Return the day (UTC) of a time, counted from the epoch."""
    return int(time // DAY)


class Days:
    """Struct of arrays over series: a ring of the last 28 whole days and today.

    Sums are added up, so parts of a day may come in any order and any split.

    Examples
    --------
    >>> days, one = Days(), np.ones(1)
    >>> for day in (0, 1, 1, 2):
    ...     days.add(day * DAY, np.array([7]), 0 * one, np.array([[10.0, 2.0, 2.0, 2.0]]))
    >>> days.last, days.total(days.rows([7]), 0, 1).tolist()
    (1, [[30.0, 6.0, 6.0, 6.0, 2.0]])
    """

    def __init__(self) -> None:
        self.series: Ints = np.zeros(0, np.int64)
        self._row_of: Ints = np.full(0, -1, np.int64)
        self._sums: Floats = np.zeros((0, KEPT + 1, Sums.DAYS))
        self._whole_from: Ints = np.zeros(0, np.int64)  # the first day that a series was there all through
        self.today = -1
        self.first: int | None = None  # the first day that was seen all through

    @property
    def last(self) -> int:
        """The last whole day."""
        return self.today - 1

    @property
    def oldest(self) -> int:
        """The oldest day that is kept."""
        return self.today - KEPT

    def ended(self, time: float) -> bool:
        """Return whether the day that is being added up is over at `time`."""
        return 0 <= self.today < day_of(time)

    def turn(self, time: float) -> None:
        """Begin the day of `time`; the days between, and what has become too old, hold nothing."""
        today = day_of(time)
        if self.first is None:
            self.first = -int(-time // DAY)
        gone = np.arange(max(self.today + 1, today - KEPT), today + 1)
        self._sums[:, gone % (KEPT + 1)] = 0
        self.today = max(today, self.today)

    def add(self, time: float, series: Ints, since: Floats, sums: Floats) -> None:
        """Add a window that began at `time`: distinct series, when each was first seen, and their sums (n, 4)."""
        if self.today < day_of(time):
            self.turn(time)
        rows = self._grown(series, since)
        self._sums[rows, day_of(time) % (KEPT + 1)] += sums

    def _grown(self, series: Ints, since: Floats) -> Ints:
        if len(series) and series.max() >= len(self._row_of):
            room = np.full(int(series.max()) + 1024 - len(self._row_of), -1, np.int64)
            self._row_of = np.concatenate([self._row_of, room])
        fresh = self._row_of[series] < 0
        if fresh.any():
            known = len(self.series)
            self.series = np.concatenate([self.series, series[fresh]])
            self._row_of[series[fresh]] = np.arange(known, len(self.series))
            self._sums = np.concatenate([self._sums, np.zeros((int(fresh.sum()), *self._sums.shape[1:]))])
            whole = np.ceil(since[fresh] / DAY).astype(np.int64)
            self._whole_from = np.concatenate([self._whole_from, whole])
        rows: Ints = self._row_of[series]
        return rows

    def rows(self, series: Ints | list[int]) -> Ints:
        """Return the row of each series, −1 for one that was never seen."""
        asked = np.asarray(series, np.int64)
        known = asked < len(self._row_of)
        rows: Ints = np.full(len(asked), -1, np.int64)
        rows[known] = self._row_of[asked[known]]
        return rows

    def recent(self, rows: Ints, last: int) -> Floats:
        """Return the sums of the 28 days up to `last` (rows, 28, 5), oldest first; partial first days count nothing."""
        days = np.arange(last - KEPT + 1, last + 1)
        sums = self._sums[np.ix_(rows, days % (KEPT + 1))]
        there = (days[None, :] >= self._whole_from[rows][:, None]) & (sums[:, :, Sums.EVENTS] > 0)
        whole: Floats = np.concatenate([sums, np.ones((*sums.shape[:2], 1))], axis=2) * there[:, :, None]
        return whole

    def total(self, rows: Ints, first: int, last: int) -> Floats:
        """Return the sums over the whole days from `first` to `last` (rows, 5)."""
        days = np.arange(last - KEPT + 1, last + 1)
        total: Floats = self.recent(rows, last)[:, days >= first].sum(axis=1)
        return total

    _ARRAYS = ("series", "_row_of", "_sums", "_whole_from")

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        return {name: getattr(self, name) for name in self._ARRAYS} | {"today": self.today, "first": self.first}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        for name in (*self._ARRAYS, "today", "first"):
            setattr(self, name, state[name])
