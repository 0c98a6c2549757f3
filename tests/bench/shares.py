"""Shares of draws as tables say them: with Wilson's 95 % interval."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from undertow.drift.statistics.proportions import wilson

__all__ = ["report", "share", "shares_in"]

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


def report(program: str, description: str | None, draws: int, table: Callable[[range], str]) -> None:
    """Print the table of so many draws, by default, from a first seed on, and what it cost."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("draws", nargs="?", type=int, default=draws)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    asked = parser.parse_args()
    began = time.process_time()
    drawn = table(range(asked.seed, asked.seed + asked.draws))
    took = time.process_time() - began
    print(f"{asked.draws} draws from seed {asked.seed}, {took:.0f} s of CPU\n\n{drawn}")  # noqa: T201 – a report
