"""Embeddings on real queries, and what everything costs."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from bench import hotelling

from scorecard import ours, rivals
from scorecard.ours import LENGTH, RATE, Kind
from scorecard.section import Goal, Job, Row, Section, Size
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
    found = [hotelling.delay(change, seed, 10_000, math.log(1e4)) for seed in range(size.streams // 2)]
    delay = mean_of([min(each, float(hotelling.ALARM_LIMIT)) for each in found])
    return [Row([name, str(delay), f"{sum(map(math.isinf, found))} of {len(found)}"], {"delay": delay})]


# -- cost -------------------------------------------------------------------------------------------------------------

_ROUNDS = 5
_MANY = 100_000  # series


def _cost(size: Size) -> Section:
    jobs: list[Job] = [partial(_our_cost, name, size) for name in _OURS]
    jobs += [] if size.quick else [_many_series]
    jobs += [partial(_rival_cost, name) for name, rival in rivals.RIVALS.items() if not (size.quick and rival.slow > 1)]
    return Section(
        "cost",
        "Speed and memory",
        "CPU time, the median of five rounds with lowest and highest. Ours is fed windows of 1,000 series with 20 or "
        f"100 events each, and windows of {_MANY:,} series with 20; the others event by event. Bytes: the arrays of "
        "one series; the pickled state of one detector after 10,000 events. KSWIN with the p-values of its test "
        "remembered: without, it takes ten times as long.",
        ("detector", "ns an event", "bytes a series", "a window"),
        jobs,
        _cost_goals,
    )


def _cost_goals(rows: Sequence[Row]) -> list[Goal]:
    rate = next(row for row in rows if row.cells[0].startswith("ours, rates, 100"))
    goals = [
        Goal("ns an update, batched over 1,000 rate series, 100 events a window", 100.0, rate.data["ns"]),
        Goal("bytes a rate series", 200.0, rate.data["bytes"]),
    ]
    for row in rows:
        if "window" in row.data:
            goals.append(Goal(f"seconds to close a window of {_MANY:,} rate series", 1.0, row.data["window"]))
            goals.append(Goal(f"GB of state, {_MANY:,} rate series", 1.0, row.data["bytes"].scaled(_MANY / 1e9)))
    return goals


class Fed(NamedTuple):
    """A detector of ours, and windows of so many events that it is fed."""

    kind: Kind
    traffic: RateTraffic | LengthTraffic
    events: int


_OURS = {
    "ours, rates, 20 events a window": Fed(Kind(ours.rates, RATE), RateTraffic(0.02), 20),
    "ours, rates, 100 events a window": Fed(Kind(ours.rates, RATE), RateTraffic(0.02), 100),
    "ours, lengths, 20 events a window": Fed(Kind(ours.lengths, LENGTH), LengthTraffic(), 20),
    "ours, lengths, 100 events a window": Fed(Kind(ours.lengths, LENGTH), LengthTraffic(), 100),
}


def _our_cost(name: str, size: Size) -> list[Row]:
    return [_fed_row(name, _OURS[name], 1000 if not size.quick else 100, 10)]


def _many_series() -> list[Row]:
    row = _fed_row(f"ours, rates, {_MANY:,} series", Fed(Kind(ours.rates, RATE), RateTraffic(0.02), 20), _MANY, 1)
    window = row.data["ns"].scaled(20 * _MANY / 1e9)
    return [Row([*row.cells[:-1], f"{window} s"], {**row.data, "window": window})]


def _fed_row(name: str, fed: Fed, series: int, each: int) -> Row:
    """Return what it costs once a baseline is known; a round has `each` windows."""
    detector, rng = fed.kind.make(fed.kind.told), np.random.default_rng(27)
    watch, taken = ours.Watch(detector, Share(1 / series), series), []
    windows = [ours.summed(*fed.traffic.draw(rng, 0.0, fed.events, series)) for _ in range(10)]
    for number in range(2000 // fed.events + each * _ROUNDS):
        summary = windows[number % len(windows)]
        began = time.process_time()
        watch.alarms(number * 10.0, 10.0, summary)
        taken.append((time.process_time() - began) / float(summary.events.sum()) * 1e9)
    rounds = np.array(taken[-each * _ROUNDS :]).reshape(_ROUNDS, -1).mean(axis=1)
    cost = Measured(*(float(part) for part in (np.median(rounds), rounds.min(), rounds.max())))
    held = state_bytes(detector.snapshot()) / series
    data = {"ns": cost, "bytes": Measured(held, held, held)}
    return Row([name, str(cost), f"{held:,.0f}", f"{cost.scaled(fed.events * series / 1e6)} ms"], data)


def state_bytes(state: object) -> int:
    """Return the bytes of all arrays in a snapshot but the index of series by number (8 kB a group)."""
    if isinstance(state, np.ndarray):
        return int(state.nbytes)
    if not isinstance(state, dict):
        return 0
    return sum(state_bytes(part) for name, part in state.items() if name != "_rows")


def _rival_cost(name: str) -> list[Row]:
    rival, events = rivals.RIVALS[name], np.random.default_rng(28).binomial(1, 0.02, 10_000).tolist()
    detect, taken = rival.make(rival.default or 20.0), []
    for first in range(0, len(events), len(events) // _ROUNDS):
        part = events[first : first + len(events) // _ROUNDS]
        began = time.process_time()
        for event in part:
            detect(event)
        taken.append((time.process_time() - began) / len(part) * 1e9)
    cost = Measured(float(np.median(taken)), min(taken), max(taken))
    return [Row([name, str(cost), _pickled(detect), "–"])]


def _pickled(detect: rivals.Detect) -> str:
    inner = getattr(detect, "__closure__", None)
    held = inner[0].cell_contents if inner else detect
    try:
        return f"{len(pickle.dumps(held)):,}"
    except (TypeError, AttributeError, pickle.PicklingError):
        return "–"
