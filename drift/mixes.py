"""What is usual of a mix: the learned share of each of its categories, block by block, by hour of day, and its wander.

A mix is a row of columns. Column 0 is the rest: all categories that have no column of their own. Every share is
judged against all else (the odds of a category against the others), so a mix is as many rates that share their
events; a multinomial whose one category is tilted has the likelihood of exactly that rate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from undertow.drift.baselines import DAY, KERNEL, Baselines, Slot
from undertow.drift.statistics.proportions import Floats
from undertow.drift.wander import Wander

__all__ = ["COLUMNS", "REST", "Kind", "Mixes", "cells", "link"]

COLUMNS = 21  # the rest and twenty categories
REST = 0
_PROFILE_HITS = 3.0  # hits by which an hour of the profile is shrunk towards flat
_TICK = 600.0  # seconds for which a point of the daily profile holds
_PRIOR_VARIANCE = 10.0  # hits' worth of the whole mix' clustering that each category's own is shrunk towards
_PRIOR_BLOCKS = 20.0
_FEWEST_IN_A_DAY = 50.0  # events from which a day's level is a level
_JOB = 25.0  # variances by which a block exceeds what is expected when it holds a job of one category
_TINY = 1e-300
_APART = 8  # of the latest slots that are never merged

Ints = NDArray[np.int64]


class Kind:
    """What is kept of each column, beside the columns of `Slot` that hold for the whole mix."""

    COUNT, EXPECTED = range(2)
    FLAT = 2  # the count without the daily profile
    SPREAD, VARIANCE = range(3, 5)  # (count − expected)², and what it would be of independent events
    WIDTH = 5


_WIDTH = Slot.WIDTH + Kind.WIDTH * COLUMNS


def cells(sums: Floats) -> Floats:
    """Return the view (…, kinds, columns) of the sums (…, width) of slots.

    Examples
    --------
    >>> cells(np.zeros((2, 24, 120))).shape
    (2, 24, 5, 21)
    """
    return sums[..., Slot.WIDTH :].reshape(*sums.shape[:-1], Kind.WIDTH, COLUMNS)


def link(counts: Floats, events: Floats) -> Floats:
    """Return shares on the log-odds scale; counts without the daily profile may lie beyond what is possible.

    Examples
    --------
    >>> link(np.array([49.5, 0.0]), np.array([99.0, 99.0])).round(2)
    array([ 0.  , -5.29])
    """
    level: Floats = logit((np.clip(counts, 0, events) + 0.5) / (events + 1))
    return level


class Mixes(Baselines):
    """Struct of arrays over mixes; slots and sums are wider than those of scalars by the cells of the columns."""

    def __init__(self) -> None:
        super().__init__()
        self.sums = np.zeros((0, _WIDTH))
        self.slots = np.zeros((0, self.slots.shape[1], _WIDTH))
        self.by_hour: Floats = np.zeros((0, self.hours.shape[1], COLUMNS))
        self.today: Floats = np.zeros((0, COLUMNS))
        self.wander = Wander((COLUMNS,))
        self.profile: Floats = np.zeros((0, COLUMNS))  # the daily profile's shift of the log odds at …
        self.profile_at: Floats = np.zeros(0)  # … this multiple of ten minutes

    def shares(self, rows: Ints) -> Floats:
        """Return the learned shares without the daily profile; a column never seen has half an event."""
        events = self.sums[rows, Slot.EVENTS, None]
        return (np.clip(cells(self.sums[rows])[:, Kind.FLAT], 0, events) + 0.5) / (events + 1)

    def totals(self, rows: Ints) -> Floats:
        """Return how many events of each column the level rests on, waiting ones included."""
        waiting = (self.slots[rows, :, Slot.LEARNED] == 0)[:, :, None]
        recent: Floats = (cells(self.slots[rows])[:, :, Kind.COUNT] * waiting).sum(axis=1)
        return cells(self.sums[rows])[:, Kind.COUNT] + recent

    def _compact(self, rows: Ints) -> None:
        """Merge the older slots in pairs, many at a time since a mix' past is large; the latest stay apart.

        A learned slot is never merged with a waiting one: pairs are counted from the first waiting slot.
        """
        waiting = np.argmin(self.slots[rows, :, Slot.LEARNED], axis=1)  # learned slots come first
        for parity in (0, 1):
            mine = rows[waiting % 2 == parity]
            past = _merged(self.slots[mine], parity)
            self.slots[mine] = 0
            self.slots[mine, : past.shape[1]] = past
            self.used[mine] = past.shape[1]

    def before(self, row: int, slots: Floats) -> Floats:
        """Return what is known of the row without these slots; differences of sums may err below 0, counts do not."""
        return np.maximum(super().before(row, slots), 0)

    # -- daily profile ------------------------------------------------------------------------------------------------

    def record(self, rows: Ints, time: float, events: Floats, counts: Floats) -> None:
        """Add a window to the hour-of-day profile."""
        self.record_hours(rows, time, events, np.zeros(len(rows)))
        self.by_hour[rows, int(time % DAY // 3600)] += counts

    def shifts(self, rows: Ints, time: float) -> Floats:
        """Return the daily profile's shift of the log odds of each column; 0 where it is not known yet."""
        tick = time // _TICK
        stale = rows[self.profile_at[rows] != tick]
        if len(stale):
            self.profile[stale], self.profile_at[stale] = 0.0, tick
            known = stale[self.has_profile(stale, time)]
            if len(known):
                self.profile[known] = self._profile(known, tick * _TICK)
        return self.profile[rows]

    def _profile(self, rows: Ints, time: float) -> Floats:
        """Return hours smoothed over neighbours, shrunk towards flat and joined by straight lines, less the mean."""
        hour = time % DAY / 3600 - 0.5
        left, share = int(np.floor(hour)), hour % 1
        events = self.hours[rows, :, 0]
        mean = (self.by_hour[rows].sum(axis=1) + 0.5) / (events.sum(axis=1)[:, None] + 1)
        early, late = (self._hour_link(rows, hour, mean) for hour in (left, left + 1))
        shift: Floats = early * (1 - share) + late * share - logit(mean)
        return shift

    def _hour_link(self, rows: Ints, hour: int, mean: Floats) -> Floats:
        near = (hour + np.arange(-2, 3)) % self.hours.shape[1]
        counts = (self.by_hour[rows[:, None], near] * KERNEL[:, None]).sum(axis=1)
        events = (self.hours[rows[:, None], near, 0] * KERNEL).sum(axis=1)[:, None]
        level: Floats = logit((counts + _PROFILE_HITS) / (events + _PROFILE_HITS / mean))
        return level

    # -- wander from day to day ---------------------------------------------------------------------------------------

    def watch_day(self, rows: Ints, day: float, events: Floats, counts: Floats) -> None:
        """Add flat counts to today's; a day that has ended and was seen in one piece adds its levels to the wander."""
        ended = self.start_day(rows, day)
        if len(ended):
            whole = ended[self.whole_day(ended) & (self.days[ended, 1] >= _FEWEST_IN_A_DAY)]
            self._record_levels(whole, day * DAY)
        self.today[rows[self.days[rows, 0] != day]] = 0
        self.record_day(rows, day, events, np.zeros(len(rows)))
        self.today[rows] += counts

    def _record_levels(self, rows: Ints, end: float) -> None:
        events, counts = self.days[rows, 1, None], self.today[rows]
        self.wander.record(rows, end, link(counts, events), self.noise(rows, events, counts))

    def noise(self, rows: Ints, events: Floats | float, counts: Floats) -> Floats:
        """Return the sampling variance of levels on the log-odds scale."""
        share = (np.clip(counts, 0, events) + 0.5) / (events + 1)
        variance: Floats = self.dispersion(rows) / (events * share * (1 - share))
        return variance

    # -- clustering ---------------------------------------------------------------------------------------------------

    def dispersion(self, rows: Ints, errors: float = 1.0) -> Floats:
        """Return φ ≥ 1 per column: the variance of counts in blocks over the independent one, plus standard errors.

        A column's own is shrunk towards that of the whole mix and never below it: of a category that is rare nothing
        else is known, and that it never came in a cluster yet is no promise.
        """
        spread, variance = (cells(self.sums[rows])[:, kind] for kind in (Kind.SPREAD, Kind.VARIANCE))
        prior = _PRIOR_VARIANCE * self.pooled_dispersion(rows)[:, None]
        own = (spread + prior) / (variance + _PRIOR_VARIANCE)
        blocks = self.sums[rows, Slot.LARGE_WEIGHT, None] + _PRIOR_BLOCKS
        error = np.sqrt(variance + 2 * variance**2 / blocks) / (variance + _PRIOR_VARIANCE)  # relative
        return np.maximum(own * (1 + errors * error), self.pooled_dispersion(rows)[:, None])

    def pooled_dispersion(self, rows: Ints) -> Floats:
        """Return φ ≥ 1 of the whole mix: its columns weigh by their variance."""
        sums = cells(self.sums[rows])
        spread, variance = sums[:, Kind.SPREAD].sum(axis=1), sums[:, Kind.VARIANCE].sum(axis=1)
        factor: Floats = np.maximum(spread / np.maximum(variance, 1), 1.0)
        return factor

    def is_job(self, rows: Ints, measured: Floats, rose: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which blocks, measured by spread and variance, hold more of one category than clusters explain."""
        spread, variance = measured[:, 0], measured[:, 1]
        excess = np.where(rose, spread / np.maximum(variance, _TINY), 0).max(axis=1)
        job: NDArray[np.bool_] = excess >= _JOB * self.pooled_dispersion(rows)
        return job

    def log_jobs(self, rows: Ints, shares: Floats) -> Floats:
        """Return −ln P(a block holds a job of this category): what its evidence is worth at most (after Huber 1965).

        `Slot.SMALL` counts the blocks with a job, `Slot.LARGE_WEIGHT` all; without a job there is no limit.
        """
        jobs, blocks = self.sums[rows, Slot.SMALL], np.maximum(self.sums[rows, Slot.LARGE_WEIGHT], 1)
        rate = np.where(jobs > 0, np.minimum(jobs / blocks, 1.0), _TINY)
        return -np.log(rate[:, None] * shares)

    def measure_clustering(self, rows: Ints) -> None:
        """Add the clustering of blocks that were learned before there was a level: they are judged by their own."""
        events, counts = self.slots[rows, :, Slot.EVENTS, None], cells(self.slots[rows])[:, :, Kind.COUNT]
        total = events.sum(axis=1, keepdims=True)
        share = counts.sum(axis=1, keepdims=True) / np.maximum(total, 1)
        spread = (counts - events * share) ** 2
        variance = events * share * (1 - share) * (1 - events / np.maximum(total, 1))
        cells(self.sums)[rows, Kind.SPREAD] += spread.sum(axis=1)
        cells(self.sums)[rows, Kind.VARIANCE] += variance.sum(axis=1)
        self.sums[rows, Slot.LARGE_WEIGHT] += np.maximum(self.used[rows] - 1, 0)

    # -- columns and restarts -----------------------------------------------------------------------------------------

    def clear(self, row: int, column: int) -> None:
        """Forget what was expected of a column that stands for nothing."""
        for sums in (cells(self.sums[row]), cells(self.slots[row])):
            sums[..., column] = 0

    def replace(self, row: int, column: int, share: float, novel: float) -> None:
        """Give a column to a category that had this share of the rest; what had the column joins the rest.

        It is expected as often as a category of `novel` events, if that is more.
        """
        for sums in (cells(self.sums[row]), cells(self.slots[row]), self.by_hour[row], self.today[row]):
            sums[..., REST] += sums[..., column]
            sums[..., column] = sums[..., REST] * share
            sums[..., REST] -= sums[..., column]
        flat = cells(self.sums[row])[Kind.FLAT]
        flat[column] = max(flat[column], novel)
        least = (novel + 0.5) / (self.sums[row, Slot.EVENTS] + 1)
        for whole in (self.sums[row], self.slots[row]):
            sums = cells(whole)
            sums[..., Kind.EXPECTED, column] = np.maximum(
                sums[..., Kind.EXPECTED, column], whole[..., Slot.EVENTS] * least
            )
            sums[..., Kind.SPREAD :, REST] += sums[..., Kind.SPREAD :, column]
            sums[..., Kind.SPREAD :, column] = 0  # what is not known of it is that of the whole mix
        self.wander.clear(row, column)
        self.profile[row, column] = 0

    def begin(self, row: int, sums: Floats, shifts: Floats, time: float) -> None:
        """Begin anew with these sums, whose log odds lie by `shifts` from before; the daily profile goes along."""
        events = np.maximum(self.hours[row, :, :1], 1)
        share, ratio = np.clip(self.by_hour[row] / events, 0, 1), np.exp(shifts)
        self.by_hour[row] = self.hours[row, :, :1] * share * ratio / (1 - share + share * ratio)
        self.restart(row, sums, time)
        self.slots[row] = 0
        self.profile_at[row] = -1

    def set_apart(self, row: int, slots: Floats) -> None:
        """Take slots of another level than the baseline's out of the daily profile, each in the hour of its start."""
        hours = (slots[:, Slot.START] % DAY // 3600).astype(np.int64)
        self.set_aside(row, slots)
        np.subtract.at(self.by_hour[row], hours, cells(slots)[:, Kind.COUNT])
        self.by_hour[row] = np.clip(self.by_hour[row], 0, self.hours[row, :, :1])


def _merged(slots: Floats, first: int) -> Floats:
    """Return pasts (rows, slots, width) with their older slots merged in pairs, counted from slot `first`."""
    start = np.arange(first, slots.shape[1] - _APART - 1, 2)
    merged = slots.copy()
    merged[:, start] += slots[:, start + 1]
    for column, origin in ((Slot.START, start), (Slot.END, start + 1), (Slot.LEARNED, start)):
        merged[:, start, column] = slots[:, origin, column]
    return np.delete(merged, start + 1, axis=1)
