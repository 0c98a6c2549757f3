"""The scale of each series of numbers, fitted once: where its values are clipped and where its tails begin.

Values whose series has no scale yet wait here; from `strict_events` on they are clipped at 3.5 robust standard
deviations, and from `min_events` on those beyond the 1st and 99th percentile of the waiting values are counted as
tails. Positive metrics are followed on the log. Scores have no scale of their own: they are brought to that of the
values they were fitted on, whose mean is 0 and whose standard deviation is 1, and clipped at ±10: many scores have two
values only, of which the rarer may lie far out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.metrics import Family
from undertow.drift.statistics.logbins import log_of, value_of
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["Scaled", "Scales"]

_CLIP = 3.5  # robust standard deviations
_SMALLEST_SD = 0.05  # of a log; of a score, as a share of its mean
_SCORE_CLIP = 10.0  # standard deviations
_TAIL = 0.01

Ints = NDArray[np.int64]


class Scaled(NamedTuple):
    """The values of a window, per series: counts, sums of clipped and of raw logs, and the counts of both tails."""

    series: Ints
    events: Floats
    sums: Floats
    squares: Floats
    raw: Floats
    since: Floats
    tailed: NDArray[np.bool_]  # the series has tails by now
    low: Floats
    high: Floats
    cells: tuple[Ints, Floats, Ints]  # index into `series`, clipped value, count


class Scales:
    """Fits and applies scales; struct of arrays by series number.

    Examples
    --------
    >>> import numpy as np
    >>> scales = Scales(Catalogue(), strict_events=2, min_events=4)
    >>> scaled = scales.apply(np.array([5, 5]), np.array([8192, 8200]), np.array([1, 1]), start=0.0)
    >>> scaled.series, scaled.events, scaled.tailed
    (array([5]), array([2.]), array([False]))
    """

    def __init__(self, catalogue: Catalogue, strict_events: int, min_events: int) -> None:
        families = [catalogue.metric(number).family for number in range(len(catalogue))]
        self._scores = np.array([family is Family.SCORE for family in families])
        self._strict_events, self._min_events = strict_events, min_events
        self._clip: Floats = np.full((0, 2), np.nan)
        self._tails: Ints = np.full((0, 2), -1, np.int64)
        self._waiting: dict[int, dict[int, int]] = {}
        self._since: dict[int, float] = {}

    def apply(self, series: Ints, bins: Ints, counts: Ints, start: float) -> Scaled:
        """Take a window's cells, sorted by series; return what the series with a scale measured."""
        self._grow(series)
        before = self._tails.copy()
        freed = self._wait(series, bins, counts, start)
        if freed:
            series, bins, counts = self._join(series, bins, counts, freed)
        self._fit_tails(np.unique(series))
        return self._scaled(series, bins, counts, before, start, freed)

    def read(self, series: Ints, bins: Ints, counts: Ints) -> Scaled:
        """Return what cells of other traffic measure on the scales as they are; series without one say nothing."""
        self._grow(series)
        return self._scaled(series, bins, counts, self._tails, 0.0, {})

    def _grow(self, series: Ints) -> None:
        if len(series) and series.max() >= len(self._clip):
            extra = int(series.max()) + 1024 - len(self._clip)
            self._clip = np.concatenate([self._clip, np.full((extra, 2), np.nan)])
            self._tails = np.concatenate([self._tails, np.full((extra, 2), -1, np.int64)])

    def _wait(self, series: Ints, bins: Ints, counts: Ints, start: float) -> dict[int, float]:
        """Keep the cells of series that still learn; return those that got their clip just now, and since when."""
        learning = np.flatnonzero(self._tails[series, 0] < 0)
        freed: dict[int, float] = {}
        for number, b, count in zip(
            series[learning].tolist(), bins[learning].tolist(), counts[learning].tolist(), strict=True
        ):
            kept = self._waiting.setdefault(number, {})
            self._since.setdefault(number, start)
            kept[b] = kept.get(b, 0) + count
        for number in np.unique(series[learning]).tolist():
            total = sum(self._waiting[number].values())
            if np.isnan(self._clip[number, 0]) and total >= self._strict_events:
                score = self._scores[number % SERIES_METRICS]
                self._clip[number] = (_score_clip if score else _log_clip)(self._waiting[number])
                freed[number] = self._since[number]
        return freed

    def _fit_tails(self, found: Ints) -> None:
        """Fit the tails of the series that have waited long enough, after what waited has been joined."""
        for number in found[self._tails[found, 0] < 0].tolist():
            if sum(self._waiting[number].values()) >= self._min_events:
                self._tails[number] = _tails_of(self._waiting.pop(number))
                del self._since[number]

    def _join(self, series: Ints, bins: Ints, counts: Ints, freed: dict[int, float]) -> tuple[Ints, Ints, Ints]:
        """Put what had waited in place of this window's cells of the series that have just got their clip."""
        keep = ~np.isin(series, list(freed))
        waited = [(number, b, c) for number in freed for b, c in self._waiting.get(number, {}).items()]
        extra = np.array(waited, np.int64).reshape(-1, 3)
        series, bins, counts = (
            np.concatenate([old[keep], new]) for old, new in zip((series, bins, counts), extra.T, strict=True)
        )
        order = np.lexsort((bins, series))
        return series[order], bins[order], counts[order]

    def _scaled(
        self, series: Ints, bins: Ints, counts: Ints, tails: Ints, start: float, freed: dict[int, float]
    ) -> Scaled:
        known = ~np.isnan(self._clip[series, 0])
        series, bins, counts = series[known], bins[known], counts[known]
        values, clip = self._values(series, bins), self._clip[series]
        clipped = np.clip(values, clip[:, 0], clip[:, 1])
        score = self._scores[series % SERIES_METRICS]
        if score.any():
            centre, sd = clip.mean(axis=1), (clip[:, 1] - clip[:, 0]) / (2 * _SCORE_CLIP)
            values, clipped = (np.where(score, (v - centre) / sd, v) for v in (values, clipped))
        found, first, index = np.unique(series, return_index=True, return_inverse=True)
        low = counts * (bins < tails[series, 0])
        high = counts * (bins > tails[series, 1])
        sums = [
            np.add.reduceat(values.astype(np.float64), first) if len(first) else np.zeros(0)
            for values in (counts, counts * clipped, counts * clipped**2, counts * values, low, high)
        ]
        since = np.array([freed.get(number, start) for number in found.tolist()])
        events, total, squares, raw, in_low, in_high = sums
        tailed = tails[found, 0] >= 0
        return Scaled(found, events, total, squares, raw, since, tailed, in_low, in_high, (index, clipped, counts))

    def _values(self, series: Ints, bins: Ints) -> Floats:
        score = self._scores[series % SERIES_METRICS]
        return np.where(score, value_of(bins), log_of(bins)) if score.any() else log_of(bins)

    def in_units(self, series: int, level: Estimate) -> Estimate:
        """Return the level of a score in its own unit; a level of any other metric as it is."""
        if not self._scores[series % SERIES_METRICS] or series >= len(self._clip):
            return level
        low, high = self._clip[series].tolist()
        centre, sd = (low + high) / 2, (high - low) / (2 * _SCORE_CLIP)
        value, least, most = (centre + sd * z for z in (level.value, level.low, level.high))
        return Estimate(value, least, most, level.events)

    def levels_in_units(self, series: Ints, levels: Floats) -> Floats:
        """Return levels (series, n) of scores in their own unit; levels of any other metric as they are."""
        scores = self._scores[series % SERIES_METRICS]
        clip, told = self._clip[series[scores]], levels.copy()
        told[scores] = clip.mean(axis=1, keepdims=True) + np.diff(clip, axis=1) / (2 * _SCORE_CLIP) * levels[scores]
        return told

    def snapshot(self) -> dict[str, Any]:
        """Return the state as arrays and plain data."""
        waiting = {str(number): [list(kept.items()), self._since[number]] for number, kept in self._waiting.items()}
        return {"clip": self._clip, "tails": self._tails, "waiting": waiting}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        self._clip, self._tails = state["clip"], state["tails"]
        self._waiting = {int(number): dict(kept) for number, (kept, _) in state["waiting"].items()}
        self._since = {int(number): since for number, (_, since) in state["waiting"].items()}


def _quantiles(histogram: dict[int, int], shares: list[float]) -> list[int]:
    """Return the bins at which the cumulative share is reached."""
    bins = np.array(sorted(histogram))
    cumulative = np.cumsum([histogram[b] for b in bins.tolist()])
    return [int(bins[np.searchsorted(cumulative, share * cumulative[-1])]) for share in shares]


def _score_clip(histogram: dict[int, int]) -> Floats:
    values, counts = value_of(np.array(list(histogram))), np.array(list(histogram.values()))
    mean = float(np.average(values, weights=counts))
    sd = float(np.sqrt(np.average((values - mean) ** 2, weights=counts)))
    sd = max(sd, _SMALLEST_SD * abs(mean), 1e-6)
    return np.array([mean - _SCORE_CLIP * sd, mean + _SCORE_CLIP * sd])


def _log_clip(histogram: dict[int, int]) -> Floats:
    low, median, high = log_of(np.array(_quantiles(histogram, [0.16, 0.5, 0.84])))
    sd = max((high - low) / 2, _SMALLEST_SD)
    return np.array([median - _CLIP * sd, median + _CLIP * sd])


def _tails_of(histogram: dict[int, int]) -> list[int]:
    return _quantiles(histogram, [_TAIL, 1 - _TAIL])
