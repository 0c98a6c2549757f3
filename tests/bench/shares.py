"""Shares of draws as tables say them: with Wilson's 95 % interval."""

from __future__ import annotations

import numpy as np

from undertow.drift.statistics.proportions import wilson

__all__ = ["share", "shares_in"]

_Z = 1.96


def shares_in(hits: int, draws: int) -> tuple[float, float]:
    """Return the interval of a share; all of it without draws."""
    if not draws:
        return 0.0, 1.0
    low, high = wilson(np.array([float(hits)]), np.array([float(draws)]), _Z)
    return float(low[0]), float(high[0])


def share(hits: int, draws: int) -> str:
    """Return a share with its interval."""
    if not draws:
        return "–"
    low, high = shares_in(hits, draws)
    return f"{100 * hits / draws:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
