"""What else there is, event by event: river's detectors, FOCuS, a z-test, and the optimum that knows both levels.

One knob of each is turned until the run length is the wanted one: `python -m tests.scorecard tune` searches by
simulation and writes tuned.json; the scorecard measures with other seeds what it has got.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from river import drift

from scorecard.ours import Delays
from scorecard.yardstick import Change, Measured, mean_of, run_length_of, share_of

__all__ = ["RIVALS", "Rival", "delays", "key", "oracle", "pages", "remember", "run_length", "tune", "tuned"]

Detect = Callable[[float], bool]  # takes an event, says whether it alarms
_TUNED = Path(__file__).with_name("tuned.json")
_CAP = 20_000


class Rival(NamedTuple):
    """A detector with one knob: the higher, the fewer alarms."""

    name: str
    make: Callable[[float], Detect]
    default: float | None  # of the knob, as its authors ship it
    range: tuple[float, float]  # in which the knob is searched
    slow: bool = False


def _river(make: Callable[[float], Any]) -> Callable[[float], Detect]:
    def made(knob: float) -> Detect:
        detector = make(knob)

        def detect(x: float) -> bool:
            detector.update(x)
            return bool(detector.drift_detected)

        return detect

    return made


def _focus(knob: float) -> Detect:
    from changepoint_online import Bernoulli, Focus

    detector = Focus(Bernoulli())

    def detect(x: float) -> bool:
        nonlocal detector
        detector.update(x)
        fired = bool(detector.statistic() >= knob)
        if fired:
            detector = Focus(Bernoulli())
        return fired

    return detect


class _ZTest:
    """Compares each hundred events with all that came before them."""

    def __init__(self, knob: float) -> None:
        self._knob, self._past, self._block = knob, [0.0, 0.0], [0.0, 0.0]

    def __call__(self, x: float) -> bool:
        self._block[0] += 1
        self._block[1] += x
        if self._block[0] < 100:
            return False
        (n, hits), (seen, before) = self._block, self._past
        self._block, self._past = [0.0, 0.0], [seen + n, before + hits]
        level = (before + 0.5) / (seen + 1)
        return seen >= 1000 and abs(hits - n * level) > self._knob * math.sqrt(n * level * (1 - level))


def _eddm(knob: float) -> Any:
    return drift.binary.EDDM(alpha=1.0, beta=math.exp(-knob))


RIVALS = {
    rival.name: rival
    for rival in (
        Rival("ADWIN", _river(lambda h: drift.ADWIN(delta=math.exp(-h))), -math.log(0.002), (0.01, 30)),
        Rival("PageHinkley", _river(lambda h: drift.PageHinkley(threshold=h)), 50.0, (0.5, 500)),
        Rival("KSWIN", _river(lambda h: drift.KSWIN(alpha=math.exp(-h), seed=1)), -math.log(0.005), (1, 60), slow=True),
        Rival("DDM", _river(lambda h: drift.binary.DDM(drift_threshold=h)), 3.0, (1, 100)),
        Rival("EDDM", _river(_eddm), -math.log(0.9), (0.001, 10)),
        Rival(
            "HDDM_A",
            _river(lambda h: drift.binary.HDDMA(drift_confidence=math.exp(-h), two_sided_test=True)),
            -math.log(0.001),
            (0.01, 60),
        ),
        Rival(
            "HDDM_W",
            _river(lambda h: drift.binary.HDDMW(drift_confidence=math.exp(-h), two_sided_test=True)),
            -math.log(0.001),
            (0.01, 60),
        ),
        Rival("FOCuS", _focus, None, (3, 40), slow=True),
        Rival("|z| of 100 events", _ZTest, 3.0, (1, 40)),
    )
}


# -- run length and delay ---------------------------------------------------------------------------------------------


def _first(detect: Detect, events: list[int], learned: int) -> int | None:
    """Return the events after those that only teach until the first alarm; an earlier alarm is not counted."""
    for x in events[:learned]:
        detect(x)
    return next((number + 1 for number, x in enumerate(events[learned:]) if detect(x)), None)


def run_length(rival: Rival, knob: float, rate: float, nominal: float, learned: int, runs: int, seed: int) -> Measured:
    """Return the events to the first alarm where nothing changes, over `nominal`; at most 2 × nominal are seen."""
    rng, length = np.random.default_rng([31, seed]), int(2 * nominal)
    found = [_first(rival.make(knob), rng.binomial(1, rate, learned + length).tolist(), learned) for _ in range(runs)]
    exposure = sum(length if at is None else at for at in found)
    return run_length_of(exposure, sum(at is not None for at in found)).scaled(1 / nominal)


def delays(rival: Rival, knob: float, change: Change, learned: int, runs: int) -> Delays:
    """Return how long a change takes to be found; a miss counts as the cap in the mean."""
    rng, found = np.random.default_rng(32), []
    for _ in range(runs):
        before = rng.binomial(1, change.before, learned).tolist()
        after = rng.binomial(1, change.after, _CAP).tolist()
        found.append(_first(rival.make(knob), before + after, learned))
    values = [float(_CAP if at is None else at) for at in found]
    return Delays(mean_of(values), share_of(sum(at is None for at in found), runs), 0)


def pages(rival: Rival, knob: float, streams: Iterator[list[int]], learned: int) -> int:
    """Return the alarms in streams after those events that only teach."""
    count = 0
    for events in streams:
        detect = rival.make(knob)
        alarms = [detect(x) for x in events]
        count += sum(alarms[learned:])
    return count


def oracle(change: Change, nominal: float, runs: int) -> Delays:
    """Return the delays of Page's CUSUM that knows both rates, at the run length of Siegmund's formula."""
    low, high = 0.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        short = (math.exp(middle) - middle - 1) / change.divergences[0] < nominal
        low, high = (middle, high) if short else (low, middle)
    hit, miss = math.log(change.after / change.before), math.log((1 - change.after) / (1 - change.before))
    rng, score, found = np.random.default_rng(33), np.zeros(runs), np.full(runs, float(_CAP))
    for at in range(-2000, _CAP):
        rate = change.before if at < 0 else change.after
        score = np.maximum(score + np.where(rng.random(runs) < rate, hit, miss), 0)
        score[score >= high] *= at >= 0  # before the change it begins anew
        found = np.where((score >= high) & (found == _CAP), at + 1, found)
        if at >= 0 and found.max() < _CAP:
            break
    return Delays(mean_of(found.tolist()), share_of(int((found == _CAP).sum()), runs), 0)


# -- tuning -----------------------------------------------------------------------------------------------------------


def tune(name: str, rate: float, nominal: float, learned: int, runs: int, steps: int = 8) -> float:
    """Return the knob at which the run length is the wanted one, by bisection on its logarithm."""
    rival = RIVALS[name]
    low, high = (math.log(edge) for edge in rival.range)
    for _ in range(steps):
        middle = (low + high) / 2
        short = run_length(rival, math.exp(middle), rate, nominal, learned, runs, seed=1).value < 1
        low, high = (middle, high) if short else (low, middle)
    return math.exp((low + high) / 2)


@cache
def tuned() -> dict[str, float]:
    """Return the knobs that `tune` has found, by name, rate and run length."""
    known: dict[str, float] = json.loads(_TUNED.read_text()) if _TUNED.exists() else {}
    return known


def key(rival: Rival, rate: float, nominal: float) -> str:
    return f"{rival.name} at {rate:g}, run length {nominal:g}"


def remember(found: dict[str, float]) -> None:
    """Write the knobs, those of before included."""
    tuned.cache_clear()
    known = tuned() | {name: round(knob, 4) for name, knob in found.items()}
    _TUNED.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
