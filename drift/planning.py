"""How small a change a detector finds, and how soon: its own rule, followed along the mean path after a change.

Nothing is simulated. A family says what an average block of changed traffic would gain (`Prospects.rises`, `.falls`,
computed by the likelihood that judges live traffic); here the Shiryaev–Roberts recursion R ← (R + m)·e^gain is
followed from the level at which R stands while nothing happens, until ln Σ w_k R_k reaches the threshold ln(N/b). While
the change lasts the baseline learns it: after n events c = (n − n₀/3)/(n₀ + n) of the n₀ + n that it rests on are of
the new level, so that only 1 − c of the shift is left to be seen; what creeps in this way may never be found. Half of
all changes or a little more are found within the delay that is told here (41 to 95 % in sixteen cases, the fewest with
a baseline of 1,000 events): `python -m tests.bench.plan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from undertow.drift.budget import WEEK
from undertow.drift.statistics.proportions import Floats

__all__ = ["SHIFTS", "Prospects", "chosen", "delays", "events_within", "smallest"]

SHIFTS: Floats = np.geomspace(0.02, 12.0, 80)  # sizes of change that are tried, link scale (log odds, log value)
_STEPS = 40  # times, geometric, at which the path is looked at
_LONGEST_WEEKS = 4.0
_LAG = 1 / 3  # of the baseline's events may follow a change before the first of them is learned
_FLAT = 1e-9  # gain of a block that counts as none
_OWN_EVIDENCE = float(np.log(100.0))
_CHUNK = 128  # series at a time

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Prospects:
    """What decides how small a change is found; struct of arrays over series, all of one detector.

    Parameters
    ----------
    series
        Their numbers.
    level
        The learned level on the link scale.
    weekly, learned, block
        Events a week, events that the baseline rests on, and events after which evidence is added up.
    limits
        The threshold ln(N/b).
    up, down
        How far the benign band reaches, link scale.
    page_from, harm_up, harm_down
        Smallest shift worth a page (link scale), and whether a rise and a fall are worth one at all.
    wander, season, margin
        Of which parts the band may consist, link scale: day-to-day wander as it was measured, the daily cycle while it
        is not known, and what so young a baseline leaves open.
    at_rest, rises, falls
        Expected log-likelihood ratios (components, series) of a block while nothing happens, and (components, series,
        shifts) after the level has moved by each of `SHIFTS`.
    log_weights
        Of the components.
    read_within
        Whether a block in which less happens than usual is read before it is full.
    """

    series: Ints
    level: Floats
    weekly: Floats
    learned: Floats
    block: Floats
    limits: Floats
    up: Floats
    down: Floats
    page_from: Floats
    harm_up: Bools
    harm_down: Bools
    wander: Floats
    season: Floats
    margin: Floats
    at_rest: Floats = field(repr=False)
    rises: Floats = field(repr=False)
    falls: Floats = field(repr=False)
    log_weights: Floats = field(repr=False)
    read_within: bool


def delays(of: Prospects, *, rise: bool, budgets: Sequence[float] = (1.0,), traffic: float = 1.0) -> Floats:
    """Return the events (budgets, series, shifts) from a change to its detection; infinite where none comes.

    Parameters
    ----------
    rise
        Whether the level rises or falls by each of `SHIFTS`.
    budgets, traffic
        Times the budget and times the traffic that there are; more traffic is more history, too.

    Examples
    --------
    A statistic that gains 0.1 an event needs about ln(N/b)/0.1 of them:

    >>> one, gains = np.ones(1), np.full((1, 1, len(SHIFTS)), 5.0)
    >>> known = [np.array([0]), one, 2e4 * one, 1e9 * one, 50 * one, 14 * one, one, one, one]
    >>> of = Prospects(
    ...     *known, harm_up=one > 0, harm_down=one > 0, wander=one, season=one, margin=one,
    ...     at_rest=np.full((1, 1), -5.0), rises=gains, falls=gains, log_weights=np.zeros(1), read_within=True)
    >>> round(float(delays(of, rise=True)[0, 0, 0]))
    101
    """
    rows = len(of.series)
    parts = [_delays(of, slice(at, at + _CHUNK), rise, np.asarray(budgets), traffic) for at in range(0, rows, _CHUNK)]
    return np.concatenate(parts, axis=1) if parts else np.zeros((len(budgets), 0, len(SHIFTS)))


def smallest(needed: Floats, events: Floats) -> Floats:
    """Return the smallest shift (series,) whose delay is at most so many events (series,); infinite if there is none.

    Examples
    --------
    >>> needed = np.where(SHIFTS < 1, np.inf, 50 / SHIFTS)[None]
    >>> smallest(needed, np.array([10.0])).round(1), smallest(needed, np.array([1.0]))
    (array([5.]), array([inf]))
    """
    enough = np.minimum.accumulate(needed, axis=1) <= events[:, None]
    first = enough.argmax(axis=1)
    at, before = np.arange(len(needed)), np.maximum(first - 1, 0)
    late, soon = needed[at, before], needed[at, first]
    exact = np.isfinite(late) & (late > soon)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(exact, np.log(late / events) / np.log(late / np.where(exact, soon, 1.0)), 1.0)
    size = SHIFTS[before] * (SHIFTS[first] / SHIFTS[before]) ** part
    return np.where(enough.any(axis=1), size, np.inf)


def chosen(of: Prospects, rows: Bools) -> Prospects:
    """Return the prospects of some of the series."""
    by_component = {"at_rest", "rises", "falls"}
    parts = {
        name: values[:, rows] if name in by_component else values[rows]
        for name, values in vars(of).items()
        if name not in {"log_weights", "read_within"}
    }
    return replace(of, **parts)


def events_within(of: Prospects, seconds: Sequence[float], traffic: float = 1.0) -> Floats:
    """Return the events (series, horizons) of so many seconds of average traffic."""
    within: Floats = of.weekly[:, None] * traffic * np.asarray(seconds) / WEEK
    return within


def _delays(of: Prospects, part: slice, rise: bool, budgets: Floats, traffic: float) -> Floats:
    block, learned = of.block[part, None], of.learned[part, None] * traffic
    limits = of.limits[part, None] + np.log(traffic / budgets)[:, None, None]
    table = (of.rises if rise else of.falls)[:, part]
    last = np.maximum(of.weekly[part, None] * traffic * _LONGEST_WEEKS, 2.0)
    times = last ** np.linspace(0, 1, _STEPS)  # (series, steps), from one event on
    standing = np.repeat(_at_rest(of.at_rest[:, part], block[:, 0], learned[:, 0])[:, :, None], len(SHIFTS), axis=2)
    own = np.zeros_like(standing)
    before, began = np.full(standing.shape[1:], -np.inf), np.zeros_like(block)
    found = np.full((len(budgets), *before.shape), np.inf)
    for step in range(_STEPS):
        now = times[:, [step]]
        gain = _gains(table, _part_unlearned((began + now) / 2, learned))
        closed = (np.maximum(now - block, 0) - np.maximum(began - block, 0)) / block
        standing, own = _advanced(standing, own, gain, closed, np.log(block))
        filled = np.minimum(now / block, 1.0)
        read = gain * (filled if rise or of.read_within else np.floor(filled))
        statistic = _mixed(np.logaddexp(standing, np.log(block)) + read, of.log_weights)
        own_evidence = (np.maximum(own, 0) + read).max(axis=0)
        reached = (statistic >= limits) & (own_evidence >= _OWN_EVIDENCE) & np.isinf(found)
        found = np.where(reached, _between(began, now, before, statistic, limits), found)
        before, began = statistic, now
    return found


def _at_rest(gains: Floats, block: Floats, learned: Floats) -> Floats:
    """Return ln R where the recursion R ← (R + m)·e^gain stands still, or as far as it has come by now."""
    most = np.maximum(learned / block, 1.0)
    fall = np.maximum(-gains, 1 / most)
    rest: Floats = np.log(block) - np.log(np.expm1(fall))
    return rest


def _part_unlearned(events: Floats, learned: Floats) -> Floats:
    """Return which part of a shift is left to be seen when `events` have followed it."""
    return 1 - np.maximum(events - learned * _LAG, 0) / (learned + events)


def _gains(table: Floats, seen: Floats) -> Floats:
    """Return the gains (components, series, shifts) at each shift times `seen` (series, 1): interpolated."""
    place = np.arange(len(SHIFTS)) + np.log(seen) / np.log(SHIFTS[1] / SHIFTS[0])
    place = np.clip(place, 0, len(SHIFTS) - 1)
    low = np.minimum(place.astype(np.int64), len(SHIFTS) - 2)
    rows = np.arange(table.shape[1])[:, None]
    gains: Floats = table[:, rows, low] * (1 - place + low) + table[:, rows, low + 1] * (place - low)
    return gains


def _advanced(standing: Floats, own: Floats, gain: Floats, blocks: Floats, log_block: Floats) -> tuple[Floats, Floats]:
    """Return ln R and G after so many blocks (a real number), each of which is credited and then gains."""
    size = np.maximum(abs(gain), _FLAT)
    gained = blocks * gain
    with np.errstate(divide="ignore"):
        sums = np.log(np.expm1(-blocks * size) / np.expm1(-size))
    credit = log_block + sums + np.where(gain > 0, gained, gain)
    return np.logaddexp(standing + gained, credit), np.maximum(own, 0) + gained


def _mixed(evidence: Floats, log_weights: Floats) -> Floats:
    """Return ln Σ w_k R_k over the components, which come first."""
    weighted = evidence + log_weights[:, None, None]
    highest: Floats = weighted.max(axis=0)
    mixed: Floats = highest + np.log(np.exp(weighted - highest).sum(axis=0))
    return mixed


def _between(began: Floats, now: Floats, before: Floats, statistic: Floats, limits: Floats) -> Floats:
    """Return when, between two looks, the statistic reached its limit: along a straight line."""
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(np.isfinite(before) & (before < limits), (limits - before) / (statistic - before), 0.0)
    return began + (now - began) * part
