"""Pinned references: `python -m tests.bench.pins [null|ramp] [--series N]`.

Simulated days from fixed seeds, 7 of them pinned, through the daily comparison itself. null: pages in so many series
over four weeks at a budget of one page a week in 1,000 series; ramp: days until a level that creeps by so much a day is
told and paged, median over series (a change below `page_from` is no page).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from undertow.drift.baselines import DAY
from undertow.drift.budget import Share
from undertow.drift.catalogue import SERIES_METRICS, Catalogue
from undertow.drift.detector import Alarm, Observation, SeriesSettings
from undertow.drift.metrics import METRICS, Family
from undertow.drift.pin import Pin
from undertow.drift.pinned import Pinned
from undertow.drift.segments import Group
from undertow.drift.statistics.proportions import Floats
from undertow.drift.windows import ClosedWindow

SHARE = Share(1 / 1000)
PIN_DAYS = 7
SD_LOG = 0.7  # of single lengths
CATALOGUE = Catalogue()
EVERY = np.ones(len(CATALOGUE), bool)


class Traffic(NamedTuple):
    """What series do: `level` is a rate, or None for lengths; wander is that of the daily level on the link scale."""

    level: float | None
    events_a_day: int
    wander: float = 0.0
    weekend: float = 0.0  # how far the level falls on two days of seven, link scale
    growth: float = 0.0  # a day, after the pinned days
    of: str = ""

    @property
    def metric(self) -> str:
        return self.of or ("output_length" if self.level is None else "refusal_rate")

    @property
    def name(self) -> str:
        kind = "lengths" if self.level is None else f"rate {self.level:.0%}"
        return f"{kind}, {self.events_a_day:,} a day"


def settings(metric: str) -> SeriesSettings:
    known = METRICS[metric]
    scale = "log" if known.family is Family.POSITIVE else "share"
    return SeriesSettings(np.log1p(known.band), np.log(known.page_from), np.log(known.season), known.harm, scale)


def unread(_window: ClosedWindow) -> Observation:
    raise NotImplementedError("no reference file is pinned here")


def build(traffic: Traffic, series: int) -> tuple[Pinned, NDArray[np.int64]]:
    """Return a comparison of so many slices, and the numbers of their series."""
    number = CATALOGUE.numbers[traffic.metric]
    groups = [Group("s", "", (("region", str(index)),)) for index in range(series)]
    pinned = Pinned({number: settings(traffic.metric)}, groups, CATALOGUE, unread, lambda of: np.ones(len(of)))
    return pinned, np.arange(series) * SERIES_METRICS + number


def shifts(traffic: Traffic, number: int, series: int, rng: np.random.Generator) -> Floats:
    """Return how far the level of each series lies from its usual one on that day, link scale."""
    noise = rng.normal(0, traffic.wander, series) if traffic.wander else np.zeros(series)
    growth = np.log1p(traffic.growth) * max(number - PIN_DAYS + 1, 0)
    found: Floats = noise - traffic.weekend * (number % 7 >= 5) + growth
    return found


def observation(
    traffic: Traffic, number: int, series: NDArray[np.int64], shift: Floats, rng: np.random.Generator
) -> Observation:
    """Return one day of all series as one window."""
    events = np.full(len(series), float(traffic.events_a_day))
    if traffic.level is None:
        mean = 5 + shift + rng.normal(0, SD_LOG, len(series)) / np.sqrt(events)
        sums, squares = events * mean, events * (SD_LOG**2 + mean**2)
    else:
        sums = rng.binomial(traffic.events_a_day, expit(logit(traffic.level) + shift)).astype(float)
        squares = sums
    nothing = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    start, born = number * DAY, np.zeros(len(series))
    return Observation(start, start + DAY, series, events, sums, squares, sums, born, nothing)


def follow(traffic: Traffic, series: int, days: int, seed: int) -> Iterator[tuple[int, Alarm]]:
    """Yield what is told, with the day after the pin on which it is."""
    rng = np.random.default_rng(seed)
    pinned, numbers = build(traffic, series)
    for number in range(PIN_DAYS + days + 1):
        if pinned.turn(number * DAY):
            yield from ((number - PIN_DAYS, alarm) for alarm in pinned.look(number * DAY, SHARE))
        pinned.add(observation(traffic, number, numbers, shifts(traffic, number, series, rng), rng), EVERY)
        if number == PIN_DAYS:
            pinned.pin(Pin(id="p", kind="days", source="a week", service="s", first=0, last=PIN_DAYS - 1))


def false_pages(traffic: Traffic, series: int, seed: int = 1) -> tuple[float, float]:
    """Return pages and notices a week in 1,000 series over four weeks in which nothing changes for good."""
    kinds = [alarm.kind for _, alarm in follow(traffic, series, 28, seed)]
    return tuple(kinds.count(kind) / 4 / series * 1000 for kind in ("page", "notice"))  # type: ignore[return-value]


def delays(traffic: Traffic, series: int, days: int = 60, seed: int = 1) -> tuple[float, float]:
    """Return after how many days the change is told, and paged: medians over series; infinite for never."""
    told = np.full((2, series), np.inf)
    for at, alarm in follow(traffic, series, days, seed):
        index = alarm.series // SERIES_METRICS
        told[0, index] = min(told[0, index], at)
        if alarm.kind == "page":
            told[1, index] = min(told[1, index], at)
    return float(np.median(told[0])), float(np.median(told[1]))


def null_rows(series: int) -> Iterator[list[str]]:
    """Yield a row for each benign traffic: what it is, pages and notices a week in 1,000 series."""
    wanders = {
        "even": Traffic(None, 0),
        "days ± 5 %": Traffic(None, 0, 0.05),
        "weekends − 20 %": Traffic(None, 0, 0, 0.2),
    }
    for level in (0.01, 0.1, None):
        for events in (200, 3_000, 20_000, 85_000):
            for name, wander in wanders.items():
                traffic = wander._replace(level=level, events_a_day=events)
                pages, notices = false_pages(traffic, series)
                yield [traffic.name, name, f"{pages:.2f}", f"{notices:.2f}"]


def ramp_rows(series: int) -> Iterator[list[str]]:
    """Yield a row for each ramp: what it is, days until it is told and until it is paged."""
    for level in (0.01, 0.1, None):
        for growth in (0.005, 0.01, 0.02, 0.03):
            for wander in (0.0, 0.05):
                traffic = Traffic(level, 20_000, wander=wander, growth=growth)
                told, paged = delays(traffic, series)
                yield [traffic.name, f"+{growth:.1%} a day", f"± {wander:.0%}", f"{told:g}", f"{paged:g}"]


TABLES = {
    "null": (null_rows, ["traffic", "wander", "pages", "notices"]),
    "ramp": (ramp_rows, ["traffic", "ramp", "days", "told after", "paged after"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pins", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*TABLES, []], help="null, ramp; by default both")
    parser.add_argument("--series", type=int, help="default: 5,000 for null, 200 for ramp")
    asked = parser.parse_args()
    for name in asked.what or TABLES:
        rows, columns = TABLES[name]
        print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")  # noqa: T201
        for row in rows(asked.series or (5000 if name == "null" else 200)):
            print(f"| {' | '.join(row)} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
