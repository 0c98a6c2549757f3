"""Changes of which is known who moved: one service's calls with embedded inputs, drawn by a seeded sampler.

Calls belong to operations, whose questions are about topics; a level depends on the topic, on the operation and on what
answers. Then the model moves (levels of all topics, or of one), the users do (shares of topics in every operation, or a
topic never asked before), or the mix does (shares of operations).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from alert_samples import series, verdict
from numpy.typing import NDArray

from undertow.drift.catalogue import Catalogue
from undertow.drift.causes import Question
from undertow.drift.inquiry import Inquiry
from undertow.drift.ledger import Ledger
from undertow.drift.newcomers import Newcomers
from undertow.drift.segments import Group
from undertow.drift.topics import Asked, Topics
from undertow.drift.versions import Versions
from undertow.drift.windows import Windows

__all__ = ["MOVERS", "Moved", "moved"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOVERS = ("users", "model", "mix")
CHANGED = 3 * 3600.0
COORDINATES, WINDOW = 256, 10.0
OPERATIONS, TOPICS = 3, 6
STEP = {"refusal_rate": 1.4, "output_length": 0.9}  # log odds, log
GROWTH = 0.35


class Moved(NamedTuple):
    """A draw: who moved, and what is known of it."""

    mover: str
    question: Question


class _World(NamedTuple):
    """Where topics lie, their shares in each operation, and levels on the link scale."""

    directions: Floats
    noise: float
    shares: Floats  # (operations, topics)
    traffic: Floats  # (operations,)
    levels: Floats  # (operations, topics)


def moved(seed: int, mover: str | None = None) -> Moved:
    """Draw a change."""
    rng = np.random.default_rng([seed, 34])
    mover = mover or str(rng.choice(MOVERS))
    metric = str(rng.choice(list(STEP)))
    before, after = _changed(rng, _world(rng, metric), mover, STEP[metric] * float(rng.choice([-1, 1])))
    calls = int(rng.uniform(800, 3000))
    seconds = calls / float(rng.uniform(0.8, 2.0))
    first, then = _calls(rng, before, int(CHANGED)), _calls(rng, after, calls)
    times = np.r_[np.arange(int(CHANGED)), CHANGED + np.sort(rng.uniform(0, seconds, calls))].astype(np.float64)
    operations, levels = np.r_[first[0], then[0]], np.r_[first[1], then[1]]
    vectors = np.concatenate([first[2], then[2]])
    values = _measured(rng, metric, levels)
    return Moved(mover, _asked(metric, times, operations, values, vectors))


def _world(rng: np.random.Generator, metric: str) -> _World:
    directions = rng.standard_normal((TOPICS + 1, COORDINATES))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    base = -3.0 if metric == "refusal_rate" else 5.0
    levels = base + rng.normal(0, 0.5, TOPICS + 1)[None, :] + rng.normal(0, 0.5, OPERATIONS)[:, None]
    shares = np.c_[rng.dirichlet(np.full(TOPICS, 3.0), OPERATIONS), np.zeros(OPERATIONS)]
    return _World(directions, float(rng.uniform(0.02, 0.05)), shares, rng.dirichlet(np.full(OPERATIONS, 4.0)), levels)


def _changed(rng: np.random.Generator, world: _World, mover: str, step: float) -> tuple[_World, _World]:
    """Return the world before and after: by what moves, levels are a step further, or shares of what is unlike."""
    levels = world.levels.copy()
    if mover == "model":
        everywhere = rng.random() < 0.7
        levels[:, slice(None) if everywhere else int(world.shares.sum(axis=0).argmax())] += step
        return world, world._replace(levels=levels)
    if mover == "users":
        topic = TOPICS if rng.random() < 0.4 else int(rng.integers(TOPICS))  # the last is one never asked before
        levels[:, topic] += step
        world = world._replace(levels=levels)
        return world, world._replace(shares=_grown(world.shares.T, topic).T)
    operation = int(rng.integers(OPERATIONS))
    levels[operation] += step
    world = world._replace(levels=levels)
    return world, world._replace(traffic=_grown(world.traffic, operation))


def _grown(shares: Floats, row: int) -> Floats:
    """Return shares of which one has grown at the cost of all."""
    grown: Floats = shares * (1 - GROWTH)
    grown[row] += GROWTH
    return grown


def _calls(rng: np.random.Generator, world: _World, count: int) -> tuple[Ints, Floats, NDArray[np.int16]]:
    operations = rng.choice(OPERATIONS, count, p=world.traffic)
    draws = rng.random(count)[:, None]
    topics = (world.shares[operations].cumsum(axis=1) < draws).sum(axis=1).clip(0, TOPICS)
    vectors = world.directions[topics] + world.noise * rng.standard_normal((count, COORDINATES))
    vectors *= 4096 / np.linalg.norm(vectors, axis=1, keepdims=True)
    return operations, world.levels[operations, topics], np.rint(vectors).astype(np.int16)


def _measured(rng: np.random.Generator, metric: str, levels: Floats) -> Floats:
    if metric == "output_length":
        lengths: Floats = np.exp(levels + rng.normal(0, 0.6, len(levels)))
        return lengths
    hits: Floats = (rng.random(len(levels)) < 1 / (1 + np.exp(-levels))).astype(np.float64)
    return hits


def _asked(metric: str, times: Floats, operations: Ints, measured: Floats, vectors: NDArray[np.int16]) -> Question:
    """Return the question as a process would put it together that has seen these calls."""
    catalogue = Catalogue()
    groups = [Group("s", ""), *(Group("s", "", (("operation", str(number)),)) for number in range(OPERATIONS))]
    ledger, topics, windows = Ledger(catalogue), Topics(catalogue), Windows(catalogue, WINDOW, 0.0)
    values = np.full((len(times), len(catalogue.columns)), np.nan)
    values[:, catalogue.columns[metric]] = measured
    windows.add(times, np.c_[np.zeros(len(times), np.int64), operations + 1].astype(np.int32), values)
    starts, order = windows.starts(times), np.random.default_rng(1).permutation(len(times)).tolist()
    for row, start in enumerate(starts.tolist()):
        topics.observe(start, Asked(("s", ""), order[row], values[row], vectors[row], None))
    for window in windows.close(everything=True):
        ledger.observe(window)
        topics.advance(window.end)
    inquiry = Inquiry(groups, ledger, Newcomers([]), Versions(), topics)
    detected = float(times[-1]) // WINDOW * WINDOW + WINDOW
    around: dict[str, Any] = {"changed": CHANGED, "changed_from": CHANGED - 30, "changed_to": CHANGED + 30}
    return inquiry.question(verdict(series(metric, "s", ""), at=detected, **around))
