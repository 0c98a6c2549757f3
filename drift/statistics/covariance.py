"""Covariance matrices of many dimensions from few samples: what their eigenvalues truly are."""

from __future__ import annotations

from undertow.drift.statistics.proportions import Floats

__all__ = ["shrunk_eigenvalues"]


def shrunk_eigenvalues(values: Floats, samples: float) -> Floats:
    """Return the variances that new samples will have along the eigenvectors of a sample covariance matrix.

    The sample's own eigenvalues are too small at the low end and too large at the high end, the more so the fewer
    samples there are: a mean that is whitened with them looks shifted. This is quadratic-inverse shrinkage, the
    trace kept (Ledoit & Wolf 2022, Quadratic shrinkage for large covariance matrices, Bernoulli 28).

    Parameters
    ----------
    values
        The p eigenvalues, greater than 0.
    samples
        How many independent samples they come from, more than p.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> values = np.linalg.eigvalsh(np.cov(rng.standard_normal((50, 200))))  # all are truly 1
    >>> values[[0, -1]].round(1), shrunk_eigenvalues(values, 200)[[0, -1]].round(1)
    (array([0.3, 2.1]), array([0.7, 1.1]))
    """
    ratio = len(values) / samples
    smoothing = (min(ratio, 1 / ratio) ** 2 / len(values)) ** 0.35
    inverse = 1 / values
    apart = inverse[:, None] - inverse[None, :]
    nearness = apart**2 + (smoothing * inverse[:, None]) ** 2
    theta = (inverse[:, None] * apart / nearness).mean(axis=0)
    density = (inverse[:, None] ** 2 * smoothing / nearness).mean(axis=0)
    shrunk = values / ((1 - ratio) ** 2 + 2 * ratio * (1 - ratio) * theta + ratio**2 * (theta**2 + density**2))
    kept: Floats = shrunk * (values.sum() / shrunk.sum())
    return kept
