"""Which categories of a mix have a column of their own, and what is remembered of those that have none.

Twenty categories have a column; of the others, which share the column of the rest, up to 64 are counted. When a new
one finds that table full, it takes the place of the smallest and, as an upper bound, its count (space-saving, Metwally,
Agrawal & El Abbadi 2005). Everything is decided by counts and category numbers, so it is the same in every replay.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.drift.mixes import COLUMNS, REST
from undertow.drift.statistics.proportions import Floats

__all__ = ["EMPTY", "OTHER", "REMEMBERED", "Lines"]

OTHER = -1  # the number under which the rest is told
EMPTY = -2
REMEMBERED = 64  # categories without a column that are counted
_NEWCOMERS = 16  # that may enter the table in one window; more are a flood of names that never return

Ints = NDArray[np.int64]


class Lines:
    """Struct of arrays: row i is mix i. Columns are given from the left.

    `names` (rows, 21) holds the category number of each column; `waiting` (rows, 64) the numbers of the categories in
    the table, `counts` how often they were seen in blocks that are closed, `excess` how much of that may be another's,
    `recent` in the block being filled.
    """

    def __init__(self) -> None:
        self.names: Ints = np.zeros((0, COLUMNS), np.int64)
        self.waiting: Ints = np.zeros((0, REMEMBERED), np.int64)
        self.counts: Floats = np.zeros((0, REMEMBERED))
        self.excess: Floats = np.zeros((0, REMEMBERED))
        self.recent: Floats = np.zeros((0, REMEMBERED))

    def grow(self, rows: int) -> None:
        """Make room for so many mixes."""
        for name, array in list(vars(self).items()):
            fill = EMPTY if array.dtype == np.int64 else 0
            extra = np.full((rows - len(array), array.shape[1]), fill, array.dtype)
            setattr(self, name, np.concatenate([array, extra]))
        self.names[:, REST] = OTHER

    def snapshot(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Take the arrays of a snapshot."""
        for name in vars(self):
            setattr(self, name, state[name])

    def used(self, rows: Ints) -> NDArray[np.bool_]:
        """Return which columns stand for something."""
        used: NDArray[np.bool_] = self.names[rows] != EMPTY
        return used

    def full(self, rows: Ints) -> NDArray[np.bool_]:
        """Return which mixes have given away all their columns."""
        full: NDArray[np.bool_] = self.names[rows, -1] != EMPTY
        return full

    def sort(self, rows: Ints, cells: tuple[Ints, Floats, Ints]) -> tuple[Floats, Ints]:
        """Return the window's counts per column (rows, 21), and the rows in which a category without one was seen.

        Those go to the rest, and into the table.
        """
        index, values, counts = cells
        numbers = values.astype(np.int64)
        found, columns = np.nonzero(self.names[rows[index]] == numbers[:, None])
        column = np.full(len(numbers), REST)
        column[found] = columns
        sums = np.bincount(index * COLUMNS + column, counts, len(rows) * COLUMNS).astype(np.float64)
        foreign = np.flatnonzero((column == REST) & (counts > 0))
        if len(foreign):
            self._remember(rows[index[foreign]], numbers[foreign], counts[foreign])
        return sums.reshape(-1, COLUMNS), np.unique(rows[index[foreign]])

    def _remember(self, rows: Ints, numbers: Ints, counts: Ints) -> None:
        known = self.waiting[rows] == numbers[:, None]
        found = known.any(axis=1)
        np.add.at(self.recent, (rows[found], known[found].argmax(axis=1)), counts[found])
        rows, numbers, counts = rows[~found], numbers[~found], counts[~found]
        order = np.lexsort((numbers, -counts, rows))
        rows, numbers, counts = rows[order], numbers[order], counts[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        for turn in range(min(int(rank.max(initial=-1)) + 1, _NEWCOMERS)):  # one newcomer of each mix at a time
            mine = rank == turn
            self._enter(rows[mine], numbers[mine], counts[mine])

    def _enter(self, rows: Ints, numbers: Ints, counts: Ints) -> None:
        place = (self.counts[rows] + self.recent[rows]).argmin(axis=1)
        self.waiting[rows, place] = numbers
        self.counts[rows, place] += self.recent[rows, place]
        self.excess[rows, place] = self.counts[rows, place]
        self.recent[rows, place] = counts

    def sure(self, rows: Ints | int) -> Floats:
        """Return how often the categories in the table were seen at the least."""
        sure: Floats = self.counts[rows] - self.excess[rows]
        return sure

    def rescale(self, row: int, factor: float) -> None:
        """Let the counts of a mix stand for so many times the events."""
        self.counts[row] *= factor
        self.excess[row] *= factor

    def close(self, rows: Ints) -> None:
        """End the blocks of these rows."""
        self.counts[rows] += self.recent[rows]
        self.recent[rows] = 0

    def exchange(self, row: int, place: int, column: int, count: float, recent: float) -> None:
        """Give the category in `place` the column; what had it, with its counts, takes the place in the table."""
        self.waiting[row, place], self.names[row, column] = self.names[row, column], self.waiting[row, place]
        self.counts[row, place], self.excess[row, place], self.recent[row, place] = count, 0.0, recent
