"""Many series against their references, one day's look: evidence, levels, wander from day to day, time of the change.

For windows of the last W ∈ {1, 2, 4, 7, 14, 28} whole days the evidence is an e-value of two samples with the common
level conditioned out (`statistics.two_samples`); it is averaged over alternatives and windows. Read once a day and
compared with 7/b it is wrong at most b times a week, whatever the dependence between days and series (Markov), as long
as levels stay within the band and events cluster as they did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, gammaincinv, logit

from undertow.drift.days import KEPT, Sums
from undertow.drift.statistics.proportions import Floats, jeffreys
from undertow.drift.statistics.two_samples import UP, mean_evidence, rate_evidence
from undertow.drift.verdict import Estimate

__all__ = ["WIDTHS", "Comparison", "Evidence"]

WIDTHS = np.array([1, 2, 4, 7, 14, KEPT])
_WANDER_DAYS = 5  # steps needed before the wander is estimated
_WANDER_FACTOR = 3.8  # half-width of the benign band in standard deviations of the wander
_WANDER_MOST = float(np.log(2.0))
_FEWEST = 50.0  # events of a sample whose mean is taken as Gaussian
_SMALLEST_SD = 0.05  # of the log: a quantity that never varies may move by 5 % before that is one standard deviation
_KEPT_STEPS = 0.75  # of the squared steps from day to day; the largest are left out: a change is no wander
_DOUBTS = 1.5  # standard errors of the wander that are allowed for
_STEP = 2  # days between the days of a step
_APART = 4  # days over which wander averages out; weather lasts, so further ones add nothing
_CHANGE_INTERVAL = 4.0  # fall of the log-likelihood within which a change time is plausible

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_EVERY = slice(None)


@dataclass(frozen=True)
class Evidence:
    """What one look says of each series: ln of the e-value, days of the window that says most, and its direction."""

    statistic: Floats
    width: Ints
    direction: Floats


@dataclass
class Comparison:
    """Rows of series, each with its reference and its recent days.

    Parameters
    ----------
    rate, log
        Which series are rates, and which are followed on the log.
    band
        ln(1+δ) on the link scale: log odds of rates, log value, standard score.
    factor
        By how much sums of many events vary beyond independent ones, at least 1.
    reference
        Sums of the reference (rows, `Sums.WIDTH`).
    recent
        Sums of the last 28 whole days (rows, 28, `Sums.WIDTH`), oldest first.
    since
        How many of these are later than the reference, counted from the latest one.

    Attributes
    ----------
    variance
        Of single values, where they are no rates.
    wander
        Variance of the level from day to day, link scale.
    """

    rate: Bools
    log: Bools
    band: Floats
    factor: Floats
    reference: Floats
    recent: Floats
    since: Ints

    def __post_init__(self) -> None:
        both = self.reference[:, : Sums.DAYS] + self.recent[:, :, : Sums.DAYS].sum(axis=1)
        within = _squares(self.reference) + _squares(self.recent).sum(axis=1)
        self.variance = np.maximum(within / np.maximum(both[:, Sums.EVENTS], 1), _SMALLEST_SD**2)
        self.wander = self._wander()

    # -- levels --------------------------------------------------------------------------------------------------------

    def level(self, sums: Floats, rows: slice = _EVERY) -> Floats:
        """Return the level of sums (rows, …, columns), link scale."""
        events, total = sums[..., Sums.EVENTS], sums[..., Sums.SUM]
        rate = _beside(self.rate[rows], events)
        shares = logit(_share(np.where(rate, total, 0), events))
        level: Floats = np.where(rate, shares, total / np.maximum(events, 1))
        return level

    def noise(self, sums: Floats, rows: slice = _EVERY) -> Floats:
        """Return the variance that sampling gives the level of sums (rows, …, columns), link scale."""
        events = np.maximum(sums[..., Sums.EVENTS], 1)
        rate = _beside(self.rate[rows], events)
        share = _share(np.where(rate, sums[..., Sums.SUM], 0), events)
        single = np.where(rate, 1 / (share * (1 - share)), _beside(self.variance[rows], events))
        noise: Floats = _beside(self.factor[rows], events) * single / events
        return noise

    def window(self, width: int, rows: slice = _EVERY) -> Floats:
        """Return the sums of the last `width` days (rows, columns)."""
        sums: Floats = self.recent[rows, KEPT - width :].sum(axis=1)
        return sums

    def spread(self, sums: Floats, rows: slice = _EVERY) -> Floats:
        """Return the variance that the wander of single days gives to the distance between sums and reference."""
        days, others = sums[..., Sums.DAYS], self.reference[rows, Sums.DAYS]
        spread: Floats = self.wander[rows] * (
            _averaged(days) + _beside(np.where(np.isinf(others), 0, _averaged(others)), days)
        )
        return spread

    def estimate(self, row: int, sums: Floats) -> Estimate:
        """Return a level in the metric's own unit (scores: standard scores) with its 95 % interval."""
        events, factor = float(sums[Sums.EVENTS]), float(self.factor[row])
        if self.rate[row]:
            low, high = jeffreys(float(sums[Sums.SUM]), events, factor)
            return Estimate(float(sums[Sums.SUM]) / events, low, high, int(events))
        half = 1.96 * float(np.sqrt(self.variance[row] * factor / events))
        levels = float(sums[Sums.RAW]) / events + np.array([-half, 0.0, half])
        low, value, high = (np.exp(levels) if self.log[row] else levels).tolist()
        return Estimate(value, low, high, int(events))

    def _wander(self) -> Floats:
        """Return the variance from day to day beyond that of sampling.

        Half the mean squared step is that variance; a ramp hardly adds to it, and over two days weekends are seen as
        well. The largest quarter of the steps is left out (of Gaussian steps the rest has the mean F₃(q)/F₁(q), F_k the
        distribution of χ²_k): a level that shifts once does not wander. What few steps leave open is taken off what
        exceeds the sampling's part, and put on what is left.
        """
        there = self.recent[:, :, Sums.EVENTS] >= _FEWEST
        pair = there[:, _STEP:] & there[:, :-_STEP]
        count = np.maximum(pair.sum(axis=1), 1)
        level, noise = self.level(self.recent), self.noise(self.recent)
        steps = np.where(pair, (level[:, _STEP:] - level[:, :-_STEP]) ** 2, np.inf)
        sampling = np.where(pair, noise[:, _STEP:] + noise[:, :-_STEP], 0).sum(axis=1) / count
        doubt = 1 + _DOUBTS * np.sqrt(5.5 / count)  # the variance of the trimmed mean, by simulation
        wander: Floats = np.maximum(_trimmed_mean(steps, count) - doubt * sampling, 0) / 2 * doubt
        return np.where(count >= _WANDER_DAYS, wander, 0.0)

    # -- the daily look ------------------------------------------------------------------------------------------------

    def evidence(self) -> Evidence:
        """Return what the recent days say against the reference."""
        said = np.stack([self._evidence_of(int(width)) for width in WIDTHS], axis=1)  # (rows, widths, alternatives)
        mean = np.logaddexp.reduce(said, axis=2) - np.log(said.shape[2])
        best = mean.argmax(axis=1)
        chosen = said[np.arange(len(said)), best]
        up, down = (np.logaddexp.reduce(chosen[:, side == UP], axis=1) for side in (1.0, -1.0))
        statistic: Floats = np.logaddexp.reduce(mean, axis=1) - np.log(len(WIDTHS))
        return Evidence(statistic, WIDTHS[best], np.where(up >= down, 1.0, -1.0))

    def _evidence_of(self, width: int) -> Floats:
        sums = self.window(width)
        band = np.maximum(self.band, np.minimum(_WANDER_FACTOR * np.sqrt(self.spread(sums)), _WANDER_MOST))
        n0, n1 = self.reference[:, Sums.EVENTS], np.maximum(sums[:, Sums.EVENTS], 1)
        k0, k1 = (np.where(self.rate, side[:, Sums.SUM], 0) for side in (self.reference, sums))
        rates = rate_evidence(k0, n0, k1, n1, band, self.factor)
        variance = self.variance * self.factor * (1 / n0 + 1 / n1)
        means = mean_evidence(self.level(sums) - self.level(self.reference), variance, band)
        enough = self.rate | ((n0 >= _FEWEST) & (n1 >= _FEWEST))
        open_ = enough & (self.since >= width) & (sums[:, Sums.EVENTS] > 0)
        return np.where(open_[:, None], np.where(self.rate[:, None], rates, means), -np.inf)

    # -- when it changed -----------------------------------------------------------------------------------------------

    def change(self, row: int, direction: float) -> tuple[int, int, int]:
        """Return how many days ago the level left the reference: best guess, earliest and latest.

        Each tail of the days since is given a level of its own; what it gains over the reference's level is judged.
        """
        tails = self.recent[row, KEPT - int(self.since[row]) :][::-1].cumsum(axis=0)
        one = slice(row, row + 1)
        off = self.level(tails[None], one)[0] - self.level(self.reference[one], one)[0]
        spread = self.noise(tails[None], one)[0] + self.spread(tails[None], one)[0]
        gains = np.where((direction * off > 0) & (tails[:, Sums.EVENTS] > 0), off**2 / (2 * spread), 0.0)
        plausible = np.flatnonzero(gains >= gains.max() - _CHANGE_INTERVAL) + 1
        return int(np.argmax(gains)) + 1, int(plausible[-1]), int(plausible[0])


def _share(hits: Floats, events: Floats) -> Floats:
    share: Floats = (hits + 0.5) / (events + 1)
    return share


def _squares(sums: Floats) -> Floats:
    """Return the sum of squared distances from the mean."""
    squares: Floats = sums[..., Sums.SQUARES] - sums[..., Sums.SUM] ** 2 / np.maximum(sums[..., Sums.EVENTS], 1)
    return np.maximum(squares, 0)


def _averaged(days: Floats) -> Floats:
    """Return the variance of the mean of so many days in units of one day's."""
    averaged: Floats = 1 / np.clip(days, 1, _APART)
    return averaged


def _trimmed_mean(squares: Floats, count: Ints) -> Floats:
    """Return the mean of squared Gaussian steps (rows, steps; inf for none) without the largest quarter."""
    kept = np.maximum(np.ceil(_KEPT_STEPS * count) - 1, 1)
    squares = np.sort(squares, axis=1)
    total = np.where(np.arange(squares.shape[1]) < kept[:, None], np.where(np.isinf(squares), 0, squares), 0).sum(
        axis=1
    )
    cut = 2 * gammaincinv(0.5, np.minimum(kept / count, _KEPT_STEPS))  # quantile of χ² with one degree of freedom
    mean: Floats = total / kept * chdtr(1, cut) / chdtr(3, cut)
    return mean


def _beside(values: NDArray[Any], like: Floats) -> NDArray[Any]:
    """Return one value a row so that it stands beside (rows, …)."""
    return values.reshape(len(values), *[1] * (like.ndim - 1))
