"""The daily profile of an embedding series: how far its centroid lies from the day's mean at each hour (UTC)."""

from __future__ import annotations

from typing import Any

import numpy as np

from undertow.drift.baselines import DAY
from undertow.drift.bases import DIMENSIONS, Basis
from undertow.drift.statistics.proportions import Floats

__all__ = ["VectorProfile"]

_HOURS = 24
_WHOLE_DAYS = 3.0  # with traffic: a daily profile from less history pages by the clock
_KERNEL = (1.0, 2.0, 3.0, 2.0, 1.0)
_TINY = 1e-12


class VectorProfile:
    """Learned from sums by hour; zero until three whole days are known, then fitted anew after each day."""

    def __init__(self, born: float) -> None:
        self._born = born
        self._day = born // DAY  # the last one with events
        self._days = 0  # with events, before that one
        self._hours: Floats = np.zeros((_HOURS, DIMENSIONS + 1))  # sums with the profile, and events
        self._shift: Floats = np.zeros((_HOURS, DIMENSIONS))  # of the mean by hour, as it was last fitted

    def record(self, time: float, events: float, total: Floats) -> None:
        """Add a window's events and sum."""
        if time // DAY > self._day:
            self._day, self._days = time // DAY, self._days + 1
        hour = _hour_of(time)
        self._hours[hour, :-1] += total
        self._hours[hour, -1] += events

    def remove(self, time: float, events: float, flat: Floats) -> None:
        """Take out events at about that time whose sum without the profile was `flat`: another level's."""
        self.record(time, -events, -(flat + events * self.season(time)))
        self._hours[self._hours[:, -1] <= 0] = 0

    def move(self, shift: Floats) -> None:
        """Go on around a centroid that lies by `shift` from the one before: the profile goes along."""
        self._hours[:, :-1] += self._hours[:, [-1]] * shift

    def is_due(self, time: float) -> bool:
        """Return whether three whole days with traffic are known."""
        seen = self._days + (time // DAY > self._day)
        return seen >= _WHOLE_DAYS and time // DAY * DAY - self._born >= _WHOLE_DAYS * DAY

    def season(self, time: float) -> Floats:
        """Return the profile's shift of the mean at a time."""
        hour = time % DAY / 3600 - 0.5
        left, share = int(np.floor(hour)) % _HOURS, hour % 1
        season: Floats = self._shift[left] * (1 - share) + self._shift[(left + 1) % _HOURS] * share
        return season

    def mean_season(self, start: float, end: float) -> Floats:
        """Return the mean of the profile's shift between two times."""
        times = np.linspace(start, end, 2 * _HOURS, endpoint=False)
        season: Floats = np.mean([self.season(time) for time in times.tolist()], axis=0)
        return season

    def unknown(self, time: float) -> float:
        """Return how far (in amplitudes) a daily cycle of unknown phase may lie from its mean over what was seen."""
        if self.is_due(time):
            return 0.0
        since = (np.arange(_HOURS) + 0.5 - time % DAY / 3600) * (2 * np.pi / _HOURS)
        weights = self._hours[:, -1] / max(self._hours[:, -1].sum(), 1.0)
        return float(np.hypot(1 - weights @ np.cos(since), weights @ np.sin(since)))

    def fit(self, basis: Basis, factors: Floats) -> bool:
        """Fit the profile; return whether it is the first time.

        It is smoothed over neighbouring hours, and along each direction, whose means scatter `factors` more than the
        covariance says, shrunk by the share of its variance over the day that sampling explains.
        """
        first = not self._shift.any()
        events, sums = self._hours[:, -1], self._hours[:, :-1]
        weight = np.maximum(_smooth(events, 1), 1.0)
        shift = _smooth(sums, 1) / weight[:, None] - sums.sum(axis=0) / max(events.sum(), 1.0)
        white = shift @ basis.directions
        share = events / max(events.sum(), 1.0)
        noise = factors * float(share @ (_smooth(events, 2) / weight**2))
        power = share @ white**2
        kept = np.maximum(1 - noise / np.maximum(power, _TINY), 0.0)
        self._shift = (white * kept * basis.variances) @ basis.directions.T.astype(np.float64)
        return first

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and numbers by name."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        vars(self).update(state)


def _hour_of(time: float) -> int:
    return int(time % DAY // 3600)


def _smooth(values: Floats, power: int) -> Floats:
    """Circular moving sum over five hours with weights 1-2-3-2-1, each to a power."""
    rolled = [
        weight**power * np.roll(values, shift, axis=0) for shift, weight in zip(range(-2, 3), _KERNEL, strict=True)
    ]
    smooth: Floats = np.sum(rolled, axis=0)
    return smooth
