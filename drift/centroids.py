"""What is usual of an embedding series: its centroid block by block, how clustered it is, and how far it wanders.

The past of a series is kept in 24 slots, oldest first, that merge pairwise as they age: resolution falls with age,
memory does not grow. A slot is one row of sums. What came before any slot is the baseline of a change that began with
it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from undertow.drift.baselines import DAY
from undertow.drift.bases import DIMENSIONS, LEADING, Basis
from undertow.drift.budget import VOLUME_SPANS, volume_after, weekly_volume
from undertow.drift.scatter import BANDS, BLOCK, SCATTER, blocks_known, factors, note, unevenness
from undertow.drift.statistics.proportions import Floats
from undertow.drift.vector_profiles import VectorProfile

__all__ = ["Centroid", "Row", "joined"]

_LONG = 500.0  # events in a long block: what lasts for minutes, like sessions, shows there
_SLOTS = 24
_WANDER_DAYS = 5  # days needed before the day-to-day wander is estimated
_WANDER_FACTOR = 3.8  # half-width of the benign band in standard deviations of the day-to-day wander
_WANDER_MOST = float(np.log(2.0))
_LAG_DAYS = 2  # days that do not count yet: a change that has not been found must not widen the band that hides it
_SCATTER_BLOCKS = 8  # blocks of which the scatter must be known before a number of directions is used
_OUTLYING = 3.0  # standard deviations of its squared distance beyond which a block counts as if it were just there
_MOST_SCATTER = 4.0  # of one block, in multiples of the usual one
_AT_ONCE = 32  # directions; a larger product is spread over threads, which costs more than it gains
_EDGES = np.cumsum(BANDS) - BANDS
_COUNTS = np.array(LEADING, np.float64)
_TINY = 1e-12


class Row:
    """Columns of a slot."""

    START, END, EVENTS = range(3)
    SCATTER = slice(3, 3 + SCATTER)
    WHITE = slice(SCATTER.stop, SCATTER.stop + LEADING[-1])  # TAME, whitened
    SUM = slice(WHITE.stop, WHITE.stop + DIMENSIONS)  # of the vectors, without the daily profile
    TAME = slice(SUM.stop, SUM.stop + DIMENSIONS)  # the sum with outlying blocks drawn in: what evidence is taken from
    WIDTH = TAME.stop


class Centroid:
    """One series. All sums are of unit vectors.

    Parameters
    ----------
    born
        When it was first seen.
    """

    def __init__(self, born: float) -> None:
        self.basis = Basis()
        self.profile = VectorProfile(born)
        self.born = self.fresh = born  # `fresh`: when the level that is followed now began
        self.heard = born  # end of the last window with events
        self.volumes: Floats = np.zeros(len(VOLUME_SPANS))
        self.part: Floats = np.zeros(Row.WIDTH)  # the block being filled
        self._slots: Floats = np.zeros((_SLOTS, Row.WIDTH))
        self._used = 0
        self._long: Floats = np.zeros(Row.WIDTH)
        self._day: Floats = np.zeros(Row.WIDTH)  # today so far
        self._days: Floats = np.zeros((2, len(LEADING)))  # number and sum of the days' squared displacements
        self._fresh_days: Floats = np.zeros((_LAG_DAYS, 2, len(LEADING)))  # of the last days: they may be of a change

    # -- taking in -----------------------------------------------------------------------------------------------------

    def fill(self, start: float, end: float, events: float, total: Floats) -> Floats:
        """Add a window to the block being filled, without the daily profile; return its sum without it."""
        self._turn_day(start)
        self.profile.record(start, events, total)
        flat = total - events * self.profile.season(start)
        for row in (self.part, self._day):
            row[Row.START] = row[Row.START] if row[Row.EVENTS] else start
            row[Row.END] = end
            row[Row.EVENTS] += events
            row[Row.SUM] += flat
        self.volumes = volume_after(self.volumes, end - self.heard, events)
        self.heard = end
        if self.basis.learn(events, flat):
            self._whiten(self._slots)
            self._whiten(self._long)
        return flat

    @property
    def weekly_events(self) -> float:
        """Events a week, at the volume of late."""
        return float(weekly_volume(self.volumes, self.heard - self.born))

    def _whiten(self, rows: Floats) -> None:
        tame, directions, at = rows[..., Row.TAME].astype(np.float32), self.basis.directions, Row.WHITE.start
        for first in range(0, directions.shape[1], _AT_ONCE):
            white = tame @ directions[:, first : first + _AT_ONCE]
            rows[..., at + first : at + first + white.shape[-1]] = white

    def close(self) -> None:
        """Put the filled block into the past."""
        before = self.past
        self.part[Row.TAME] = self.part[Row.SUM]
        self._whiten(self.part)
        self._tame(before)
        _add(self._long, self.part)
        if self._long[Row.EVENTS] >= _LONG:
            self._note_scatter(self._off(self._long, before + self.part - self._long), before, 1)
            self._long[:] = 0
        if self._used == _SLOTS:
            self._compact()
        self._slots[self._used] = self.part
        self._used += 1
        self.part[:] = 0

    def _tame(self, before: Floats) -> None:
        """Draw an outlying block in towards the mean before it: one burst of repeats is not yet a change.

        Single vectors have far heavier tails than sums of many; a change that lasts shows in the blocks that follow.
        """
        squares = self._off(self.part, before)
        if squares is None:
            return
        self._note_scatter(squares, before, 0)
        counts, scatter = _COUNTS[: len(squares)], before[None, Row.SCATTER]
        directions = counts / unevenness(scatter, self.basis.blocks)[0, : len(squares)]
        share = (squares / factors(scatter, 1.0)[0, : len(squares)]).cumsum() / counts
        most = (1 - 2 / (9 * directions) + _OUTLYING * np.sqrt(2 / (9 * directions))) ** 3  # Wilson & Hilferty 1931
        tame = float((most / np.maximum(share, _TINY)).min())  # below 0 where the approximation ends
        drawn = math.sqrt(min(max(tame, 0.0), 1.0))
        if drawn == 1.0:
            return
        for columns in (Row.TAME, Row.WHITE):
            mean = before[columns] * (self.part[Row.EVENTS] / before[Row.EVENTS])
            self.part[columns] = mean + drawn * (self.part[columns] - mean)

    def _off(self, block: Floats, before: Floats) -> Floats | None:
        """Return by band how far a block lies from all before it: squared, in standard errors; None if unknown."""
        known = self.basis.directions.shape[1]
        if not known or before[Row.EVENTS] < BLOCK:
            return None
        off = block[Row.WHITE][:known] / block[Row.EVENTS] - before[Row.WHITE][:known] / before[Row.EVENTS]
        noise = 1 / block[Row.EVENTS] + 1 / before[Row.EVENTS]
        squares: Floats = np.add.reduceat(off**2, _EDGES[known > _EDGES]) / noise
        return squares

    def _note_scatter(self, squares: Floats | None, before: Floats, scale: int) -> None:
        """Note how far a block lies from all before it, in multiples of what independent events would do."""
        if squares is not None:
            most = _MOST_SCATTER * factors(before[None, Row.SCATTER], 0.0)[0, : len(squares)]
            note(self.part[Row.SCATTER], scale, np.minimum(squares / BANDS[: len(squares)], most))

    def _compact(self) -> None:
        """Merge the neighbouring pair of slots that is smallest for its age."""
        events = self._slots[:, Row.EVENTS]
        newer = events[::-1].cumsum()[::-1]
        pair = int(np.argmin((events[:-1] + events[1:]) / newer[:-1]))
        _add(self._slots[pair], self._slots[pair + 1])
        self._slots[pair + 1 : -1] = self._slots[pair + 2 :].copy()
        self._used -= 1

    # -- what is known -------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Floats:
        """The closed blocks, oldest first: a view."""
        return self._slots[: self._used]

    @property
    def past(self) -> Floats:
        """All closed blocks as one row."""
        return joined(self.rows)

    @property
    def learned(self) -> float:
        """How many events the level rests on."""
        return float(self.rows[:, Row.EVENTS].sum() + self.part[Row.EVENTS])

    @property
    def leading(self) -> int:
        """How many of `LEADING` can be used: enough is known of how blocks scatter along their directions."""
        return int((blocks_known(self.rows[:, Row.SCATTER].sum(axis=0)) >= _SCATTER_BLOCKS).sum())

    @property
    def widest(self) -> int:
        """Index of the largest of `LEADING` that can be used."""
        return max(self.leading - 1, 0)

    def factor(self, leading: int) -> float:
        """Return by how much means scatter more than the covariance says along `LEADING[leading]` directions."""
        found = factors(self.past[None, Row.SCATTER], 0.0)[0]
        return float(found[: leading + 1] @ BANDS[: leading + 1]) / LEADING[leading]

    @property
    def wander(self) -> Floats:
        """How far the centroid wanders from day to day, by number of leading directions, in standard deviations."""
        count, squares = self._days
        width = _WANDER_FACTOR * np.sqrt(np.maximum(squares, 0) / np.maximum(count, 1))
        return np.where(count >= _WANDER_DAYS, np.minimum(width, _WANDER_MOST), 0.0)

    # -- days ----------------------------------------------------------------------------------------------------------

    def _turn_day(self, time: float) -> None:
        if not self._day[Row.EVENTS] or self._day[Row.START] // DAY == time // DAY:
            return
        whole = self.fresh <= self._day[Row.START] // DAY * DAY  # half a day is half a season
        if whole and self._day[Row.EVENTS] >= BLOCK:
            self._record_day()
        if self.profile.is_due(time) and self.leading:
            found = factors(self.past[None, Row.SCATTER], 0.0)[0]
            if self.profile.fit(self.basis, np.repeat(found, BANDS)[: len(self.basis.variances)]):
                self._flatten_past()
        self._day[:] = 0

    def _record_day(self) -> None:
        """Note how far the day that ended lies from all other traffic, beyond what sampling does."""
        past = self.past
        rest = past[Row.EVENTS] + self.part[Row.EVENTS] - self._day[Row.EVENTS]
        if rest < BLOCK or not self.leading:
            return
        others = past[Row.SUM] + self.part[Row.SUM] - self._day[Row.SUM]
        off = (self._day[Row.SUM] / self._day[Row.EVENTS] - others / rest) @ self.basis.directions
        noise = factors(past[None, Row.SCATTER], 0.0)[0] * BANDS * (1 / self._day[Row.EVENTS] + 1 / rest)
        self._days += self._fresh_days[0]
        self._fresh_days[:-1], self._fresh_days[-1] = self._fresh_days[1:].copy(), 0
        for i in range(self.leading):
            count = LEADING[i]
            self._fresh_days[-1, :, i] = 1, float(off[:count] @ off[:count]) - float(noise[: i + 1].sum())

    def _flatten_past(self) -> None:
        """Take the profile, now that it is known, out of what came before it was."""
        for row in (*self.rows, self._long, self.part):
            if row[Row.EVENTS]:
                season = row[Row.EVENTS] * self.profile.mean_season(row[Row.START], row[Row.END])
                row[Row.SUM] -= season
                row[Row.TAME] -= season
        self._whiten(self._slots)
        self._whiten(self._long)

    # -- beginning anew ------------------------------------------------------------------------------------------------

    def set_aside(self, rows: Floats) -> None:
        """Take rows of another level than the baseline's out of the daily profile, each in the hour of its start."""
        for row in rows:
            self.profile.remove(float(row[Row.START]), float(row[Row.EVENTS]), row[Row.SUM])

    def restart(self, row: Floats, shift: Floats, time: float) -> None:
        """Begin anew with what `row` holds, whose centroid lies by `shift` from the one before."""
        self.profile.move(shift)
        self._slots[:] = 0
        self._slots[0], self._used = row, 1
        self._slots[0, Row.TAME] = row[Row.SUM]
        self._whiten(self.rows)
        for part in (self.part, self._long, self._day):
            part[:] = 0
        self._fresh_days[:] = 0
        self.fresh = time
        self.basis.restart(float(row[Row.EVENTS]), row[Row.SUM])

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and numbers by name."""
        return {**vars(self), "basis": self.basis.snapshot(), "profile": self.profile.snapshot()}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Centroid:
        """Return the series of a snapshot."""
        centroid = cls(state["born"])
        centroid.basis.restore(state["basis"])
        centroid.profile.restore(state["profile"])
        own = {name: value for name, value in state.items() if name not in {"basis", "profile"}}
        vars(centroid).update(own)
        return centroid


def joined(rows: Floats) -> Floats:
    """Return rows that follow one another as one; its times are those of the first and the last."""
    row: Floats = rows.sum(axis=0)
    if len(rows):
        row[Row.START], row[Row.END] = rows[0, Row.START], rows[-1, Row.END]
    return row


def _add(into: Floats, row: Floats) -> None:
    """Add a row to the one before it, whose start it keeps."""
    start = into[Row.START] if into[Row.EVENTS] else row[Row.START]
    into += row
    into[Row.START], into[Row.END] = start, row[Row.END]
