"""How long the share of a new version went on growing: a step, or a rollout by and by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import frexp, sqrt

__all__ = ["PERIODS", "period_of", "rollout_of_counts", "rollout_s"]

PERIODS = 12  # the first minute, then each as long as all before it: a day and a half
_MINUTE = 60.0
_CLEAR = 3.0  # standard errors by which a share must lie below what it became


def period_of(age: float) -> int:
    """Return the number of the period in which something of this age, in seconds, falls.

    Examples
    --------
    >>> [period_of(minutes * 60.0) for minutes in (0, 0.9, 1, 3, 4, 5000)]
    [0, 0, 1, 2, 3, 11]
    """
    return min(max(frexp(age / _MINUTE)[1], 0), PERIODS - 1) if age >= _MINUTE else 0


def rollout_s(on: Iterable[float], off: Iterable[float]) -> float:
    """Return for how many seconds the share grew, from the ages of the calls on a version and of those beside it."""
    counts = [[0] * PERIODS, [0] * PERIODS]
    for kept, ages in zip(counts, (on, off), strict=True):
        for age in ages:
            kept[period_of(age)] += 1
    return rollout_of_counts(*counts)


def rollout_of_counts(on: Sequence[int], off: Sequence[int]) -> float:
    """Return the same from the counts of each period: the end of the last one whose share lay below what came after.

    Examples
    --------
    >>> rollout_of_counts([10, 10, 20, 40], [10, 10, 20, 40]), rollout_of_counts([1, 5, 30, 90], [49, 45, 70, 10])
    (0.0, 240.0)
    """
    for period in range(len(on) - 2, -1, -1):
        here, later = on[period] + off[period], sum(on[period + 1 :]) + sum(off[period + 1 :])
        if not (here and later):
            continue
        share, before = sum(on[period + 1 :]) / later, on[period] / here
        pooled = sum(on[period:]) / (here + later)
        error = sqrt(pooled * (1 - pooled) * (1 / here + 1 / later))
        if share - before > _CLEAR * error:
            return _MINUTE * 2.0**period
    return 0.0
