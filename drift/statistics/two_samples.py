"""Evidence that two samples differ by more than a benign band, with the level that they share conditioned out.

Each function returns the logarithms of e-values: their expectation is at most 1 while the second sample's level lies
within the band around the first one's, whatever that level is, so that an error of the reference is paid for. Divided
by a variance factor (tempered) that holds approximately.
"""

from __future__ import annotations

import numpy as np

from undertow.drift.statistics.proportions import Floats

__all__ = ["UP", "mean_evidence", "rate_evidence"]

_RATIOS = np.log([1.08, 1.2, 1.5, 2.2, 4.0])  # alternatives beyond the band's edge: odds
_SHIFTS = np.array([0.02, 0.05, 0.12, 0.3, 0.8])  # logarithms of levels, standard deviations of scores
UP = np.repeat([1.0, -1.0], len(_RATIOS))  # the direction of each alternative


def rate_evidence(k0: Floats, n0: Floats, k1: Floats, n1: Floats, band: Floats, factor: Floats) -> Floats:
    """Return ln E (rows, alternatives) that the odds of k₁ hits in n₁ events left `band` around those of k₀ in n₀.

    Given their sum, k₁ of rare hits is binomial with π_x = n₁x/(n₀ + n₁x) at the ratio x, free of the common rate;
    where hits are no longer rare that is conservative, and beyond one half the misses are counted in their place.

    Parameters
    ----------
    band
        ln(1+δ), on log odds.
    factor
        By how much sums of clustered events vary beyond independent ones, at least 1.

    Examples
    --------
    >>> one = np.ones(1)
    >>> at = [rate_evidence(100 * one, 9000 * one, k * one, 9000 * one, 0.1 * one, one) for k in (105, 190)]
    >>> [round(float(ln.max()), 1) for ln in at]
    [-0.4, 9.4]
    """
    often = 2 * (k0 + k1) > n0 + n1
    k0, k1 = np.where(often, n0 - k0, k0)[:, None], np.where(often, n1 - k1, k1)[:, None]
    n0, n1, side = n0[:, None], n1[:, None], UP * np.where(often, -1.0, 1.0)[:, None]
    step = side * np.concatenate([_RATIOS, _RATIOS])
    edge = side * band[:, None]
    spread = np.log((n0 + n1 * np.exp(edge + step)) / (n0 + n1 * np.exp(edge)))
    ratios: Floats = (k1 * step - (k0 + k1) * spread) / factor[:, None]
    return ratios


def mean_evidence(difference: Floats, variance: Floats, band: Floats) -> Floats:
    """Return ln E (rows, alternatives) that a difference of two means left `band`, its own variance being known.

    Examples
    --------
    >>> one = np.ones(1)
    >>> [round(float(mean_evidence(d * one, 1e-4 * one, 0.05 * one).max()), 1) for d in (0.04, 0.12)]
    [-4.0, 22.5]
    """
    step = np.concatenate([_SHIFTS, _SHIFTS])
    beyond = UP * difference[:, None] - band[:, None]
    ratios: Floats = (step * beyond - step**2 / 2) / variance[:, None]
    return ratios
