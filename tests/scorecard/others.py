"""Embeddings on real queries, and what everything costs."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
from bench import hotelling

from scorecard import ours, rivals
from scorecard.ours import LENGTH, RATE, Kind
from scorecard.section import Goal, Row, Section, Size
from scorecard.traffic import LengthTraffic, RateTraffic
from scorecard.yardstick import Measured, mean_of
from undertow.drift.budget import Share

__all__ = ["sections"]

EMBEDDED = {
    "a new domain takes 30 %": 120.0,
    "a new domain takes 10 %": 1200.0,
    "a domain of 20 % gains 30 %": 60.0,
    "a domain of 20 % gains 10 %": 500.0,
}


def sections(size: Size) -> list[Section]:
    return [*([] if size.quick else [_embeddings(size)]), _cost(size)]


# -- embeddings -------------------------------------------------------------------------------------------------------


def _embeddings(size: Size) -> Section:
    return Section(
        "embeddings",
        "Embeddings: delay at a run length of 10,000",
        "CLINC150's queries with the table that ships, 10,000 events known, independent by construction; a miss "
        "counts as "
        f"{hotelling.ALARM_LIMIT:,} events. The goals were set on another corpus and a larger embedder. More of it, "
        "and the "
        "same for categories: `python -m tests.bench.hotelling`, `python -m tests.bench.multinomial`.",
        ("change", "mean events", "missed"),
        [partial(_embedding_row, name, size) for name in EMBEDDED],
        lambda rows: [
            Goal(f"embeddings, {row.cells[0]}: events", EMBEDDED[row.cells[0]], row.data["delay"]) for row in rows
        ],
    )


def _embedding_row(name: str, size: Size) -> list[Row]:
    change = next(change for change in hotelling.CHANGES if change.name == name)
    found = [hotelling.delay(change, seed, 10_000, math.log(1e4)) for seed in range(size.streams)]
    delay = mean_of([min(each, float(hotelling.ALARM_LIMIT)) for each in found])
    return [Row([name, str(delay), f"{sum(map(math.isinf, found))} of {len(found)}"], {"delay": delay})]


# -- cost -------------------------------------------------------------------------------------------------------------

_ROUNDS = 5


def _cost(size: Size) -> Section:
    jobs = [partial(_our_cost, name, size) for name in _OURS]
    jobs += [partial(_river_cost, name) for name in rivals.RIVALS if not (size.quick and rivals.RIVALS[name].slow)]
    return Section(
        "cost",
        "Speed and memory",
        "CPU time, the median of five rounds with lowest and highest. Ours is fed windows of 1,000 series with 20 or "
        "100 "
        "events each; the others event by event. Bytes: the arrays of one series; the pickled state of one detector "
        "after "
        "10,000 events.",
        ("detector", "ns an event", "bytes a series"),
        jobs,
        _cost_goals,
    )


def _cost_goals(rows: Sequence[Row]) -> list[Goal]:
    rate = next(row for row in rows if row.cells[0].startswith("ours, rates, 100"))
    return [
        Goal("ns an update, batched over 1,000 rate series, 100 events a window", 100.0, rate.data["ns"]),
        Goal(
            "bytes a rate series",
            200.0,
            rate.data["bytes"],
            "a series keeps 24 slots of its past (for the change time and for what waits to be learned), 24 hours of "
            "profile and its clustering, beside the statistic itself",
        ),
    ]


_OURS = {
    "ours, rates, 20 events a window": (Kind(ours.rates, RATE), RateTraffic(0.02), 20),
    "ours, rates, 100 events a window": (Kind(ours.rates, RATE), RateTraffic(0.02), 100),
    "ours, lengths, 20 events a window": (Kind(ours.gaussian, LENGTH), LengthTraffic(), 20),
    "ours, lengths, 100 events a window": (Kind(ours.gaussian, LENGTH), LengthTraffic(), 100),
}


def _our_cost(name: str, size: Size) -> list[Row]:
    (kind, traffic, events), series = _OURS[name], 1000 if not size.quick else 100
    detector, rng = kind.make(kind.told), np.random.default_rng(27)
    watch, taken = ours.Watch(detector, Share(1 / series), series), []
    windows = [traffic.draw(rng, 0.0, events, series) for _ in range(10)]
    for number in range(2000 // events + 10 * _ROUNDS):
        shown = windows[number % len(windows)]
        sums = ours.summed(*shown)
        began = time.process_time()
        watch.summaries(number * 10.0, 10.0, *sums)
        taken.append((time.process_time() - began) / float(shown[0].sum()) * 1e9)
    rounds = np.array(taken[-10 * _ROUNDS :]).reshape(_ROUNDS, -1).mean(axis=1)
    cost = Measured(*(float(part) for part in (np.median(rounds), rounds.min(), rounds.max())))
    size_of = state_bytes(detector.snapshot()) / series
    data = {"ns": cost, "bytes": Measured(size_of, size_of, size_of)}
    return [Row([name, str(cost), f"{size_of:,.0f}"], data)]


def state_bytes(state: object) -> int:
    """Return the bytes of all arrays in a snapshot but the index of series by number (8 kB a group)."""
    if isinstance(state, np.ndarray):
        return int(state.nbytes)
    if not isinstance(state, dict):
        return 0
    return sum(state_bytes(part) for name, part in state.items() if name != "_rows")


def _river_cost(name: str) -> list[Row]:
    rival, events = rivals.RIVALS[name], np.random.default_rng(28).binomial(1, 0.02, 10_000).tolist()
    try:
        detect = rival.make(rival.default or 20.0)
    except ModuleNotFoundError:
        return [Row([f"{name}, not installed", "–", "–"])]
    taken = []
    for first in range(0, len(events), len(events) // _ROUNDS):
        part = events[first : first + len(events) // _ROUNDS]
        began = time.process_time()
        for event in part:
            detect(event)
        taken.append((time.process_time() - began) / len(part) * 1e9)
    cost = Measured(float(np.median(taken)), min(taken), max(taken))
    return [Row([name, str(cost), _pickled(detect)])]


def _pickled(detect: rivals.Detect) -> str:
    inner = getattr(detect, "__closure__", None)
    held = inner[0].cell_contents if inner else detect
    try:
        return f"{len(pickle.dumps(held)):,}"
    except (TypeError, AttributeError, pickle.PicklingError):
        return "–"
