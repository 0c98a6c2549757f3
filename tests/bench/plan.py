"""The plan against the detectors: `python -m tests.bench.plan [--series N]`.

For each change the events within which the plan says that it is found, the median of what simulated series needed, and
the share of them that were found within the planned delay: at least half, or the plan promises too much.
"""

from __future__ import annotations

import argparse
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import WEEK, Share
from undertow.drift.detector import Observation, SeriesSettings
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.detectors.clipped_gaussian import ClippedGaussian
from undertow.drift.planning import SHIFTS, delays
from undertow.drift.prospects import PlannedDetector

Floats = NDArray[np.float64]

WEEKLY = 1e6  # so that a change is found on the day on which it begins
SHARE = Share(1.0 / 1024)
NO_CELLS = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


class Change(NamedTuple):
    """A rate, or the standard deviation of a log; the events learned before it moves by `shift` (link scale)."""

    kind: str
    level: float
    learned: int
    shift: float
    rho: float = 0.0

    @property
    def name(self) -> str:
        if self.kind == "log":
            return f"log, sd {self.level:g}: × {math.exp(self.shift):.2f}"
        odds = self.level / (1 - self.level) * math.exp(self.shift)
        return f"rate {self.level:.1%} → {odds / (1 + odds):.1%}" + (f", correlation {self.rho:g}" if self.rho else "")


CHANGES = (
    Change("rate", 0.003, 20_000, 3.7),
    Change("rate", 0.01, 20_000, 1.1),
    Change("rate", 0.01, 20_000, 0.7),
    Change("rate", 0.02, 20_000, 1.15),
    Change("rate", 0.02, 50_000, 0.5),
    Change("rate", 0.2, 20_000, 0.55),
    Change("rate", 0.1, 20_000, -1.7),
    Change("rate", 0.01, 2_500, 1.5),
    Change("rate", 0.01, 1_000, 3.5),
    Change("rate", 0.02, 20_000, 1.5, 0.03),
    Change("rate", 0.2, 20_000, 0.8, 0.05),
    Change("log", 0.7, 20_000, 0.26),
    Change("log", 0.7, 20_000, -0.22),
    Change("log", 0.3, 20_000, 0.12),
    Change("log", 0.7, 2_500, -0.5),
    Change("log", 1.2, 50_000, -0.25),
)


class Simulation:
    """Many series of one kind that meet the same change at the same time."""

    def __init__(self, change: Change, series: int, seed: int = 1) -> None:
        rate = change.kind == "rate"
        kind, band = (BetaBinomial, 0.1) if rate else (ClippedGaussian, 0.05)
        settings = SeriesSettings(math.log1p(band), 0.0, 0.0, "both", "share" if rate else "log")
        self.detector: PlannedDetector = kind({0: settings}, 2000, 200)
        self.change, self.series, self.now = change, series, 0.0
        self._rng = np.random.default_rng(seed)

    def step(self, events: int, shift: float) -> NDArray[np.int64]:
        """Let every series see so many events at a level moved by `shift`; return those that alarm."""
        one, width = np.ones(self.series), WEEK * events / WEEKLY
        sums, squares = self._draw(events, shift)
        start, self.now = self.now, self.now + width
        window = Observation(
            start, self.now, np.arange(self.series) * 1024, events * one, sums, squares, sums, start * one, NO_CELLS
        )
        return np.array([alarm.series // 1024 for alarm in self.detector.observe(window, SHARE)], np.int64)

    def _draw(self, events: int, shift: float) -> tuple[Floats, Floats]:
        level, rho = self.change.level, self.change.rho
        if self.change.kind == "log":
            logs = self._rng.normal(shift, level, (self.series, events))
            return logs.sum(axis=1), (logs**2).sum(axis=1)
        odds = level / (1 - level) * math.exp(shift)
        rate = np.full(self.series, odds / (1 + odds))
        if rho:
            rate = self._rng.beta(rate * (1 - rho) / rho, (1 - rate) * (1 - rho) / rho)
        hits = self._rng.binomial(events, rate).astype(float)
        return hits, hits

    def planned(self) -> Floats:
        """Return the events within which the plan says that the change is found, by series."""
        (of,) = self.detector.prospects(SHARE, self.now, WEEK * 10 / WEEKLY)
        (needed,) = delays(of, rise=self.change.shift > 0)
        size = np.log(abs(self.change.shift))
        finite = np.where(np.isfinite(needed), needed, 1e12)
        return np.array([np.exp(np.interp(size, np.log(SHIFTS), np.log(row))) for row in finite])


def compare(change: Change, series: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Return for each series the events planned and the events needed, infinity where twice the plan was not enough."""
    simulation = Simulation(change, series, seed)
    for _ in range(change.learned // 50):
        simulation.step(50, 0.0)
    planned, needed, events = simulation.planned(), np.full(series, np.inf), 0
    width = 10 if np.median(planned) < 2000 else 50
    while np.isinf(needed).any() and events < 2 * np.median(planned):
        events += width
        fired = simulation.step(width, change.shift)
        needed[fired] = np.minimum(needed[fired], events)
    return planned, needed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.plan", description=__doc__)
    parser.add_argument("--series", type=int, default=100)
    series = parser.parse_args().series
    say("| change | learned events | planned | median needed | found within the plan |\n|---|---|---|---|---|")
    for change in CHANGES:
        planned, needed = compare(change, series)
        within = np.mean(needed <= planned + 10)
        row = f"{np.median(planned):,.0f} | {np.median(needed):,.0f} | {within:.0%} |"
        say(f"| {change.name} | {change.learned:,} | {row}")


def say(row: str) -> None:
    print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
