"""Categories: a mixture of Shiryaev–Roberts statistics with multinomial likelihoods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from undertow.drift.baselines import DAY, Slot
from undertow.drift.budget import Share
from undertow.drift.detector import Alarm, Observation
from undertow.drift.mix_episodes import BLOCK, EpisodicMixes
from undertow.drift.mixes import COLUMNS, Kind, cells, link
from undertow.drift.statistics.proportions import Floats, log_likelihood, odds_shift, wilson

__all__ = ["Multinomial"]

_OWN_EVIDENCE = float(np.log(100.0))
_FARTHEST = 20.0  # stands for an infinite margin on the log-odds scale
_HIGHEST = 300.0  # log-likelihood ratio of one block beyond which more of it changes nothing
_NOTHING = 1e-300
_CLUSTERED = 2.0  # log-likelihood ratio from which a count may be one cluster
_MOST_CORRELATED = 0.9
_FEWEST_BLOCKS = 3  # in which the clustering has been measured before anything is said
_CHUNK = 64  # series that are judged at a time: their arrays stay in the processor's cache

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Multinomial(EpisodicMixes):
    r"""Follows which of many categories events fall into (models, tools, labels, shapes of answers, formats).

    The alternatives tilt the mix towards or away from one category, or from all rare ones together: its odds change by
    1.5, 2.2, 4, 12, 40 or 400 up, .65, .4 or .1 down beyond the edge of the benign band, while the others keep their
    proportions. The log-likelihood ratio is divided by φ, the variance of counts in blocks of 50 events over the one
    expected of independent events, and is at most that of beta-binomial counts with this variance. Where jobs of a
    single category are usual, a block is worth no more than that it holds one. Twenty categories are followed by
    themselves; one that was never seen shares the weight of the rest, and is followed by itself once it takes traffic.

    `page_from` is the smallest part of the events that must change category for a page, all that rose or all that fell
    together (total variation). A series takes 37 kB, whatever the number of its categories.

    Cannot see: which categories follow one another; changes within the band; changes among the rare categories that
    leave their sum, until one of them has grown.

    References
    ----------
    Pollak 1987 (Annals of Statistics 15); Shin, Ramdas & Rinaldo, E-detectors (arXiv 2203.03532).

    Examples
    --------
    A model that was never seen takes over 30 % of the calls after 4,000 events at one a second:

    >>> from undertow.drift.detector import SeriesSettings
    >>> detector = Multinomial({0: SeriesSettings(band=0.1, page_from=0.05, season=0.56, harm="both")}, 2000, 200)
    >>> rng, one = np.random.default_rng(1), np.ones(1)
    >>> for start in range(0, 4200, 10):
    ...     mix = [0.8, 0.2, 0.0] if start < 4000 else [0.56, 0.14, 0.3]
    ...     cells = (np.zeros(3, np.int64), np.array([101.0, 102.0, 103.0]), rng.multinomial(10, mix))
    ...     columns = [np.array([0]), 10 * one, 0 * one, 0 * one, 0 * one, start * one]
    ...     for alarm in detector.observe(Observation(start, start + 10, *columns, cells), Share.of(1.0, 64)):
    ...         print(alarm.kind, alarm.events, [category for category, before, after in alarm.moved])
    page 10 [101, 103]
    """

    name = "multinomial"
    _tilts = np.log(np.array([1.5, 2.2, 4.0, 12.0, 40.0, 400.0, 0.65, 0.4, 0.1]))
    _mixture = np.array([0.14, 0.22, 0.12, 0.10, 0.08, 0.06, 0.08, 0.12, 0.08])
    _rises = 6  # of the tilts, the first
    alternatives = len(_tilts)

    def observe(self, window: Observation, share: Share) -> list[Alarm]:
        """Take one closed window; return what it makes the detector say.

        Raises
        ------
        ValueError
            Its cells are not counts of category numbers that add up to its events.
        """
        _check(window)
        rows = self._rows_of(window)
        counts, foreign = self.lines.sort(rows, window.cells)
        flat = self._fill(rows, window, counts)
        alarms = self._recoveries(rows, window, counts, flat)
        self._admit(foreign)
        filled = self._part[rows, Slot.EVENTS]  # 0 where a recovery has just put the old baseline back
        look = rows[(filled >= BLOCK) | self._may_fire(rows, window, share)]
        for first in range(0, len(look), _CHUNK):
            alarms += self._judge(look[first : first + _CHUNK], window, share)
        return alarms

    def _fill(self, rows: Ints, window: Observation, counts: Floats) -> Floats:
        """Add the window to the blocks being filled; return its counts without the daily profile."""
        base = self.mixes.shares(rows)
        usual = odds_shift(base, self.mixes.shifts(rows, window.start))
        flat: Floats = counts * base / usual
        fresh = self._part[rows, Slot.EVENTS] == 0
        self._part[rows[fresh], Slot.START] = window.start
        self._part[rows, Slot.END] = window.end
        self._part[rows, Slot.EVENTS] += window.events
        for kind, added in ((Kind.COUNT, counts), (Kind.EXPECTED, usual * window.events[:, None]), (Kind.FLAT, flat)):
            cells(self._part)[rows, kind] += added
        self.mixes.record(rows, window.start, window.events, counts)
        self.mixes.record_volumes(rows, window.end, window.events)
        self.mixes.watch_day(rows, window.start // DAY, window.events, flat)
        return flat

    # -- evidence -----------------------------------------------------------------------------------------------------

    def _limits(self, rows: Ints, share: Share) -> Floats:
        return share.thresholds(self._series[rows], self.mixes.weekly_events(rows))

    def _may_fire(self, rows: Ints, window: Observation, share: Share) -> Bools:
        """Return which blocks being filled are worth an interim read: no tilt gains more than χ² of its column."""
        may: Bools = self._known(rows) & (self._part[rows, Slot.EVENTS] > 0)
        rows, part = rows[may], self._part[rows[may]]
        events, counts, expected = part[:, Slot.EVENTS, None], cells(part)[:, Kind.COUNT], cells(part)[:, Kind.EXPECTED]
        gain = ((counts - expected) ** 2 * events / (expected * (events - expected))).max(axis=1)
        may[may] = np.log(self._standing[rows] + BLOCK) + gain >= self._limits(rows, share)
        return may

    def _judge(self, rows: Ints, window: Observation, share: Share) -> list[Alarm]:
        ratios = self._log_ratios(rows, *self._band(rows, window.start, share))
        events = self._part[rows, Slot.EVENTS]
        evidence = self._evidence[rows] + np.maximum(events, BLOCK)[:, None, None]
        evidence *= np.exp(np.minimum(ratios, _HIGHEST))
        segment = np.maximum(self._segment[rows], 0) + ratios
        standing = (evidence @ self._mixture * self._weights[rows]).sum(axis=1)
        statistic, limits = np.log(np.maximum(standing, _NOTHING)), self._limits(rows, share)
        best = segment.reshape(len(rows), -1).argmax(axis=1)
        own = segment.reshape(len(rows), -1)[np.arange(len(rows)), best] >= _OWN_EVIDENCE
        measured = self.mixes.sums[rows, Slot.LARGE_WEIGHT] >= _FEWEST_BLOCKS
        fired = (statistic >= limits) & own & measured & self._known(rows)
        stay = (events >= BLOCK) & ~fired
        self._commit(rows[stay], evidence[stay], segment[stay], standing[stay])
        alarms: list[Alarm] = []
        for i in np.flatnonzero(fired):
            column, tilt = divmod(int(best[i]), self.alternatives)
            moved = (column, 1.0 if tilt < self._rises else -1.0)
            alarms += self._alarm(int(rows[i]), window, float(statistic[i]), float(limits[i]), moved)
        return alarms

    def _log_ratios(self, rows: Ints, up: Floats, down: Floats) -> Floats:
        """Return ln L (rows, columns, tilts) of the blocks being filled against the edges of the band."""
        part = cells(self._part[rows])
        events, counts = self._part[rows, Slot.EVENTS, None], part[:, Kind.COUNT]
        usual = part[:, Kind.EXPECTED] / events
        benign = np.empty((*counts.shape, self.alternatives))
        benign[:, :, : self._rises] = odds_shift(usual, up)[:, :, None]
        benign[:, :, self._rises :] = odds_shift(usual, -down)[:, :, None]
        ratios: Floats = counts[:, :, None] * self._tilts - events[:, :, None] * np.log1p(
            benign * np.expm1(self._tilts)
        )
        factor = self.mixes.dispersion(rows)
        ratios *= (self.lines.used(rows) / factor)[:, :, None]
        self._cap(ratios, counts, events, factor, benign)
        return np.minimum(ratios, self.mixes.log_jobs(rows, usual)[:, :, None], out=ratios)

    def _cap(self, ratios: Floats, counts: Floats, events: Floats, factor: Floats, benign: Floats) -> None:
        """Lower large ratios to what they are if events come in clusters: a batch job is long, and it is one job."""
        row, column, tilt = at = np.nonzero(ratios > _CLUSTERED)
        n, k, usual = events[row, 0], counts[row, column], benign[at]
        rho = np.clip((factor[row, column] - 1) / np.maximum(n - 1, 1), 0, _MOST_CORRELATED)
        shifted = log_likelihood(k, n, odds_shift(usual, self._tilts[tilt]), rho)
        ratios[at] = np.minimum(ratios[at], shifted - log_likelihood(k, n, usual, rho))

    def _band(self, rows: Ints, time: float, share: Share) -> tuple[Floats, Floats]:
        """Return how far the benign band reaches above and below the expected levels, log odds."""
        season = np.zeros(len(rows))
        unknown = ~self.mixes.has_profile(rows, time)
        if unknown.any():
            amplitude = self._setting("season", rows[unknown])
            season[unknown] = amplitude * self.mixes.unknown_season(rows[unknown], time)
        width = np.maximum(
            self.mixes.wander.widths(rows),
            np.maximum(self._setting("band", rows), season)[:, None],
        )
        up, down = width.copy(), width
        young = self.mixes.learned(rows) < self._min_events
        if young.any():
            above, below = self._margin(rows[young], Share(share.pages_per_week / COLUMNS).z)
            up[young] += above
            down[young] += below
        return up, down

    def _margin(self, rows: Ints, z: float) -> tuple[Floats, Floats]:
        """Return how far the baseline's limits at z standard errors lie above and below its levels."""
        events, counts = self.mixes.sums[rows, Slot.EVENTS, None], cells(self.mixes.sums[rows])[:, Kind.COUNT]
        factor = self.mixes.dispersion(rows)
        low, high = wilson(counts / factor, events / factor, z)
        level = link(counts, events)
        above, below = logit(np.minimum(high, 1 - 1e-9)) - level, level - logit(np.maximum(low, 1e-9))
        return np.clip(above, 0, _FARTHEST), np.clip(below, 0, _FARTHEST)

    def _commit(self, rows: Ints, evidence: Floats, segment: Floats, standing: Floats) -> None:
        """Close the blocks of these rows: store their evidence and hand them to the baseline."""
        if not len(rows):
            return
        self._evidence[rows], self._segment[rows], self._standing[rows] = evidence, segment, standing
        blocks, known = self._part[rows], self._known(rows)
        part, events = cells(blocks), blocks[:, Slot.EVENTS, None]
        counts, expected = part[:, Kind.COUNT], part[:, Kind.EXPECTED]
        measured = np.stack([(counts - expected) ** 2, expected * (1 - expected / events)], axis=1)
        part[:, Kind.SPREAD :] = np.where(known[:, None, None], measured, 0.0)
        blocks[:, Slot.LARGE_WEIGHT] = known
        blocks[:, Slot.SMALL] = known & self.mixes.is_job(rows, measured, counts > expected)
        part[~known, Kind.EXPECTED] = part[~known, Kind.COUNT]  # there was nothing to expect yet
        self.mixes.push(rows, blocks)
        self.mixes.measure_clustering(rows[~known & self._known(rows)])
        self._part[rows] = 0
        self.lines.close(rows)
        self._reconsider(rows, known)
        self._begin_evidence(rows[~known])


def _check(window: Observation) -> None:
    index, numbers, counts = window.cells
    strange = (numbers < 0) | (numbers != np.floor(numbers)) | (counts < 0)
    if strange.any():
        raise ValueError(f"window {window.start}–{window.end}: {numbers[strange][0]} is no category's number")
    if not np.array_equal(np.bincount(index, counts, len(window.series)), window.events):
        raise ValueError(f"window {window.start}–{window.end}: the counts of categories do not add up to the events")
