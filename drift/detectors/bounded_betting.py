"""Scores: a mixture of Shiryaev–Roberts statistics of bets on a bounded mean."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.betting import POINTS, BettingFamily
from undertow.drift.statistics.proportions import Floats

__all__ = ["BoundedBetting"]

Ints = NDArray[np.int64]

_WIDEST = 3.0  # standard deviations: one far value must not make all others alike
_BOLDEST = 0.9  # of the stake that would lose everything on the worst number
_FARTHEST = 10.0  # standard deviations at which the caller clips scores
_TINY = 1e-9


class BoundedBetting(BettingFamily):
    r"""Follows scores (ratings, judges, retrieval, thumbs): numbers within a range, whatever the shape.

    The range is that of the first `strict_events` values and then of the first `min_events`, at most three standard
    deviations on each side of their mean; what lies beyond it counts as its end. Where all of them were alike, it spans
    the ten standard deviations on each side at which scores are clipped: what was never seen in n values may still
    come once in n + 1 (Laplace's rule of succession), and that much scatter is taken for granted.

    Stakes are those that are best for shifts of the mean by (.05, .1, .18, .3, .5, .9) standard deviations. The
    logarithms of what is won are divided by φ, the variance of block means over the one expected of independent events.

    Cannot see: changes of shape that leave the mean; how far beyond the range a value lies.

    References
    ----------
    Waudby-Smith & Ramdas 2024 (arXiv 2010.09686); Shin, Ramdas & Rinaldo, E-detectors (arXiv 2203.03532).

    Examples
    --------
    Nine of ten answers were rated good, then eight of ten:

    >>> import numpy as np
    >>> from undertow.drift.budget import Share
    >>> from undertow.drift.detector import Observation, SeriesSettings
    >>> settings = SeriesSettings(band=0.1, page_from=0.25, season=0.1, harm="both", scale="standard")
    >>> detector = BoundedBetting({0: settings}, 2000, 200)
    >>> rng, one = np.random.default_rng(1), np.ones(1)
    >>> for start in range(0, 8000, 10):
    ...     good = rng.random(10) < (0.9 if start < 6000 else 0.8)
    ...     z = (good - 0.9) / 0.3
    ...     columns = [10 * one, one * z.sum(), one * (z**2).sum(), one * z.sum(), start * one]
    ...     cells = np.zeros(10, np.int64), z, np.ones(10, np.int64)
    ...     window = Observation(start, start + 10, np.array([0]), *columns, cells)
    ...     for alarm in detector.observe(window, Share.of(1, 64)):
    ...         print(alarm.kind, alarm.direction, alarm.changed_from <= 6000 <= alarm.changed_to)
    page down True
    """

    name = "bounded_betting"
    arrays: ClassVar = {**BettingFamily.arrays, "_mean_unit": 0.0, "_slope": 0.0, "_unit_sd": 1.0}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._mean_unit, self._slope, self._unit_sd = (np.zeros(0) for _ in range(3))

    @property
    def _enough(self) -> tuple[float, float]:
        return float(self._strict_events), float(self._min_events)

    def _collectable(self, rows: Ints) -> NDArray[np.bool_]:
        return np.ones(len(rows), bool)

    def _variance(self, rows: Ints) -> Floats:
        unseen = _FARTHEST**2 / (self.baselines.sums[rows, Slot.EVENTS] + 1)
        variance: Floats = np.maximum(super()._variance(rows), unseen)
        return variance

    def _position(self, rows: Ints, values: Floats, usual: Floats) -> Floats:
        return (values - self._centre[rows]) / self._sd[rows]

    def _fit_units(self, row: int, z: Floats, shares: Floats) -> Floats:
        """Take some values to become more frequent than others, as when fewer answers are rated well.

        The mean unit follows the mean as it does when the distribution is tilted; where no value is cut off, exactly.
        """
        if len(z) == 1:
            z, shares = self._with_unseen(row)
        low, high = max(z.min(), -_WIDEST), min(z.max(), _WIDEST)
        units = np.clip((z - low) / max(high - low, _TINY), 0, 1)
        mean = float(shares @ units)
        self._slope[row] = float(shares @ ((units - mean) * z)) / max(float(shares @ z**2), _TINY)
        self._mean_unit[row] = mean
        self._unit_sd[row] = max(float(np.sqrt(shares @ (units - mean) ** 2)), _TINY)
        table: Floats = np.clip((POINTS - low) / max(high - low, _TINY), 0, 1)
        return table

    def _with_unseen(self, row: int) -> tuple[Floats, Floats]:
        """Return positions and shares of the one value seen and of one on each side that may still come."""
        self._sd[row] = _FARTHEST / _WIDEST
        seen = self._enough[self._fitted[row]]
        return np.array([-_WIDEST, 0.0, _WIDEST]), np.array([0.5, seen, 0.5]) / (seen + 1)

    def _winnings(self, rows: Ints, index: Ints, units: Floats, usual: Floats, edges: tuple[Floats, Floats]) -> Floats:
        """Return ln(1 + λ(u − m)): on average nothing while the mean unit is at most m, or for λ < 0 at least."""
        rising = self.shifts > 0
        mean, slope = self._mean_unit[rows], self._slope[rows]
        low, high = (np.clip(mean + slope * self._position(rows, usual + edge, usual), 0, 1) for edge in edges)
        fair = np.where(rising, high[:, None], low[:, None])
        most = _BOLDEST / np.maximum(np.where(rising, fair, 1 - fair), _TINY)
        stakes = np.sign(self.shifts) * np.minimum(np.abs(self.shifts) / self._unit_sd[rows][:, None], most)
        won: Floats = np.log1p(stakes[index] * (units[:, None] - fair[index]))
        return won
