"""From three sources one kind of vector: what an event carries, or what an embedder makes of its text.

Vectors are added up over a window, and sums must not depend on batches, partitions or machines. So a vector from
elsewhere is brought to whole numbers before its coordinates are folded, and what leaves for the windows is in steps of
1/4096.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from undertow.drift.embedding import DIMENSIONS, Embedder, Rows, nothing, unit
from undertow.drift.signal import Vectors

__all__ = ["LONGEST_VECTOR", "QUANTA", "VectorSource", "fitted", "quantised"]

QUANTA = 4096  # of a unit vector's coordinate: the windows add up multiples of 1/4096
LONGEST_VECTOR = 16_384  # coordinates: up to here the squares of folded sums add up below 2⁵³ and so exactly
_FINEST = 65_536.0  # steps to which the coordinates of a foreign vector are rounded, of its largest one

Carried = Sequence[Sequence[float] | None]


class VectorSource:
    """Gives events their vectors: the one that the event carries, else one of its text.

    A carried vector that cannot be used is left out, is not replaced by one of the text (the two lie apart), and is
    counted in `skipped` by its reason.

    Parameters
    ----------
    embedder
        None where only carried vectors count.
    coordinates
        How many a carried vector must have; None: any number up to 16,384. Vectors of another length are those of
        another model, which lie elsewhere.

    Examples
    --------
    >>> source = VectorSource(coordinates=2)
    >>> events, vectors = source.vectors([None, [0.0, 0.5], [1.0]], ["no embedder", None, None])
    >>> events, vectors[:, :3], dict(source.skipped)
    (array([1]), array([[   0, 4096,    0]], dtype=int16), {'not of 2 coordinates': 1})
    """

    def __init__(self, embedder: Embedder | None = None, coordinates: int | None = None) -> None:
        if coordinates is not None and not 0 < coordinates <= LONGEST_VECTOR:
            raise ValueError(f"carried vectors of {coordinates} coordinates: there must be 1 to {LONGEST_VECTOR:,}")
        self._embedder, self._coordinates = embedder, coordinates
        self.skipped: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """What makes the vectors; those of two makers cannot be compared."""
        return self._embedder.name if self._embedder else "event"

    def vectors(self, given: Carried, texts: Sequence[str | None]) -> Vectors:
        """Return which of the events have a vector, and the vectors in steps of 1/4096."""
        rows = nothing(len(texts))
        for length, numbers in _by_length(given):
            rows[numbers] = self._carried(length, [given[number] or () for number in numbers])
        if self._embedder is not None:
            said = [(number, text) for number, text in enumerate(texts) if text and given[number] is None]
            rows[[number for number, _ in said]] = self._embedder.embed([text for _, text in said])
        return quantised(rows)

    def _carried(self, length: int, vectors: Sequence[Sequence[float]]) -> Rows:
        """Return carried vectors of one length at unit length, zero where they cannot be used."""
        reason = self._wrong(length)
        if reason is not None:
            self.skipped[reason] += len(vectors)
            return nothing(len(vectors))
        numbers = np.array(vectors, np.float64)
        rows = fitted(numbers)
        for vector in numbers[~rows.any(axis=1)]:
            self.skipped["all zero" if np.isfinite(vector).all() else "not finite"] += 1
        return rows

    def _wrong(self, length: int) -> str | None:
        """Return what is wrong with a number of coordinates."""
        if self._coordinates not in {None, length}:
            return f"not of {self._coordinates:,} coordinates"
        if length > LONGEST_VECTOR:
            return f"more than {LONGEST_VECTOR:,} coordinates"
        return None if length else "empty"


def _by_length(given: Carried) -> Iterator[tuple[int, list[int]]]:
    found: dict[int, list[int]] = defaultdict(list)
    for number, vector in enumerate(given):
        if vector is not None:
            found[len(vector)].append(number)
    yield from found.items()


def quantised(rows: Rows) -> Vectors:
    """Return which rows are not zero, and those rows in steps of 1/4096."""
    found = np.flatnonzero(rows.any(axis=1))
    return found, np.rint(rows[found] * QUANTA).astype(np.int16)


def fitted(vectors: NDArray[np.float64]) -> Rows:
    """Bring vectors (n, 1 to 16,384) to unit vectors of 256 coordinates; zero where one is zero or not finite.

    A shorter one is padded with zeros. In a longer one coordinate d is added to coordinate d mod 256 with a sign fixed
    by d: a sparse random projection with orthogonal rows. It keeps angles nearly: from 384 dimensions, cosines before
    and after correlate by .94, and nearest neighbours label queries as well as before. The sums are of integers, so the
    result is the same everywhere.

    Examples
    --------
    >>> fitted(np.array([[3.0, 4.0]]))[0, :3]
    array([0.6, 0.8, 0. ], dtype=float32)
    >>> fitted(np.array([[1.0, float("nan")]])).any()
    np.False_
    """
    count, length = vectors.shape
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    usable = np.isfinite(largest) & (largest > 0)
    steps = np.rint(np.where(usable, vectors, 0.0) / np.where(usable, largest, 1.0) * _FINEST)
    if length > DIMENSIONS:
        steps = steps * _signs(length)
    padded = np.pad(steps, ((0, 0), (0, -length % DIMENSIONS)))
    return unit(padded.reshape(count, -1, DIMENSIONS).sum(axis=1))


@lru_cache(maxsize=16)
def _signs(length: int) -> NDArray[np.float64]:
    """Return the sign of each coordinate."""
    return np.array([1.0 - 2.0 * (xxhash.xxh3_64_intdigest(f"sign {d}".encode()) & 1) for d in range(length)])
