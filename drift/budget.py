"""The budget of false pages: how much evidence a series must show before it may wake somebody.

Each of S series gets the share b = B/S of the budget B (false pages a week over the installation), or more or less by
weights that the user gives. For a series of N events a week the threshold is ln(N/b): for e-values under the null,
R_n − n is a supermartingale, so E[false pages in N events] ≤ N/(N/b) = b, whatever the dependence between series
(Pollak 1987; Shin, Ramdas & Rinaldo, arXiv 2203.03532).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from undertow.drift.statistics.proportions import Floats

__all__ = ["VOLUME_SPANS", "WEEK", "Share", "WeeklyCap", "volume_after", "weekly_volume"]

WEEK = 7 * 86_400.0
VOLUME_SPANS = np.array([6 * 3600.0, WEEK])  # seconds over which a series' volume is averaged; the larger one counts
Ints = NDArray[np.int64]

_FEWEST_SERIES = 64  # the share of an installation that has just begun; newcomers then change little
_SHORTEST_LIFE = 600.0  # seconds of traffic before its weekly volume can be extrapolated
_FEWEST_EVENTS = 100.0  # events a week below which a series is treated as if it had so many


def _equal(series: Ints) -> Floats:
    return np.ones(len(series))


@dataclass(frozen=True)
class Share:
    """The false pages a week that one series may spend.

    Parameters
    ----------
    pages_per_week
        Of a series whose weight is 1.
    weights
        Series numbers → how many times that they may spend.

    Examples
    --------
    >>> import numpy as np
    >>> share = Share.of(1.0, series=1000)
    >>> share.thresholds(np.array([7]), np.array([20_000.0])).round(1)
    array([16.8])
    """

    pages_per_week: float
    weights: Callable[[Ints], Floats] = _equal

    @classmethod
    def of(cls, false_pages_per_week: float, series: float, weights: Callable[[Ints], Floats] = _equal) -> Share:
        """Divide the budget of the installation among series whose weights add up to `series`.

        The sum is rounded up to a power of two, so that thresholds do not move with every newcomer.
        """
        if not false_pages_per_week > 0:
            raise ValueError(f"false_pages_per_week = {false_pages_per_week} must be greater than 0")
        return cls(false_pages_per_week / 2 ** math.ceil(math.log2(max(series, _FEWEST_SERIES))), weights)

    @property
    def z(self) -> float:
        """Standard errors by which a young baseline's limits stand off: a quarter of the share on each side."""
        return -float(ndtri(min(self.pages_per_week / 4, 0.25)))

    def daily_thresholds(self, series: Ints) -> Floats:
        """Return ln(7/b): what an e-value that is read once a day must reach, by Markov's inequality."""
        return np.log(7 / (self.pages_per_week * self.weights(series)))

    def thresholds(self, series: Ints, weekly: Floats) -> Floats:
        """Return ln(N/b) for series of so many events a week."""
        return np.log(np.maximum(weekly, _FEWEST_EVENTS) / (self.pages_per_week * self.weights(series)))


class WeeklyCap:
    """Pages outside the budget: so many a week of each service; what comes beyond them is a notice.

    Examples
    --------
    >>> cap = WeeklyCap(pages=1)
    >>> [cap.kind("rules", service, "page", now) for service, now in (("a", 0.0), ("a", 9.0), ("b", 9.0), ("a", WEEK))]
    ['page', 'notice', 'page', 'page']
    """

    def __init__(self, pages: int) -> None:
        self._pages = pages
        self._recent: dict[str, dict[str, list[float]]] = {}  # of what → service → times, the last week's

    def kind(self, of: str, service: str, kind: str, now: float) -> str:
        """Return "notice" for a page beyond the cap, else the kind itself."""
        if kind != "page":
            return kind
        paged = self._recent.setdefault(of, {})
        paged[service] = recent = [time for time in paged.get(service, []) if time > now - WEEK]
        if len(recent) >= self._pages:
            return "notice"
        recent.append(now)
        return kind

    def snapshot(self) -> dict[str, dict[str, list[float]]]:
        """Return the state as plain data."""
        return {of: {service: list(times) for service, times in paged.items()} for of, paged in self._recent.items()}

    def restore(self, state: dict[str, dict[str, list[float]]]) -> None:
        """Take the state of a snapshot."""
        self._recent = state


def volume_after(volumes: Floats, seconds: Floats | float, events: Floats | float) -> Floats:
    """Return the events a second over each of `VOLUME_SPANS`, so many seconds and so many more events later.

    They are exponentially weighted: what lies a span back counts by 1/e.
    """
    faded: Floats = volumes * np.exp(-seconds / VOLUME_SPANS) + events / VOLUME_SPANS
    return faded


def weekly_volume(volumes: Floats, age: Floats | float) -> Floats:
    """Return the events a week of series of that age (seconds), as they were of late.

    The larger of the averages over six hours and over a week counts: after a hundredfold rise a series spends at most
    a sixth of a week's share too much, and after a fall its threshold follows within a week or two.

    Examples
    --------
    Ten events in a second, then none for a day, then as many again:

    >>> first = volume_after(np.zeros((1, 2)), np.ones((1, 1)), np.array([[10.0]]))
    >>> weekly_volume(volume_after(first, np.array([[86400.0]]), np.array([[10.0]])), np.array([[86401.0]])).round(-1)
    array([290.])
    """
    lived = 1 - np.exp(-np.maximum(age, _SHORTEST_LIFE) / VOLUME_SPANS)
    weekly: Floats = (volumes / lived).max(axis=-1) * WEEK
    return weekly
