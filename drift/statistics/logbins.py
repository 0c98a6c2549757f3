"""Logarithmic bins: positive values as integers whose counts merge exactly, with a relative error of at most 1 %.

A bin b stands for the values around GAMMA**b (as in DDSketch, Masson, Rim & Lee 2019, with a fixed range instead of
collapsing buckets), so a histogram of bins gives means of logs, quantiles and tails, and adding two histograms loses
nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOG_GAMMA", "bin_of", "log_of", "signed_bin_of", "value_of"]

GAMMA = 1.02  # neighbouring bins differ by 2 %, so a value differs from its bin's centre by at most 1 %
LOG_GAMMA = float(np.log(GAMMA))
_OFFSET = 1 << 13  # keeps bin numbers positive for values down to 1e-70
_LARGEST = (1 << 14) - 1
_ZERO = 1 << 16  # the bin of the number zero
_SMALLEST = GAMMA**-698  # about 1e-6, and 1 lies in the middle of its bin
_LARGEST_LOG = 600.0


def bin_of(values: NDArray[np.float64], floor: float | NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of each value; values below `floor` count as `floor`.

    Examples
    --------
    >>> import numpy as np
    >>> np.exp(log_of(bin_of(np.array([0.0, 250.0, 251.0]), 1.0))).round(1)
    array([  1. , 250.9, 250.9])
    """
    logs = np.log(np.maximum(values, floor))
    return np.clip(np.rint(logs / LOG_GAMMA).astype(np.int64) + _OFFSET, 0, _LARGEST)


def log_of(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the natural logarithm of each bin's centre."""
    logs: NDArray[np.float64] = (bins - _OFFSET) * np.float64(LOG_GAMMA)
    return logs


def signed_bin_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the bin of numbers of either sign: logarithmic on both sides of zero, with what is below 1e-6 as zero.

    Examples
    --------
    >>> import numpy as np
    >>> value_of(signed_bin_of(np.array([-2.5, 0.0, 0.3, 1.0]))).round(3)
    array([-2.487,  0.   ,  0.299,  1.   ])
    """
    size = np.log(np.maximum(np.abs(values), _SMALLEST) / _SMALLEST) / LOG_GAMMA
    return _ZERO + np.sign(values).astype(np.int64) * np.minimum(np.rint(size), _ZERO - 1).astype(np.int64)


def value_of(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the number in the middle of each signed bin."""
    size = np.abs(bins - _ZERO)
    values: NDArray[np.float64] = np.where(
        size > 0, np.sign(bins - _ZERO) * _SMALLEST * np.exp(np.minimum(size * LOG_GAMMA, _LARGEST_LOG)), 0.0
    )
    return values
