"""What is usual of numbers: baselines that, after three weeks, have a profile by hour of week on top of hour of day."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from undertow.drift.baselines import KERNEL, SIGHTINGS, Baselines, Slot
from undertow.drift.statistics.proportions import Floats

__all__ = ["WeeklyBaselines"]

_HOURS = 168  # the first is Thursday 00:00 UTC, as the epoch is
_DAYS = 7

Ints = NDArray[np.int64]


class WeeklyBaselines(Baselines):
    """Struct of arrays; `week` (rows, 168, 2) holds events and sums by hour of week.

    `weeks` (rows, 168) counts in how many weeks that hour has passed with events.
    """

    def __init__(self) -> None:
        super().__init__()
        self.week: NDArray[np.float32] = np.zeros((0, _HOURS, 2), np.float32)
        self.weeks: NDArray[np.uint8] = np.zeros((0, _HOURS), np.uint8)

    def record_hours(self, rows: Ints, time: float, events: Floats, sums: Floats) -> None:
        """Add a window to the profiles."""
        super().record_hours(rows, time, events, sums)
        hour = int(time // 3600 % _HOURS)
        self.week[rows, hour, 0] += events
        self.week[rows, hour, 1] += sums

    def _count_sightings(self, rows: Ints) -> None:
        super()._count_sightings(rows)
        at = rows, (self.hour[rows] % _HOURS).astype(np.int64)
        self.weeks[at] = np.minimum(self.weeks[at], 254) + 1

    def set_aside(self, row: int, slots: Floats) -> None:
        """Take slots of another level than the baseline's out of the profiles, each in the hour of its start."""
        super().set_aside(row, slots)
        hours = (slots[:, Slot.START] // 3600 % _HOURS).astype(np.int64)
        np.subtract.at(self.week[row], hours, slots[:, [Slot.EVENTS, Slot.SUM]])
        self.week[row, self.week[row, :, 0] <= 0] = 0

    def move(self, row: int, moved: Callable[[Floats, Floats], Floats]) -> None:
        """Take the profiles along to another level: `moved` gives the sums of so many events there."""
        for profile in (self.hours[row], self.week[row]):
            profile[:, 1] = moved(profile[:, 0].astype(np.float64), profile[:, 1].astype(np.float64))

    def season(self, rows: Ints, time: float, pseudo_events: Floats, link: Callable[[Floats], Floats]) -> Floats:
        """Return the profiles' shift of the level at `time`, on the scale of `link`; 0 where it is not known yet.

        An hour of week that has been seen three times is shrunk by `pseudo_events` towards its hour of day.
        """
        shift = super().season(rows, time, pseudo_events, link)
        known = self.weeks[rows, int(time // 3600 % _HOURS)] >= SIGHTINGS
        if known.any():
            hour = time / 3600 - 0.5
            left, share = int(np.floor(hour)), hour % 1
            early, late = (self._beyond(rows[known], h, pseudo_events[known], link) for h in (left, left + 1))
            shift[known] += early * (1 - share) + late * share
        return shift

    def _beyond(self, rows: Ints, hour: int, pseudo_events: Floats, link: Callable[[Floats], Floats]) -> Floats:
        """Return how far an hour of week lies beyond the same hour of all days; both are smoothed over neighbours."""
        near = (hour + np.arange(-2, 3)) % _HOURS
        same = near[:, None] + 24 * np.arange(_DAYS)
        here = np.einsum("rhc,h->rc", self.week[rows[:, None], near], KERNEL)
        daily = np.einsum("rhdc,h->rc", self.week[rows[:, None, None], same % _HOURS], KERNEL)
        usual = (daily[:, 1] + 0.5) / (daily[:, 0] + 1)
        level = (here[:, 1] + pseudo_events * usual) / (here[:, 0] + pseudo_events)
        return link(level) - link(usual)
