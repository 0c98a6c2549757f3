"""Betting on a bounded mean: the evidence that numbers between 0 and 1 lie higher, or lower, than they used to.

A gambler who stakes λ on each number u pays nothing on average while the mean is at most m: E[1 + λ(u − m)] ≤ 1 for
0 ≤ λ < 1/m, whatever the shape of the distribution (Waudby-Smith & Ramdas 2024, Estimating means of bounded random
variables by betting, JRSS B 86; arXiv 2010.09686). The bets of a block multiply; here they are summed as logarithms,
window by window, against the edge of the benign band as it is known at that time.

A family says how the positions of values become units between 0 and 1. Both that and what a shift of the mean position
does to the mean unit are tabulated once, from the first values.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation
from undertow.drift.gaussian import GaussianFamily
from undertow.drift.statistics.proportions import Floats

__all__ = ["POINTS", "BettingFamily"]

Ints = NDArray[np.int64]

_REACH = 4.0  # standard deviations
POINTS = np.linspace(-_REACH, _REACH, 129)  # at which units are tabulated; between them they lie on straight lines
_SMALLEST_SD = 0.05  # for a quantity that never varies
_DIGITS = 2  # to which distances are collected
_BOLDEST = 0.9  # of the stake that would lose everything on the worst number
_TINY = 1e-9


class BettingFamily(GaussianFamily):
    """Numbers of which the likelihood is not trusted to be Gaussian: levels and times as there, evidence by bets.

    Until a series has its units, its evidence is that of the Gaussian.
    """

    arrays: ClassVar = {
        **GaussianFamily.arrays,
        "_bets": 0.0,  # ln of what the block being filled has won
        "_fitted": 0.0,
        "_units": 0.0,  # of values at so many standard deviations
        "_means": 0.0,  # of the units when values lie there on average
        "_centre": 0.0,  # mean of the first values
        "_sd": 1.0,  # of the first values
        "_unit_sd": 1.0,
    }

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._bets: Floats = np.zeros((0, len(self.shifts)))
        self._fitted: NDArray[np.bool_] = np.zeros(0, bool)
        self._units: Floats = np.zeros((0, len(POINTS)))
        self._means: Floats = np.zeros((0, len(POINTS)))
        self._centre: Floats = np.zeros(0)
        self._sd: Floats = np.zeros(0)
        self._unit_sd: Floats = np.zeros(0)
        self._collected: dict[int, dict[float, float]] = {}  # positions and how many, of series without units

    # -- what a family says -------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _enough(self) -> float:
        """Return from how many values units are fitted."""

    @abstractmethod
    def _position(self, rows: Ints, values: Floats, usual: Floats) -> Floats:
        """Return where values lie whose level would usually be `usual`, in standard deviations."""

    @abstractmethod
    def _fit_units(self, z: Floats, shares: Floats) -> Floats:
        """Return the units at `POINTS`, given the positions of the first values and their shares."""

    @abstractmethod
    def _fit_means(self, z: Floats, shares: Floats, units: Floats) -> Floats:
        """Return the mean units when the mean position is one of `POINTS`, given the units of the first values too."""

    # -- bets ---------------------------------------------------------------------------------------------------------

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; return what it makes the detector say."""
        rows = self._rows_of(window.series, window.since)
        if len(rows):
            usual = self._learned_levels(rows) + self._season(rows, window.start)
            self._collect(rows, usual, window)
            self._place_bets(rows, usual, window, share)
        return super().observe(window, share)

    def _place_bets(self, rows: Ints, usual: Floats, window: Observation, share: Share) -> None:
        """Stake on each number of the window, up and down, against the edges of the band."""
        index, values, counts = _of(window, self._fitted[rows])
        if not len(index):
            return
        units = _interpolated(self._units, rows[index], self._position(rows[index], values, usual[index]))
        up, down = self._band(rows, window.start, share)
        for edge, side in ((up, self.directions > 0), (-down, self.directions < 0)):
            fair = _interpolated(self._means, rows, self._position(rows, usual + edge, usual))
            worst = np.where(self.directions[side][0] > 0, fair, 1 - fair)
            most = _BOLDEST / np.maximum(worst, _TINY)
            stake = np.sign(self.shifts[side]) * np.minimum(
                np.abs(self.shifts[side]) / self._unit_sd[rows][:, None], most[:, None]
            )
            won = np.log1p(stake[index] * (units - fair[index])[:, None]) * counts[:, None]
            for column, gains in zip(np.flatnonzero(side).tolist(), won.T, strict=True):
                self._bets[rows, column] += np.bincount(index, gains, len(rows))

    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        gaussian = self._gaussian_ratios(rows, part, up, down)
        return np.where(self._fitted[rows][:, None], self._bets[rows] / self._dispersion(rows)[:, None], gaussian)

    def _commit(self, rows: Ints, evidence: Floats, segment: Floats) -> None:
        super()._commit(rows, evidence, segment)
        self._bets[rows] = 0

    def _clear(self, row: int) -> None:
        """Begin anew; another level may have another shape."""
        super()._clear(row)
        self._bets[row], self._fitted[row] = 0, False
        self._centre[row], self._sd[row] = 0, 1
        self._collected.pop(row, None)

    # -- units --------------------------------------------------------------------------------------------------------

    def _collect(self, rows: Ints, usual: Floats, window: Observation) -> None:
        """Keep the positions of values of series that have no units yet; fit those that have enough."""
        index, values, counts = _of(window, self._known(rows) & ~self._fitted[rows])
        positions = np.round(self._position(rows[index], values, usual[index]), _DIGITS)
        for row, position, count in zip(rows[index].tolist(), positions.tolist(), counts.tolist(), strict=True):
            kept = self._collected.setdefault(row, {})
            kept[position] = kept.get(position, 0.0) + count
        for row in np.unique(rows[index]).tolist():
            if sum(self._collected[row].values()) >= self._enough:
                self._fit(row, self._collected.pop(row))

    def _fit(self, row: int, collected: dict[float, float]) -> None:
        positions, counts = np.array(list(collected)), np.array(list(collected.values()))
        shares = counts / counts.sum()
        centre, sd = _moments(positions, shares)
        z = (positions - centre) / max(sd, _SMALLEST_SD)
        self._centre[row], self._sd[row] = centre, max(sd, _SMALLEST_SD)
        self._units[row] = self._fit_units(z, shares)
        units = np.interp(z, POINTS, self._units[row])
        self._means[row] = self._fit_means(z, shares, units)
        self._unit_sd[row] = max(_moments(units, shares)[1], _TINY)
        self._fitted[row] = True

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        collected = {str(row): [list(kept), list(kept.values())] for row, kept in self._collected.items()}
        return {**super().snapshot(), "collected": collected}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        super().restore(state)
        self._collected = {int(row): dict(zip(*kept, strict=True)) for row, kept in state["collected"].items()}


def _of(window: Observation, wanted: NDArray[np.bool_]) -> tuple[Ints, Floats, Ints]:
    """Return the cells of the wanted ones of a window's series."""
    index, values, counts = window.cells
    kept = wanted[index]
    return index[kept], values[kept], counts[kept]


def _moments(values: Floats, shares: Floats) -> tuple[float, float]:
    """Return mean and standard deviation."""
    mean = float(shares @ values)
    return mean, float(np.sqrt(shares @ (values - mean) ** 2))


def _interpolated(table: Floats, rows: Ints, z: Floats) -> Floats:
    """Return what the rows of a table say at so many standard deviations."""
    place = (np.clip(z, -_REACH, _REACH) + _REACH) * ((len(POINTS) - 1) / (2 * _REACH))
    left = np.minimum(place.astype(np.int64), len(POINTS) - 2)
    share = place - left
    said: Floats = table[rows, left] * (1 - share) + table[rows, left + 1] * share
    return said
