"""The detector of categories, simulated: `python -m tests.bench.multinomial [null|delay|speed] [--series N]`.

null: false pages in so many series-weeks at budgets of 1 and 10; delay: events until a change is paged, at the run
length of one page a week at 10 events a second; speed: CPU time a cell. All traffic is simulated from fixed seeds.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import Share
from undertow.drift.detector import Observation, SeriesSettings
from undertow.drift.detectors.multinomial import Multinomial
from undertow.drift.metrics import Family, Metric

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Draw = Callable[[np.random.Generator, float, int, int], Counts]

DAY, WINDOW = 86_400.0, 600.0
MIX = Metric("mix", Family.CATEGORY, "share of events", "both", "a mix")
ALARM_LIMIT = 4000  # events after which a change counts as missed


class Null(NamedTuple):
    """Traffic in which nothing changes but what is allowed to; `series` divides those that are asked for."""

    name: str
    events: int  # of a series in ten minutes
    divisor: int
    draw: Draw


def zipf(categories: int, exponent: float = 1.1) -> Floats:
    weights = 1 / np.arange(1, categories + 1) ** exponent
    shares: Floats = weights / weights.sum()
    return shares


def fixed(mix: Floats, season: float = 0.0, wander: float = 0.0, session: int = 1, rho: float = 0.0) -> Draw:
    """Draw counts: a daily cycle of the first share, its slow wander (both on its odds), sessions, shared luck."""

    def draw(rng: np.random.Generator, at: float, series: int, events: int) -> Counts:
        phases = np.arange(series) * 2.4
        shift = season * math.sin(2 * math.pi * at / DAY) + wander * np.sin(2 * math.pi * at / (2.6 * DAY) + phases)
        shares = np.repeat(mix[None], series, axis=0)
        shares[:, 0] *= np.exp(shift)
        shares /= shares.sum(axis=1, keepdims=True)
        if rho:
            shares = rng.gamma(shares * (1 - rho) / rho) + 1e-12
            shares /= shares.sum(axis=1, keepdims=True)
        return rng.multinomial(events // session, shares) * session

    return draw


FEW, MANY = np.array([0.6, 0.25, 0.1, 0.04, 0.01]), zipf(18, 1.0)
NULLS = (
    Null("five categories", 20, 1, fixed(FEW)),
    Null("five categories, low traffic", 2, 1, fixed(FEW)),
    Null("five categories, high traffic", 600, 5, fixed(FEW)),
    Null("eighteen categories", 20, 1, fixed(MANY)),
    Null("eighteen, high traffic", 600, 5, fixed(MANY)),
    Null("two, one of them rare", 20, 1, fixed(np.array([0.998, 0.002]))),
    Null("long tail of 300", 20, 2, fixed(zipf(300))),
    Null("long tail of 300, high traffic", 300, 10, fixed(zipf(300))),
    Null("open tail of 5,000", 20, 4, fixed(zipf(5000, 1.0))),
    Null("sessions of 5", 20, 1, fixed(MANY, session=5)),
    Null("sessions of 5, high traffic", 600, 5, fixed(MANY, session=5)),
    Null("sessions of 5, long tail", 20, 2, fixed(zipf(300), session=5)),
    Null("windows alike, correlation .1", 20, 1, fixed(MANY, rho=0.1)),
    Null("season ±50 %", 20, 1, fixed(FEW, season=0.5)),
    Null("season ±50 %, high traffic", 600, 5, fixed(FEW, season=0.5)),
    Null("slow wander within the band", 20, 1, fixed(FEW, wander=0.09)),
    Null("slow wander, high traffic", 600, 5, fixed(FEW, wander=0.09)),
    Null("all: season, wander, sessions, long tail", 20, 2, fixed(zipf(300), 0.4, 0.09, 5)),
)


def detector() -> Multinomial:
    return Multinomial({0: SeriesSettings(math.log1p(MIX.band), 0.03, math.log(MIX.season), "both")}, 2000, 200)


def window(at: float, width: float, counts: Counts) -> Observation:
    """Return the window in which each series saw these counts of the categories 0, 1, 2 …"""
    series, found = np.nonzero(counts)
    nothing, events = np.zeros(len(counts)), counts.sum(axis=1).astype(float)
    cells = (series, found.astype(float), counts[series, found])
    return Observation(
        at, at + width, np.arange(len(counts)) * 1024, events, nothing, nothing, nothing, nothing + at, cells
    )


def false_pages(null: Null, series: int, budgets: tuple[float, ...] = (1.0, 10.0), days: int = 7) -> list[int]:
    """Return the pages at each budget, with as many days before that are learned from as three of each week."""
    rng, found = np.random.default_rng(11), [0] * len(budgets)
    detectors = [detector() for _ in budgets]
    for number in range(int(days * DAY / WINDOW)):
        counts = null.draw(rng, number * WINDOW, series, null.events)
        seen = window(number * WINDOW, WINDOW, counts)
        for i, budget in enumerate(budgets):
            share = Share(budget / series)
            found[i] += sum(alarm.kind == "page" for alarm in detectors[i].observe(seen, share))
    return found


class Change(NamedTuple):
    name: str
    before: Floats
    after: Floats


def mix(*percent: float) -> Floats:
    return np.array(percent) / 100


CHANGES = (
    Change("a JSON key is renamed", mix(100, 0), mix(0, 100)),
    Change("a new model takes 30 %", mix(80, 20, 0), mix(56, 14, 30)),
    Change("a new model takes 5 %", mix(80, 20, 0), mix(76, 19, 5)),
    Change("fallback 2 → 20 %", mix(98, 2), mix(80, 20)),
    Change("10 → 30 %", mix(60, 30, 10), mix(47, 23, 30)),
    Change("two labels change places", mix(40, 30, 20, 10), mix(40, 10, 20, 30)),
    Change("a tool of 10 % is not used any more", mix(50, 30, 10, 10), mix(55, 34, 0, 11)),
    Change("0.5 → 5 % among eighteen", np.r_[0.995 * MANY, 0.005], np.r_[0.95 * MANY, 0.05]),
    Change("a new one takes 10 % of a long tail", np.r_[zipf(300), 0], np.r_[0.9 * zipf(300), 0.1]),
    Change("30 → 40 %", mix(70, 30), mix(60, 40)),
)


def delays(change: Change, series: int, learned: int = 20_000) -> list[float]:
    """Return the events from the change to the page of each series, infinity where there was none in time."""
    rng, watched, share = np.random.default_rng(5), detector(), Share(1.0 / 64)
    width, delay = 10.0, np.full(series, np.inf)
    for number in range(learned // 100):
        counts = rng.multinomial(100, change.before, series)
        watched.observe(window(number * width, width, counts), share)
    for number in range(ALARM_LIMIT // 5):
        seen = window(learned / 10 + number * 0.5, 0.5, rng.multinomial(5, change.after, series))
        for alarm in watched.observe(seen, share):
            row = alarm.series // 1024
            delay[row] = min(delay[row], (number + 1) * 5 if alarm.kind == "page" else np.inf)
        if np.isfinite(delay).all():
            break
    return delay.tolist()


def speed(series: int, categories: int, events: int) -> float:
    """Return CPU seconds a cell of windows of so many events, once everything is learned."""
    rng, watched, shares = np.random.default_rng(3), detector(), zipf(categories, 1.0)
    share = Share(1.0 / series)
    for number in range(400):
        watched.observe(window(number * WINDOW, WINDOW, rng.multinomial(100, shares, series)), share)
    windows = [
        window(400 * WINDOW + number * 10, 10.0, rng.multinomial(events, shares, series)) for number in range(20)
    ]
    began = time.process_time()
    for seen in windows:
        watched.observe(seen, share)
    return (time.process_time() - began) / sum(len(seen.cells[0]) for seen in windows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.multinomial", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["null", "delay", "speed"], default=["null", "delay", "speed"])
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    asked = parser.parse_args()
    for what in asked.what:
        {"null": print_null, "delay": print_delay, "speed": print_speed}[what](asked.series, asked.only)


def print_null(series: int, only: str) -> None:
    say("| traffic | events a week | series-weeks | false pages on a budget of 1 | of 10 |", 5)
    for null in NULLS:
        if only in null.name:
            count = max(series // null.divisor, 1)
            pages = false_pages(null, count)
            say(f"| {null.name} | {null.events * 1008:,} | {count} | {pages[0]} | {pages[1]} |")


def print_delay(series: int, only: str) -> None:
    say("| change | median events to the page | 90 % of series | missed |", 4)
    for change in CHANGES:
        if only in change.name:
            found = sorted(delays(change, max(series // 10, 1)))
            missed = sum(math.isinf(delay) for delay in found)
            say(f"| {change.name} | {statistics.median(found):.0f} | {found[len(found) * 9 // 10]:.0f} | {missed} |")


def print_speed(series: int, only: str) -> None:
    say("| categories | events in a window | ns a cell |", 3)
    for categories in (4, 18, 300):
        for events in (5, 20, 100, 1000):
            say(f"| {categories} | {events} | {speed(series, categories, events) * 1e9:.0f} |")


def say(row: str, header: int = 0) -> None:
    print(row + ("\n" + "|---" * header + "|" if header else ""), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
