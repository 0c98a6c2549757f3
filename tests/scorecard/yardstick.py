"""What the best detector could do, and how well a simulation knows what it has measured: 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import beta, chi2

__all__ = [
    "Change",
    "Measured",
    "Shift",
    "beyond",
    "geometric_mean",
    "mean_of",
    "median_of",
    "optimal_delay",
    "rate_of",
    "ratio",
    "run_length_of",
    "share_of",
]

_Z = 1.96


class Change(NamedTuple):
    """A rate before and after."""

    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.before * 100:g} → {self.after * 100:g} %"

    @property
    def usual(self) -> str:
        """What there is before the change, in words."""
        return f"{self.before * 100:g} %"

    def draw(self, rng: np.random.Generator, size: int | tuple[int, ...], changed: bool) -> NDArray[np.float64]:
        """Return events: 1 is a hit."""
        events: NDArray[np.float64] = (rng.random(size) < self[changed]).astype(np.float64)
        return events

    @property
    def divergences(self) -> tuple[float, float]:
        """I₀ = KL(before‖after) and I₁ = KL(after‖before), of one event."""
        return _bernoulli(self.before, self.after), _bernoulli(self.after, self.before)


class Shift(NamedTuple):
    """A positive quantity whose log is normal with this mean and standard deviation is multiplied by a factor.

    `name` is how it is fed to others than ours: "log …", or raw.
    """

    factor: float
    sd: float = 0.7
    level: float = 5.0
    name: str = "log tokens"

    def __str__(self) -> str:
        return f"{self.name.removeprefix('log ')} × {self.factor:g}"

    @property
    def usual(self) -> str:
        return self.name

    def draw(self, rng: np.random.Generator, size: int | tuple[int, ...], changed: bool) -> NDArray[np.float64]:
        """Return values, or their logs where the name says so."""
        logs = rng.normal(self.level + math.log(self.factor) * changed, self.sd, size)
        return logs if self.name.startswith("log ") else np.exp(logs)

    @property
    def divergences(self) -> tuple[float, float]:
        both = (math.log(self.factor) / self.sd) ** 2 / 2
        return both, both


def _bernoulli(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def optimal_delay(change: Change | Shift, run_length: float) -> float:
    """Return D*: the events that Page's CUSUM needs which knows both levels, in Siegmund's approximation."""
    before, after = change.divergences
    return (math.log(run_length * before) - 1) / after


def beyond(change: Change | Shift, band: float) -> Change | Shift:
    """Return the part of a change that lies beyond a band of benign wander (link scale: log odds, log)."""
    if isinstance(change, Shift):
        whole = math.log(change.factor)
        return change._replace(factor=math.exp(math.copysign(abs(whole) - band, whole)))
    side = math.copysign(band, change.after - change.before)
    return Change(float(expit(logit(change.before) + side)), change.after)


class Measured(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Measured:
        return Measured(*(part * factor for part in self))

    def __str__(self) -> str:
        return f"{_short(self.value)} [{_short(self.low)}, {_short(self.high)}]"


def _short(value: float) -> str:
    if math.isinf(value):
        return "∞"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 10 else f"{value:.2f}".rstrip("0").rstrip(".")


def mean_of(values: Sequence[float]) -> Measured:
    """Return the mean of independent values."""
    if not len(values):
        return Measured(math.inf, math.inf, math.inf)
    mean = float(np.mean(values))
    half = _Z * float(np.std(values, ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Measured(mean, mean - half, mean + half)


def median_of(values: Sequence[float]) -> Measured:
    """Return the median, and the order statistics that bracket it in 95 % of samples; infinite values may be among."""
    ordered = np.sort(values)
    half = _Z / 2 * math.sqrt(len(ordered))
    low, high = (min(max(int(len(ordered) / 2 + side * half), 0), len(ordered) - 1) for side in (-1, 1))
    return Measured(float(ordered[len(ordered) // 2]), float(ordered[low]), float(ordered[high]))


def rate_of(count: int, exposure: float) -> Measured:
    """Return events per unit of exposure, exact for a Poisson count."""
    low = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return Measured(count, low, float(chi2.ppf(0.975, 2 * count + 2)) / 2).scaled(1 / exposure)


def run_length_of(exposure: float, alarms: int) -> Measured:
    """Return the events to an alarm, of so many events in which so many first alarms were seen."""
    rate = rate_of(alarms, exposure)
    return Measured(*(1 / part if part else math.inf for part in (rate.value, rate.high, rate.low)))


def share_of(hits: int, total: int) -> Measured:
    """Return a share with its Clopper–Pearson interval."""
    low = float(beta.ppf(0.025, hits, total - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, total - hits)) if hits < total else 1.0
    return Measured(hits / total, low, high)


def geometric_mean(values: Sequence[Measured]) -> Measured:
    """Return the geometric mean of independent measurements."""
    mean = math.exp(sum(math.log(each.value) for each in values) / len(values))
    errors = [(each.high - each.low) / (2 * _Z * each.value) for each in values]
    error = math.sqrt(sum(each**2 for each in errors)) / len(values)
    return Measured(mean, mean * math.exp(-_Z * error), mean * math.exp(_Z * error))


def ratio(above: Measured, below: Measured) -> Measured:
    """Return a quotient of independent measurements, with the error of both."""
    error = math.hypot(*((each.high - each.low) / (2 * each.value) for each in (above, below)))
    value = above.value / below.value
    return Measured(value, value * math.exp(-error), value * math.exp(error))
