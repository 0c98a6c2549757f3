"""Scales and ticks: round values, round times, linear or logarithmic as the data ask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from undertow.dashboards.units import SHARE

__all__ = ["Scale", "time_ticks", "value_scale"]

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_STEPS_D = (1, 2, 5, 7, 14)
_DAY = 86400
_HUGE, _TINY = 1e100, 1e-100  # beyond these a value is drawn at the edge
LOG_FROM = 20.0  # largest over smallest value from which a linear axis would flatten the small ones


@dataclass(frozen=True)
class Scale:
    """A mapping from values to pixels, with the ticks that belong on it."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...] = ()
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, kept within one length of the axis so that no coordinate explodes."""
        share = (self._place(value) - self._place(self.low)) / (self._place(self.high) - self._place(self.low))
        return self.start + min(max(share, -1.0), 2.0) * (self.end - self.start)

    def _place(self, value: float) -> float:
        return math.log(max(value, self.low * 1e-3)) if self.log else value


def value_scale(values: Sequence[float], unit: str, start: float, end: float, *, calm: bool = False) -> Scale:
    """Return a scale on which the values, the baseline among them, are seen as large as they are.

    Shares begin at zero. Positive metrics are cut close to their data, but never so close that 10 % looks like a
    landslide; they are logarithmic from a ratio of 20. `calm` is the scale of a strip that shows "nothing happened":
    from zero, with head room.

    Examples
    --------
    >>> value_scale([0.02, 0.114], "share of events", 100, 0).ticks
    (0.0, 0.05, 0.1, 0.15)
    >>> value_scale([0.01, 30.0], "US dollars", 100, 0).log
    True
    """
    held = [min(max(value, -_HUGE), _HUGE) if abs(value) > _TINY else 0.0 for value in values if math.isfinite(value)]
    low, high = (min(held), max(held)) if held else (0.0, 0.0)
    if unit == SHARE:
        return _linear(0.0, min(1.0, max(high * 1.08, 0.05 if calm else 0.02)), start, end)
    if high <= 0:
        return _linear(low, 0.0 if low < 0 else 1.0, start, end)
    if calm:
        return _linear(min(low, 0.0), high * 1.3, start, end)
    if low > 0 and high / low >= LOG_FROM:
        return _logarithmic(low, high, start, end)
    middle = (low + high) / 2
    low, high = min(low, middle * 0.8), max(high, middle * 1.2)
    return _linear(0.0 if 0 <= low < 0.5 * high else low, high, start, end)


def _linear(low: float, high: float, start: float, end: float, target: int = 4) -> Scale:
    step = _round_step((high - low) / target)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(float(f"{index * step:.12g}") for index in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)


def _logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    few = len(decades) <= 4
    rounds = [factor * 10.0**power for power in decades for factor in ((1, 3) if few else (1,))]
    below = max((value for value in rounds if value <= low), default=rounds[0])
    above = min((value for value in rounds if value >= high), default=rounds[-1])
    ticks = [value for value in rounds if below <= value <= above]
    return Scale(below, above, start, end, tuple(ticks[:: math.ceil(len(ticks) / 6)]), log=True)


def time_ticks(start: float, end: float, target: int = 5) -> list[tuple[float, str]]:
    """Return round moments between `start` and `end` with their UTC labels; midnight is labelled with its day.

    Examples
    --------
    >>> [label for _, label in time_ticks(1_700_000_000, 1_700_000_000 + 1200)]
    ['22:15', '22:20', '22:25', '22:30']
    """
    span = max(end - start, 1.0)
    step = next((step for step in (*_STEPS_S, *(days * _DAY for days in _STEPS_D)) if span / step <= target), None)
    if step is None:
        return _month_ticks(start, end, target)
    first = math.ceil(start / step)
    moments = [float(index * step) for index in range(first, math.floor(end / step) + 1)]
    return [(t, _label(t, step)) for t in moments]


def _label(t: float, step: float) -> str:
    moment = datetime.fromtimestamp(t, UTC)
    if t % _DAY == 0:
        return f"{moment.day} {moment:%b}"
    return f"{moment:%H:%M:%S}" if step < 60 else f"{moment:%H:%M}"


def _month_ticks(start: float, end: float, target: int) -> list[tuple[float, str]]:
    first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    every = next((step for step in (1, 3, 6, 12, 24, 60, 120) if len(months) / step <= target), 1200)
    ticks = []
    for month in (month for month in months if month % every == 0):
        moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if moment.timestamp() >= start:
            ticks.append((moment.timestamp(), f"{moment:%Y}" if every >= 12 else f"{moment:%b %Y}"))
    return ticks
