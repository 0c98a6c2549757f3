"""Episodes of embedding series: how far centroids lie apart, what is remembered of the one left, and its return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from undertow.drift.bases import LEADING
from undertow.drift.centroids import Centroid, Row
from undertow.drift.scatter import BLOCK
from undertow.drift.statistics.proportions import Floats
from undertow.drift.verdict import Estimate

__all__ = ["VectorEpisode", "cosine_distance", "mean_of", "standard_distance", "usual_distance"]

# A change that lasts is looked at in every window: with less evidence than this it would be "back" by chance.
_RECOVERED = float(np.log(1e5))
_PRECISION = 0.2  # of the way back: the standard error below which a level says whether the series is back
_TELLING = 8  # windows since the alarm from which their scatter is known
_TINY = 1e-12


def standard_distance(series: Centroid, a: Floats, b: Floats, leading: int) -> float:
    """Return how far two centroids lie apart in standard deviations of one event, beyond what sampling does."""
    return float(np.sqrt(max(_squared(series, a, b, leading) - _noise(series, a, b, leading), 0.0)))


def cosine_distance(series: Centroid, now: Floats, usual: Floats) -> Estimate:
    """Return the cosine distance between two centroids with its 95 % interval, sampling's share included."""
    a, b = mean_of(now), mean_of(usual)
    lengths = max(float(np.linalg.norm(a) * np.linalg.norm(b)), _TINY)
    value = min(max(1 - float(a @ b) / lengths, 0.0), 2.0)
    noise = float(1 / now[Row.EVENTS] + 1 / usual[Row.EVENTS])
    along = 2 * value * _variance_along(series, a - b) * noise / lengths
    half = 1.96 * float(np.sqrt(along + _spread(series, noise, lengths) ** 2))
    return Estimate(value, max(value - half, 0.0), min(value + half, 2.0), int(now[Row.EVENTS]))


def usual_distance(series: Centroid, usual: Floats, events: float) -> Estimate:
    """Return how far the centroid of so many vectors usually lies from the usual one (cosine), by sampling alone."""
    noise = 1 / max(events, 1.0) + 1 / max(float(usual[Row.EVENTS]), 1.0)
    mean = mean_of(usual)
    lengths = max(float(mean @ mean), _TINY)
    value = min(series.basis.total * noise / (2 * lengths), 2.0)
    half = 1.96 * _spread(series, noise, lengths)
    return Estimate(value, max(value - half, 0.0), min(value + half, 2.0), int(usual[Row.EVENTS]))


def mean_of(row: Floats) -> Floats:
    """Return the centroid of a row of sums."""
    mean: Floats = row[Row.SUM] / max(float(row[Row.EVENTS]), 1.0)
    return mean


def _spread(series: Centroid, noise: float, lengths: float) -> float:
    """Return the standard deviation that sampling alone gives the cosine distance of two means."""
    return float(np.sqrt(2 * series.basis.squares)) * noise / (2 * lengths)


def _variance_along(series: Centroid, line: Floats) -> float:
    """Return the variance of one event along a line."""
    parts = (line / max(float(np.linalg.norm(line)), _TINY)) @ series.basis.directions * series.basis.variances
    return float(parts @ parts)


def _squared(series: Centroid, a: Floats, b: Floats, leading: int) -> float:
    off = _white(series, a, leading) - _white(series, b, leading)
    return float(off @ off)


def _noise(series: Centroid, a: Floats, b: Floats, leading: int) -> float:
    return LEADING[leading] * series.factor(leading) * float(1 / a[Row.EVENTS] + 1 / b[Row.EVENTS])


def _white(series: Centroid, row: Floats, leading: int) -> Floats:
    white: Floats = mean_of(row) @ series.basis.directions[:, : LEADING[leading]]
    return white


class VectorEpisode:
    """A change that has not recovered.

    Parameters
    ----------
    usual, changed
        The baseline before the change, and what has been seen since; rows of sums.
    before
        The level before it.
    changed_at, changed_to
        When it happened, and until when it may have.
    """

    needed = _RECOVERED

    def __init__(self, usual: Floats, before: Estimate, changed: Floats, changed_at: float, changed_to: float) -> None:
        self.usual, self.before, self.changed = usual, before, changed
        self.changed_at, self.changed_to = changed_at, changed_to
        self.told = usual  # the centroid at the last page; before the first one that which was left
        self.alarms: list[float] = []  # when they were raised, oldest first
        self.back = 0.0  # evidence of a return
        self.back_row: Floats = np.zeros(Row.WIDTH)  # since the evidence rose
        self._along: Floats = np.zeros(4)  # windows, events, sum and squares of where they lie between old and new

    def worsen(self, at: float, changed: Floats, *, told: bool) -> None:
        """Note an alarm of the episode: where the centroid lies now, and whether somebody was woken."""
        self.changed = changed
        self.told = changed if told else self.told
        self.alarms.append(at)
        self._along[:] = 0
        self._forget_return()

    def _forget_return(self) -> None:
        self.back, self.back_row = 0.0, np.zeros(Row.WIDTH)

    def returns(self, series: Centroid, events: float, flat: Floats, enough: int) -> bool:
        """Take a window; return whether its likelihood at the old centroid against the new one has grown enough."""
        if series.learned >= enough and not self._is_nearer(series, series.past):
            self.changed = series.past
        if self.back <= 0:
            self._forget_return()
        row = np.zeros(Row.WIDTH)
        row[Row.EVENTS], row[Row.SUM] = events, flat
        beyond, length = self._beyond_middle(series, row)
        self._along += 1, events, events * beyond, events * beyond**2
        variance = max(self._variance_along(), length**2 * series.factor(series.widest), _TINY)
        self.back = max(self.back, 0.0) - events * beyond * length**2 / variance
        self.back_row += row
        enough_seen = self._along[0] >= _TELLING and self.back_row[Row.EVENTS] >= BLOCK
        return bool(self.back >= _RECOVERED and enough_seen)

    def _variance_along(self) -> float:
        """Return the variance of one event along the way from old to new, seen from how windows scatter.

        What moved, like a topic that takes three events of ten, scatters along that way far more than on average.
        """
        windows, events, total, squares = self._along
        return float((squares - total**2 / max(events, 1.0)) / max(windows - 1, 1.0))

    def is_certain(self, series: Centroid) -> bool:
        """Return whether enough was seen to tell a return from one that is partial, or from a move elsewhere."""
        leading = series.widest
        away = standard_distance(series, self.usual, self.changed, leading)
        noise = _noise(series, self.back_row, self.usual, leading)
        along, elsewhere = noise / LEADING[leading], noise * np.sqrt(2 / LEADING[leading])
        return bool(along <= (_PRECISION * away) ** 2 and elsewhere <= (away / 2) ** 2)

    def is_back(self, series: Centroid, row: Floats, page_from: float, errors: float) -> bool:
        """Return whether a centroid is nearer to the old one than to the new, and within `page_from` of it."""
        leading = series.widest
        off = standard_distance(series, row, self.usual, leading)
        noise = np.sqrt(_noise(series, row, self.usual, leading) / LEADING[leading])
        return bool(off < page_from + errors * noise and self._is_nearer(series, row))

    def _is_nearer(self, series: Centroid, row: Floats) -> bool:
        """Return whether a centroid is nearer to the old one than to the new."""
        return self._beyond_middle(series, row)[0] < 0

    def _beyond_middle(self, series: Centroid, row: Floats) -> tuple[float, float]:
        """Return how far a centroid lies beyond the middle between old and new, times their distance; and that.

        The new one is known from few vectors; among many directions its error alone may be longer than the way. So it
        is drawn towards the old one by the share of the squared distance that sampling explains (James & Stein 1961).
        """
        leading = series.widest
        old, way = _white(series, self.usual, leading), _white(series, self.changed, leading)
        way = way - old
        length = max(float(way @ way), _TINY)
        way *= max(1 - _noise(series, self.changed, self.usual, leading) / length, 0.0)
        return float(way @ (_white(series, row, leading) - old - way / 2)), float(np.linalg.norm(way))

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        return {**vars(self), "before": msgspec.to_builtins(self.before)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> VectorEpisode:
        """Return the episode of a snapshot."""
        episode = cls.__new__(cls)
        vars(episode).update({**state, "before": msgspec.convert(state["before"], Estimate)})
        return episode
