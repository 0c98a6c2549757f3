"""Positive quantities by their ranks: a mixture of Shiryaev–Roberts statistics of bets on the mean rank."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from undertow.drift.betting import POINTS, BettingFamily
from undertow.drift.statistics.proportions import Floats

__all__ = ["RankBetting"]

Ints = NDArray[np.int64]

_EDGES = np.linspace(0, 2, 17)  # of the band, standard deviations
_FARTHEST = 1e-4  # a rank is taken to lie no nearer to 0 or 1
_SMOOTH = 0.2  # standard deviations over which ranks are smoothed: many values may be exactly the same


class RankBetting(BettingFamily):
    r"""Follows lengths, latency and cost by the ranks of their logs among the first 10,000; before them as a Gaussian.

    A rank u has the score s = Φ⁻¹(u), and exp(d·s) over its mean among the first 10,000 is won: an e-value for any
    distribution, as good as a Gaussian likelihood ratio where logs are normal and better where they are not (van der
    Waerden 1952; Chernoff & Savage 1958). Alternatives are d = ±(.05, .1, .18, .3, .5, .9). Ranks are smoothed over a
    fifth of a standard deviation, so that many equal values do not make them jump when the level moves a little. A
    value's rank is read at its distance from the level that is usual at that hour. Log-winnings are divided by φ, the
    variance of block means over the one expected of independent events.

    Cannot see: changes beyond the largest and smallest of the first 10,000 (the `.low` and `.high` tail rates do);
    changes of shape that leave the mean rank.

    References
    ----------
    Chernoff & Savage 1958 (Annals of Mathematical Statistics 29); Shafer 2021 (JRSS A 184); Shin, Ramdas & Rinaldo,
    E-detectors (arXiv 2203.03532).

    Examples
    --------
    >>> import numpy as np
    >>> from undertow.drift.budget import Share
    >>> from undertow.drift.detector import Observation, SeriesSettings
    >>> detector = RankBetting({0: SeriesSettings(band=0.05, page_from=0.1, season=0.14, harm="both")}, 2000, 200)
    >>> rng, one = np.random.default_rng(1), np.ones(1)
    >>> for start in range(0, 15_000, 10):
    ...     logs = 5 + 0.5 * rng.standard_t(3, 10) - (0.3 if start >= 13_000 else 0)
    ...     x, xx = one * logs.sum(), one * (logs**2).sum()
    ...     cells = np.zeros(10, np.int64), logs, np.ones(10, np.int64)
    ...     for alarm in detector.observe(
    ...         Observation(start, start + 10, np.array([0]), 10 * one, x, xx, x, one * start, cells), Share.of(1, 64)
    ...     ):
    ...         print(alarm.kind, alarm.direction, alarm.changed_from <= 13_000 <= alarm.changed_to)
    page down True
    """

    name = "rank_betting"
    arrays: ClassVar = {**BettingFamily.arrays, "_cumulants": 0.0}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._cumulants: Floats = np.zeros((0, len(self.shifts), len(_EDGES)))  # ln E exp(d·s) at the edges

    _enough = (10_000.0,)  # before that a Gaussian errs less

    def _collectable(self, rows: Ints) -> NDArray[np.bool_]:
        return self._known(rows)

    def _position(self, rows: Ints, values: Floats, usual: Floats) -> Floats:
        return (values - usual) / self._sd[rows]

    def _fit_units(self, row: int, z: Floats, shares: Floats) -> Floats:
        """Return normal scores; take all values to move alike, as when answers are longer by a tenth."""
        ranks = ndtr((POINTS[:, None] - z) / _SMOOTH) @ shares
        scores: Floats = ndtri(np.clip(ranks, _FARTHEST, 1 - _FARTHEST))
        for place, edge in enumerate(_EDGES):
            for side in (-1, 1):
                moved = np.interp(z + side * edge, POINTS, scores)
                mine = self.directions == side
                self._cumulants[row, mine, place] = np.log(np.exp(np.outer(self.shifts[mine], moved)) @ shares)
        return scores

    def _winnings(self, rows: Ints, index: Ints, units: Floats, usual: Floats, edges: tuple[Floats, Floats]) -> Floats:
        """Return d·s − ln E exp(d·s), the expectation as it is at the edge of the band."""
        edge = np.where(self.directions > 0, edges[1][:, None], -edges[0][:, None]) / self._sd[rows][:, None]
        place = np.clip(edge / _EDGES[1], 0, len(_EDGES) - 1)
        left = np.minimum(place.astype(np.int64), len(_EDGES) - 2)
        table = self._cumulants[rows]
        below, above = (np.take_along_axis(table, at[:, :, None], 2)[:, :, 0] for at in (left, left + 1))
        cumulant = below + (place - left) * (above - below)
        won: Floats = self.shifts * units[:, None] - cumulant[index]
        return won
