"""Closed windows as columns of the store's `windows` table, without a Python object for each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.metrics import Family
from undertow.drift.segments import Group
from undertow.drift.statistics.logbins import log_of, value_of
from undertow.drift.statistics.proportions import Floats
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.rows import Columns

__all__ = ["window_columns"]

Ints = NDArray[np.int64]
_NUMBERS = [Family.RATE.value, Family.POSITIVE.value, Family.SCORE.value]


def window_columns(windows: Sequence[ClosedWindow], groups: Sequence[Group], catalogue: Catalogue) -> Columns:
    """Return events and hits of rates; means, median and 99th percentile of positive metrics and scores."""
    families = np.array([catalogue.metric(number).family.value for number in range(len(catalogue))], dtype=object)
    told = [np.isin(families[window.cells.metrics].astype(str), _NUMBERS) for window in windows]
    if not any(kept.any() for kept in told):
        return {}
    index = np.repeat(np.arange(len(windows)), [kept.sum() for kept in told])
    series = np.concatenate([window.cells.series[kept] for window, kept in zip(windows, told, strict=True)])
    bins = np.concatenate([window.cells.bins[kept] for window, kept in zip(windows, told, strict=True)])
    counts = np.concatenate([window.cells.counts[kept] for window, kept in zip(windows, told, strict=True)])
    changes = (index[1:] != index[:-1]) | (series[1:] != series[:-1])
    first = np.flatnonzero(np.r_[True, changes])
    group, metric = np.divmod(series[first], SERIES_METRICS)
    events = np.add.reduceat(counts, first)
    names = np.array(catalogue.names, dtype=object)
    rate, positive, score = (families[metric] == family for family in _NUMBERS)
    values = np.where(np.repeat(score, np.diff(np.r_[first, len(bins)])), value_of(bins), np.exp(log_of(bins)))
    return {
        "window_start": np.array([window.start for window in windows])[index[first]],
        **_group_columns(group, groups),
        "metric": names[metric].tolist(),
        "family": families[metric].tolist(),
        "events": events,
        "hits": np.where(rate, np.add.reduceat(counts * bins, first), np.nan),
        "log_mean": np.where(positive, np.add.reduceat(counts * log_of(bins), first) / events, np.nan),
        "mean": np.where(score, np.add.reduceat(counts * values, first) / events, np.nan),
        "p50": np.where(rate, np.nan, _quantile(0.5, values, counts, first)),
        "p99": np.where(rate, np.nan, _quantile(0.99, values, counts, first)),
    }


def _group_columns(numbers: Ints, groups: Sequence[Group]) -> Columns:
    segments = [dict(group.segment) for group in groups]
    return {
        "service": [groups[number].service for number in numbers.tolist()],
        "environment": [groups[number].environment for number in numbers.tolist()],
        "segment": [segments[number] for number in numbers.tolist()],
    }


def _quantile(share: float, values: Floats, counts: Ints, first: Ints) -> Floats:
    """Return the value below which `share` of each series' counts lie; values are sorted within a series."""
    running = np.cumsum(counts)
    before = np.r_[0, running][first]
    after = np.r_[running[first[1:] - 1], running[-1]]
    wanted = before + np.ceil(share * (after - before))
    found: Floats = values[np.searchsorted(running, wanted)]
    return found
