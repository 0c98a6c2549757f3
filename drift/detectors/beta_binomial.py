"""Rates: a mixture of Shiryaev–Roberts statistics with beta-binomial likelihoods."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, logit, softmax

from undertow.drift.baselines import Slot
from undertow.drift.episodes import BLOCK
from undertow.drift.prospects import PlannedDetector
from undertow.drift.sequential import SMALL_BLOCK
from undertow.drift.statistics.proportions import Floats, jeffreys, log_likelihood, odds_shift, wilson
from undertow.drift.verdict import Estimate

__all__ = ["BetaBinomial"]

Ints = NDArray[np.int64]

_PROFILE_HITS = 3.0  # hits by which an hour of the profile is shrunk towards flat
_FEWEST_HITS = 10.0  # of a baseline, and as many misses: with fewer its rate may be off by more than a change
_ONE_BLOCK = 2.0  # variance of the spread of a block of independent events
_NODES = 40  # numbers of hits of which a plan asks the likelihood, twice
_FARTHEST = 20.0  # stands for an infinite margin on the log-odds scale
_STATED = 1e15  # events that a stated rate counts for: more than will ever be seen


class BetaBinomial(PlannedDetector):
    r"""Follows rates (refusals, schema violations, truncation, errors, tails …).

    Alternatives are odds ratios against the edge of the benign band, 1.5, 2.2, 4, 12 and 40 up, .65, .4 and .1 down.
    Hits come in clusters (sessions, retries), so the likelihood of a block is beta-binomial with the correlation ρ
    measured on the baseline's blocks of 10 and of 50 events plus one standard error.

    Cannot see: changes within the band or before the baseline has `strict_events` events; which events of a window
    were hits.

    References
    ----------
    Pollak 1987 (Annals of Statistics 15); Shin, Ramdas & Rinaldo, E-detectors (arXiv 2203.03532).

    Examples
    --------
    A refusal rate triples after 4,000 events at one a second:

    >>> import numpy as np
    >>> from undertow.drift.budget import Share
    >>> from undertow.drift.detector import Observation, SeriesSettings
    >>> detector = BetaBinomial({0: SeriesSettings(band=0.1, page_from=0.22, season=0.4, harm="both")}, 2000, 200)
    >>> rng, one = np.random.default_rng(1), np.ones(1)
    >>> for start in range(0, 6000, 10):
    ...     hits = one * rng.binomial(10, 0.02 if start < 4000 else 0.06)
    ...     window = Observation(start, start + 10, np.array([0]), 10 * one, hits, hits, hits, one * start, ())
    ...     for alarm in detector.observe(window, Share.of(1.0, 64)):
    ...         print(alarm.kind, alarm.direction, alarm.changed_from <= 4000 <= alarm.changed_to)
    page up True
    """

    name = "beta_binomial"
    _log_odds_ratios = np.log(np.array([1.5, 2.2, 4.0, 12.0, 40.0, 0.65, 0.4, 0.1]))
    log_weights = np.log(np.array([0.15, 0.25, 0.12, 0.10, 0.05, 0.10, 0.15, 0.08]))
    directions = np.sign(_log_odds_ratios)
    _reads_falls_within = False

    def state(self, series: int, rate: float, time: float) -> None:
        """Take a rate that somebody states as what is usual: it is tested from the first event and never relearned.

        Raises
        ------
        ValueError
            It is not between 0 and 1: no event could speak against 0 or 1 without being certain.
        """
        if not 0 < rate < 1:
            raise ValueError(f"a stated rate of {rate} is impossible; it must lie between 0 and 1")
        row = int(self._rows_of(np.array([series]), np.array([time]))[0])
        columns = [Slot.EVENTS, Slot.SUM, Slot.RAW, Slot.EXPECTED, Slot.FLAT]
        self.baselines.sums[row, columns] = _STATED * np.array([1.0, rate, rate, rate, rate])
        self._stated[row] = True

    def _link(self, events: Floats, sums: Floats) -> Floats:
        level: Floats = logit(_rate(events, sums))
        return level

    def _mean(self, link: Floats) -> Floats:
        rate: Floats = expit(link)
        return rate

    def _moved(self, events: Floats, sums: Floats, shift: float) -> Floats:
        rate, ratio = np.clip(sums / np.maximum(events, 1), 0, 1), np.exp(shift)
        moved: Floats = events * rate * ratio / (1 - rate + rate * ratio)
        return moved

    def _flattened(self, events: Floats, sums: Floats, usual: Floats, flat: Floats) -> Floats:
        return sums * (flat / usual)

    def _season(self, rows: Ints, time: float) -> Floats:
        sums = self.baselines.sums[rows]
        pseudo = _PROFILE_HITS * (sums[:, Slot.EVENTS] + 1) / (sums[:, Slot.SUM] + 0.5)
        shift = self.baselines.season(rows, time, pseudo, lambda rate: logit(np.clip(rate, 1e-9, 1 - 1e-9)))
        return np.where(self._stated[rows], 0.0, shift)

    def _dispersion(self, rows: Ints, errors: float = 1.0) -> Floats:
        sums = self.baselines.sums[rows]
        small = _excess(sums[:, Slot.SMALL : Slot.LARGE], SMALL_BLOCK, errors)
        large = _excess(sums[:, Slot.LARGE : Slot.LEARNED], BLOCK, errors)
        return np.clip(np.maximum(small, large), 0.0, 0.9)

    def _factor(self, rows: Ints) -> Floats:
        return 1 + (BLOCK - 1) * self._dispersion(rows)

    def _spread(self, rows: Ints, part: Floats) -> tuple[Floats, Floats]:
        events, expected = part[:, Slot.EVENTS], part[:, Slot.EXPECTED]
        variance = expected * (1 - expected / events)
        return (part[:, Slot.SUM] - expected) ** 2 / variance - 1, events - 1

    def _log_ratios(self, rows: Ints, part: Floats, up: Floats, down: Floats) -> Floats:
        events, hits = part[:, [Slot.EVENTS]], part[:, [Slot.SUM]]
        rate = part[:, [Slot.EXPECTED]] / events
        edge = np.where(self.directions > 0, up[:, None], -down[:, None])
        benign, shifted = odds_shift(rate, edge), odds_shift(rate, edge + self._log_odds_ratios)
        rho = self._dispersion(rows)[:, None]
        # The correlation is known badly, and too large a one is not careful: it reads single hits as rare clusters. So
        # what counts is the smaller of the evidence under independence and under the measured correlation.
        ratios = [
            log_likelihood(hits, events, shifted, r) - log_likelihood(hits, events, benign, r) for r in (0 * rho, rho)
        ]
        return np.minimum(*ratios)

    def _young(self, rows: Ints) -> NDArray[np.bool_]:
        events, hits = self.baselines.sums[rows, Slot.EVENTS], self.baselines.sums[rows, Slot.SUM]
        young: NDArray[np.bool_] = super()._young(rows) | (np.minimum(hits, events - hits) < _FEWEST_HITS)
        return young

    def _expected_ratios(self, rows: Ints, block: Floats, up: Floats, down: Floats) -> Callable[[Floats], Floats]:
        hits, log_width = _lattice(block)
        many, components = hits.shape[1], len(self.directions)
        part = np.repeat(self._usual_block(rows, block), many, axis=0)
        part[:, Slot.SUM] = hits.ravel()
        above, below = (np.repeat(reach, many) for reach in (up, down))
        table = self._log_ratios(np.repeat(rows, many), part, above, below).reshape(len(rows), many, components)
        level, rho = self._learned_levels(rows)[:, None, None], self._dispersion(rows, errors=0.0)[:, None, None]
        k, n = hits[:, None, :], block[:, None, None]
        log_ways = (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) + log_width[:, None, :]

        def ratios(shifts: Floats) -> Floats:
            rate = self._mean(level + shifts[:, :, None])
            chances = softmax(log_likelihood(k, n, rate, rho) + log_ways, axis=2)
            expected: Floats = chances @ table
            return expected

        return ratios

    def _in_units(self, rows: Ints, levels: Floats) -> Floats:
        return self._mean(levels)

    def _margin(self, rows: Ints, z: float) -> tuple[Floats, Floats]:
        events, hits = self.baselines.sums[rows, Slot.EVENTS], self.baselines.sums[rows, Slot.SUM]
        low, high = wilson(hits, events, z)
        level = self._link(events, hits)
        above = logit(np.minimum(high, 1 - 1e-9)) - level
        below = level - logit(np.maximum(low, 1e-9))
        return np.clip(above, 0, _FARTHEST), np.clip(below, 0, _FARTHEST)

    def _gain(self, row: int, slots: Floats) -> Floats:
        events, sums, expected = slots[:, Slot.EVENTS], slots[:, Slot.SUM], slots[:, Slot.EXPECTED]
        own, usual = (sums + 0.5) / (events + 1), (expected + 0.5) / (events + 1)
        gain = sums * np.log(own / usual) + (events - sums) * np.log((1 - own) / (1 - usual))
        return gain / self._inflation(row)

    def _return_ratio(self, row: int, part: Floats, before: float, after: float) -> float:
        rho = self._dispersion(np.array([row]))
        events, hits = part[[Slot.EVENTS]], part[[Slot.SUM]]
        old, new = (log_likelihood(hits, events, self._mean(np.array([level])), rho) for level in (before, after))
        return float((old - new)[0])

    def _estimate(self, row: int, sums: Floats) -> Estimate:
        events, hits = float(sums[Slot.EVENTS]), float(sums[Slot.SUM])
        if events >= _STATED:
            return Estimate(hits / events, hits / events, hits / events, 0)
        low, high = jeffreys(hits, events, self._inflation(row))
        return Estimate(hits / events if events else 0.0, low, high, int(events))

    def _inflation(self, row: int) -> float:
        """Return the variance factor of a block of 50 events, as far as it has been measured."""
        return 1 + 49 * float(self._dispersion(np.array([row]), errors=0.0)[0])

    def _noise(self, rows: Ints, events: Floats, sums: Floats) -> Floats:
        rate = _rate(events, sums)
        return (1 + 49 * self._dispersion(rows)) / (events * rate * (1 - rate))


def _rate(events: Floats, sums: Floats) -> Floats:
    """Return a rate with half a hit more; what a profile makes of hits may lie beyond what is possible."""
    rate: Floats = (np.clip(sums, 0, events) + 0.5) / (events + 1)
    return rate


def _lattice(events: Floats) -> tuple[Floats, Floats]:
    """Return numbers of hits (rows, nodes) in so many events, dense where there are few or nearly all, and ln width."""
    half = np.geomspace(1.0, np.maximum(events / 2, 1.0), _NODES, axis=1).round()
    hits = np.concatenate([np.zeros((len(events), 1)), half, events[:, None] - half[:, ::-1], events[:, None]], axis=1)
    hits.sort(axis=1)
    edges = (hits[:, 1:] + hits[:, :-1]) / 2
    width = np.diff(edges, axis=1, prepend=hits[:, :1] - 0.5, append=hits[:, -1:] + 0.5)
    with np.errstate(divide="ignore"):
        return hits, np.log(width)


def _excess(clustering: Floats, events: float, errors: float) -> Floats:
    """Return the moment estimate of a correlation, from blocks of so many events, plus so many standard errors.

    Few blocks that happen to scatter little say little: one more of independent events is taken to have been seen.
    """
    spread, squares, weight = clustering.T
    excess: Floats = (spread + errors * np.sqrt(squares + _ONE_BLOCK)) / (weight + events - 1)
    return excess
