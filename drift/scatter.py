"""How far blocks of vectors scatter beyond what independent events would do, as sessions and bursts make them.

A row of scatter holds (sum, sum of squares, count) of the squared distances of blocks, and of long blocks, from all
that came before them, in multiples of what independent events would give, by band of directions. Rows add up.
"""

from __future__ import annotations

import numpy as np

from undertow.drift.bases import LEADING
from undertow.drift.statistics.proportions import Floats

__all__ = ["BANDS", "BLOCK", "SCATTER", "blocks_known", "factors", "faded", "note", "persistence", "unevenness"]

BLOCK = 25.0  # events in a block at the least
BANDS = np.diff([0, *LEADING])  # directions by band: 1–8, 9–32, …
SCATTER = 2 * 3 * len(LEADING)  # numbers in a row
_PRIOR_BLOCKS = 4.0  # as if so many blocks that scatter as the covariance says had been seen before the first
_LEAST_CLUSTERING = 0.2  # excess scatter of blocks below which it cannot be told from none
_UNEVEN_BLOCKS = 16.0  # of which half is believed of how unevenly the directions scatter
_COUNTS = np.array(LEADING, np.float64)


def note(scatter: Floats, scale: int, measured: Floats) -> None:
    """Add to a row what one block (scale 0) or long block (1) measured in the first bands."""
    noted = scatter.reshape(2, 3, len(LEADING))[scale, :, : len(measured)]
    noted += np.stack([measured, measured**2, np.ones(len(measured))])


def faded(scatter: Floats, blocks: float) -> Floats:
    """Return a row that says the same as if at most so many blocks and long blocks had been measured."""
    parts = scatter.reshape(2, 3, len(LEADING))
    kept: Floats = parts * np.minimum(blocks / np.maximum(parts[:, [2]], blocks), 1.0)
    return kept.ravel()


def blocks_known(scatter: Floats) -> Floats:
    """Return by band of how many blocks a row holds the scatter."""
    counts: Floats = scatter.reshape(2, 3, len(LEADING))[0, 2]
    return counts


def factors(scatter: Floats, errors: float) -> Floats:
    """Return by how much means scatter more than the covariance says (rows, bands), plus standard errors."""
    total, squares, count = _parts(scatter)
    weight = count + _PRIOR_BLOCKS
    mean = (total + _PRIOR_BLOCKS) / weight
    # long blocks are few: the larger of the two means errs upwards already
    variance = np.maximum(squares[:, 0] / weight[:, 0] - (total[:, 0] / weight[:, 0]) ** 2, 2 / BANDS)
    mean[:, 0] += errors * np.sqrt(variance / weight[:, 0])
    found: Floats = np.maximum(mean.max(axis=1), 1.0)
    return found


def unevenness(scatter: Floats, learned: float) -> Floats:
    """Return by how much fewer than `LEADING` directions share the scatter (rows, leading): 1 if all have the same.

    Sums of squares of unequal variances scatter like fewer equal ones (Satterthwaite 1946). Of k directions learned
    from J blocks that is 1 + k/J; what sessions of one topic add is seen in how the scatter of blocks varies.
    """
    total, squares, count = _parts(scatter)
    safe = np.maximum(count, 1)
    mean = np.maximum(total / safe, 1e-12)
    relative = np.maximum(squares / safe - mean**2, 0) / mean**2
    seen = 1 + np.maximum(relative * (BANDS / 2) - 1, 0) * (count / (count + _UNEVEN_BLOCKS))
    whole = (seen.max(axis=1) * BANDS).cumsum(axis=1) / _COUNTS
    uneven: Floats = np.maximum(whole, 1 + _COUNTS / max(learned, 1.0))
    return uneven


def persistence(scatter: Floats) -> float:
    """Return over how many events what one says of the next lasts, from how scatter grows from blocks to long ones."""
    total, _, count = _parts(scatter[None])
    block, long = ((total + _PRIOR_BLOCKS) / (count + _PRIOR_BLOCKS))[0, :, 0]
    return float(BLOCK * (1 + max(long - block, 0.0) / max(block - 1, _LEAST_CLUSTERING)))


def _parts(scatter: Floats) -> tuple[Floats, Floats, Floats]:
    """Return sums, sums of squares and counts, each rows × (block or long block) × band."""
    parts = scatter.reshape(len(scatter), 2, 3, len(LEADING))
    return parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]
