"""How quiet traffic wanders: with the hour of the day, and from day to day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from undertow.pipelines.simulator.columns import Floats
from undertow.pipelines.simulator.world import CONSUMER_SHARE, REGIONS

__all__ = ["DAY_S", "consumers", "day_levels", "regions", "volume", "volume_most"]

DAY_S = 86_400.0
_VOLUME_SWING = 0.8  # at daily_cycle = 1: nine times as much traffic at the busiest hour as at the quietest
_BUSIEST_HOUR = 15.0
_CONSUMER_SWING = 0.2
_CONSUMERS_HOUR = 22.0
_REGION_SWING = 0.6
_DAY_STREAM = 7_003  # keeps the days' levels apart from all other random numbers of the same seed


def _wave(time: Floats, hour: float) -> Floats:
    """Return 1 at that hour of the day (UTC), −1 twelve hours later."""
    wave: Floats = np.cos(2 * np.pi * (time / DAY_S - hour / 24))
    return wave


def volume(time: Floats, cycle: float) -> Floats:
    """Return the factor on the day's mean rate at each moment.

    Examples
    --------
    >>> volume(np.array([15.0, 3.0]) * 3600, cycle=1.0)
    array([1.8, 0.2])
    """
    return 1 + _VOLUME_SWING * cycle * _wave(time, _BUSIEST_HOUR)


def volume_most(cycle: float) -> float:
    """Return the largest factor of the day."""
    return 1 + _VOLUME_SWING * cycle


def consumers(time: Floats, cycle: float) -> Floats:
    """Return the share of consumers among those who arrive: more in the evening, which moves lengths and refusals."""
    return CONSUMER_SHARE + _CONSUMER_SWING * cycle * _wave(time, _CONSUMERS_HOUR)


def regions(time: Floats, cycle: float) -> Floats:
    """Return each region's cumulative share at each moment, a row a region."""
    weights = np.array([one.share * (1 + _REGION_SWING * cycle * _wave(time, one.busiest_hour)) for one in REGIONS])
    cumulative: Floats = np.cumsum(weights, axis=0) / weights.sum(axis=0)
    return cumulative


def day_levels(seed: int, noise: float, days: Sequence[int]) -> dict[int, tuple[float, float, float]]:
    """Return each day's factors on volume, refusals and lengths: lognormal with median one."""
    drawn = {day: np.random.default_rng([seed, _DAY_STREAM, day]).standard_normal(3) for day in days}
    return {day: tuple(np.exp(noise * normal).tolist()) for day, normal in drawn.items()}
