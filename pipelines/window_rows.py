"""Closed windows as columns of the store's tables `windows` and `mixes`, without a Python object for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.categories import Categories
from undertow.drift.metrics import Family
from undertow.drift.segments import Group
from undertow.drift.signals import ALSO_TOOLS, CATEGORIES, SIGNALS, VECTORS
from undertow.drift.statistics.logbins import log_of, value_of
from undertow.drift.statistics.proportions import Floats
from undertow.drift.windows import VECTOR_COUNT, ClosedWindow
from undertow.pipelines.rows import Columns

__all__ = ["mix_columns", "window_columns"]

Ints = NDArray[np.int64]
_PER_CALL = frozenset((*SIGNALS, *CATEGORIES, *VECTORS)) - ALSO_TOOLS
_EVERY_CALL = "error_rate"  # each call says it


class _Joined(NamedTuple):
    """The cells of several windows one after the other, and where each series of each window begins."""

    window: Ints
    series: Ints
    bins: Ints
    counts: Ints
    first: Ints


def window_columns(windows: Sequence[ClosedWindow], groups: Sequence[Group], catalogue: Catalogue) -> Columns:
    """Return the columns of `windows`: events and coverage of each series and, as its family has them, its figures.

    Hits of rates; means, median and 99th percentile of positive metrics and scores.
    """
    if not any(len(window.cells.keys) for window in windows):
        return {}
    families = np.array([catalogue.metric(number).family.value for number in range(len(catalogue))], dtype=object)
    window, series, bins, counts, first = _joined(windows)
    group, metric = np.divmod(series[first], SERIES_METRICS)
    rate, positive, score, vector = (
        families[metric] == family for family in (Family.RATE, Family.POSITIVE, Family.SCORE, Family.VECTOR)
    )
    lengths = np.diff(np.r_[first, len(bins)])
    counts = np.where(np.repeat(vector, lengths) & (bins != VECTOR_COUNT), 0, counts)
    events = np.add.reduceat(counts, first)
    logs = log_of(np.where(np.repeat(positive, lengths), bins, 0))
    values = np.where(np.repeat(score, lengths), value_of(bins), np.exp(logs))
    return {
        "window_start": np.array([window.start for window in windows])[window[first]],
        **_group_columns(group, groups),
        "metric": np.array(catalogue.names, dtype=object)[metric].tolist(),
        "family": families[metric].tolist(),
        "events": events,
        "coverage": _coverage(window[first], group, metric, events, catalogue),
        "hits": np.where(rate, np.add.reduceat(counts * bins, first), np.nan),
        "log_mean": np.where(positive, np.add.reduceat(counts * logs, first) / events, np.nan),
        "mean": np.where(score, np.add.reduceat(counts * values, first) / events, np.nan),
        "p50": np.where(positive | score, _quantile(0.5, values, counts, first), np.nan),
        "p99": np.where(positive | score, _quantile(0.99, values, counts, first), np.nan),
    }


def mix_columns(
    windows: Sequence[ClosedWindow], groups: Sequence[Group], catalogue: Catalogue, categories: Categories
) -> Columns:
    """Return the columns of `mixes`: the events of each category of each series."""
    if not windows:
        return {}
    category = np.array([catalogue.metric(n).family is Family.CATEGORY for n in range(len(catalogue))])
    window, series, bins, counts, _ = _joined(windows)
    group, metric = np.divmod(series, SERIES_METRICS)
    kept = category[metric]
    if not kept.any():
        return {}
    return {
        "window_start": np.array([window.start for window in windows])[window[kept]],
        **_group_columns(group[kept], groups),
        "metric": np.array(catalogue.names, dtype=object)[metric[kept]].tolist(),
        "category": [categories.name(number) for number in bins[kept].tolist()],
        "events": counts[kept],
    }


def _joined(windows: Sequence[ClosedWindow]) -> _Joined:
    window = np.repeat(np.arange(len(windows)), [len(window.cells.keys) for window in windows])
    series, bins, counts = (
        np.concatenate([getattr(window.cells, name) for window in windows]) for name in ("series", "bins", "counts")
    )
    changes = (window[1:] != window[:-1]) | (series[1:] != series[:-1])
    return _Joined(window, series, bins, counts, np.flatnonzero(np.r_[True, changes]))


def _coverage(window: Ints, group: Ints, metric: Ints, events: Ints, catalogue: Catalogue) -> Floats:
    """Return the share of the calls of each series' slice and window that carried the metric."""
    slices = window * (int(group.max()) + 1) + group
    every = metric == catalogue.numbers[_EVERY_CALL]
    calls = np.bincount(slices[every], events[every], int(slices.max()) + 1)[slices]
    per_call = np.array([name in _PER_CALL for name in catalogue.names])[metric]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(per_call & (calls > 0), events / calls, np.nan)


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
