"""What each metric was in each slice, by stretches of event time: fine ones lately, coarser ones for the day before.

Baselines tell what is usual; this tells what was just before a change and since, at equal hours of the day, and how
the shares of the traffic went. All sums are whole numbers, so nothing depends on the order or the batching of events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.averages import NOTHING, Average
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.metrics import Family
from undertow.drift.sums import SUMMED, average_of_sums, units_of_bins
from undertow.drift.windows import Cells, ClosedWindow

__all__ = ["TIERS", "Ledger", "Stretch"]

Ints = NDArray[np.int64]

TIERS = ((30, 16), (300, 16), (3600, 24))  # seconds of a stretch, how many are kept: 8 minutes, 80 minutes, a day
_BIN_BITS = 24
_VERSION = 1
_EMPTY = -(1 << 40)  # no stretch


class Stretch(NamedTuple):
    """Events of one slice in a stretch of event time."""

    start: float
    end: float
    events: int


class Ledger:
    """Adds closed windows up in rings of stretches.

    A row is a series or, for categories, one category of a series; vectors have none. A row is 1.3 kB with the usual
    tiers, so 20,000 series are 27 MB; a window costs 0.2 µs for each of its cells.

    Parameters
    ----------
    tiers
        (seconds, number) of the stretches kept, finest first; each length divides the next.
    max_rows
        Rows kept. At the limit those without an event in any stretch go; if there are none, a new row is not followed
        and `dropped` counts its cells.

    Examples
    --------
    >>> from undertow.drift.windows import Cells, ClosedWindow
    >>> catalogue = Catalogue()
    >>> key = catalogue.numbers["refusal_rate"] << 24
    >>> ledger = Ledger(catalogue)
    >>> ledger.observe(ClosedWindow(0.0, 10.0, Cells(np.array([key, key + 1]), np.array([90, 10]))))
    >>> ledger.average(0, "refusal_rate", 0.0, 30.0).mean
    0.1
    """

    def __init__(self, catalogue: Catalogue, tiers: Sequence[tuple[int, int]] = TIERS, max_rows: int = 40_000) -> None:
        if max_rows < 1 or any(longer % shorter for (shorter, _), (longer, _) in pairwise(tiers)):
            raise ValueError(
                f"tiers {tiers}, max_rows {max_rows}: each stretch must divide the next; rows be 1 or more"
            )
        self._catalogue, self._tiers, self._max_rows = catalogue, tuple(map(tuple, tiers)), max_rows
        self._keys: Ints = np.zeros(0, np.int64)
        self._sums = [np.zeros((0, number, 3), np.int64) for _, number in tiers]  # events, units, squares
        self._stretches = [np.full(number, _EMPTY, np.int64) for _, number in tiers]
        families = [catalogue.metric(number).family for number in range(len(catalogue))]
        self._of = {
            kind: np.array([family is kind for family in families]) for kind in (*sorted(SUMMED), Family.CATEGORY)
        }
        self._followed = np.any(list(self._of.values()), axis=0)
        self.dropped = 0

    def observe(self, window: ClosedWindow) -> None:
        """Add the next closed window."""
        keys, sums = self._summed(window.cells)
        rows = self._rows(keys)
        known = rows >= 0
        self.dropped += int((~known).sum())
        for (length, number), kept, stretches in zip(self._tiers, self._sums, self._stretches, strict=True):
            stretch = int(window.start // length)
            place = stretch % number
            if stretches[place] < stretch:  # a new stretch: what is too old by now goes
                old = stretches <= stretch - number
                kept[:, old], stretches[old] = 0, _EMPTY
                stretches[place] = stretch
            if stretches[place] == stretch:
                kept[rows[known], place] += sums[known]

    def average(self, group: int, metric: str, start: float, end: float, category: int | None = None) -> Average:
        """Return the level of a slice over the stretches that lie wholly inside [start, end).

        With a `category`, the share of the events that are in it. The further back, the coarser the stretches.
        Nothing is known of what no window holds: vectors, rules.
        """
        number = self._catalogue.numbers.get(metric)
        family = Family.VECTOR if number is None else self._catalogue.metric(number).family
        if number is None or family is Family.VECTOR:
            return NOTHING
        events, units, squares = self._total(group, number, start, end, None)
        if family is Family.CATEGORY and category is not None:
            units, _, squares = self._total(group, number, start, end, category)
        return average_of_sums(family, events, units, squares)

    def stretches(self, group: int, metric: str, start: float, end: float) -> list[Stretch]:
        """Return how many events of a slice there were in each stretch inside [start, end), oldest first."""
        number = self._catalogue.numbers.get(metric)
        rows = self._series_rows(group, number) if number is not None else slice(0, 0)
        return [
            Stretch(since, until, int(self._sums[tier][rows, place, 0].sum()))
            for tier, place, since, until in sorted(self._inside(start, end), key=lambda found: found[2])
        ]

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and plain values by name."""
        return {
            "version": _VERSION,
            "tiers": [list(tier) for tier in self._tiers],
            "keys": self._keys,
            "sums": list(self._sums),
            "stretches": list(self._stretches),
            "dropped": self.dropped,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot; ValueError if it was made with other tiers."""
        tiers = [list(tier) for tier in self._tiers]
        if (state["version"], state["tiers"]) != (_VERSION, tiers):
            raise ValueError(
                f"the saved ledger has version {state['version']} and tiers {state['tiers']}, this one {_VERSION} and "
                f"{tiers}; go back, or leave the ledger out of the state to fill it anew within a day"
            )
        self._keys, self.dropped = np.array(state["keys"]), state["dropped"]
        self._sums = [np.array(sums) for sums in state["sums"]]
        self._stretches = [np.array(stretches) for stretches in state["stretches"]]

    def _summed(self, cells: Cells) -> tuple[Ints, Ints]:
        """Return the rows' keys of a window and their sums of events, units and squares."""
        keep = self._followed[cells.metrics]
        series, metrics, bins, counts = (part[keep] for part in (cells.series, cells.metrics, cells.bins, cells.counts))
        keys = (series << _BIN_BITS) + np.where(self._of[Family.CATEGORY][metrics], bins, 0)
        units = np.zeros_like(bins)
        for family, mine in self._of.items():
            units[mine[metrics]] = units_of_bins(family, bins[mine[metrics]])
        found, first = np.unique(keys, return_index=True)
        columns = np.stack([counts, counts * units, counts * units**2], axis=1)
        return found, np.add.reduceat(columns, first) if len(found) else columns

    def _rows(self, keys: Ints) -> Ints:
        """Return the row of each key, −1 for those that are not followed."""
        fresh = np.setdiff1d(keys, self._keys, assume_unique=True)
        if len(fresh) and len(self._keys) + len(fresh) > self._max_rows:
            self._forget_silent()
        self._insert(fresh[: max(self._max_rows - len(self._keys), 0)])
        rows = np.searchsorted(self._keys, keys)
        found = rows < len(self._keys)
        found[found] = self._keys[rows[found]] == keys[found]
        return np.where(found, rows, -1)

    def _insert(self, fresh: Ints) -> None:
        if len(fresh):
            places = np.searchsorted(self._keys, fresh)
            self._keys = np.insert(self._keys, places, fresh)
            self._sums = [np.insert(sums, places, 0, axis=0) for sums in self._sums]

    def _forget_silent(self) -> None:
        heard = np.any([sums[:, :, 0].any(axis=1) for sums in self._sums], axis=0)
        self._keys = self._keys[heard]
        self._sums = [sums[heard] for sums in self._sums]

    def _series_rows(self, group: int, number: int, category: int | None = None) -> slice:
        first = (group * SERIES_METRICS + number) << _BIN_BITS
        low, high = (first, first + (1 << _BIN_BITS)) if category is None else (first + category, first + category + 1)
        return slice(*np.searchsorted(self._keys, [low, high]).tolist())

    def _total(self, group: int, number: int, start: float, end: float, category: int | None) -> tuple[int, int, int]:
        rows = self._series_rows(group, number, category)
        places: defaultdict[int, list[int]] = defaultdict(list)
        for tier, place, _, _ in self._inside(start, end):
            places[tier].append(place)
        totals = [self._sums[tier][rows][:, inside].sum(axis=(0, 1)) for tier, inside in places.items()]
        events, units, squares = sum(totals, np.zeros(3, np.int64)).tolist()
        return events, units, squares

    def _inside(self, start: float, end: float) -> Iterator[tuple[int, int, float, float]]:
        """Yield tier, place, start and end of the stretches inside [start, end), none of them twice."""
        until = end
        for tier, ((length, _), stretches) in enumerate(zip(self._tiers, self._stretches, strict=True)):
            reached = until
            for place, stretch in enumerate(stretches.tolist()):
                since = float(stretch * length)
                if stretch != _EMPTY and since >= start and since + length <= until:
                    yield tier, place, since, since + length
                    reached = min(reached, since)
            until = reached
