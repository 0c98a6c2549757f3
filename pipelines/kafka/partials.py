"""What workers tell the detect role: the windows of one source partition, spread over the partitions of the series.

Each cut is one message to each series partition, also when it has nothing for it: that a window holds nothing of a
source must be known before it can be closed. Which partition a series lives in depends on its service alone, so that
whatever compares slices, metrics or environments of one service has all of it.

Metrics, slices and categories travel by name, because every worker numbers them as it meets them; cells travel as
arrays, in an order that depends on the names alone. So the same cut is the same bytes whoever makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from undertow.alerts.incident import Version
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.categories import Categories
from undertow.drift.metrics import Family
from undertow.drift.newcomers import Seen
from undertow.drift.segments import Group, Segments
from undertow.drift.verdict import Verdict
from undertow.drift.windows import Cells, ClosedWindow, merge
from undertow.pipelines.kafka.source_partition import Cut

__all__ = ["VERSION", "Numbers", "Packed", "Partial", "decode", "encode", "series_partition", "unpacked"]

VERSION = 3
_BIN_BITS = 24
_CELLS = 131_072  # of one message, 16 bytes each: a larger cut comes in parts

Ints = NDArray[np.int64]
_Name = TypeVar("_Name", str, Group)


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """Cells of one window, little-endian 64-bit integers; `keys` number groups and metrics as the message does."""

    start: float
    keys: bytes
    counts: bytes


class Partial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cut of a source partition, as far as it concerns one series partition.

    Parameters
    ----------
    previous
        The position of the source's cut before this one, so that a receiver sees a gap.
    open_from
        The start of the first window that is still open there, seconds since the epoch.
    closed
        The starts and ends of all windows that the cut has closed, whatever partition their series live in.
    windows
        Those with cells of this partition; `groups` and `metrics` say what their keys number, `names` what the numbers
        of categories stand for.
    found
        What rules have found in services of this partition.
    versions
        What defines behaviour in services of this partition and was new to the source.
    seen
        Which calls of these services ran on what.
    part, parts
        A large cut comes in several messages.
    version
        Of the message, always written. Fields are only ever added, with defaults, so that older messages can be read.
    """

    version: int
    source: int
    position: int
    previous: int
    open_from: float
    closed: list[tuple[float, float]]
    windows: list[Packed] = []
    groups: list[Group] = []
    metrics: list[str] = []
    names: dict[int, str] = {}
    found: list[Verdict] = []
    versions: list[Version] = []
    seen: list[Seen] = []
    part: int = 0
    parts: int = 1


class _Counting(Protocol):
    """What a worker counts with, as far as its numbers have names."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def categories(self) -> Categories: ...

    @property
    def segments(self) -> Segments: ...


class Numbers(Protocol):
    """What numbers groups and metrics where a partial arrives."""

    def group(self, group: Group) -> int:
        """Return the number of a group, a new one for a new group."""
        ...

    def metric(self, name: str) -> int | None:
        """Return the number of a metric; None for one that is not followed."""
        ...


class _Piece(NamedTuple):
    """Cells of one window and one series partition, as the worker numbers them."""

    window: ClosedWindow
    cells: Cells


def series_partition(service: str, partitions: int) -> int:
    """Return the partition of all series of a service: the same everywhere and for good.

    Examples
    --------
    >>> series_partition("support", 8)
    1
    """
    return xxhash.xxh3_64_intdigest(service.encode("utf-8", "replace")) % partitions


def encode(cut: Cut, source: int, counting: _Counting, partitions: int) -> list[tuple[int, bytes]]:
    """Return the messages in the order to be sent, each with its series partition."""
    groups = counting.segments.groups
    home = np.array([series_partition(group.service, partitions) for group in groups], np.int64)
    homes = [home[window.cells.groups] for window in cut.windows]
    closed = [(window.start, window.end) for window in cut.windows]
    messages: list[tuple[int, bytes]] = []
    for partition in range(partitions):
        parts = list(_parts(cut.windows, [of == partition for of in homes]))
        for number, pieces in enumerate(parts):
            partial = Partial(
                version=VERSION,
                source=source,
                position=cut.position,
                previous=cut.previous,
                open_from=cut.open_from,
                closed=closed,
                part=number,
                parts=len(parts),
                **_packed(pieces, counting),
                **_told(cut, partition, partitions) if not number else {},
            )
            messages.append((partition, msgspec.msgpack.encode(partial)))
    return messages


def decode(content: bytes) -> Partial:
    """Return the partial of a message.

    Raises
    ------
    ValueError
        It is none, or was written by a newer Undertow.
    """
    try:
        partial = msgspec.msgpack.decode(content, type=Partial)
    except msgspec.DecodeError as error:
        raise ValueError(f"a message of undertow.partials is no partial: {error}") from error
    if partial.version > VERSION:
        raise ValueError(
            f"a partial has version {partial.version}, this Undertow reads up to {VERSION}: update detect before the "
            "workers"
        )
    return partial


def unpacked(partial: Partial, numbers: Numbers) -> Iterator[tuple[float, Cells]]:
    """Yield the start and the cells of each window, in the numbers of whoever receives them."""
    groups = np.array([numbers.group(group) for group in partial.groups], np.int64)
    found = [numbers.metric(name) for name in partial.metrics]
    metrics = np.array([-1 if number is None else number for number in found], np.int64)
    for packed in partial.windows:
        keys, counts = (np.frombuffer(column, "<i8") for column in (packed.keys, packed.counts))
        group, metric = np.divmod(keys >> _BIN_BITS, SERIES_METRICS)
        renumbered = _keys(groups[group], metrics[metric], keys)
        known = metrics[metric] >= 0
        yield packed.start, merge([Cells(renumbered[known], counts[known])])


# -- packing -----------------------------------------------------------------------------------------------------------


def _parts(windows: Sequence[ClosedWindow], mine: Sequence[NDArray[np.bool_]]) -> Iterator[list[_Piece]]:
    """Yield the cells of one series partition, so many a message, and one message when there are none."""
    room, part, parts = _CELLS, list[_Piece](), 0
    for window, kept in zip(windows, mine, strict=True):
        rows = np.flatnonzero(kept)
        while len(rows):
            if not room:
                yield part
                room, part, parts = _CELLS, [], parts + 1
            taken, rows = rows[:room], rows[room:]
            part.append(_Piece(window, Cells(window.cells.keys[taken], window.cells.counts[taken])))
            room -= len(taken)
    if part or not parts:
        yield part


def _packed(pieces: Sequence[_Piece], counting: _Counting) -> dict[str, Any]:
    """Return the cells under the numbers that groups and metrics have in the order of their names."""
    groups, catalogue = counting.segments.groups, counting.catalogue
    group_of, used_groups = _numbered([piece.cells.groups for piece in pieces], groups.__getitem__)
    metric_of, used_metrics = _numbered([piece.cells.metrics for piece in pieces], catalogue.name)
    packed = []
    for window, cells in pieces:
        keys = _keys(group_of[cells.groups], metric_of[cells.metrics], cells.keys)
        order = np.argsort(keys)
        columns = (column[order].astype("<i8").tobytes() for column in (keys, cells.counts))
        packed.append(Packed(window.start, *columns))
    names = _names(pieces, catalogue, counting.categories)
    return {"windows": packed, "groups": used_groups, "metrics": used_metrics, "names": names}


def _numbered(columns: Sequence[Ints], name: Callable[[int], _Name]) -> tuple[Ints, list[_Name]]:
    """Return the place of each number in the order of the names, and the names in order."""
    used = np.unique(np.concatenate(columns)) if columns else np.zeros(0, np.int64)
    named = sorted((name(number), number) for number in used.tolist())
    places = np.zeros(int(used.max(initial=-1)) + 1, np.int64)
    places[[number for _, number in named]] = np.arange(len(named))
    return places, [one for one, _ in named]


def _names(pieces: Sequence[_Piece], catalogue: Catalogue, categories: Categories) -> dict[int, str]:
    """Return the names of the categories that the cells use."""
    family = np.array([catalogue.metric(number).family is Family.CATEGORY for number in range(len(catalogue))])
    used = [np.unique(piece.cells.bins[family[piece.cells.metrics]]) for piece in pieces]
    numbers = np.unique(np.concatenate(used)).tolist() if used else []
    return categories.known(numbers)


def _told(cut: Cut, partition: int, partitions: int) -> dict[str, Any]:
    """Return what else the cut has to tell of the services of a series partition."""
    found = [one for one in cut.found if series_partition(one.series.service, partitions) == partition]
    versions = [one for one in cut.versions if series_partition(one.service, partitions) == partition]
    seen = [one for one in cut.seen if series_partition(one.where[0], partitions) == partition]
    return {"found": found, "versions": versions, "seen": seen}


def _keys(groups: Ints, metrics: Ints, keys: Ints) -> Ints:
    """Return keys with other groups and metrics and the same bins."""
    return ((groups * SERIES_METRICS + metrics) << _BIN_BITS) + (keys & ((1 << _BIN_BITS) - 1))
