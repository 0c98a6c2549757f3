"""Positive quantities on the log, and scores: a mixture of Shiryaev–Roberts statistics, Gaussian in clipped values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import Slot
from undertow.drift.detector import Observation
from undertow.drift.prospects import PlannedDetector
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["ClippedGaussian"]

Ints = NDArray[np.int64]

_PROFILE_EVENTS = 50.0  # events by which an hour of the profile is shrunk towards flat
_SMALLEST_SD = 0.05  # of the log: a quantity that never varies may move by 5 % before that is one standard deviation
_SHIFTS = np.array([0.05, 0.1, 0.18, 0.3, 0.5, 0.9])


class ClippedGaussian(PlannedDetector):
    r"""Follows lengths, latency and cost: values ≥ 0 with heavy tails, always on the log; and scores, standardised.

    Alternatives are shifts of the mean log by ±(.05, .1, .18, .3, .5, .9) standard deviations beyond the edge of the
    benign band. Logs are clipped (by the caller) at 3.5 standard deviations: unclipped, a t₃ tail breaks the run
    length by a factor of four. The log-likelihood ratio is divided by φ, the variance of block means over the one
    expected of independent events.

    Cannot see: what happens beyond the clip (the `.low` and `.high` tail rates do); changes of shape that leave the
    mean log.

    References
    ----------
    Pollak & Siegmund 1985; Shin, Ramdas & Rinaldo, E-detectors (arXiv 2203.03532).

    Examples
    --------
    >>> import numpy as np
    >>> from undertow.drift.budget import Share
    >>> from undertow.drift.detector import Observation, SeriesSettings
    >>> detector = ClippedGaussian({0: SeriesSettings(band=0.05, page_from=0.1, season=0.14, harm="both")}, 2000, 200)
    >>> rng, one = np.random.default_rng(1), np.ones(1)
    >>> for start in range(0, 5000, 10):
    ...     logs = rng.normal(5 if start < 4000 else 4.7, 0.6, 10)
    ...     x, xx = one * logs.sum(), one * (logs**2).sum()
    ...     for alarm in detector.observe(
    ...         Observation(start, start + 10, np.array([0]), 10 * one, x, xx, x, one * start, ()), Share.of(1.0, 64)
    ...     ):
    ...         print(alarm.kind, alarm.direction, alarm.changed_from <= 4000 <= alarm.changed_to)
    page down True
    """

    name = "clipped_gaussian"
    _shifts = np.concatenate([_SHIFTS, -_SHIFTS])
    log_weights = np.full(2 * len(_SHIFTS), -np.log(2 * len(_SHIFTS)))
    directions = np.sign(_shifts)

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

    def _spread(self, rows: Ints, part: Floats) -> tuple[Floats, Floats]:
        deviation = part[:, Slot.SUM] - part[:, Slot.EXPECTED]
        return deviation**2 / (part[:, Slot.EVENTS] * self._variance(rows)) - 1, np.ones(len(rows))

    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        events = part[:, [Slot.EVENTS]]
        deviation = part[:, [Slot.SUM]] - part[:, [Slot.EXPECTED]]
        edge = np.where(self.directions > 0, up[:, None], -down[:, None])
        sd = np.sqrt(self._variance(rows))[:, None]
        ratios: Floats = self._shifts * (deviation - events * edge) / sd - events * self._shifts**2 / 2
        return ratios / self._dispersion(rows)[:, None]

    def _expected_ratios(self, rows: Ints, block: Floats, up: Floats, down: Floats) -> Callable[[Floats], Floats]:
        usual, components = self._usual_block(rows, block), len(self._shifts)

        def ratios(shifts: Floats) -> Floats:
            """Return what the mean of a block gains: the likelihood ratio is linear in it."""
            part = np.repeat(usual, shifts.shape[1], axis=0)
            part[:, Slot.SUM] = (usual[:, [Slot.EXPECTED]] + block[:, None] * shifts).ravel()
            above, below = (np.repeat(reach, shifts.shape[1]) for reach in (up, down))
            found = self._log_ratios(np.repeat(rows, shifts.shape[1]), part, above, below)
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
    """Return the variance factor of block sums plus so many standard errors; 1 before there are blocks."""
    spread, squares, weight = clustering.T
    safe = np.maximum(weight, 1)
    factor: Floats = 1 + (spread + errors * np.sqrt(squares)) / safe
    return factor
