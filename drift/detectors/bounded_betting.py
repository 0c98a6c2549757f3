"""Scores: a mixture of Shiryaev–Roberts statistics of bets on a bounded mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.drift.betting import POINTS, BettingFamily
from undertow.drift.statistics.proportions import Floats

__all__ = ["BoundedBetting"]

Ints = NDArray[np.int64]

_WIDEST = 3.0  # standard deviations: one far value must not make all others alike
_TINY = 1e-9


class BoundedBetting(BettingFamily):
    r"""Follows scores (ratings, judges, retrieval, thumbs): numbers within a range, whatever the shape.

    The range is that of the first `min_events` values, at most three standard deviations on each side of their mean;
    what lies beyond it counts as its end. Stakes are those that are best for shifts of the mean by (.05, .1, .18, .3,
    .5, .9) standard deviations. Log-winnings are divided by φ, the variance of block means over the one expected of
    independent events.

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

    @property
    def _enough(self) -> float:
        return float(self._min_events)

    def _position(self, rows: Ints, values: Floats, usual: Floats) -> Floats:
        return (values - self._centre[rows]) / self._sd[rows]

    def _fit_units(self, z: Floats, shares: Floats) -> Floats:
        low, high = max(z.min(), -_WIDEST), min(z.max(), _WIDEST)
        units: Floats = np.clip((POINTS - low) / max(high - low, _TINY), 0, 1)
        return units

    def _fit_means(self, z: Floats, shares: Floats, units: Floats) -> Floats:
        """Take some values to become more frequent than others, as when fewer answers are rated well.

        Units follow the values as they do when their distribution is tilted; where none is cut off, exactly.
        """
        mean = float(shares @ units)
        slope = float(shares @ ((units - mean) * z)) / max(float(shares @ z**2), _TINY)
        means: Floats = np.clip(mean + slope * POINTS, 0, 1)
        return means
