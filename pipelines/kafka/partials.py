"""What workers tell the detect role: the windows of one source partition, spread over the partitions of the series.

Each cut is one message to each series partition, also when it has nothing for it: that a window holds nothing of a
source must be known before it can be closed. Metrics and slices travel by name, because every worker numbers them as it
meets them; cells travel as arrays of little-endian integers, in an order that depends on the names alone, so the same
cut is the same bytes whoever makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import xxhash

from undertow.drift.catalogue import SERIES_METRICS
from undertow.drift.segments import Group
from undertow.drift.windows import ClosedWindow
from undertow.pipelines.kafka.source_partition import Cut

__all__ = ["VERSION", "Partial", "SeriesCells", "decode", "encode", "series_partition"]

VERSION = 1


class SeriesCells(msgspec.Struct, array_like=True, frozen=True):
    """The cells of one series in one window: `bins` and `counts` are arrays of 64-bit integers as bytes."""

    window: float
    group: Group
    metric: str
    bins: bytes
    counts: bytes


class Partial(msgspec.Struct, frozen=True):
    """A cut of a source partition, as far as it concerns one series partition.

    `previous` is the position of the source's cut before this one, so that a receiver sees a gap; `open_from` the start
    of the first window that is still open there, seconds since the epoch.
    """

    source: int
    position: int
    previous: int
    open_from: float
    series: list[SeriesCells]
    version: int = VERSION


def series_partition(group: Group, partitions: int) -> int:
    """Return the series partition of a slice: the same everywhere and for good.

    Examples
    --------
    >>> series_partition(Group("support", "", (("region", "eu"),)), 8)
    3
    """
    return xxhash.xxh3_64_intdigest(msgspec.json.encode(group)) % partitions


def encode(
    cut: Cut, source: int, groups: Sequence[Group], metric: Callable[[int], str], partitions: int
) -> list[bytes]:
    """Return one message for each series partition; `metric` names a metric by its number."""
    spread: list[list[SeriesCells]] = [[] for _ in range(partitions)]
    for window in cut.windows:
        for cells in sorted(_series(window, groups, metric), key=lambda one: (one.group, one.metric)):
            spread[series_partition(cells.group, partitions)].append(cells)
    return [
        msgspec.msgpack.encode(Partial(source, cut.position, cut.previous, cut.open_from, series)) for series in spread
    ]


def decode(content: bytes) -> Partial:
    """Return the partial of a message.

    Raises
    ------
    ValueError
        It is none, or of a version that this program does not read.
    """
    try:
        partial = msgspec.msgpack.decode(content, type=Partial)
    except msgspec.DecodeError as error:
        raise ValueError(f"a message of undertow.partials is no partial: {error}") from error
    if partial.version != VERSION:
        raise ValueError(
            f"a partial has version {partial.version}, this Undertow reads {VERSION}: update detect before the workers"
        )
    return partial


def _series(window: ClosedWindow, groups: Sequence[Group], metric: Callable[[int], str]) -> list[SeriesCells]:
    """Return the cells by series; they come sorted by series and bin."""
    cells = window.cells
    if not len(cells.keys):
        return []
    found, first = np.unique(cells.series, return_index=True)
    ends = [*first[1:].tolist(), len(cells.keys)]
    bins, counts = cells.bins.astype("<i8"), cells.counts.astype("<i8")
    return [
        SeriesCells(
            window.start,
            groups[series // SERIES_METRICS],
            metric(series % SERIES_METRICS),
            bins[start:end].tobytes(),
            counts[start:end].tobytes(),
        )
        for series, start, end in zip(found.tolist(), first.tolist(), ends, strict=True)
    ]
