"""Levels that can be added up: how many events, their mean on a scale where means pool, and its standard error.

Shares and scores are averaged as they are, positive metrics on the log. Comparisons are made on the *link* scale, on
which the same cause moves all slices alike whatever their own level: log odds for shares, else the scale of the mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import copysign, exp, inf, log, nan, sqrt

import msgspec
import numpy as np
from scipy.special import rel_entr

from undertow.drift.metrics import Family
from undertow.drift.statistics.proportions import wilson
from undertow.drift.verdict import Estimate

__all__ = [
    "NOTHING",
    "Average",
    "Shift",
    "average_of",
    "distance_from",
    "error_at",
    "estimate_of",
    "linked",
    "of_estimate",
    "pooled",
    "remainder",
    "shown",
]

_SHARES = frozenset({Family.RATE, Family.CATEGORY})
_Z = 1.959964  # half a 95 % interval in standard errors
_LEAST = 1e-12  # of a positive level, before its logarithm is taken
_LEAST_VARIANCE = 1e-6  # of values that are all the same, relative: they were rounded, and may yet differ
_FAR = 30.0  # log odds beyond which a share is 0 or 1


class Average(msgspec.Struct, frozen=True):
    """`events` events whose mean is `mean`, give or take `error` (one standard error)."""

    events: float
    mean: float
    error: float


NOTHING = Average(0.0, nan, inf)


class Shift(msgspec.Struct, frozen=True):
    """One level before and after a change."""

    before: Average
    after: Average

    @property
    def change(self) -> float:
        """After less before, on the scale of the mean."""
        return self.after.mean - self.before.mean


def average_of(family: Family, events: float, total: float, squares: float, inflation: float = 1.0) -> Average:
    """Return the average of so many values with this sum and this sum of squares.

    `inflation` ≥ 1 is the factor by which clustering makes the variance larger than that of independent events.

    Examples
    --------
    >>> average_of(Family.RATE, 100, 10, 10)
    Average(events=100.0, mean=0.1, error=0.030...)
    """
    if events <= 0:
        return NOTHING
    mean = total / events
    if family in _SHARES:
        smooth = (total + 0.5) / (events + 1)
        variance = smooth * (1 - smooth)
    else:
        variance = (squares - events * mean**2) / (events - 1) if events > 1 else inf
        variance = max(variance, _LEAST_VARIANCE * (1 + mean**2))
    return Average(float(events), mean, sqrt(variance * inflation / events))


def of_estimate(family: Family, estimate: Estimate) -> Average:
    """Return an estimate in the metric's own unit as an average; its interval says how uncertain it is.

    Examples
    --------
    >>> of_estimate(Family.RATE, Estimate(0.1, 0.05, 0.15, 140)).error
    0.0255...
    """
    value, low, high = estimate.value, estimate.low, estimate.high
    if family is Family.POSITIVE:
        value, low, high = (log(max(level, _LEAST)) for level in (value, low, high))
    return Average(float(estimate.events), value, (high - low) / (2 * _Z))


def estimate_of(family: Family, average: Average) -> Estimate:
    """Return an average as a level in the metric's own unit with its 95 % interval, Wilson's for shares.

    Examples
    --------
    >>> estimate_of(Family.RATE, average_of(Family.RATE, 200, 0, 0)).high
    0.0188...
    >>> estimate_of(Family.POSITIVE, Average(50.0, log(100.0), 0.1)).low
    82.2...
    """
    value, events = shown(family, average), round(average.events)
    if not events:
        return Estimate(nan, nan, nan, 0)
    if family in _SHARES:
        low, high = wilson(np.array([average.mean * average.events]), np.array([average.events]), _Z)
        return Estimate(value, float(low[0]), float(high[0]), events)
    below, above = (
        shown(family, msgspec.structs.replace(average, mean=average.mean + side * average.error)) for side in (-_Z, _Z)
    )
    return Estimate(value, below, above, events)


def shown(family: Family, average: Average) -> float:
    """Return the level in the metric's own unit; NaN without events."""
    return exp(average.mean) if family is Family.POSITIVE else average.mean


def linked(family: Family, average: Average) -> tuple[float, float]:
    """Return the level on the link scale and its standard error.

    Examples
    --------
    >>> [round(x, 2) for x in linked(Family.RATE, average_of(Family.RATE, 100, 10, 10))]
    [-2.15, 0.33]
    """
    if family not in _SHARES or average.events <= 0:
        return average.mean, average.error
    share = _smoothed(average)
    return log(share / (1 - share)), average.error / (share * (1 - share))


def error_at(family: Family, average: Average, level: float) -> float:
    """Return the error on the link scale that as many events would have if their level there were `level`.

    The error of a share depends on the share: a slice that happened to have many hits looks surer than it is.

    Examples
    --------
    >>> lucky = average_of(Family.RATE, 100, 10, 10)
    >>> round(error_at(Family.RATE, lucky, log(0.02 / 0.98)), 2)
    0.71
    """
    error = linked(family, average)[1]
    if family not in _SHARES or average.events <= 0:
        return error
    share, expected = _smoothed(average), _share_at(level)
    return error * sqrt(share * (1 - share) / (expected * (1 - expected)))


def distance_from(family: Family, average: Average, level: float) -> float:
    """Return how far the average lies from a level, on the link scale.

    Of a share it is the signed root of the deviance, whose distribution is close to normal even with a few hits (Pierce
    & Schafer 1986, Residuals in generalized linear models, JASA 81); log odds overstate how far a share fell, and the
    share itself how far it rose.

    Examples
    --------
    >>> few = average_of(Family.RATE, 100, 1, 1)
    >>> expected = log(0.05 / 0.95)
    >>> round(linked(Family.RATE, few)[0] - expected, 2), round(distance_from(Family.RATE, few, expected), 2)
    (-1.25, -1.02)
    """
    if family not in _SHARES or average.events <= 0:
        return average.mean - level
    expected = _share_at(level)
    divergence = float(rel_entr(average.mean, expected) + rel_entr(1 - average.mean, 1 - expected))
    return copysign(sqrt(max(2 * divergence, 0.0) / (expected * (1 - expected))), average.mean - expected)


def _share_at(level: float) -> float:
    return 1 / (1 + exp(-min(max(level, -_FAR), _FAR)))


def _smoothed(average: Average) -> float:
    share = (average.mean * average.events + 0.5) / (average.events + 1)
    return min(max(share, _LEAST), 1 - _LEAST)


def pooled(averages: Iterable[Average]) -> Average:
    """Return the average of all events together.

    Examples
    --------
    >>> pooled([Average(30, 1.0, 0.1), Average(10, 2.0, 0.1), NOTHING])
    Average(events=40.0, mean=1.25, error=0.079...)
    """
    known = [average for average in averages if average.events > 0]
    events = sum(average.events for average in known)
    if not events:
        return NOTHING
    mean = sum(average.events * average.mean for average in known) / events
    return Average(float(events), mean, sqrt(sum((one.events * one.error) ** 2 for one in known)) / events)


def remainder(whole: Average, parts: Iterable[Average]) -> Average:
    """Return the average of the events of `whole` that are in none of the parts.

    Examples
    --------
    >>> remainder(Average(40, 1.25, 0.079), [Average(10, 2.0, 0.1)]).mean
    1.0
    """
    inside = pooled(parts)
    events = whole.events - inside.events
    if events < 0.5:
        return NOTHING
    if not inside.events:
        return whole
    mean = (whole.events * whole.mean - inside.events * inside.mean) / events
    return Average(events, mean, whole.error * sqrt(whole.events / events))
