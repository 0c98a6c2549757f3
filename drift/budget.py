"""The budget of false pages: how much evidence a series must show before it may wake somebody.

Each of S series gets the share b = B/S of the budget B (false pages a week over the installation). For a series of N
events a week the threshold is ln(N/b): for e-values under the null, R_n − n is a supermartingale, so E[false pages in
N events] ≤ N/(N/b) = b, whatever the dependence between series (Pollak 1987; Shin, Ramdas & Rinaldo, arXiv
2203.03532).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from undertow.drift.statistics.proportions import Floats

__all__ = ["WEEK", "Share"]

WEEK = 7 * 86_400.0
_FEWEST_SERIES = 64  # the share of an installation that has just begun; newcomers then change little
_SHORTEST_LIFE = 600.0  # seconds of traffic before its weekly volume can be extrapolated
_FEWEST_EVENTS = 100.0  # events a week below which a series is treated as if it had so many


@dataclass(frozen=True)
class Share:
    """The false pages a week that one series may spend.

    Examples
    --------
    >>> import numpy as np
    >>> share = Share.of(1.0, series=1000)
    >>> share.thresholds(np.array([20_000.0]), np.array([WEEK])).round(1)
    array([16.8])
    """

    pages_per_week: float

    @classmethod
    def of(cls, false_pages_per_week: float, series: int) -> Share:
        """Divide the budget of the installation equally among `series` series.

        Their number is rounded up to a power of two, so that thresholds do not move with every newcomer.
        """
        if not false_pages_per_week > 0:
            raise ValueError(f"false_pages_per_week = {false_pages_per_week} must be greater than 0")
        return cls(false_pages_per_week / (1 << (max(series, _FEWEST_SERIES) - 1).bit_length()))

    @property
    def z(self) -> float:
        """Standard errors by which a young baseline's limits stand off: a quarter of the share on each side."""
        return -float(ndtri(min(self.pages_per_week / 4, 0.25)))

    def thresholds(self, events: Floats, seconds: Floats) -> Floats:
        """Return ln(N/b) for series that saw `events` in `seconds` of event time."""
        return np.log(np.maximum(self.weekly(events, seconds), _FEWEST_EVENTS) / self.pages_per_week)

    @staticmethod
    def weekly(events: Floats, seconds: Floats) -> Floats:
        """Return the events a week of series that saw `events` in `seconds` of event time."""
        return events / np.maximum(seconds, _SHORTEST_LIFE) * WEEK
