"""Rates: odds, likelihoods of clustered counts, and intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, betaln

__all__ = ["Floats", "jeffreys", "log_likelihood", "odds_shift", "wilson"]

Floats = NDArray[np.float64]

_TINY = 1e-9
_INDEPENDENT = 1e-7  # below this correlation the beta-binomial is the binomial to machine precision


def odds_shift(p: Floats, log_ratio: Floats) -> Floats:
    """Return the rates whose odds are those of `p` times exp(log_ratio).

    Examples
    --------
    >>> import numpy as np
    >>> odds_shift(np.array([0.2]), np.log(np.array([2.0]))).round(3)
    array([0.333])
    """
    odds = p / (1 - p) * np.exp(log_ratio)
    return np.clip(odds / (1 + odds), _TINY, 1 - _TINY)


def log_likelihood(k: Floats, n: Floats, p: Floats, rho: Floats) -> Floats:
    """Return ln P(k hits in n events) up to a term free of `p`, with intra-block correlation `rho`.

    The beta-binomial with mean p and correlation ρ (α = p(1−ρ)/ρ, β = (1−p)(1−ρ)/ρ): variance n p (1−p) (1 + (n−1) ρ).
    At ρ = 0 it is the binomial.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> log_likelihood(one, 10 * one, 0.1 * one, 0 * one).round(3)
    array([-3.251])
    """
    plain = k * np.log(p) + (n - k) * np.log1p(-p)
    if not np.any(rho > _INDEPENDENT):
        return plain
    precision = (1 - rho) / np.maximum(rho, _INDEPENDENT)
    a, b = p * precision, (1 - p) * precision
    return np.where(rho > _INDEPENDENT, betaln(k + a, n - k + b) - betaln(a, b), plain)


def wilson(k: Floats, n: Floats, z: float) -> tuple[Floats, Floats]:
    """Return Wilson's score interval of a rate (Wilson 1927) at `z` standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = wilson(np.array([0.0]), np.array([200.0]), 2.0)
    >>> low.round(4), high.round(4)
    (array([0.]), array([0.0196]))
    """
    n = np.maximum(n, 1)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(np.maximum(k * (n - k) / n, 0) + z * z / 4)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def jeffreys(k: float, n: float, inflation: float = 1.0, level: float = 0.95) -> tuple[float, float]:
    """Return Jeffreys' interval of a rate; `inflation` ≥ 1 divides the sample size of clustered counts.

    Examples
    --------
    >>> low, high = jeffreys(11, 100)
    >>> round(low, 3), round(high, 3)
    (0.06, 0.182)
    """
    k, n = k / inflation, n / inflation
    tail = (1 - level) / 2
    low = 0.0 if k <= 0 else float(betaincinv(k + 0.5, n - k + 0.5, tail))
    high = 1.0 if k >= n else float(betaincinv(k + 0.5, n - k + 0.5, 1 - tail))
    return low, high
