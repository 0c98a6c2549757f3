"""Sums of measures in whole numbers, so that they come out the same in whatever order they are added up.

Rates count hits. Positive metrics count in logarithmic bins, scores in 1/1,024 (those beyond ±4,096 count as that,
so that the squares of half a million of them fit into 64 bits).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from undertow.drift.averages import Average, average_of
from undertow.drift.metrics import Family, Metric
from undertow.drift.statistics.logbins import LOG_GAMMA, bin_of, log_of, signed_bin_of, value_of

__all__ = ["SUMMED", "Ints", "average_of_sums", "units_of_bins", "units_of_values"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SUMMED = frozenset({Family.RATE, Family.POSITIVE, Family.SCORE})
_SCORE_UNIT = 1.0 / (1 << 10)
_SCORE_LIMIT = 4096.0
_UNIT = {Family.RATE: 1.0, Family.CATEGORY: 1.0, Family.POSITIVE: LOG_GAMMA, Family.SCORE: _SCORE_UNIT}


def units_of_bins(family: Family, bins: Ints) -> Ints:
    """Return what the bins of closed windows stand for, in whole units of the family."""
    if family is Family.POSITIVE:
        return np.rint(log_of(bins) / LOG_GAMMA).astype(np.int64)
    if family is Family.SCORE:
        return np.rint(np.clip(value_of(bins), -_SCORE_LIMIT, _SCORE_LIMIT) / _SCORE_UNIT).astype(np.int64)
    return np.ones_like(bins) if family is Family.CATEGORY else bins


def units_of_values(metrics: Sequence[Metric], values: Floats) -> tuple[Ints, Ints]:
    """Return the values (n, metrics) in whole units, 0 where there is none, and 1 where there is one.

    Examples
    --------
    >>> from undertow.drift.metrics import METRICS
    >>> units, known = units_of_values([METRICS["refusal_rate"]], np.array([[1.0], [np.nan]]))
    >>> units.ravel(), known.ravel()
    (array([1, 0]), array([1, 0]))
    """
    known = ~np.isnan(values)
    filled = np.where(known, values, 1.0)
    units = np.zeros(values.shape, np.int64)
    for family in SUMMED:
        columns = [column for column, metric in enumerate(metrics) if metric.family is family]
        floors = np.array([metrics[column].floor for column in columns])
        units[:, columns] = units_of_bins(family, _bins(family, filled[:, columns], floors))
    return np.where(known, units, 0), known.astype(np.int64)


def average_of_sums(family: Family, events: float, total: float, squares: float) -> Average:
    """Return the average behind sums of units."""
    unit = _UNIT[family]
    return average_of(family, events, total * unit, squares * unit**2)


def _bins(family: Family, values: Floats, floors: Floats) -> Ints:
    if family is Family.POSITIVE:
        return bin_of(values, floors)
    return signed_bin_of(values) if family is Family.SCORE else values.astype(np.int64)
