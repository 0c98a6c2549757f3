"""Whether a centroid has moved: the evidence of every slot that a change began with it, and when it most likely did.

A change that began with slot ν is judged by the distance between the mean since and the mean before, whitened on the
leading directions of the baseline: T² = |x̄ − μ̂|²/(φ(1/n + 1/n₀)). Its evidence is the likelihood of a shift beyond the
benign band, of unknown direction and of one of several lengths, over that of a shift on the band's edge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from undertow.drift.bases import LEADING
from undertow.drift.centroids import Centroid, Row
from undertow.drift.scatter import BANDS, BLOCK, factors, persistence, unevenness
from undertow.drift.statistics.proportions import Floats
from undertow.drift.statistics.spheres import log_shift_likelihood

__all__ = ["Reading", "change_point", "read", "scatter_along"]

_LENGTHS = np.array([0.0, 0.2, 0.35, 0.6, 1.0, 1.8])  # of a shift beyond the band, standard deviations of one event
_COUNTS = np.array(LEADING, np.float64)
_EDGES = np.cumsum(BANDS) - BANDS
_FEWEST_DIRECTIONS = 4.0
_TELLING = 100.0  # events of a slot from which its centroid says how far the past has scattered
# A session is one observation however far off it lies: the most evidence in the events over which one tells the next.
_EVIDENCE_OF_ONE = 4.0
_CHANGE_INTERVAL = 4.0  # fall of the log-likelihood within which a change time is plausible
_TINY = 1e-12


class Reading(NamedTuple):
    """What a look at one series says: ln Σ nL, the largest ln L, where it is, and its number of leading directions."""

    statistic: float
    own: float
    split: int
    leading: int


def read(series: Centroid, first: int, edge: Floats, errors: float, along: float = 1.0) -> Reading:
    """Weigh for every slot from `first` on that a change began with it.

    Parameters
    ----------
    edge
        How far a benign shift may reach, by number of leading directions; standard deviations of one event.
    errors
        Standard errors that are added to the clustering that was measured.
    along
        By how much more than on average blocks scatter in the direction in question.
    """
    rows, leading = series.rows, len(edge)
    sums = rows[:, : Row.WHITE.stop].cumsum(axis=0)
    before, after = sums[first - 1 : -1], sums[-1] - sums[first - 1 : -1]
    events = after[:, [Row.EVENTS]]
    clustering = along * factors(before[:, Row.SCATTER], errors)[:, :leading]
    uneven = unevenness(before[:, Row.SCATTER], series.basis.blocks)[:, :leading]
    noise = np.sqrt(uneven * (1 / events + 1 / before[:, [Row.EVENTS]]))
    distance = np.sqrt((_squared_distances(after, before)[:, :leading] / clustering).cumsum(axis=1)) / noise
    spread = np.sqrt((clustering * BANDS[:leading]).cumsum(axis=1) / _COUNTS[:leading])
    directions = np.maximum(_COUNTS[:leading] / uneven, _FEWEST_DIRECTIONS)
    lengths = np.sqrt(edge[:, None] ** 2 + _LENGTHS**2) / (spread * noise)[:, :, None]
    likelihoods = log_shift_likelihood(distance[:, :, None], lengths, directions[:, :, None])
    evidence = np.logaddexp.reduce(likelihoods[:, :, 1:], axis=2) - likelihoods[:, :, 0]
    evidence -= np.log((len(_LENGTHS) - 1) * leading)
    most = _EVIDENCE_OF_ONE * events[:, 0] / persistence(sums[-1, Row.SCATTER])
    by_slot = np.minimum(np.logaddexp.reduce(evidence, axis=1), most)
    mass = np.log(np.maximum(rows[first:, Row.EVENTS], BLOCK))
    best = int(np.argmax(by_slot))
    widest = int(np.argmax(evidence[best]))
    return Reading(float(np.logaddexp.reduce(by_slot + mass)), float(by_slot[best]), first + best, widest)


def _squared_distances(after: Floats, before: Floats) -> Floats:
    """Return the squared whitened distances of the means (rows, bands)."""
    off = after[:, Row.WHITE] / after[:, [Row.EVENTS]] - before[:, Row.WHITE] / before[:, [Row.EVENTS]]
    return np.add.reduceat(off**2, _EDGES, axis=1)


def scatter_along(series: Centroid, reading: Reading) -> float:
    """Return by how much more than usual the past has scattered in the direction of what looks like a change.

    Sessions make single topics scatter far more than the average over all directions says.
    """
    rows, count = series.rows, LEADING[reading.leading]
    past, before = rows[: reading.split], rows[: reading.split].sum(axis=0)
    scale = np.repeat(np.sqrt(factors(before[None, Row.SCATTER], 0.0)[0]), BANDS)[:count]
    usual = _white_mean(before, count)
    line = _unit((_white_mean(rows[reading.split :].sum(axis=0), count) - usual) / scale)
    past = past[past[:, Row.EVENTS] >= _TELLING]
    if not len(past):
        return 1.0
    steps = (_white_mean(past, count) - usual) / scale @ line
    noise = 1 / past[:, Row.EVENTS] - 1 / before[Row.EVENTS]
    return max(float((steps**2 / np.maximum(noise, _TINY)).mean()), 1.0)


def change_point(series: Centroid, reading: Reading) -> tuple[int, float, float]:
    """Return the slot at which the change most likely began, and the interval of plausible times.

    Along the line between the two centroids of the likeliest split the question has one dimension.
    """
    rows, count = series.rows, LEADING[reading.leading]
    sums = rows.cumsum(axis=0)
    before, after = sums[:-1], sums[-1] - sums[:-1]
    off = _white_mean(after, count) - _white_mean(before, count)
    noise = 2 * series.factor(reading.leading) * (1 / after[:, Row.EVENTS] + 1 / before[:, Row.EVENTS])
    gains = (off @ _unit(off[reading.split - 1])) ** 2 / noise
    first = int(np.argmax(gains)) + 1
    plausible = np.flatnonzero(gains >= gains[first - 1] - _CHANGE_INTERVAL) + 1
    earliest = rows[max(int(plausible[0]) - 1, 0), Row.START]
    return first, float(earliest), float(rows[int(plausible[-1]), Row.END])


def _white_mean(rows: Floats, count: int) -> Floats:
    mean: Floats = rows[..., Row.WHITE][..., :count] / rows[..., [Row.EVENTS]]
    return mean


def _unit(line: Floats) -> Floats:
    unit: Floats = line / max(float(np.linalg.norm(line)), _TINY)
    return unit
