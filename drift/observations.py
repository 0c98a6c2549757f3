"""Closed windows as detectors see them: events and sums of each series.

Numbers (rates, positive metrics and their tails, scores), categories and vectors stay apart, since their cells mean
different things.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.detector import Observation
from undertow.drift.metrics import Family
from undertow.drift.scales import Scaled, Scales
from undertow.drift.windows import VECTOR_COUNT, ClosedWindow

__all__ = ["Observations", "selected"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class _Part(NamedTuple):
    """One kind of series in a window: the columns of an observation."""

    series: Ints
    events: NDArray[np.float64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    raw: NDArray[np.float64]
    since: NDArray[np.float64] | None
    cells: tuple[Ints, NDArray[np.float64], Ints]


class Observations:
    """Reads windows, with the scales that it is given."""

    def __init__(self, catalogue: Catalogue, scales: Scales) -> None:
        self._scales = scales
        self._families = np.array([catalogue.metric(number).family.value for number in range(len(catalogue))])
        self._tails = {side: _tail_numbers(catalogue, side) for side in ("low", "high")}

    def of(self, window: ClosedWindow) -> list[Observation]:
        """Return all numbers, all categories and all vectors of the window."""
        cells = window.cells
        family = self._families[cells.metrics]

        def of(*families: Family) -> tuple[Ints, Ints, Ints]:
            kept = np.isin(family, [wanted.value for wanted in families])
            return cells.series[kept], cells.bins[kept], cells.counts[kept]

        scaled = self._scales.apply(*of(Family.POSITIVE, Family.SCORE), window.start)
        numbers = self._all_numbers(of(Family.RATE), scaled)
        parts = [numbers, [_categories(*of(Family.CATEGORY))], [_vectors(*of(Family.VECTOR))]]
        return [_concatenate(window, part) for part in parts]

    def numbers(self, window: ClosedWindow) -> Observation:
        """Return the numbers of a window from elsewhere, on the scales that there are, without learning from it."""
        cells = window.cells
        rates = self._families[cells.metrics] == Family.RATE.value
        scaled = self._scales.read(*(column[~rates] for column in (cells.series, cells.bins, cells.counts)))
        return _concatenate(
            window, self._all_numbers((cells.series[rates], cells.bins[rates], cells.counts[rates]), scaled)
        )

    def _all_numbers(self, rates: tuple[Ints, Ints, Ints], scaled: Scaled) -> list[_Part]:
        return [_rates(*rates), _numbers(scaled), *self._beyond(scaled)]

    def _beyond(self, scaled: Scaled) -> Iterator[_Part]:
        """Return the tails of the positive metrics as rates."""
        groups, metrics = np.divmod(scaled.series, SERIES_METRICS)
        for side, beyond in (("low", scaled.low), ("high", scaled.high)):
            numbers = self._tails[side][metrics]
            has = scaled.tailed & (numbers >= 0)
            hits, events = beyond[has], scaled.events[has]
            index = np.arange(len(hits))
            cells = (
                np.concatenate([index, index]),
                np.repeat([1.0, 0.0], len(hits)),
                np.concatenate([hits, events - hits]).astype(np.int64),
            )
            yield _Part(groups[has] * SERIES_METRICS + numbers[has], events, hits, hits, hits, None, cells)


def _tail_numbers(catalogue: Catalogue, side: str) -> Ints:
    """Return the number of each metric's tail, −1 where it has none."""
    names = catalogue.names
    return np.array([catalogue.numbers.get(f"{name}.{side}", -1) for name in names], np.int64)


def _rates(series: Ints, bins: Ints, counts: Ints) -> _Part:
    found, first, index = np.unique(series, return_index=True, return_inverse=True)
    events = np.add.reduceat(counts, first).astype(np.float64) if len(first) else np.zeros(0)
    hits = np.add.reduceat(counts * bins, first).astype(np.float64) if len(first) else np.zeros(0)
    return _Part(found, events, hits, hits, hits, None, (index, bins.astype(np.float64), counts))


def _categories(series: Ints, bins: Ints, counts: Ints) -> _Part:
    found, index = np.unique(series, return_inverse=True)
    events = np.bincount(index, counts, len(found)).astype(np.float64)
    nothing = np.zeros(len(found))
    return _Part(found, events, nothing, nothing, nothing, None, (index, bins.astype(np.float64), counts))


def _vectors(series: Ints, bins: Ints, counts: Ints) -> _Part:
    totals = bins == VECTOR_COUNT
    found = series[totals]
    nothing = np.zeros(len(found))
    coordinates = (np.searchsorted(found, series[~totals]), bins[~totals].astype(np.float64), counts[~totals])
    return _Part(found, counts[totals].astype(np.float64), nothing, nothing, nothing, None, coordinates)


def _numbers(scaled: Scaled) -> _Part:
    return _Part(scaled.series, scaled.events, scaled.sums, scaled.squares, scaled.raw, scaled.since, scaled.cells)


def _concatenate(window: ClosedWindow, parts: Sequence[_Part]) -> Observation:
    offsets = np.cumsum([0, *(len(part.series) for part in parts)])
    since = [part.since if part.since is not None else np.full(len(part.series), window.start) for part in parts]
    cells = [(part.cells[0] + offset, *part.cells[1:]) for part, offset in zip(parts, offsets, strict=False)]
    return Observation(
        window.start,
        window.end,
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.concatenate([part.sums for part in parts]),
        np.concatenate([part.squares for part in parts]),
        np.concatenate([part.raw for part in parts]),
        np.concatenate(since),
        (
            np.concatenate([c[0] for c in cells]),
            np.concatenate([c[1] for c in cells]),
            np.concatenate([c[2] for c in cells]),
        ),
    )


def selected(observed: Observation, metrics: Bools) -> Observation:
    """Return the part of the window that one detector handles."""
    mine = metrics[observed.series % SERIES_METRICS]
    index, values, counts = observed.cells
    kept = mine[index]
    renumbered = np.cumsum(mine) - 1
    return Observation(
        observed.start,
        observed.end,
        observed.series[mine],
        observed.events[mine],
        observed.sums[mine],
        observed.squares[mine],
        observed.raw[mine],
        observed.since[mine],
        (renumbered[index[kept]], values[kept], counts[kept]),
    )
