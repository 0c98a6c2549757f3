"""Closed windows as columns of the store's `windows` table, without a Python object for each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from undertow.drift.metrics import Family
from undertow.drift.monitor import MEASURED
from undertow.drift.segments import Group
from undertow.drift.statistics.logbins import log_of
from undertow.drift.windows import SERIES_METRICS, ClosedWindow
from undertow.pipelines.rows import Columns

__all__ = ["window_columns"]

Ints = NDArray[np.int64]
_FAMILIES = np.array([metric.family.value for metric in MEASURED], dtype=object)
_POSITIVE = np.array([metric.family is Family.POSITIVE for metric in MEASURED])
_NAMES = np.array([metric.name for metric in MEASURED], dtype=object)


def window_columns(windows: Sequence[ClosedWindow], groups: Sequence[Group]) -> Columns:
    """Return events and hits of rates; mean of logs, median and 99th percentile of positive metrics."""
    if not any(len(window.cells.keys) for window in windows):
        return {}
    index = np.repeat(np.arange(len(windows)), [len(window.cells.keys) for window in windows])
    series = np.concatenate([window.cells.series for window in windows])
    bins = np.concatenate([window.cells.bins for window in windows])
    counts = np.concatenate([window.cells.counts for window in windows])
    changes = (index[1:] != index[:-1]) | (series[1:] != series[:-1])
    first = np.flatnonzero(np.r_[True, changes])
    group, metric = np.divmod(series[first], SERIES_METRICS)
    events = np.add.reduceat(counts, first)
    positive = _POSITIVE[metric]
    return {
        "window_start": np.array([window.start for window in windows])[index[first]],
        **_group_columns(group, groups),
        "metric": _NAMES[metric].tolist(),
        "family": _FAMILIES[metric].tolist(),
        "events": events,
        "hits": np.where(positive, np.nan, np.add.reduceat(counts * bins, first)),
        "log_mean": np.where(positive, np.add.reduceat(counts * log_of(bins), first) / events, np.nan),
        "p50": np.where(positive, _quantile(0.5, bins, counts, first), np.nan),
        "p99": np.where(positive, _quantile(0.99, bins, counts, first), np.nan),
    }


def _group_columns(numbers: Ints, groups: Sequence[Group]) -> Columns:
    segments = [dict(group.segment) for group in groups]
    return {
        "service": [groups[number].service for number in numbers.tolist()],
        "environment": [groups[number].environment for number in numbers.tolist()],
        "segment": [segments[number] for number in numbers.tolist()],
    }


def _quantile(share: float, bins: Ints, counts: Ints, first: Ints) -> NDArray[np.float64]:
    """Return the value below which `share` of each series' counts lie; bins are sorted within a series."""
    running = np.cumsum(counts)
    before = np.r_[0, running][first]
    after = np.r_[running[first[1:] - 1], running[-1]]
    wanted = before + np.ceil(share * (after - before))
    return np.exp(log_of(bins[np.searchsorted(running, wanted)]))
