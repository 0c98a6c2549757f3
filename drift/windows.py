"""Event-time tumbling windows whose summaries merge exactly, whatever the order, batching or split of the events.

The summary of a window is a multiset of *cells*: (group, metric, bin) → count. Rates have the bins 0 and 1, positive
metrics the logarithmic bins of `statistics.logbins`. All of it is integers, so a merge is addition and the result does
not depend on its order.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from undertow.drift.metrics import Family, Metric
from undertow.drift.segments import Group
from undertow.drift.statistics.logbins import bin_of

__all__ = ["SERIES_METRICS", "Cells", "ClosedWindow", "Windows", "WindowsState", "merge"]

_BIN_BITS, _METRIC_BITS = 14, 10
_BIN_MASK, _METRIC_MASK = (1 << _BIN_BITS) - 1, (1 << _METRIC_BITS) - 1
SERIES_METRICS = 1 << _METRIC_BITS  # a series number is group · 1,024 + metric
_PENDING_CHUNKS = 64  # batches kept apart in an open window before they are merged

Ints = NDArray[np.int64]


class Cells(msgspec.Struct, frozen=True):
    """Sorted distinct keys, each packing (group, metric, bin), and how many values fell on each."""

    keys: Ints
    counts: Ints

    @property
    def groups(self) -> Ints:
        """Group number of each cell."""
        return self.keys >> (_BIN_BITS + _METRIC_BITS)

    @property
    def metrics(self) -> Ints:
        """Metric number of each cell."""
        return (self.keys >> _BIN_BITS) & _METRIC_MASK

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

    def encode(self, groups: Sequence[Group], metrics: Sequence[Metric]) -> bytes:
        """Return the window with names in place of numbers, in canonical order: equal summaries give equal bytes."""
        rows = sorted(
            (groups[g], metrics[m].name, b, c)
            for g, m, b, c in zip(
                *(a.tolist() for a in (self.cells.groups, self.cells.metrics, self.cells.bins, self.cells.counts)),
                strict=True,
            )
        )
        return msgspec.json.encode([self.start, self.end, rows])


class WindowsState(msgspec.Struct):
    """The open windows (index → keys, counts), the clock and the counters, as plain data."""

    open: dict[int, tuple[list[int], list[int]]]
    latest: float
    closed_until: int
    late: int


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
    >>> from undertow.drift.metrics import METRICS
    >>> windows = Windows([METRICS["refusal_rate"]], width=10, lateness=0)
    >>> times = np.array([1.0, 2.0, 11.0])
    >>> late = windows.advance(times)
    >>> windows.add(times, np.zeros((3, 1), np.int32), np.array([[0.0], [1.0], [0.0]]))
    >>> [window.cells.counts for window in windows.close()]
    [array([1, 1])]
    """

    def __init__(
        self, metrics: Sequence[Metric], width: float, lateness: float, state: WindowsState | None = None
    ) -> None:
        if width <= 0 or lateness < 0:
            raise ValueError(f"window width {width} must be > 0 and lateness {lateness} ≥ 0 seconds")
        self._width, self._lateness = width, lateness
        self._positive = np.array([metric.family is Family.POSITIVE for metric in metrics])
        self._floors = np.array([metric.floor for metric in metrics])[self._positive]
        self._columns = np.arange(len(metrics), dtype=np.int64) << _BIN_BITS
        self.latest = state.latest if state else -np.inf
        self._closed_until = state.closed_until if state else -(1 << 62)
        self.late = state.late if state else 0
        self._open: dict[int, list[Cells]] = {
            index: [Cells(np.array(keys, np.int64), np.array(counts, np.int64))]
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
        cells = {index: (part.keys.tolist(), part.counts.tolist()) for index, part in merged.items()}
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

    def add(self, times: NDArray[np.float64], groups: NDArray[np.int32], values: NDArray[np.float64]) -> None:
        """Add measures: `times` (n,), `groups` (n, g) with −1 for none, `values` (n, metrics) with NaN for none."""
        if not len(times):
            return
        bins = self._bins(values)
        indexes = np.floor(times / self._width).astype(np.int64)
        order = np.argsort(indexes, kind="stable")
        groups, bins = groups[order], bins[order]
        found, first = np.unique(indexes[order], return_index=True)
        for index, start, end in zip(found.tolist(), first, [*first[1:], len(order)], strict=True):
            self._add_cells(index, self._pack(groups[start:end], bins[start:end]))

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
        bins = np.empty(values.shape, np.int64)
        rates, positive = values[:, ~self._positive], values[:, self._positive]
        bins[:, ~self._positive] = np.where(np.isnan(rates), -1, rates)
        known = ~np.isnan(positive)
        bins[:, self._positive] = np.where(known, bin_of(np.where(known, positive, 1.0), self._floors), -1)
        return bins

    def _pack(self, groups: NDArray[np.int32], bins: Ints) -> Cells:
        measure = bins + self._columns
        keys = [
            ((groups[:, [g]].astype(np.int64) << (_BIN_BITS + _METRIC_BITS)) + measure)[
                (groups[:, [g]] >= 0) & (bins >= 0)
            ]
            for g in range(groups.shape[1])
        ]
        found, counts = np.unique(np.concatenate(keys), return_counts=True)
        return Cells(found, counts.astype(np.int64))

    def _add_cells(self, index: int, cells: Cells) -> None:
        parts = self._open.setdefault(index, [])
        parts.append(cells)
        if len(parts) >= _PENDING_CHUNKS:
            self._open[index] = [merge(parts)]
