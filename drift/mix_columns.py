"""Which categories of a mix are followed by themselves: the first ones, then those that surprise or have outgrown one.

A category that gets a column brings along what is known of it; one that was never seen is expected as often as all
never-seen ones together, which is the share of events whose category was seen only once (Good 1953, after Turing).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import kl_div

from undertow.drift.baselines import Slot
from undertow.drift.lines import EMPTY
from undertow.drift.mix_series import Departure, MixSeries
from undertow.drift.mixes import REST, Kind, cells, link
from undertow.drift.statistics.proportions import Floats

__all__ = ["MixColumns"]

_SURPRISE = float(np.log(20.0))  # evidence in one block for which a category without a column is given one
_GROWN = (2.0, 20.0)  # … as when it has so many times the events of the smallest that has one, and so many more

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class MixColumns(MixSeries):
    """Gives columns to categories, and each column its share of the weight."""

    def _admit(self, rows: Ints) -> None:
        """Give a column to categories without one: any while columns are free, then those that surprise."""
        if not len(rows):
            return
        free = ~self.lines.full(rows)
        for row in rows[free].tolist():
            self._fill_columns(row)
        full = rows[~free & self._known(rows)]
        gain = self._surprise(full)
        for index in np.flatnonzero(gain.max(axis=1, initial=0.0) >= _SURPRISE):
            self._admit_surprising(int(full[index]), gain[index])

    def _fill_columns(self, row: int) -> None:
        known = bool(self._known(np.array([row]))[0])
        waiting = self.lines.counts[row] + self.lines.recent[row]
        places = np.lexsort((self.lines.waiting[row], -waiting))
        for place in places[: int((waiting > 0).sum())].tolist():
            if self.lines.full(np.array([row]))[0]:
                break
            self._give_column(row, place, known)

    def _surprise(self, rows: Ints) -> Floats:
        """Return how much the counts of the table in the blocks being filled exceed the expected ones, tempered."""
        events, recent = self._part[rows, Slot.EVENTS, None], self.lines.recent[rows]
        expected = events * (self.lines.counts[rows] + 0.5) / (self.mixes.learned(rows)[:, None] + 1)
        gain = np.where(recent > expected, kl_div(recent, expected), 0.0)
        return gain / self.mixes.pooled_dispersion(rows)[:, None]

    def _admit_surprising(self, row: int, gain: Floats) -> None:
        """Give a column to the most surprising category, if it still surprises as one of many that might have."""
        rest = self.mixes.totals(np.array([row]))[0, REST]
        gain = gain + np.log(np.minimum((self.lines.counts[row] + 0.5) / (rest + 0.5), 1.0))
        place = int(gain.argmax())
        if gain[place] >= _SURPRISE:
            self._give_column(row, place, known=True)

    def _reconsider(self, rows: Ints, known: Bools) -> None:
        """Exchange the smallest category with a column for one without that has outgrown it."""
        full = self.lines.full(rows)
        rows, known = rows[full], known[full]
        factor, more = np.where(known[:, None], _GROWN, (1.0, 0.0)).T
        largest = self.lines.sure(rows).max(axis=1)
        smallest = self.mixes.totals(rows)[:, 1:].min(axis=1) * factor + more
        for index in np.flatnonzero(largest > smallest):
            row = int(rows[index])
            self._give_column(row, int(self.lines.sure(row).argmax()), bool(known[index]))

    def _give_column(self, row: int, place: int, known: bool) -> None:
        """Give a category of the table a free column, or else that of the category with the fewest events."""
        names, count, recent = self.lines.names[row], self.lines.sure(row)[place], self.lines.recent[row, place]
        totals = np.where(names == EMPTY, -np.inf, self.mixes.totals(np.array([row]))[0])
        column = 1 + int(totals[1:].argmin())
        left = max(float(totals[column]), 0.0)
        left_recent = float(cells(self._part[row])[Kind.COUNT, column])
        share = min(count / max(totals[REST] + left, 1.0), 1.0)
        novel = 0.0 if count else self._novelty(row, totals)
        if names[column] == EMPTY:
            self.mixes.clear(row, column)
            cells(self._part[row])[:, column] = 0
        self.mixes.replace(row, column, share, novel)
        self._split_rest(row, column, recent, share, novel)
        self.lines.exchange(row, place, column, left, left_recent)
        self._evidence[row, column] = self._segment[row, column] = 0
        if known:
            self._weigh(row, column, min((count + 0.5) / (totals[REST] + 0.5), 1.0))
        if row in self._departures:
            _realign(self._departures[row], column, share)

    def _novelty(self, row: int, totals: Floats) -> float:
        """Return how many events of the baseline were of a category that was seen only once."""
        seen = np.concatenate([totals[1:], self.lines.sure(row)])
        return float((abs(seen - 1) < 0.5).sum())

    def _split_rest(self, row: int, column: int, recent: float, share: float, novel: float) -> None:
        """Let a column's category join the rest in the block being filled, and take the new one out of it."""
        part = cells(self._part[row])
        part[:, REST] += part[:, column]
        part[[Kind.COUNT, Kind.FLAT], column] = recent
        part[[Kind.COUNT, Kind.FLAT], REST] -= recent
        expected = float(part[Kind.EXPECTED, REST])
        once = float(self._part[row, Slot.EVENTS] / (self.mixes.sums[row, Slot.EVENTS] + 1))
        part[Kind.EXPECTED, column] = max(expected * share, (novel + 0.5) * once)
        part[Kind.EXPECTED, REST] = max(expected * (1 - share), 0.5 * once)

    def _weigh(self, row: int, column: int, share: float) -> None:
        """Give a new column its share of the weight that newcomers have together; the others make room for it."""
        self._weights[row, column] = 0
        weight = share / (self.lines.used(np.array([row]))[0].sum() + 1)
        self._weights[row] *= 1 - weight
        self._weights[row, column] = weight

    def _begin_evidence(self, rows: Ints) -> None:
        """Forget all evidence; every category and the rest weigh the same, and so does what may yet come."""
        self._evidence[rows] = self._segment[rows] = 0
        self._standing[rows] = 0
        used = self.lines.used(rows)
        self._weights[rows] = used / (used.sum(axis=1, keepdims=True) + 1)


def _realign(departure: Departure, column: int, share: float) -> None:
    """Give a departure's column to another category, which had this share of the rest; the return is tested anew."""
    sums = np.array(departure.sums)
    part = cells(sums)
    part[:, REST] += part[:, column]
    part[:, column] = 0
    part[: Kind.SPREAD, column] = part[: Kind.SPREAD, REST] * share
    part[: Kind.SPREAD, REST] *= 1 - share
    levels = link(part[Kind.FLAT], sums[Slot.EVENTS])
    for name in ("before", "after", "told"):
        values = getattr(departure, name)
        values[REST], values[column] = float(levels[REST]), float(levels[column])
    departure.sums, departure.back, departure.back_sums = sums.tolist(), 0.0, []
    departure.lead = REST if departure.lead == column else departure.lead
