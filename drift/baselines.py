"""What is usual: the learned level of each series, its recent past block by block, its daily profile and its wander.

One object holds the baselines of all series of a detector, as a struct of arrays: row i is series i. A *block* is at
least 50 events of one series; recent blocks wait in a short history of slots, so that a change under way is not
learned while it is being judged, and so that its time can be estimated. Old slots merge pairwise: resolution falls
with age, memory does not grow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import VOLUME_SPANS, volume_after, weekly_volume
from undertow.drift.statistics.proportions import Floats
from undertow.drift.wander import Wander

__all__ = ["DAY", "KERNEL", "SIGHTINGS", "Baselines", "Slot"]

DAY = 86_400.0
_SLOTS = 24
_LAG = 0.25  # share of all events that may wait in slots before the oldest is learned
_HOURS = 24
SIGHTINGS = 3  # whole days on which an hour was seen before its profile holds: with fewer it pages by the clock
KERNEL = np.array([1.0, 2.0, 3.0, 2.0, 1.0])
_NEVER = -1.0

Ints = NDArray[np.int64]


class Slot:
    """Columns of a slot: sums over one or several neighbouring blocks."""

    START, END, EVENTS, SUM, SQUARES, RAW, EXPECTED = range(7)
    FLAT = 7  # the sum without the daily profile: what the level is learned from, at whatever hours it was seen
    SMALL, SMALL_SQUARES, SMALL_WEIGHT, LARGE, LARGE_SQUARES, LARGE_WEIGHT = range(8, 14)  # overdispersion
    LEARNED = 14  # 1 when the baseline holds it already
    WIDTH = 15


class Baselines:
    """Struct of arrays over series.

    `sums` (rows, WIDTH) is what has been learned; `slots` (rows, 24, WIDTH) the recent past, oldest first; `hours`
    (rows, 24, 2) events and sums by hour of day (UTC), `sightings` (rows, 24) on how many days that hour has passed
    with events; `wander` how far the levels of days lie
    apart; `volumes` the recent events a second.
    """

    def __init__(self) -> None:
        self.sums: Floats = np.zeros((0, Slot.WIDTH))
        self.slots: Floats = np.zeros((0, _SLOTS, Slot.WIDTH))
        self.used: Ints = np.zeros(0, np.int64)
        self.waiting: Floats = np.zeros(0)  # events in slots that have not been learned
        self.hours: Floats = np.zeros((0, _HOURS, 2))
        self.sightings: NDArray[np.uint8] = np.zeros((0, _HOURS), np.uint8)
        self.hour: Floats = np.zeros(0)  # the last one with events, counted from the epoch
        self.born: Floats = np.zeros(0)
        self.heard: Floats = np.zeros(0)  # end of the last window with events
        self.volumes: Floats = np.zeros((0, len(VOLUME_SPANS)))
        self.days: Floats = np.zeros((0, 3))  # today: its number, events, sum
        self.fresh: Floats = np.zeros(0)  # when the level that is followed now began
        self.wander = Wander()

    def grow(self, rows: int, born: Floats) -> None:
        """Make room for `rows` series; the new ones were first seen at the times `born`."""
        self.wander.grow(rows)
        for name, array in self._arrays().items():
            fill = _NEVER if name == "hour" else 0
            extra = np.full((rows - len(array), *array.shape[1:]), fill, array.dtype)
            setattr(self, name, np.concatenate([array, born if name in {"born", "heard", "fresh"} else extra]))

    def _arrays(self) -> dict[str, Any]:
        return {name: array for name, array in vars(self).items() if name != "wander"}

    def snapshot(self) -> dict[str, Any]:
        """Return the arrays by name."""
        return {**self._arrays(), "wander": self.wander.snapshot()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the arrays of a snapshot."""
        for name in self._arrays():
            setattr(self, name, state[name])
        self.wander.restore(state["wander"])

    # -- learning -----------------------------------------------------------------------------------------------------

    def record_volumes(self, rows: Ints, end: float, events: Floats) -> None:
        """Add a window's events to the recent volumes."""
        gone = (end - self.heard[rows])[:, None]
        self.volumes[rows] = volume_after(self.volumes[rows], gone, events[:, None])
        self.heard[rows] = end

    def weekly_events(self, rows: Ints) -> Floats:
        """Return the events a week, at the volume of late."""
        return weekly_volume(self.volumes[rows], (self.heard[rows] - self.born[rows])[:, None])

    def record_hours(self, rows: Ints, time: float, events: Floats, sums: Floats) -> None:
        """Add a window to the hour-of-day profile."""
        hour = time // 3600
        passed = rows[(self.hour[rows] != hour) & (self.hour[rows] != _NEVER)]
        self._count_sightings(passed)
        self.hour[rows] = hour
        self.hours[rows, int(hour % _HOURS), 0] += events
        self.hours[rows, int(hour % _HOURS), 1] += sums

    def _count_sightings(self, rows: Ints) -> None:
        at = rows, (self.hour[rows] % _HOURS).astype(np.int64)
        self.sightings[at] = np.minimum(self.sightings[at], 254) + 1

    def push(self, rows: Ints, blocks: Floats) -> None:
        """Append one block (rows, WIDTH) to each row's recent past, and learn what has become old."""
        full = rows[self.used[rows] == _SLOTS]
        if len(full):
            self._compact(full)
        self.slots[rows, self.used[rows]] = blocks
        self.used[rows] += 1
        self.waiting[rows] += blocks[:, Slot.EVENTS]
        self._learn_oldest(rows)

    def _compact(self, rows: Ints) -> None:
        """Merge in each row the neighbouring pair that is smallest for its age; never a learned with a waiting slot."""
        slots = self.slots[rows]
        events, learned = slots[:, :, Slot.EVENTS], slots[:, :, Slot.LEARNED]
        newer = events[:, ::-1].cumsum(axis=1)[:, ::-1]
        size = (events[:, :-1] + events[:, 1:]) / newer[:, :-1]
        pair = np.argmin(np.where(learned[:, :-1] == learned[:, 1:], size, np.inf), axis=1)
        at = np.arange(len(rows))
        merged = slots[at, pair] + slots[at, pair + 1]
        merged[:, Slot.START] = slots[at, pair, Slot.START]
        merged[:, Slot.END] = slots[at, pair + 1, Slot.END]
        merged[:, Slot.LEARNED] = slots[at, pair, Slot.LEARNED]
        keep = np.arange(_SLOTS)[None, :] != (pair + 1)[:, None]
        slots[at, pair] = merged
        self.slots[rows, : _SLOTS - 1] = slots[keep].reshape(len(rows), _SLOTS - 1, Slot.WIDTH)
        self.used[rows] = _SLOTS - 1

    def _learn_oldest(self, rows: Ints) -> None:
        """Learn waiting slots, oldest first, until no more than the lag's share of all events waits."""
        while len(rows):
            waiting = self.waiting[rows]
            rows = rows[waiting > _LAG * (self.sums[rows, Slot.EVENTS] + waiting)]
            if len(rows):
                oldest = np.argmin(self.slots[rows, :, Slot.LEARNED], axis=1)  # learned slots come first
                slots = self.slots[rows, oldest]
                self.slots[rows, oldest, Slot.LEARNED] = 1
                self.sums[rows, Slot.EVENTS :] += slots[:, Slot.EVENTS :]
                self.waiting[rows] -= slots[:, Slot.EVENTS]
                self.wander.learn(rows, slots[:, Slot.END])

    def history(self, row: int) -> Floats:
        """Return the row's past, oldest first, shape (slots in use, WIDTH)."""
        return self.slots[row, : self.used[row]].copy()

    def before(self, row: int, slots: Floats) -> Floats:
        """Return what is known of the row without these slots, which are the latest of its history."""
        history = self.history(row)
        waiting = history[history[:, Slot.LEARNED] == 0].sum(axis=0)
        before: Floats = self.sums[row] + waiting - slots.sum(axis=0)
        return before

    def learned(self, rows: Ints) -> Floats:
        """Return how many events the level of each row rests on, waiting ones included."""
        learned: Floats = self.sums[rows, Slot.EVENTS] + self.waiting[rows]
        return learned

    def restart(self, row: int, sums: Floats, time: float) -> None:
        """Begin a new baseline with what has been seen since the change; how far days wander is not forgotten."""
        self.sums[row] = sums
        self.used[row] = 0
        self.waiting[row] = 0
        self.wander.restart(row)
        self.fresh[row] = time

    def set_aside(self, row: int, slots: Floats) -> None:
        """Take slots of another level than the baseline's out of the daily profile, each in the hour of its start."""
        hours = (slots[:, Slot.START] % DAY // 3600).astype(np.int64)
        np.subtract.at(self.hours[row], hours, slots[:, [Slot.EVENTS, Slot.SUM]])
        self.hours[row, self.hours[row, :, 0] <= 0] = 0

    # -- daily profile ------------------------------------------------------------------------------------------------

    def has_profile(self, rows: Ints, time: float) -> NDArray[np.bool_]:
        """Return which rows have seen this hour of day on the three days that a daily profile needs."""
        whole: NDArray[np.bool_] = self.sightings[rows, int(time % DAY // 3600)] >= SIGHTINGS
        return whole

    def season(self, rows: Ints, time: float, pseudo_events: Floats, link: Callable[[Floats], Floats]) -> Floats:
        """Return the daily profile's shift of the level at `time`, on the scale of `link`; 0 where it is not known yet.

        Hours are smoothed over their neighbours, shrunk by `pseudo_events` towards flat, and joined by straight lines.
        """
        shift = np.zeros(len(rows))
        known = self.has_profile(rows, time)
        if known.any():
            levels, mean = self._hour_levels(rows[known], pseudo_events[known])
            hour = time % DAY / 3600 - 0.5
            left, share = int(np.floor(hour)) % _HOURS, hour % 1
            at = link(levels[:, left]) * (1 - share) + link(levels[:, (left + 1) % _HOURS]) * share
            shift[known] = at - link(mean)
        return shift

    def _hour_levels(self, rows: Ints, pseudo_events: Floats) -> tuple[Floats, Floats]:
        """Return smoothed, shrunk means by hour (rows, 24) and the mean over all hours (rows,)."""
        events, sums = self.hours[rows, :, 0], self.hours[rows, :, 1]
        mean = (sums.sum(axis=1) + 0.5) / (events.sum(axis=1) + 1)
        smooth = _smooth(sums) + (pseudo_events * mean)[:, None]
        return smooth / (_smooth(events) + pseudo_events[:, None]), mean

    def unknown_season(self, rows: Ints, time: float) -> Floats:
        """Return how far (in amplitudes) a daily cycle of unknown phase may lie from its mean over what was seen.

        For a sine that is the distance on the unit circle between now and the mean of the hours seen.
        """
        since = (np.arange(_HOURS) + 0.5 - time % DAY / 3600) * (2 * np.pi / _HOURS)
        weights = self.hours[rows, :, 0]
        weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)
        moved: Floats = np.hypot(1 - weights @ np.cos(since), weights @ np.sin(since))
        return np.where(self.has_profile(rows, time), 0.0, moved)

    # -- wander from day to day ---------------------------------------------------------------------------------------

    def start_day(self, rows: Ints, day: float) -> Ints:
        """Return the rows whose last day has ended, now that a block of `day` arrives."""
        ended: Ints = rows[(self.days[rows, 0] != day) & (self.days[rows, 1] > 0)]
        return ended

    def whole_day(self, rows: Ints) -> NDArray[np.bool_]:
        """Return which rows kept one level all through their last day: half a day is half a season."""
        whole: NDArray[np.bool_] = self.fresh[rows] <= self.days[rows, 0] * DAY
        return whole

    def record_day(self, rows: Ints, day: float, events: Floats, sums: Floats) -> None:
        """Add a block to today's sums; a new day starts them afresh."""
        fresh = rows[self.days[rows, 0] != day]
        self.days[fresh, 0], self.days[fresh, 1:] = day, 0
        self.days[rows, 1] += events
        self.days[rows, 2] += sums


def _smooth(values: Floats) -> Floats:
    """Circular moving sum over five hours with weights 1-2-3-2-1."""
    rolled = [weight * np.roll(values, shift, axis=1) for shift, weight in zip(range(-2, 3), KERNEL, strict=True)]
    smooth: Floats = np.sum(rolled, axis=0)
    return smooth
