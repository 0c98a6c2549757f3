"""What a part of the scorecard is: rows that are measured one by one, and goals that they meet or do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scorecard.yardstick import Measured

__all__ = ["FULL", "QUICK", "Bar", "Goal", "Job", "Row", "Section", "Size"]


class Goal(NamedTuple):
    """A bound on something measured."""

    name: str
    most: float
    measured: Measured
    curve: str = ""  # the section that shows what the value depends on
    least: float = -math.inf

    @property
    def verdict(self) -> str:
        """Say whether it is met, and whether the interval leaves a doubt."""
        value, low, high = self.measured
        met = self.least <= value <= self.most
        sure = (self.least <= low and high <= self.most) if met else (low > self.most or high < self.least)
        return f"{'met' if met else '**missed**'}{'' if sure else ', within the error'}"

    @property
    def met(self) -> bool:
        return "missed" not in self.verdict

    def bound(self) -> str:
        if math.isinf(self.most):
            return f"≥ {self.least:g}"
        return f"≤ {self.most:g}" if math.isinf(self.least) else f"{self.least:g} to {self.most:g}"


class Bar(NamedTuple):
    """A value to be drawn, in the figure of its section."""

    name: str
    measured: Measured
    ours: bool = False


@dataclass(frozen=True)
class Row:
    """A line of a table, and what the goals are computed from, by name."""

    cells: Sequence[str]
    data: Mapping[str, Measured] = field(default_factory=dict)
    bars: Sequence[Bar] = ()


Job = Callable[[], list[Row]]


@dataclass(frozen=True)
class Section:
    """A table. Its jobs are independent of one another and can be sent to another process."""

    name: str
    title: str
    text: str
    header: Sequence[str]
    jobs: Sequence[Job]
    goals: Callable[[Sequence[Row]], list[Goal]] = field(default=lambda rows: [])
    figure: str = ""  # the title of its figure, if it has one


@dataclass(frozen=True)
class Size:
    """How much is simulated.

    Parameters
    ----------
    series
        Series side by side in the tables of false pages.
    runs
        Changes of each kind that are waited for, and streams in which nothing changes.
    streams
        The same for what can only be fed event by event.
    long
        The nominal run length of the first table.
    most
        Events after which a change counts as missed.
    learned, watched
        Events known before a change, and days in which false pages are counted.
    """

    series: int = 1000
    runs: int = 200
    streams: int = 24
    long: float = 1e5
    learned: int = 20_000
    watched: float = 7.0
    most: int = 20_000
    quick: bool = False


FULL = Size()
QUICK = Size(series=20, runs=8, streams=2, long=2000.0, learned=2000, watched=1.0, most=400, quick=True)
