"""Evidence by bets: what numbers say of their level without a word on the shape of their distribution.

A gambler wins L(x) on each number x, with E[L] ≤ 1 while the level lies within the benign band: then nothing is won on
average until the level moves, whatever the shape (Shafer 2021, Testing by betting, JRSS A 184). The winnings of a block
multiply; here they are summed as logarithms, window by window, against the edge of the band as it is known by then.

A family says how the positions of values become units, which is tabulated from the first values; and what is won on a
unit.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation
from undertow.drift.gaussian import GaussianFamily
from undertow.drift.statistics.proportions import Floats

__all__ = ["POINTS", "BettingFamily", "interpolated"]

Ints = NDArray[np.int64]

_REACH = 4.0  # standard deviations
POINTS = np.linspace(-_REACH, _REACH, 129)  # at which units are tabulated; between them they lie on straight lines
_SMALLEST_SD = 0.05  # for a quantity that never varies
_DIGITS = 2  # to which distances are collected


class BettingFamily(GaussianFamily):
    """Numbers of which the likelihood is not trusted to be Gaussian: levels and times as there, evidence by bets.

    Until a series has its units, its evidence is that of the Gaussian.
    """

    arrays: ClassVar = {
        **GaussianFamily.arrays,
        "_bets": 0.0,  # ln of what the block being filled has won
        "_fitted": 0.0,  # how often units were
        "_units": 0.0,  # of values at so many standard deviations
        "_centre": 0.0,  # mean of the first values
        "_sd": 1.0,  # of the first values
    }

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._bets: Floats = np.zeros((0, len(self.shifts)))
        self._fitted: Ints = np.zeros(0, np.int64)
        self._units: Floats = np.zeros((0, len(POINTS)))
        self._centre: Floats = np.zeros(0)
        self._sd: Floats = np.zeros(0)
        self._collected: dict[int, dict[float, float]] = {}  # distances and how many, of series that are to be fitted

    # -- what a family says -------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def _enough(self) -> Sequence[float]:
        """Return from how many values units are fitted, and from how many again."""

    @abstractmethod
    def _collectable(self, rows: Ints) -> NDArray[np.bool_]:
        """Return of which series the distances of values can be told."""

    @abstractmethod
    def _position(self, rows: Ints, values: Floats, usual: Floats) -> Floats:
        """Return where values lie whose level would usually be `usual`, in standard deviations."""

    @abstractmethod
    def _fit_units(self, row: int, z: Floats, shares: Floats) -> Floats:
        """Return the units at `POINTS`, given the positions of the first values and their shares."""

    @abstractmethod
    def _winnings(self, rows: Ints, index: Ints, units: Floats, usual: Floats, edges: tuple[Floats, Floats]) -> Floats:
        """Return the logarithm (values, alternatives) of what is won on the units of values of the series `index`.

        `usual` is the level of each series as it would be, `edges` how far the band reaches below and above it.
        """

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
        """Bet on each number of the window, for and against a rise, against the edges of the band."""
        index, values, counts = _of(window, self._fitted[rows] > 0)
        if not len(index):
            return
        units = interpolated(self._units[rows], index, self._position(rows[index], values, usual[index]))
        up, down = self._band(rows, window.start, share)
        won = self._winnings(rows, index, units, usual, (-down, up)) * counts[:, None]
        for column, gains in enumerate(won.T):
            self._bets[rows, column] += np.bincount(index, gains, len(rows))

    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        gaussian = self._gaussian_ratios(rows, part, up, down)
        return np.where(self._fitted[rows][:, None] > 0, self._bets[rows] / self._dispersion(rows)[:, None], gaussian)

    def _commit(self, rows: Ints, evidence: Floats, segment: Floats) -> None:
        super()._commit(rows, evidence, segment)
        self._bets[rows] = 0

    def _clear(self, row: int) -> None:
        """Begin anew; another level may have another shape."""
        super()._clear(row)
        self._bets[row], self._fitted[row] = 0, 0
        self._centre[row], self._sd[row] = 0, 1
        self._collected.pop(row, None)

    # -- units --------------------------------------------------------------------------------------------------------

    def _collect(self, rows: Ints, usual: Floats, window: Observation) -> None:
        """Keep the distances of the first values of each series; fit its units whenever there are enough."""
        wanted = self._collectable(rows) & (self._fitted[rows] < len(self._enough))
        index, values, counts = _of(window, wanted)
        of = rows[index]
        distances = self._centre[of] + self._sd[of] * self._position(of, values, usual[index])
        distances = np.round(distances, _DIGITS)
        for row, distance, count in zip(of.tolist(), distances.tolist(), counts.tolist(), strict=True):
            kept = self._collected.setdefault(row, {})
            kept[distance] = kept.get(distance, 0.0) + count
        for row in np.unique(of).tolist():
            if sum(self._collected[row].values()) >= self._enough[self._fitted[row]]:
                self._fit(row)

    def _fit(self, row: int) -> None:
        collected = self._collected[row]
        distances, counts = np.array(list(collected)), np.array(list(collected.values()))
        shares = counts / counts.sum()
        centre = float(shares @ distances)
        sd = max(float(np.sqrt(shares @ (distances - centre) ** 2)), _SMALLEST_SD)
        self._centre[row], self._sd[row] = centre, sd
        self._units[row] = self._fit_units(row, (distances - centre) / sd, shares)
        self._fitted[row] += 1
        if self._fitted[row] == len(self._enough):
            del self._collected[row]

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


def interpolated(table: Floats, rows: Ints, z: Floats) -> Floats:
    """Return what the rows of a table over `POINTS` say at so many standard deviations."""
    place = (np.clip(z, -_REACH, _REACH) + _REACH) * ((len(POINTS) - 1) / (2 * _REACH))
    left = np.minimum(place.astype(np.int64), len(POINTS) - 2)
    share = place - left
    said: Floats = table[rows, left] * (1 - share) + table[rows, left + 1] * share
    return said
