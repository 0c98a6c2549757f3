"""Event-time tumbling windows whose summaries merge exactly, whatever the order, batching or split of the events.

The summary of a window is a set of *cells*: (group, metric, bin) → integer. Rates have the bins 0 and 1, positive
metrics and scores the logarithmic bins of `statistics.logbins`, categories their numbers, each with its count; vectors
have a bin for each coordinate, with its sum, and one for their number. So a merge is addition and does not depend on
its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.metrics import Family
from undertow.drift.segments import Group
from undertow.drift.statistics.logbins import bin_of, signed_bin_of

__all__ = ["VECTOR_COUNT", "Cells", "ClosedWindow", "Windows", "WindowsState", "cells_of", "merge"]

_BIN_BITS = 24
_BIN_MASK = (1 << _BIN_BITS) - 1
VECTOR_COUNT = 1 << (_BIN_BITS - 1)  # the bin that holds how many vectors were added up
_PENDING_CHUNKS = 64  # batches kept apart in an open window before they are merged

Ints = NDArray[np.int64]


class Cells(msgspec.Struct, frozen=True):
    """Sorted distinct keys, each packing (group, metric, bin), and the integer of each."""

    keys: Ints
    counts: Ints

    @property
    def groups(self) -> Ints:
        """Group number of each cell."""
        return self.series // SERIES_METRICS

    @property
    def metrics(self) -> Ints:
        """Metric number of each cell."""
        return self.series % SERIES_METRICS

    @property
    def bins(self) -> Ints:
        """Bin of each cell."""
        return self.keys & _BIN_MASK

    @property
    def series(self) -> Ints:
        """(group, metric) of each cell as one number: group · 1,024 + metric."""
        return self.keys >> _BIN_BITS


class ClosedWindow(msgspec.Struct, frozen=True):
    """A window that no further event can enter: [start, end) in seconds since the epoch."""

    start: float
    end: float
    cells: Cells

    def encode(self, groups: Sequence[Group], catalogue: Catalogue) -> bytes:
        """Return the window with names in place of numbers, in canonical order: equal summaries give equal bytes."""
        rows = sorted(
            (groups[g], catalogue.name(m), b, c)
            for g, m, b, c in zip(
                *(a.tolist() for a in (self.cells.groups, self.cells.metrics, self.cells.bins, self.cells.counts)),
                strict=True,
            )
        )
        return msgspec.json.encode([self.start, self.end, rows])


class WindowsState(msgspec.Struct):
    """The open windows (index → keys, counts: little-endian 64-bit integers), the clock and the counters."""

    open: dict[int, tuple[bytes, bytes]]
    latest: float
    closed_until: int
    late: int


def cells_of(parts: Iterable[tuple[int, Sequence[int], Sequence[int]]]) -> Cells:
    """Return the summary of distinct series: their number, their bins and the count of each bin.

    Examples
    --------
    >>> cells_of([(5, [0, 1], [9, 2])]).counts
    array([9, 2])
    """
    return merge(
        [
            Cells((np.int64(number) << _BIN_BITS) + np.array(bins, np.int64), np.array(counts, np.int64))
            for number, bins, counts in parts
        ]
    )


def merge(parts: Sequence[Cells]) -> Cells:
    """Add summaries up; the order of the parts does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> one = Cells(np.array([7, 9]), np.array([1, 2]))
    >>> merge([one, one]).counts
    array([2, 4])
    """
    keys = np.concatenate([part.keys for part in parts]) if parts else np.zeros(0, np.int64)
    counts = np.concatenate([part.counts for part in parts]) if parts else np.zeros(0, np.int64)
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.int64)
    return Cells(keys[first], np.add.reduceat(counts, first) if len(keys) else counts)


class Windows:
    """Sorts measures into windows and closes a window once the watermark has passed its end.

    The watermark is the largest event time seen less `lateness`; an event whose window the watermark had passed *when
    the event was read* is late: counted, and left out.

    Parameters
    ----------
    width, lateness
        Seconds of event time.

    Examples
    --------
    >>> import numpy as np
    >>> catalogue = Catalogue()
    >>> windows = Windows(catalogue, width=10, lateness=0)
    >>> times = np.array([1.0, 2.0, 11.0])
    >>> late = windows.advance(times)
    >>> values = np.full((3, len(catalogue.columns)), np.nan)
    >>> values[:, catalogue.columns["refusal_rate"]] = [0.0, 1.0, 0.0]
    >>> windows.add(times, np.zeros((3, 1), np.int32), values)
    >>> [window.cells.counts for window in windows.close()]
    [array([1, 1])]
    """

    def __init__(self, catalogue: Catalogue, width: float, lateness: float, state: WindowsState | None = None) -> None:
        if width <= 0 or lateness < 0:
            raise ValueError(f"window width {width} must be > 0 and lateness {lateness} ≥ 0 seconds")
        self._catalogue = catalogue
        self._width, self._lateness = width, lateness
        metrics = [catalogue.metric(catalogue.numbers[name]) for name in catalogue.columns]
        self._positive = np.array([metric.family is Family.POSITIVE for metric in metrics])
        self._scores = np.array([metric.family is Family.SCORE for metric in metrics])
        self._plain = ~self._positive & ~self._scores
        self._floors = np.array([metric.floor for metric in metrics])[self._positive]
        self._columns = np.array([catalogue.numbers[metric.name] for metric in metrics], np.int64) << _BIN_BITS
        self.latest = state.latest if state else -np.inf
        self._closed_until = state.closed_until if state else -(1 << 62)
        self.late = state.late if state else 0
        self._open: dict[int, list[Cells]] = {
            index: [Cells(np.frombuffer(keys, "<i8"), np.frombuffer(counts, "<i8"))]
            for index, (keys, counts) in (state.open.items() if state else ())
        }

    @property
    def watermark(self) -> float:
        """No event before this time is still expected."""
        return self.latest - self._lateness

    @property
    def lateness(self) -> float:
        """Seconds by which an event may follow later ones."""
        return self._lateness

    @property
    def open_windows(self) -> int:
        """How many windows are still open."""
        return len(self._open)

    def snapshot(self) -> WindowsState:
        """Return the state as plain data."""
        merged = {index: merge(parts) for index, parts in self._open.items()}
        cells = {
            index: (part.keys.astype("<i8").tobytes(), part.counts.astype("<i8").tobytes())
            for index, part in merged.items()
        }
        return WindowsState(cells, self.latest, self._closed_until, self.late)

    def advance(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Move the clock over events in the order in which they were read; return which of them are late."""
        before = np.maximum.accumulate(np.concatenate([[self.latest], times]))
        passed = np.maximum(np.floor((before[:-1] - self._lateness) / self._width), self._closed_until)
        late: NDArray[np.bool_] = np.floor(times / self._width) < passed
        self.latest = float(before[-1])
        self.late += int(late.sum())
        return late

    def tick(self, time: float) -> None:
        """Move the clock without an event: the source has been silent and says it is at least `time`."""
        self.latest = max(self.latest, time)

    def starts(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the start of the window of each time, as `ClosedWindow.start` will have it."""
        return np.floor(times / self._width) * self._width

    def add(self, times: NDArray[np.float64], groups: NDArray[np.int32], values: NDArray[np.float64]) -> None:
        """Add measures: `times` (n,), `groups` (n, g) with −1 for none, `values` (n, columns) with NaN for none."""
        bins = self._bins(values)
        self._add_keys(times, groups, np.where(bins >= 0, bins + self._columns, -1))

    def add_figures(
        self, times: NDArray[np.float64], groups: NDArray[np.int32], numbers: Ints, values: NDArray[np.float64]
    ) -> None:
        """Add single figures: `numbers` (n,) of the metrics, `values` (n,)."""
        families = np.array([self._catalogue.metric(number).family for number in numbers.tolist()], object)
        floors = np.array([self._catalogue.metric(number).floor for number in numbers.tolist()])
        positive, score = families == Family.POSITIVE, families == Family.SCORE
        bins = values.astype(np.int64)
        bins[positive] = bin_of(values[positive], floors[positive])
        bins[score] = signed_bin_of(values[score])
        self._add_keys(times, groups, ((numbers << _BIN_BITS) + bins)[:, None])

    def add_vectors(
        self, times: NDArray[np.float64], groups: NDArray[np.int32], number: int, vectors: NDArray[np.int16]
    ) -> None:
        """Add vectors (n, d) of one metric: per window and group their sum and their number."""
        coordinates = np.append(np.arange(vectors.shape[1], dtype=np.int64), VECTOR_COUNT) + (number << _BIN_BITS)
        counted = np.column_stack([vectors, np.ones(len(vectors), np.int16)]).astype(np.float64)  # sums < 2⁵³ are exact
        for index, rows in self._by_window(times):
            member = groups[rows]
            inside = np.nonzero(member >= 0)
            present, group = np.unique(member[inside], return_inverse=True)
            belongs = csr_array((np.ones(len(group)), (group, rows[inside[0]])), (len(present), len(vectors)))
            keys = (present.astype(np.int64) * SERIES_METRICS << _BIN_BITS)[:, None] + coordinates
            self._add_cells(index, Cells(keys.ravel(), (belongs @ counted).astype(np.int64).ravel()))

    def _add_keys(self, times: NDArray[np.float64], groups: NDArray[np.int32], measures: Ints) -> None:
        """Count measures (n, m), each metric and bin in one integer, −1 for none."""
        for index, rows in self._by_window(times):
            self._add_cells(index, _pack(groups[rows], measures[rows]))

    def _by_window(self, times: NDArray[np.float64]) -> Iterator[tuple[int, Ints]]:
        """Return the index of each window and the rows that fall into it."""
        if not len(times):
            return
        indexes = np.floor(times / self._width).astype(np.int64)
        order = np.argsort(indexes, kind="stable")
        found, first = np.unique(indexes[order], return_index=True)
        for index, start, end in zip(found.tolist(), first, [*first[1:], len(order)], strict=True):
            yield index, order[start:end]

    def close(self, everything: bool = False) -> list[ClosedWindow]:
        """Return the windows that the watermark has passed, oldest first; or all of them, at the end of the input."""
        limit = np.inf if everything else np.floor(self.watermark / self._width)
        ready = sorted(index for index in self._open if index < limit)
        # At the end of the input tasks end beyond the clock: what is read afterwards need only be later than the clock.
        passed = np.floor(self.latest / self._width) + 1 if everything else limit
        if np.isfinite(passed):
            self._closed_until = max(self._closed_until, int(passed))
        return [self._closed(index) for index in ready]

    def _closed(self, index: int) -> ClosedWindow:
        return ClosedWindow(index * self._width, (index + 1) * self._width, merge(self._open.pop(index)))

    def _bins(self, values: NDArray[np.float64]) -> Ints:
        """Return the bins of measures (n, columns): the number itself for rates and categories."""
        bins = np.empty(values.shape, np.int64)
        for columns, binned in (
            (self._plain, lambda plain: plain.astype(np.int64)),
            (self._positive, lambda positive: bin_of(positive, self._floors)),
            (self._scores, signed_bin_of),
        ):
            part = values[:, columns]
            known = ~np.isnan(part)
            bins[:, columns] = np.where(known, binned(np.where(known, part, 1.0)), -1)
        return bins

    def _add_cells(self, index: int, cells: Cells) -> None:
        parts = self._open.setdefault(index, [])
        parts.append(cells)
        if len(parts) >= _PENDING_CHUNKS:
            self._open[index] = [merge(parts)]


def _pack(groups: NDArray[np.int32], measures: Ints) -> Cells:
    keys = [
        ((groups[:, [g]].astype(np.int64) * (SERIES_METRICS << _BIN_BITS)) + measures)[
            (groups[:, [g]] >= 0) & (measures >= 0)
        ]
        for g in range(groups.shape[1])
    ]
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    return Cells(found, counts.astype(np.int64))
