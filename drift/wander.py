"""How far levels wander from day to day: the benign band of each series, from the levels of its whole days.

The band holds the level of a further day nearly as often as 3.8 normal standard deviations do, also when it was learned
from few days (Student's t), where days lie further apart than sampling explains. A day counts when the
baseline has learned it: a change that has not been found yet must not widen the band that hides it. A level that was
left keeps what its days said of wandering.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from undertow.drift.statistics.proportions import Floats

__all__ = ["Wander"]

Ints = NDArray[np.int64]

_DAYS = 5  # days of level needed before the wander is estimated
_BEYOND = float(ndtr(-3.8))  # how seldom a further day lies beyond the band, on each side
_PRIOR_DAYS, _PRIOR_SD = 4, 0.025
_UNKNOWN = 0.1  # half-width of the band while too few days are known
_MOST_FREEDOM = 200
_FACTORS = np.array(  # half-widths of the band in standard deviations estimated with so many degrees of freedom
    [0.0, *(-stdtrit(freedom, _BEYOND) * np.sqrt(1 + 1 / (freedom + 1)) for freedom in range(1, _MOST_FREEDOM + 1))]
)
_MOST = float(np.log(2.0))
_WAITING = 7  # days that may wait until the baseline has learned them


class Wander:
    """Struct of arrays over series; a row has one level, or one for each of its columns.

    Parameters
    ----------
    columns
        Shape of what a row follows: () for one level.

    Examples
    --------
    >>> wander, row = Wander(), np.array([0])
    >>> wander.grow(1)
    >>> for day, level in enumerate([1.0, 1.1, 0.9, 1.05, 0.95, 3.0], 1):
    ...     wander.record(row, day * 86400.0, np.array([level]), np.array([0.0]))
    >>> wander.widths(row)  # the days wait to be learned
    array([0.1])
    >>> wander.learn(row, np.array([5 * 86400.0]))
    >>> wander.widths(row).round(2)
    array([0.42])
    """

    def __init__(self, columns: tuple[int, ...] = ()) -> None:
        self.counted: Floats = np.zeros((0, 4, *columns))  # days, their levels, squares and sampling variances
        self.earlier: Floats = np.zeros((0, 2, *columns))  # of levels that were left: degrees of freedom, squares
        self.waiting: Floats = np.zeros((0, _WAITING, 2, *columns))  # level and sampling variance, oldest first
        self.ends: Floats = np.zeros((0, _WAITING))  # of the days that wait, ∞ where none does

    def grow(self, rows: int) -> None:
        """Make room for `rows` series."""
        for name, array in list(vars(self).items()):
            fill = np.inf if name == "ends" else 0.0
            setattr(self, name, np.concatenate([array, np.full((rows - len(array), *array.shape[1:]), fill)]))

    def record(self, rows: Ints, end: float, levels: Floats, noise: Floats) -> None:
        """Add a whole day's levels (link scale) with the variance that sampling alone gives them."""
        full = rows[np.isfinite(self.ends[rows, -1])]
        self._count(full, np.ones(len(full), np.int64))
        free = np.isfinite(self.ends[rows]).sum(axis=1)
        self.waiting[rows, free] = np.stack([levels, noise], axis=1)
        self.ends[rows, free] = end

    def learn(self, rows: Ints, until: Floats) -> None:
        """Count the days that ended by the times up to which the baselines have learned."""
        ripe = (self.ends[rows] <= until[:, None]).sum(axis=1)
        if ripe.any():
            self._count(rows[ripe > 0], ripe[ripe > 0])

    def _count(self, rows: Ints, days: Ints) -> None:
        """Count the oldest days that wait, so many of each row."""
        for number in range(int(days.max(initial=0))):
            mine = rows[days > number]
            level, noise = np.moveaxis(self.waiting[mine, 0], 1, 0)
            self.counted[mine] += np.stack([np.ones_like(level), level, level**2, noise], axis=1)
            for name, left in (("waiting", 0.0), ("ends", np.inf)):
                array = getattr(self, name)
                array[mine, :-1], array[mine, -1] = array[mine, 1:], left

    def restart(self, row: int) -> None:
        """Begin with another level: the days that wait are of neither; the counted ones have had their say."""
        self.earlier[row] += _around_mean(self.counted[row])
        self.counted[row] = 0
        self.waiting[row], self.ends[row] = 0, np.inf

    def clear(self, row: int, column: int) -> None:
        """Forget what was known of a column that stands for something else now."""
        for array in (self.counted, self.earlier, self.waiting):
            array[row, ..., column] = 0

    def widths(self, rows: Ints) -> Floats:
        """Return the half-width of the band in which levels wander from day to day.

        Until five days are known it is a tenth. Then a few calm days count as seen before: from few days alone nobody
        can tell how far the farthest will lie.
        """
        freedom, squares = _around_mean(np.moveaxis(self.counted[rows], 1, 0)) + np.moveaxis(self.earlier[rows], 1, 0)
        known = freedom + _PRIOR_DAYS
        sd = np.sqrt((np.maximum(squares, 0) + _PRIOR_DAYS * _PRIOR_SD**2) / known)
        width = np.minimum(_FACTORS[np.minimum(known, _MOST_FREEDOM).astype(np.int64)] * sd, _MOST)
        return np.where(freedom >= _DAYS - 1, width, _UNKNOWN)

    def snapshot(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Take the arrays of a snapshot."""
        vars(self).update(state)


def _around_mean(levels: Floats) -> Floats:
    """Return degrees of freedom, and squares around the mean without the sampling's, of counted levels.

    The sampling's are taken at one standard error above their mean: where days differ no more than by that, nobody can
    tell wander from noise, nor would a detector.
    """
    count, total, squares, noise = levels
    safe = np.maximum(count, 1)
    sampling = noise * (safe - 1) / safe * (1 + np.sqrt(2 / np.maximum(safe - 1, 1)))
    return np.stack([safe - 1, squares - total**2 / safe - sampling])
