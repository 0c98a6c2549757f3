"""Positive quantities on the log, or scores: a mixture of Shiryaev–Roberts statistics, Gaussian in clipped values."""

from __future__ import annotations

from undertow.drift.gaussian import GaussianFamily

__all__ = ["ClippedGaussian"]


class ClippedGaussian(GaussianFamily):
    r"""Follows lengths, latency and cost: values ≥ 0 with heavy tails, always on the log; and scores, standardised.

    Alternatives are shifts of the mean log by ±(.05, .1, .18, .3, .5, .9) standard deviations beyond the edge of the
    benign band. Logs are clipped (by the caller) at 3.5 standard deviations: unclipped, a t₃ tail breaks the run
    length by a factor of four. The log-likelihood ratio is divided by φ, the variance of block means over the one
    expected of independent events.

    Cannot see: what happens beyond the clip (the `.low` and `.high` tail rates do); changes of shape that leave the
    mean log.

    References
    ----------
    Pollak & Siegmund 1985; Shin, Ramdas & Rinaldo, E-detectors (arXiv 2203.03532).

    Examples
    --------
    >>> import numpy as np
    >>> from undertow.drift.budget import Share
    >>> from undertow.drift.detector import Observation, SeriesSettings
    >>> detector = ClippedGaussian({0: SeriesSettings(band=0.05, page_from=0.1, season=0.14, harm="both")}, 2000, 200)
    >>> rng, one = np.random.default_rng(1), np.ones(1)
    >>> for start in range(0, 5000, 10):
    ...     logs = rng.normal(5 if start < 4000 else 4.7, 0.6, 10)
    ...     x, xx = one * logs.sum(), one * (logs**2).sum()
    ...     for alarm in detector.observe(
    ...         Observation(start, start + 10, np.array([0]), 10 * one, x, xx, x, one * start, ()), Share.of(1.0, 64)
    ...     ):
    ...         print(alarm.kind, alarm.direction, alarm.changed_from <= 4000 <= alarm.changed_to)
    page down True
    """

    name = "clipped_gaussian"
