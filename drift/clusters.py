"""What inputs are about, in a dozen clusters: fitted once to vectors of the baseline, then only looked up.

k-means with the seeding of Arthur & Vassilvitskii (2007, k-means++) over unit vectors, so distances rank like cosines.
The same vectors in the same order give the same clusters.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import ClusterError, kmeans2

from undertow.drift.statistics.proportions import Floats

__all__ = ["NEW", "Clusters", "fit"]

NEW = "new"  # inputs unlike any that the clusters were fitted to
_MOST = 12
_EACH = 40  # vectors that a cluster should have
_SEED = 7
_TRIES = 20
_INSIDE = 0.99  # share of the vectors that lie as near to a centre as what is not new


class Clusters(msgspec.Struct, frozen=True):
    """Centres (k, coordinates) and how far from the nearest one an input may lie that is not new."""

    centres: NDArray[np.float32]
    reach: float

    def names(self) -> list[str]:
        """Return the name of each number that `assign` gives."""
        return [*(str(number + 1) for number in range(len(self.centres))), NEW]

    def assign(self, vectors: NDArray[np.int16]) -> NDArray[np.int64]:
        """Return the number of the nearest cluster of each vector (n, coordinates), and one more for what is new.

        Examples
        --------
        >>> clusters = Clusters(np.eye(2, 3, dtype=np.float32), 0.5)
        >>> clusters.assign(np.array([[4096, 0, 0], [100, 4000, 0], [0, 0, 4096]], np.int16)).tolist()
        [0, 1, 2]
        """
        squares = _squares(_units(vectors), self.centres)
        nearest: NDArray[np.int64] = squares.argmin(axis=1)
        nearest[squares.min(axis=1) > self.reach**2] = len(self.centres)
        return nearest


def fit(vectors: NDArray[np.int16]) -> Clusters | None:
    """Return clusters of these vectors (n, coordinates); None where they are too alike to tell any apart.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> topics = np.repeat(np.eye(2, 64), 100, axis=0) + 0.02 * rng.standard_normal((200, 64))
    >>> clusters = fit((4096 * topics).astype(np.int16))
    >>> numbers = clusters.assign((4096 * topics).astype(np.int16)).tolist()
    >>> set(numbers[:100]) & set(numbers[100:]) <= {len(clusters.centres)}
    True
    """
    units = np.unique(_units(vectors), axis=0)
    for count in range(min(_MOST, len(vectors) // _EACH, len(units) // 2), 1, -1):
        try:
            centres, _ = kmeans2(
                units, count, iter=_TRIES, minit="++", missing="raise", rng=np.random.default_rng(_SEED)
            )
        except ClusterError:  # a cluster lost its last member: fewer of them
            continue
        distances = np.sqrt(_squares(_units(vectors), centres).min(axis=1))
        return Clusters(centres.astype(np.float32), float(np.quantile(distances, _INSIDE)) * 1.0001)
    return None


def _units(vectors: NDArray[np.int16]) -> Floats:
    plain = vectors.astype(np.float64)
    units: Floats = plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1.0)
    return units


def _squares(units: Floats, centres: NDArray[np.floating]) -> Floats:
    squares: Floats = (units**2).sum(axis=1)[:, None] - 2 * units @ centres.T + (centres.astype(np.float64) ** 2).sum(1)
    return np.maximum(squares, 0.0)
