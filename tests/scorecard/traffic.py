"""Simulated traffic: many series side by side, window by window, with what honest traffic does and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from undertow.drift.statistics.logbins import LOG_GAMMA

__all__ = [
    "DAY",
    "HOUR",
    "WEEK",
    "LengthTraffic",
    "RateTraffic",
    "Rng",
    "Volume",
    "Wander",
    "arriving",
    "binned",
    "silent",
    "steady",
    "surging",
    "swinging",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rng = np.random.Generator

HOUR, DAY, WEEK = 3600.0, 86_400.0, 7 * 86_400.0
_SESSION = 4  # events that share their luck
_MEMORY = DAY  # of the wander


def _sine(at: float) -> float:
    return math.sin(2 * math.pi * at / DAY)


# -- how many events come ---------------------------------------------------------------------------------------------

Volume = Callable[[float, int], Floats | float]  # at a time, for so many series: times as many events as on average


def steady(at: float, series: int) -> float:
    return 1.0


def swinging(at: float, series: int) -> Floats:
    """Give nights a twentieth of the day's traffic, and days that differ threefold."""
    day = np.random.default_rng([7, int(at // DAY)]).uniform(-0.55, 0.55, series)
    swung: Floats = (1 + 0.9 * _sine(at)) * np.exp(day)
    return swung


def surging(since: float) -> Volume:
    return lambda at, series: 30.0 if at >= since else 1.0


def silent(since: float, until: float) -> Volume:
    return lambda at, series: 0.0 if since <= at < until else 1.0


def arriving(since: float, until: float) -> Volume:
    """Let the series begin one after the other."""

    def begun(at: float, series: int) -> Floats:
        starts = np.linspace(since, until, series, endpoint=False)
        return (starts <= at).astype(np.float64)

    return begun


# -- what they are ----------------------------------------------------------------------------------------------------


@dataclass
class Wander:
    """A level that wanders slowly: an AR(1) process with a memory of a day, one of each series."""

    sd: float
    _at: float = 0.0
    _levels: Floats = field(default_factory=lambda: np.zeros(0))

    def levels(self, rng: Rng, at: float, series: int) -> Floats:
        if not len(self._levels):
            self._levels = rng.normal(0, self.sd, series)
        kept = math.exp(-(at - self._at) / _MEMORY)
        self._at = at
        self._levels = kept * self._levels + rng.normal(0, self.sd * math.sqrt(1 - kept**2), series)
        return self._levels


@dataclass
class RateTraffic:
    """Hits among events.

    Parameters
    ----------
    season
        Amplitude of a daily cycle of the rate, as a share of it.
    sessions
        Correlation of the four events of a session: the variance of counts is 1 + 3 times this.
    retries
        Chance that a hit is followed by another one at once: the variance factor is (1 + this)/(1 − this).
    wander
        Standard deviation of the log odds, which wander with a memory of a day.
    weekly
        By what share of it the rate is lower on two days of the week.
    volume
        How the number of events changes.
    """

    rate: float | Floats  # of all series, or of each
    season: float = 0.0
    sessions: float = 0.0
    retries: float = 0.0
    wander: float = 0.0
    weekly: float = 0.0
    volume: Volume = steady

    def __post_init__(self) -> None:
        self._wander = Wander(self.wander)

    def draw(self, rng: Rng, at: float, expected: float, series: int) -> tuple[Ints, Ints]:
        """Return events and hits of each series in a window of so many expected events."""
        events = rng.poisson(expected * self.volume(at, series), series)
        return events, self.hits(rng, at, events)

    def hits(self, rng: Rng, at: float, events: Ints) -> Ints:
        weekend = -self.weekly if at % WEEK >= 5 * DAY else 0.0
        level = np.minimum(np.resize(self.rate, len(events)) * (1 + self.season * _sine(at) + weekend), 0.99)
        if self.wander:
            level = expit(logit(level) + self._wander.levels(rng, at, len(events)))
        if self.retries:
            return _bursts(rng, events, level, self.retries)
        if self.sessions:
            return _in_sessions(rng, events, level, self.sessions)
        return rng.binomial(events, level)


def _bursts(rng: Rng, events: Ints, level: Floats, again: float) -> Ints:
    first = rng.binomial(events, level * (1 - again))
    repeated = np.where(first > 0, rng.negative_binomial(np.maximum(first, 1), 1 - again), 0)
    return np.minimum(first + repeated, events)


def _in_sessions(rng: Rng, events: Ints, level: Floats, correlation: float) -> Ints:
    most = int(events.max(initial=0)) // _SESSION + 1
    sizes = np.clip(events[:, None] - _SESSION * np.arange(most), 0, _SESSION)
    precision = (1 - correlation) / correlation
    chances = rng.beta(level[:, None] * precision, (1 - level[:, None]) * precision, sizes.shape)
    hits: Ints = rng.binomial(sizes, chances).sum(axis=1)
    return hits


def binned(logs: Floats) -> Floats:
    """Return the logs as windows keep them: to 2 %."""
    rounded: Floats = np.rint(logs / LOG_GAMMA) * LOG_GAMMA
    return rounded


@dataclass
class LengthTraffic:
    """Logs of a positive quantity, clipped as the windows clip them: at 3.5 robust standard deviations.

    Parameters
    ----------
    shape
        Of the logs: "normal", "t3" (heavy tails), "capped" (nothing above the 85th percentile).
    season, noise, sequence
        Amplitude of a daily cycle, standard deviation of a whole day's level, and correlation of an event with the one
        before it in its window; all of the log.
    """

    shape: str = "normal"
    season: float = 0.0
    noise: float = 0.0
    sequence: float = 0.0
    volume: Volume = steady
    level: float = 5.0
    sd: float = 0.7

    def __post_init__(self) -> None:
        sample = self.shaped(np.random.default_rng(1), (200_000,))
        low, middle, high = np.quantile(sample, [0.16, 0.5, 0.84]) * self.sd + self.level
        self._clip = middle - 1.75 * (high - low), middle + 1.75 * (high - low)

    def shaped(self, rng: Rng, size: tuple[int, ...]) -> Floats:
        """Return standard values of this shape."""
        if self.shape == "t3":
            heavy: Floats = rng.standard_t(3, size)
            return heavy
        values = rng.standard_normal(size)
        if self.sequence:
            for step in range(1, size[-1]):
                innovation = math.sqrt(1 - self.sequence**2) * values[..., step]
                values[..., step] = self.sequence * values[..., step - 1] + innovation
        return np.minimum(values, 1.036) if self.shape == "capped" else values

    def draw(self, rng: Rng, at: float, expected: float, series: int, shift: float = 0.0) -> tuple[Ints, Floats]:
        """Return events, and their clipped logs (series, most events) with NaN beyond the events of a series."""
        events = rng.poisson(expected * self.volume(at, series), series)
        return events, self.logs(rng, at, events, shift)

    def logs(self, rng: Rng, at: float, events: Ints, shift: float = 0.0) -> Floats:
        day = np.random.default_rng([9, int(at // DAY)]).normal(0, self.noise, len(events)) if self.noise else 0.0
        level = self.level + shift + self.season * _sine(at) + day
        size = (len(events), int(events.max(initial=0)))
        values = np.reshape(level, (-1, 1)) + self.sd * self.shaped(rng, size)
        return np.where(np.arange(size[1]) < events[:, None], binned(np.clip(values, *self._clip)), np.nan)
