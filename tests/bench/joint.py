"""Joined evidence, simulated: `python -m tests.bench.joint [--services N]`.

Services of twenty rates each. Null: pages on a budget of 1 and of 10 in as many service-weeks; alone and joined. Delay:
events until the first page when some of the rates move at once, with the whole budget spent alone (as if nothing were
joined) and with a part of it spent together.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import WEEK, Share
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.detector import Observation, SeriesSettings
from undertow.drift.detectors.beta_binomial import BetaBinomial
from undertow.drift.joint import JOINED_PART, Joint
from undertow.drift.segments import Group

Floats = NDArray[np.float64]

METRICS = 20
SLICES = 25  # series of the same service that share the budget, for each of its metrics as a whole
RATE, WEEKLY, WINDOW = 0.02, 400_000, 50  # a change is found on the day on which it begins
NO_CELLS = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))


class Services:
    """Services of twenty rates; with or without joined evidence."""

    def __init__(self, services: int, budget: float, joined: bool, weekly: int = WEEKLY) -> None:
        groups = [Group(f"s{i}", "") for i in range(services)]
        setting = SeriesSettings(math.log(1.1), math.log(1.25), 0.0, "both")
        self.detector = BetaBinomial(dict.fromkeys(range(METRICS), setting), 2000, 200)
        self.joint = Joint(groups, Catalogue()) if joined else None
        self.budget, self.services, self.now = budget, services, 0.0
        part = 1 - JOINED_PART if joined else 1.0
        self.share = Share.of(part * budget, services * METRICS * SLICES)
        self._series = (np.arange(services)[:, None] * SERIES_METRICS + np.arange(METRICS)).ravel()
        self._rng, self._width = np.random.default_rng(1), WEEK * WINDOW / weekly

    def step(self, rates: Floats, rho: float = 0.0) -> tuple[list[int], list[int]]:
        """Let each rate see a block; return the services that page by one metric, and by several together.

        `rho` correlates the metrics of one service: they share their luck.
        """
        start, self.now = self.now, self.now + self._width
        odds = np.repeat(self._rng.normal(0, math.sqrt(rho), self.services), METRICS) if rho else 0.0
        hits = self._rng.binomial(WINDOW, rates.ravel() * np.exp(odds)).astype(float)
        one = np.ones(len(hits))
        window = Observation(start, self.now, self._series, WINDOW * one, hits, hits, hits, start * one, NO_CELLS)
        alone = [a.series // SERIES_METRICS for a in self.detector.observe(window, self.share) if a.kind == "page"]
        said = self.joint.observe([self.detector], window, self.budget, self.services) if self.joint else ()
        return alone, [alarm.series // SERIES_METRICS for alarm, _ in said if alarm.kind == "page"]

    def learn(self, events: int) -> None:
        for _ in range(events // WINDOW):
            self.step(np.full((self.services, METRICS), RATE))


def false_pages(services: int, budget: float, rho: float = 0.0) -> tuple[int, int]:
    """Return the pages of single metrics and of joined ones in a week of 20,000 events; a tenth of it is learned."""
    watched, alone, together = Services(services, budget, joined=True, weekly=20_000), 0, 0
    for number in range(20_000 // WINDOW):
        single, joined = watched.step(np.full((services, METRICS), RATE), rho)
        if number >= 2000 // WINDOW:
            alone, together = alone + len(single), together + len(set(joined))
    return alone, together


def delays(services: int, moved: int, odds_ratio: float, joined: bool, learned: int = 40_000) -> Floats:
    """Return the events of each service until its first page."""
    watched = Services(services, 1.0, joined)
    watched.learn(learned)
    rates, found = np.full((services, METRICS), RATE), np.full(services, np.inf)
    odds = RATE / (1 - RATE) * odds_ratio
    rates[:, :moved] = odds / (1 + odds)
    for number in range(learned // 3 // WINDOW):
        for said in watched.step(rates):
            found[said] = np.minimum(found[said], (number + 1) * WINDOW)
        if np.isfinite(found).all():
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.joint", description=__doc__)
    parser.add_argument("--services", type=int, default=40)
    services = parser.parse_args().services
    say("| budget | metrics share their luck | service-weeks | pages alone | joined |\n|---|---|---|---|---|")
    for budget, rho in ((1.0, 0.0), (10.0, 0.0), (10.0, 0.01)):
        alone, together = false_pages(services, budget, rho)
        say(f"| {budget:g} | {rho:g} | {services} | {alone} | {together} |")
    say("\n| metrics that move | odds × | median events, alone | joined |\n|---|---|---|---|")
    for moved, ratio in ((1, 2.0), (3, 2.0), (8, 2.0), (20, 2.0), (8, 1.7)):
        medians = [float(np.median(delays(services, moved, ratio, joined))) for joined in (False, True)]
        say(f"| {moved} of {METRICS} | {ratio:g} | {medians[0]:,.0f} | {medians[1]:,.0f} |")


def say(row: str) -> None:
    print(row, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
