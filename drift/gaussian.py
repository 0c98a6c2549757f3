"""Numbers followed by their mean: logs of positive quantities, and scores in standard deviations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.detector import Observation
from undertow.drift.prospects import PlannedDetector
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["GaussianFamily"]

Ints = NDArray[np.int64]

_PROFILE_EVENTS = 50.0  # events by which an hour of the profile is shrunk towards flat
_SMALLEST_SD = 0.05  # of the log: a quantity that never varies may move by 5 % before that is one standard deviation
_UNKNOWN_FACTOR = 100.0  # of the variance of blocks, before there are two of them
_SHIFTS = np.array([0.05, 0.1, 0.18, 0.3, 0.5, 0.9])


class GaussianFamily(PlannedDetector):
    """Numbers as a Gaussian sees them: alternatives are shifts of the mean by so many standard deviations."""

    shifts = np.concatenate([_SHIFTS, -_SHIFTS])
    log_weights = np.full(2 * len(_SHIFTS), -np.log(2 * len(_SHIFTS)))
    directions = np.sign(shifts)

    def _interesting(self, window: Observation) -> NDArray[np.bool_]:
        return np.ones(len(window.series), bool)

    def _link(self, events: Floats, sums: Floats) -> Floats:
        return sums / np.maximum(events, 1)

    def _mean(self, link: Floats) -> Floats:
        return link

    def _moved(self, events: Floats, sums: Floats, shift: float) -> Floats:
        return sums + events * shift

    def _flattened(self, events: Floats, sums: Floats, usual: Floats, flat: Floats) -> Floats:
        return sums + events * (flat - usual)

    def _season(self, rows: Ints, time: float) -> Floats:
        return self.baselines.season(rows, time, np.full(len(rows), _PROFILE_EVENTS), lambda level: level)

    def _variance(self, rows: Ints) -> Floats:
        sums = self.baselines.sums[rows]
        events = np.maximum(sums[:, Slot.EVENTS], 1)
        variance = sums[:, Slot.SQUARES] / events - (sums[:, Slot.SUM] / events) ** 2
        return np.maximum(variance, _SMALLEST_SD**2)

    def _dispersion(self, rows: Ints, errors: float = 1.0) -> Floats:
        sums = self.baselines.sums[rows]
        small = _factor(sums[:, Slot.SMALL : Slot.LARGE], errors)
        large = _factor(sums[:, Slot.LARGE : Slot.LEARNED], errors)
        return np.maximum(np.maximum(small, large), 1.0)

    def _factor(self, rows: Ints) -> Floats:
        return self._dispersion(rows)

    def _spread(self, rows: Ints, part: Floats) -> tuple[Floats, Floats]:
        deviation = part[:, Slot.SUM] - part[:, Slot.EXPECTED]
        return deviation**2 / (part[:, Slot.EVENTS] * self._variance(rows)) - 1, np.ones(len(rows))

    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        return self._gaussian_ratios(rows, part, up, down)

    def _gaussian_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        events = part[:, [Slot.EVENTS]]
        deviation = part[:, [Slot.SUM]] - part[:, [Slot.EXPECTED]]
        edge = np.where(self.directions > 0, up[:, None], -down[:, None])
        sd = np.sqrt(self._variance(rows))[:, None]
        ratios: Floats = self.shifts * (deviation - events * edge) / sd - events * self.shifts**2 / 2
        return ratios / self._dispersion(rows)[:, None]

    def _expected_ratios(self, rows: Ints, block: Floats, up: Floats, down: Floats) -> Callable[[Floats], Floats]:
        usual, components = self._usual_block(rows, block), len(self.shifts)

        def ratios(shifts: Floats) -> Floats:
            """Return what the mean of a block gains: the likelihood ratio is linear in it; bets gain about as much."""
            part = np.repeat(usual, shifts.shape[1], axis=0)
            part[:, Slot.SUM] = (usual[:, [Slot.EXPECTED]] + block[:, None] * shifts).ravel()
            above, below = (np.repeat(reach, shifts.shape[1]) for reach in (up, down))
            found = self._gaussian_ratios(np.repeat(rows, shifts.shape[1]), part, above, below)
            return found.reshape(*shifts.shape, components)

        return ratios

    def _in_units(self, rows: Ints, levels: Floats) -> Floats:
        log = self._settings["log"][self._metric_of(rows)][:, None] > 0
        return np.where(log, np.exp(np.where(log, levels, 0.0)), levels)

    def _margin(self, rows: Ints, z: float) -> tuple[Floats, Floats]:
        events = np.maximum(self.baselines.sums[rows, Slot.EVENTS], 1)
        margin = z * np.sqrt(self._variance(rows) * self._dispersion(rows) / events)
        return margin, margin

    def _gain(self, row: int, slots: Floats) -> Floats:
        one = np.array([row])
        noise = np.maximum(slots[:, Slot.EVENTS], 1) * self._variance(one) * self._dispersion(one, errors=0.0)
        gain: Floats = (slots[:, Slot.SUM] - slots[:, Slot.EXPECTED]) ** 2 / (2 * noise)
        return gain

    def _return_ratio(self, row: int, part: Floats, before: float, after: float) -> float:
        one = np.array([row])
        deviation = part[Slot.SUM] - part[Slot.EVENTS] * (before + after) / 2
        return float(((before - after) * deviation / (self._variance(one) * self._dispersion(one)))[0])

    def _estimate(self, row: int, sums: Floats) -> Estimate:
        one = np.array([row])
        events = max(float(sums[Slot.EVENTS]), 1.0)
        mean = float(sums[Slot.RAW]) / events
        half = 1.96 * float(np.sqrt(self._variance(one) * self._dispersion(one, errors=0.0) / events)[0])
        levels = mean + np.array([-half, 0.0, half])
        low, value, high = (np.exp(levels) if self._settings["log"][self._metric_of(one)] else levels).tolist()
        return Estimate(value, low, high, int(sums[Slot.EVENTS]))

    def _noise(self, rows: Ints, events: Floats, sums: Floats) -> Floats:
        return self._variance(rows) * self._dispersion(rows) / np.maximum(events, 1)


def _factor(clustering: Floats, errors: float) -> Floats:
    """Return the variance factor of block sums: its upper limit at so many standard errors.

    Few blocks that happen to lie close together say little, so the limit is that of a variance of independent normal
    deviations (Wilson & Hilferty 1931, The distribution of chi-square, PNAS 17), not a multiple of their own scatter.
    """
    spread, _, weight = clustering.T
    blocks = np.maximum(weight, 1)
    factor: Floats = 1 + spread / blocks
    if errors:
        root = 1 - 2 / (9 * blocks) - errors * np.sqrt(2 / (9 * blocks))
        factor = np.where(weight > 0, factor / root**3, _UNKNOWN_FACTOR)
    return factor
