"""Which events are embedded when they exceed the budget: a sample per slice, chosen by the hash of the event's id.

Embedding is the one measure whose cost can exceed what a core has, so it has a budget: events per second of event time.
A second of event time is a second of the clock in live traffic, and the same second in every replay.

Each slice s has a rate p_s, and an event whose hash is u ∈ [0, 1) counts in the slice if u < p_s. So the vectors of a
slice are a uniform sample of its events, without weights, and their mean is unbiased; small slices have p = 1 and stay
visible; and since all slices compare the same u, an event that the large slice takes is also in its small ones: it is
embedded once, if any of its slices takes it.

The rates follow from the log alone, whatever the batches and restarts: those of window w come from the counts of the
last window that must be closed before any event of w can be read, w − 1 − ⌈lateness / width⌉. All slices get the same
quota q of events, p_s = min(1, q / N_s), with the q at which the expected number of events embedded is the budget.

So a sudden wave meets the rates of the calm before it until its first window has closed. No window is given more than
twice its budget: what comes after that is left out in the order read, and counted in `beyond`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from undertow.drift.interaction import Interaction

__all__ = ["Sampling", "SamplingState"]

Ints = NDArray[np.int64]

_KEPT = 1024  # events of a window whose slices are remembered: they tell the expected cost to 3 %
_HASH_BITS = 62  # beside the sign there is room for a limit that takes everything
_EVERYTHING = 1 << _HASH_BITS
_MOST = 2.0  # budgets that one window may spend: in a wave the watch falls behind by one lateness and a window at most


class _Tally(msgspec.Struct, frozen=True):
    """What the rates are computed from; of any split of a window's events the parts merge to the same.

    `counts` are the events by group, `rows` the groups of those events whose `hashes` are smallest; `taken` are the
    events that were embedded.
    """

    events: int
    taken: int
    counts: Ints
    hashes: Ints
    rows: NDArray[np.int32]


class SamplingState(msgspec.Struct):
    """The tallies (events, taken; counts, hashes, groups as little-endian 64-bit integers), clock and counters."""

    tallies: dict[int, tuple[int, int, bytes, bytes, bytes]]
    latest: float
    offered: int
    taken: int
    beyond: int


class Sampling:
    """Chooses, per slice, the events that are embedded.

    Parameters
    ----------
    events_per_s
        The budget: events embedded per second of event time, on average over a window.
    width, lateness
        Seconds of event time, those of the windows.

    Examples
    --------
    >>> from undertow.drift.interaction import Interaction
    >>> events = [Interaction(id=str(n), time=n / 100, service="s") for n in range(4000)]
    >>> times = np.array([event.time for event in events])
    >>> groups = np.array([[0, 1 if n % 100 == 0 else 2] for n in range(4000)], np.int32)
    >>> sampling = Sampling(events_per_s=20, width=10, lateness=0)
    >>> kept = sampling.admit(events, times, groups)
    >>> [int((kept[3000:] == group).sum()) for group in range(3)]  # of 1,000, 10 and 990
    [190, 10, 188]
    """

    def __init__(self, events_per_s: float, width: float, lateness: float, state: SamplingState | None = None) -> None:
        if events_per_s <= 0 or width <= 0 or lateness < 0:
            raise ValueError(
                f"a budget of {events_per_s} events a second, windows of {width} seconds and a lateness of {lateness}: "
                "the first two must be > 0, the last ≥ 0"
            )
        self._budget, self._width, self._lateness = events_per_s * width, width, lateness
        self._lag = 1 + ceil(lateness / width)
        self._tallies = {index: _unpacked(*packed) for index, packed in (state.tallies.items() if state else ())}
        self._latest = state.latest if state else -np.inf
        self._limits: dict[int, Ints] = {}
        self.offered = state.offered if state else 0
        self.taken = state.taken if state else 0
        self.beyond = state.beyond if state else 0

    @property
    def share(self) -> float:
        """The share of the events so far that was embedded, 1 before the first."""
        return self.taken / self.offered if self.offered else 1.0

    def offered_in(self, start: float) -> Ints:
        """Return by group how many events the window that starts there was offered, until long after it has closed."""
        tally = self._tallies.get(round(start / self._width))
        return tally.counts if tally else np.zeros(0, np.int64)

    def snapshot(self) -> SamplingState:
        """Return the state as plain data."""
        tallies = {index: _packed(tally) for index, tally in self._tallies.items()}
        return SamplingState(tallies, self._latest, self.offered, self.taken, self.beyond)

    def admit(
        self, events: Sequence[Interaction], times: NDArray[np.float64], groups: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """Return the groups (n, g) with −1 in place of each slice that does not take the event.

        Give it the events that are in time and have something to embed, each once, in the order in which they were
        read. An event that has only −1 left need not be embedded.
        """
        if not len(events):
            return groups
        hashes, indexes = _hashes(events), np.floor(times / self._width).astype(np.int64)
        members = [(index, np.flatnonzero(indexes == index)) for index in np.unique(indexes).tolist()]
        for index, rows in members:  # first all: a window's rates are final once an event that they hold for was read
            tally = _tallied(hashes[rows], groups[rows])
            before = self._tallies.get(index)
            self._tallies[index] = tally if before is None else _merged(before, tally)
        kept = groups.copy()
        for index, rows in members:
            kept[rows] = self._bounded(index, self._thinned(index - self._lag, hashes[rows], groups[rows]))
        self.offered += len(events)
        self.taken += int((kept >= 0).any(axis=1).sum())
        self._forget(float(times.max()))
        return kept

    def _thinned(self, reference: int, hashes: Ints, groups: NDArray[np.int32]) -> NDArray[np.int32]:
        limits = self._limits_of(reference)
        known = (groups >= 0) & (groups < len(limits))  # a slice that the reference does not have is taken whole
        below = np.where(known, limits[np.where(known, groups, 0)], _EVERYTHING) if len(limits) else _EVERYTHING
        return np.where(hashes[:, None] < below, groups, -1).astype(np.int32)

    def _bounded(self, index: int, kept: NDArray[np.int32]) -> NDArray[np.int32]:
        """Take nothing more once the window has spent twice its budget."""
        tally, chosen = self._tallies[index], (kept >= 0).any(axis=1)
        beyond = chosen & (tally.taken + np.cumsum(chosen) > _MOST * self._budget)
        taken = tally.taken + int(chosen.sum()) - int(beyond.sum())
        self._tallies[index] = msgspec.structs.replace(tally, taken=taken)
        self.beyond += int(beyond.sum())
        return np.where(beyond[:, None], np.int32(-1), kept)

    def _limits_of(self, reference: int) -> Ints:
        if reference not in self._limits:
            tally = self._tallies.get(reference)
            self._limits[reference] = np.zeros(0, np.int64) if tally is None else _limits(tally, self._budget)
        return self._limits[reference]

    def _forget(self, latest: float) -> None:
        """Drop what no event can ask for any more: those before the watermark are late and not offered."""
        self._latest = max(self._latest, latest)
        oldest = floor((self._latest - self._lateness) / self._width) - self._lag
        self._tallies = {index: tally for index, tally in self._tallies.items() if index >= oldest}
        self._limits = {index: limits for index, limits in self._limits.items() if index >= oldest}


def _hashes(events: Sequence[Interaction]) -> Ints:
    """Return a number for each event that depends on its service and id alone, evenly spread below 2⁶²."""
    keys = (f"{event.service}\x1f{event.id}\x1fsample".encode("utf-8", "replace") for event in events)
    return np.fromiter((xxhash.xxh3_64_intdigest(key) >> (64 - _HASH_BITS) for key in keys), np.int64, len(events))


def _tallied(hashes: Ints, groups: NDArray[np.int32]) -> _Tally:
    first = np.argsort(hashes, kind="stable")[:_KEPT]
    counts = np.bincount(groups[groups >= 0]).astype(np.int64)
    return _Tally(len(hashes), 0, counts, hashes[first], groups[first])


def _merged(one: _Tally, other: _Tally) -> _Tally:
    counts = np.zeros(max(len(one.counts), len(other.counts)), np.int64)
    counts[: len(one.counts)] += one.counts
    counts[: len(other.counts)] += other.counts
    hashes, rows = np.concatenate([one.hashes, other.hashes]), np.concatenate([one.rows, other.rows])
    first = np.argsort(hashes, kind="stable")[:_KEPT]
    return _Tally(one.events + other.events, one.taken + other.taken, counts, hashes[first], rows[first])


def _limits(tally: _Tally, budget: float) -> Ints:
    """Return for each group below which hash it takes an event; nothing when all are taken.

    The expected cost of a quota q is Σ min(1, q / m) over the events, m the size of an event's smallest slice, which
    has the highest rate. It is linear between the m, so the q that spends the budget is found in one pass over them,
    sorted: the events with an m up to q are all taken, the rest share what is left.
    """
    if tally.events <= budget:
        return np.zeros(0, np.int64)
    slices = np.where(tally.rows >= 0, tally.counts[np.maximum(tally.rows, 0)], tally.events)
    sizes = np.sort(slices.min(axis=1))
    left = budget * len(sizes) / tally.events - np.arange(len(sizes))
    quotas = left / np.cumsum(1.0 / sizes[::-1])[::-1]
    quota = float(quotas[np.argmax(quotas < sizes)])
    rates = np.minimum(quota / np.maximum(tally.counts, 1), 1.0)
    limits: Ints = np.floor(rates * _EVERYTHING).astype(np.int64)
    return limits


def _packed(tally: _Tally) -> tuple[int, int, bytes, bytes, bytes]:
    counts, hashes, rows = (part.astype("<i8").tobytes() for part in (tally.counts, tally.hashes, tally.rows))
    return tally.events, tally.taken, counts, hashes, rows


def _unpacked(events: int, taken: int, counts: bytes, hashes: bytes, rows: bytes) -> _Tally:
    known = np.frombuffer(hashes, "<i8")
    groups = np.frombuffer(rows, "<i8").reshape(len(known), -1).astype(np.int32)
    return _Tally(events, taken, np.frombuffer(counts, "<i8"), known, groups)
