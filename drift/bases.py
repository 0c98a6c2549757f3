"""The basis of an embedding series: along which directions its traffic varies, and how much.

Single vectors are never seen, only sums over small blocks of events. The covariance of one event is learned from how
far the mean of each block lies from the mean of all before it, times the block's size: so what is shared by the events
of a block (a session, a batch) counts in. Directions come in as there is enough to tell them apart: the leading 8
after 40 blocks, 32 after 160, 128 after 480, all 256 after 640.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.drift.statistics.covariance import shrunk_eigenvalues
from undertow.drift.statistics.proportions import Floats

__all__ = ["DIMENSIONS", "LEADING", "Basis"]

DIMENSIONS = 256
LEADING = (8, 32, 128, 256)  # how many leading directions are looked at: few see re-weighted topics, many unseen ones
_BLOCK = 5.0  # events at the least in the blocks that the covariance is learned from
_FITTED_FROM = (40, 160, 480, 640)  # blocks
_FIRST_FIT = _FITTED_FROM[0]
_MEMORY = 4096  # blocks; when they are full the older half of their weight is forgotten
_PENDING = 32  # blocks that are added to the covariance in one multiplication
_AT_ONCE = 32  # columns; a larger product is spread over threads, which costs more than it gains
_SMALLEST = 1e-6  # variance of one event along a direction of constant traffic
# By the rule of three a direction that none of n events took may be taken by 3 in n: they are unit vectors.
_UNSEEN = 3.0


class Basis:
    """Learns the covariance of one event from sums over blocks, and whitens sums with it.

    `directions` (256, k) turn a sum into coordinates with variance 1 an event; k is 0 until the first fit.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> basis = Basis()
    >>> refits = [basis.learn(5.0, rng.standard_normal(256) * 5**0.5 * 0.0625) for _ in range(200)]
    >>> sum(refits), basis.directions.shape
    (3, (256, 32))
    """

    def __init__(self) -> None:
        self.directions: NDArray[np.float32] = np.zeros((DIMENSIONS, 0), np.float32)
        self.variances: Floats = np.zeros(0)  # of one event, along the directions
        self.total = 0.0  # variance of one event, all directions together
        self.squares = 0.0  # sum of the squared variances along all directions
        self.blocks = 0.0  # that the last fit rests on
        self._covariance: NDArray[np.float32] = np.zeros((DIMENSIONS, DIMENSIONS), np.float32)
        self._blocks = 0.0  # weight of `_covariance`, in blocks
        self._next_fit = _FIRST_FIT
        self._seen = 0.0  # events behind `_covariance`
        self._events = 0.0  # events behind `_mean`
        self._mean: Floats = np.zeros(DIMENSIONS)
        self._part: Floats = np.zeros(DIMENSIONS + 1)  # the block being filled: its sum and its events
        self._pending: NDArray[np.float32] = np.zeros((_PENDING, DIMENSIONS), np.float32)
        self._used = 0

    def learn(self, events: float, total: Floats) -> bool:
        """Take a window's events and sum; return whether the basis has been fitted anew."""
        self._part[:-1] += total
        self._part[-1] += events
        if self._part[-1] < _BLOCK:
            return False
        self._close()
        if self._used < _PENDING and self._blocks + self._used < self._next_fit:
            return False
        self._merge()
        if self._blocks < self._next_fit:
            return False
        self._fit()
        return True

    def restart(self, events: float, total: Floats) -> None:
        """Go on around another mean: what is known of the directions stays."""
        self._merge()
        self._part[:] = 0
        self._events, self._mean = events, total / events

    def _close(self) -> None:
        events = float(self._part[-1])
        off = self._part[:-1] / events - self._mean
        if self._events:
            weight = events * self._events / (events + self._events)
            self._pending[self._used] = off * np.sqrt(weight)
            self._used += 1
        self._seen += events
        self._events += events
        self._mean += off * (events / self._events)
        self._part[:] = 0

    def _merge(self) -> None:
        pending = self._pending[: self._used]
        for first in range(0, DIMENSIONS, _AT_ONCE):
            columns = slice(first, first + _AT_ONCE)
            self._covariance[:, columns] += pending.T @ pending[:, columns]
        self._blocks += self._used
        self._used = 0

    def _fit(self) -> None:
        values, vectors = np.linalg.eigh(self._covariance.astype(np.float64) / self._blocks)
        values = np.maximum(values[::-1], _SMALLEST)
        self.total, self.squares = float(values.sum()), float((values**2).sum())
        kept = max(count for count, blocks in zip(LEADING, _FITTED_FROM, strict=True) if blocks <= self._blocks)
        self.blocks = self._blocks
        if self._blocks > DIMENSIONS:
            values = shrunk_eigenvalues(values, self._blocks)
        self.variances = np.maximum(values[:kept], _UNSEEN / self._seen)
        self.directions = (vectors[:, ::-1][:, :kept] / np.sqrt(self.variances)).astype(np.float32)
        if self._blocks >= _MEMORY:
            self._covariance *= np.float32(0.5)
            self._blocks, self._seen, self._events = self._blocks / 2, self._seen / 2, self._events / 2
        self._next_fit = min(2 * int(self._blocks), _MEMORY)

    def snapshot(self) -> dict[str, Any]:
        """Return the state: arrays and numbers by name."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Take the state of a snapshot."""
        vars(self).update(state)
